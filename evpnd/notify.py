"""Telling systemd how the daemon is (sd_notify(3)): ready, stopping, and one line of status.

Without NOTIFY_SOCKET in the environment every call does nothing and returns False. Must not know: when to say what.
"""

from __future__ import annotations

import os
import socket


def ready(status: str = "") -> bool:
    """The start is over: the kernel was read and the configuration applied."""
    return send(f"READY=1\nSTATUS={status}" if status else "READY=1")


def stopping() -> bool:
    """The end has begun."""
    return send("STOPPING=1")


def status(text: str) -> bool:
    """What `systemctl status` shows."""
    return send(f"STATUS={text}")


def send(state: str) -> bool:
    """Send one notification; whether the service manager took it. Never blocks and never fails."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return False
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sock:
            sock.sendto(state.encode(), address)
    except OSError:
        return False
    return True

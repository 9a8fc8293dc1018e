"""The other end of the control socket: one request, one reply, and every error in one line with its remedy.

Must not know: what commands there are, how results are printed.
"""

from __future__ import annotations

import errno
import grp
import json
import os
import socket
import stat
import time
from collections.abc import Mapping
from pathlib import Path

from evpnd import __version__
from evpnd.errors import EvpndError
from evpnd.requests import Filters, encode_request

TIMEOUT_S = 30.0
RETRY_S = 0.02  # before we try again to connect, while too many others wait to be accepted


def ask(path: str, command: str, filters: Filters, timeout_s: float = TIMEOUT_S) -> object:
    """The result of a command; EvpndError says what to do instead."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(timeout_s)
        _connect(sock, path, time.monotonic() + timeout_s)
        try:
            sock.sendall(encode_request(command, filters))
            with sock.makefile("rb") as stream:
                line = stream.readline()
        except TimeoutError:
            raise EvpndError(f"evpnd at {path} gave no answer in {timeout_s:g} s; its log may say why") from None
        except OSError as exc:
            raise EvpndError(f"evpnd at {path} broke off the connection ({exc.strerror}); try again") from None
    if not line.endswith(b"\n"):
        raise EvpndError(f"evpnd at {path} broke off its answer; its log may say why")
    return _result(path, command, line)


def _connect(sock: socket.socket, path: str, deadline: float) -> None:
    try:
        # A connect that has a timeout doesn't wait for the queue of a unix socket to have room (EAGAIN).
        while (error := sock.connect_ex(path)) == errno.EAGAIN and time.monotonic() < deadline:
            time.sleep(RETRY_S)
        if error:
            raise OSError(error, os.strerror(error))
    except FileNotFoundError:
        raise EvpndError(
            f"no evpnd here: {path} does not exist; start it (systemctl start evpnd), or name its socket with --socket"
        ) from None
    except ConnectionRefusedError:
        if not _is_socket(path):
            raise EvpndError(f"{path} is no socket; name evpnd's with --socket") from None
        raise EvpndError(
            f"no evpnd here: nobody listens on {path}; start it (systemctl start evpnd), or name another with --socket"
        ) from None
    except PermissionError:
        raise EvpndError(f"no permission to use {path}; {_who_may(path)}") from None
    except BlockingIOError:
        raise EvpndError(f"evpnd at {path} is too busy to answer; try again") from None
    except OSError as exc:
        raise EvpndError(f"can't use {path}: {exc.strerror or exc}; name evpnd's socket with --socket") from None


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(Path(path).stat().st_mode)
    except OSError:
        return True  # gone meanwhile: it was one


def _who_may(path: str) -> str:
    """What lets a user in: root does, and the socket's group if its mode says so."""
    try:
        found = Path(path).stat()
        group = grp.getgrgid(found.st_gid).gr_name
    except (OSError, KeyError):
        return "run evpnctl as root (sudo)"
    if found.st_mode & 0o020 and found.st_gid != 0:
        return f"run evpnctl as root (sudo), or as a member of the group {group}"
    return "run evpnctl as root (sudo), or give the socket a group of yours (control.group)"


def _result(path: str, command: str, line: bytes) -> object:
    try:
        reply = json.loads(line)
    except ValueError:
        reply = None
    if not isinstance(reply, Mapping) or "ok" not in reply:
        raise EvpndError(f"what answers on {path} is no evpnd; name evpnd's socket with --socket")
    if reply["ok"]:
        return reply.get("result")
    if reply.get("kind") == "unknown-command":
        raise EvpndError(
            f"evpnd {reply.get('version')} does not know this: {reply.get('error')}; this is evpnctl {__version__}, "
            "restart evpnd after an upgrade so that both are the same"
        )
    raise EvpndError(str(reply.get("error")))

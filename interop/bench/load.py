"""The load program: `python -m interop.bench.load ADDRESS`, a process of its own in its own namespace.

It opens a BGP session to ADDRESS and obeys one JSON object a line on stdin, answering with one on stdout. Messages are
encoded when it is told to prepare them; "send" only writes bytes. Times are of CLOCK_MONOTONIC in nanoseconds.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from typing import Any

from interop.bench import wire

_KEEPALIVE_S = 2.0  # FRR's hold time for data centres is 9 s
_RETRY_S = 0.01
_ROUTER_ID = bytes((10, 0, 0, 2))


class Load:
    """One BGP session and the blobs to send on it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._inbox = bytearray()
        self._outbox = memoryview(b"")
        self._established_ns = 0
        self._sent_ns = 0
        self._keepalive_at = 0.0
        self._blobs: dict[str, list[bytes]] = {}
        self._macs: dict[bytes, int] = {}
        self._floods: dict[bytes, int] = {}
        self._error = ""

    # What the benchmark asks for.

    def connect(self, timeout_s: float) -> dict[str, Any]:
        """Try again and again until the session is up."""
        deadline = time.monotonic() + timeout_s
        while not self._established_ns and time.monotonic() < deadline:
            if self._socket is None:
                self._try_to_connect()
            self.turn(_RETRY_S)
        return {"established_ns": self._established_ns, "error": self._error}

    def prepare(self, name: str, kind: str, **parameters: Any) -> dict[str, Any]:
        if kind == "macs":
            updates = wire.mac_updates(**parameters)
        elif kind == "floods":
            updates = wire.flood_updates(range(*parameters["vnis"]), parameters["vteps"])
        else:
            updates = [wire.end_of_rib()]
        # Whole blobs are sent as one; single messages by their number.
        self._blobs[name] = [b"".join(updates), *updates]
        return {"updates": len(updates), "octets": len(self._blobs[name][0])}

    def send(self, name: str, number: int = -1) -> dict[str, Any]:
        """Send all of a blob, or message `number` of it; the answer comes at once, with the time of the first byte."""
        while self._outbox:
            self.turn(0.1)
        if self._socket is None:
            return {"error": self._error}
        blob = memoryview(self._blobs[name][number + 1])
        start = time.monotonic_ns()
        self._outbox = blob
        self._flush()
        return {"start_ns": start}

    def drained(self) -> dict[str, Any]:
        """When the socket took the last byte of what was sent, 0 if it has not yet."""
        return {"sent_ns": 0 if self._outbox else self._sent_ns, "error": self._error}

    def heard(self) -> dict[str, Any]:
        return {"macs": len(self._macs), "floods": len(self._floods), "error": self._error}

    def heard_times(self) -> dict[str, Any]:
        """Times at which each type 2's MAC, and each type 3, was first announced to us, in order."""
        return {"macs": sorted(self._macs.values()), "floods": sorted(self._floods.values())}

    def forget(self) -> dict[str, Any]:
        self._macs.clear()
        self._floods.clear()
        return {}

    # The session.

    def _try_to_connect(self) -> None:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.settimeout(1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            made.connect((self._address, 179))
        except OSError as error:
            self._error = f"connect: {error}"
            made.close()
            return
        made.setblocking(False)
        self._socket, self._error = made, ""
        self._inbox.clear()
        self._outbox = memoryview(wire.open_message(wire.REMOTE_ASN, 180, _ROUTER_ID))
        self._flush()

    def _lost(self, why: str) -> None:
        assert self._socket is not None
        self._socket.close()
        self._socket, self._outbox, self._established_ns, self._error = None, memoryview(b""), 0, why

    def _flush(self) -> None:
        assert self._socket is not None
        try:
            while self._outbox:
                self._outbox = self._outbox[self._socket.send(self._outbox) :]
            self._sent_ns = time.monotonic_ns()
        except BlockingIOError:
            pass
        except OSError as error:
            self._lost(f"send: {error}")

    def _receive(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(1 << 20)
        except OSError as error:
            self._lost(f"receive: {error}")
            return
        if not data:
            self._lost("closed by the target")
            return
        now = time.monotonic_ns()
        self._inbox += data
        for kind, body in wire.scan_messages(self._inbox):
            if kind == wire.UPDATE:
                for route_type, value in wire.announced_routes(body):
                    if route_type == 2:
                        self._macs.setdefault(value[23:29], now)
                    elif route_type == 3:
                        self._floods.setdefault(value, now)
            elif kind == wire.OPEN:
                self._outbox = memoryview(bytes(self._outbox) + wire.message(wire.KEEPALIVE))
                self._keepalive_at = time.monotonic() + _KEEPALIVE_S
                self._flush()
            elif kind == wire.KEEPALIVE and not self._established_ns:
                self._established_ns = now
            elif kind == wire.NOTIFICATION:
                self._lost(f"notification {body[0]}/{body[1]} {body[2:].hex()}")
                return

    def turn(self, timeout_s: float, more: int | None = None) -> bool:
        """Wait for the session or for descriptor `more`; true when `more` is readable."""
        readers: list[Any] = [] if more is None else [more]
        writers = []
        if self._socket is not None:
            readers.append(self._socket)
            if self._outbox:
                writers.append(self._socket)
        readable, writable, _ = select.select(readers, writers, [], timeout_s)
        if writable:
            self._flush()
        if self._socket in readable:
            self._receive()
        if self._established_ns and not self._outbox and time.monotonic() > self._keepalive_at:
            self._outbox = memoryview(wire.message(wire.KEEPALIVE))
            self._keepalive_at = time.monotonic() + _KEEPALIVE_S
            self._flush()
        return more in readable


def main() -> None:
    load = Load(sys.argv[1])
    commands = {
        name: getattr(load, name)
        for name in ("connect", "prepare", "send", "drained", "heard", "heard_times", "forget")
    }
    source = sys.stdin.fileno()
    while True:
        if not load.turn(1.0, source):
            continue
        line = sys.stdin.readline()
        if not line:
            return
        request = json.loads(line)
        answer = commands[request.pop("command")](**request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""A pinger: ICMP echoes from inside a namespace, on a thread of its own, while others do things to the network.

Owns sending on time and telling what was lost, and for how long there was silence (RFC 792). Also the ARP announcement
that a moved host makes (RFC 5227 section 3).

Must not know: what happens meanwhile.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from itertools import pairwise

from evpnd.demo.namespaces import Namespace

_ECHO = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number
ECHO_REQUEST, ECHO_REPLY = 8, 0
ETHERTYPE_ARP = 0x0806


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def encode_echo(identifier: int, sequence: int, payload: bytes = b"evpnd demo") -> bytes:
    """An echo request."""
    head = _ECHO.pack(ECHO_REQUEST, 0, 0, identifier, sequence)
    return _ECHO.pack(ECHO_REQUEST, 0, checksum(head + payload), identifier, sequence) + payload


def decode_reply(packet: bytes, identifier: int) -> int | None:
    """The sequence number of an echo reply to `identifier`, from a whole IPv4 packet; None for all else."""
    if len(packet) < 20:
        return None
    start = (packet[0] & 15) * 4
    if len(packet) < start + _ECHO.size:
        return None
    kind, code, _, of, sequence = _ECHO.unpack_from(packet, start)
    return int(sequence) if (kind, code, of) == (ECHO_REPLY, 0, identifier) else None


class Pinger(threading.Thread):
    """Sends an echo every `interval_s` until it has sent `count` or is told to stop."""

    def __init__(self, namespace: Namespace, address: str, interval_s: float, count: int = 0) -> None:
        super().__init__(daemon=True)
        with namespace.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._address, self._interval_s, self._count = address, interval_s, count
        self._identifier = os.getpid() & 0xFFFF ^ id(self) & 0xFFFF
        self._stopped = threading.Event()
        self.sent_at: list[float] = []
        self.received_at: dict[int, float] = {}

    def run(self) -> None:
        begin = time.monotonic()
        while not self._stopped.is_set() and not 0 < self._count <= len(self.sent_at):
            sequence = len(self.sent_at)
            self.sent_at.append(time.monotonic())
            self._send(sequence)
            self._receive(begin + (sequence + 1) * self._interval_s)
        deadline = time.monotonic() + 0.5  # the last ones are still on their way
        while len(self.received_at) < len(self.sent_at) and time.monotonic() < deadline:
            self._receive(min(deadline, time.monotonic() + 0.02))
        self._socket.close()

    def _send(self, sequence: int) -> None:
        try:
            self._socket.sendto(encode_echo(self._identifier, sequence), (self._address, 0))
        except OSError:  # no route or neighbour just now: lost, like any other
            return

    def _receive(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self._socket], [], [], left)
            if ready:
                sequence = decode_reply(self._socket.recv(2048), self._identifier)
                if sequence is not None and sequence < len(self.sent_at):
                    self.received_at.setdefault(sequence, time.monotonic())

    def finish(self) -> None:
        """Stop, and wait for the last answers."""
        self._stopped.set()
        self.join()

    @property
    def lost(self) -> int:
        return len(self.sent_at) - len(self.received_at)

    def longest_silence_s(self) -> float:
        """The longest time between an answer and the next."""
        times = sorted(self.received_at.values())
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    def median_s(self) -> float:
        """The median round trip; 0 when nothing came back."""
        trips = sorted(at - self.sent_at[sequence] for sequence, at in self.received_at.items())
        return trips[len(trips) // 2] if trips else 0.0


def ping(namespace: Namespace, address: str, count: int, interval_s: float = 0.02) -> Pinger:
    """A finished Pinger that has sent `count`."""
    pinger = Pinger(namespace, address, interval_s, count)
    pinger.start()
    pinger.join()
    return pinger


def encode_announcement(mac: bytes, address: str) -> bytes:
    """A frame with a gratuitous ARP request."""
    ip = socket.inet_aton(address)
    ethernet = b"\xff" * 6 + mac + ETHERTYPE_ARP.to_bytes(2, "big")
    return ethernet + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + ip + b"\0" * 6 + ip


def announce(namespace: Namespace, device: str, mac: bytes, address: str) -> None:
    """Tell the segment where this host is now."""
    with namespace.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((device, ETHERTYPE_ARP))
        raw.send(encode_announcement(mac, address))

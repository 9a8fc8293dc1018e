"""One transport connection of a peer: its FSM's state, its timers, and the octets that are not a whole message yet.

Owns the values only; `evpnd.bgp.peer` carries the transitions out. Must not know sockets or clocks: deadlines are in
the caller's time.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from evpnd.bgp.framing import HEADER_SIZE, MAX_SIZE
from evpnd.bgp.fsm import State
from evpnd.bgp.negotiation import Negotiated
from evpnd.bgp.update import Update


class Timer(IntEnum):
    """RFC 4271 section 8.1.3; SEND_HOLD is RFC 9687's."""

    CONNECT_RETRY = 1
    HOLD = 2
    KEEPALIVE = 3
    IDLE_HOLD = 4
    SEND_HOLD = 5


class Connection:
    """An FSM of RFC 4271 section 8 and what belongs to its connection."""

    __slots__ = (
        "deadlines",
        "decode",
        "heard",
        "hold_s",
        "late",
        "limit",
        "link",
        "local_address",
        "negotiated",
        "outgoing",
        "peer_address",
        "reprieved",
        "rest",
        "sent",
        "state",
        "wanted",
    )

    def __init__(self, state: State) -> None:
        self.state = state
        self.deadlines: dict[Timer, float] = {}
        self.attach(0, outgoing=False)

    def attach(self, link: int, *, outgoing: bool, local_address: bytes = b"", peer_address: bytes = b"") -> None:
        """Begin anew on this TCP connection; 0 is none."""
        self.link = link
        self.outgoing = outgoing
        self.late = False  # made while a session had been established for long
        self.local_address = local_address
        self.peer_address = peer_address
        self.limit = MAX_SIZE
        self.negotiated: Negotiated | None = None
        self.decode: Callable[[bytes], Update] | None = None  # set while established: the hot path asks no more
        self.hold_s = 0.0
        self.heard = 0.0  # when the last KEEPALIVE or UPDATE came
        self.reprieved = -1.0  # the `heard` for which the hold timer came late once
        self.sent = 0  # octets that the transport has taken over from us
        self.rest = bytearray()
        self.wanted = HEADER_SIZE  # octets until `rest` is worth another look

    def take(self, data: bytes) -> bytes:
        """The octets to cut messages from, or nothing while the message that has begun isn't whole."""
        if not self.rest:
            return data
        self.rest += data
        if len(self.rest) < self.wanted:
            return b""
        data = bytes(self.rest)
        self.rest.clear()
        return data

    def keep(self, data: bytes) -> None:
        """Remember the beginning of a message until the rest of it comes."""
        self.rest[:] = data
        self.wanted = max(HEADER_SIZE, (data[16] << 8) | data[17]) if len(data) >= HEADER_SIZE else HEADER_SIZE

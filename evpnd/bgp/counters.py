"""What a session has counted since the daemon started, and the last errors it met in UPDATEs.

Owns the numbers only; whoever shows them reads the fields.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from evpnd.bgp.framing import KEEPALIVE, NOTIFICATION, OPEN, ROUTE_REFRESH, UPDATE
from evpnd.errors import Action, ProtocolError

ERRORS_KEPT = 16
OCTETS_KEPT = 512

MESSAGE_NAMES = {
    OPEN: "open",
    UPDATE: "update",
    NOTIFICATION: "notification",
    KEEPALIVE: "keepalive",
    ROUTE_REFRESH: "route-refresh",
}


@dataclass(frozen=True, slots=True)
class UpdateFault:
    """One UPDATE that broke a rule, as RFC 7606 section 8 asks to keep it for the operator."""

    at: float
    action: Action
    text: str
    body: bytes  # the UPDATE's first octets, behind the header
    length: int  # of the whole body


@dataclass(slots=True)
class Counters:
    """Messages by type and UPDATE errors by action."""

    received: Counter[int] = field(default_factory=Counter)
    sent: Counter[int] = field(default_factory=Counter)
    octets_received: int = 0
    octets_sent: int = 0
    errors: Counter[Action] = field(default_factory=Counter)  # UPDATEs with errors, by what they cost
    faults: deque[UpdateFault] = field(default_factory=lambda: deque(maxlen=ERRORS_KEPT))
    established: int = 0  # how often the session came up
    refused: int = 0  # connections of the peer's that were closed at once

    def fault(self, at: float, errors: Sequence[ProtocolError], body: bytes) -> None:
        """Count an UPDATE by the strongest of its errors, and keep the octets that show them."""
        action = max(error.action for error in errors)
        text = "; ".join(map(str, errors))
        self.errors[action] += 1
        self.faults.append(UpdateFault(at, action, text, body[:OCTETS_KEPT], len(body)))

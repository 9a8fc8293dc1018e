"""MAC mobility: who owns a MAC that shows up in two places (RFC 7432 section 15, RFC 9135 section 7).

Pure rules over sequence numbers; the MAC-VRF holds the state.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from evpnd.fib.mirror import LocalEntry

MAX_SEQUENCE = 0xFFFFFFFF


@dataclass(slots=True)
class LocalMac:
    """A MAC on one of our ports: where the kernel has it, and the sequence we advertise it with.

    `arrived`: it came from another VTEP while evpnd was away, and whoever advertises it still has not heard of that.
    """

    entry: LocalEntry
    sequence: int
    arrived: bool = False

    @property
    def port(self) -> int:
        """The port's ifindex."""
        return self.entry.port

    @property
    def sticky(self) -> bool:
        """Whether it may not move."""
        return self.entry.sticky


class Conflict(NamedTuple):
    """A MAC on one of our ports that a remote route keeps from being local, and whether that is sticky."""

    entry: LocalEntry
    sticky: bool


class Verdict(Enum):
    """What becomes of a local MAC that a remote PE advertises too."""

    KEEP = "keep"
    YIELD = "yield"


def sequence_after_move(remote_sequence: int | None, own_sequence: int = 0) -> int:
    """The sequence of a MAC that was learned here while a remote PE advertised it (RFC 7432 section 15).

    One higher than the remote one's, never lower than what we said of it before, and it stays at the field's end
    rather than starting from 0 again.
    """
    if remote_sequence is None:
        return own_sequence
    return min(MAX_SEQUENCE, max(remote_sequence + 1, own_sequence))


def judge(local: LocalMac, vtep: bytes, remote_sequence: int, remote_sticky: bool, remote_vtep: bytes) -> Verdict:
    """Whether a MAC that is local stays so when a remote PE advertises it.

    A sticky MAC doesn't move (RFC 7432 section 15.2; where both claim it, the ordinary rule decides). The higher
    sequence wins; with equal ones, the PE with the lowest address (RFC 7432 section 15.1).
    """
    if local.sticky != remote_sticky:
        return Verdict.KEEP if local.sticky else Verdict.YIELD
    if remote_sequence != local.sequence:
        return Verdict.YIELD if remote_sequence > local.sequence else Verdict.KEEP
    return Verdict.YIELD if remote_vtep < vtep else Verdict.KEEP

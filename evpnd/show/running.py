"""The running daemon as the show commands see it, and how to go through its long tables.

A listing is an iterator over a copy of the keys, since the world changes while a client reads; it gives the loop its
turn by None in place of a row (evpnd.requests). Must not know what any row holds.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol

from evpnd.config import Config
from evpnd.evpn.macvrf import MacVrf
from evpnd.fib.kernel import Kernel
from evpnd.requests import unknown_vni
from evpnd.speaker import Speaker

if TYPE_CHECKING:
    from evpnd.bgp.listener import Listener
    from evpnd.bgp.session import Session

Row = dict[str, Any]

SORTED_KEYS = 50_000  # a longer listing comes in the order of arrival: sorting would hold up the loop
PAUSE = 1000  # keys looked at, after which the loop has its turn, whether there was a row among them or not


class Running(Protocol):
    """What is looked at: the daemon."""

    config: Config
    kernel: Kernel
    listener: Listener | None
    sessions: dict[str, Session]
    speaker: Speaker
    started_at: float

    def now(self) -> float:
        """The clock that sessions and kernel go by, in seconds."""

    def clear(self, address: str, soft: bool) -> str:
        """Reset a session or refresh it; what was done, in words."""


def listed(keys: Collection[bytes]) -> list[bytes]:
    """A copy of the keys, in their order where that is quick."""
    return sorted(keys) if len(keys) <= SORTED_KEYS else list(keys)


def milliseconds(seconds: float | None) -> float | None:
    """A time as rows have it: not finer than it is known."""
    return None if seconds is None else round(seconds, 3)


def vrf_of(speaker: Speaker, vni: object) -> MacVrf | None:
    """The instance of a VNI, None where the VNI doesn't work; RequestError where there is no such VNI."""
    instances = speaker.instances
    if vni not in instances.vnis:
        raise unknown_vni(int(str(vni)))
    return instances.by_vni.get(int(str(vni)))

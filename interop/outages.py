"""What a break costs those who ping across it: packets lost, and the longest silence between two answers.

Owns pings that run at once while something is broken or moved, and the figures of each.

Must not know: what is broken, how.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from interop.lab import Lab
from interop.networks import Network, Ping, Pod


@dataclass(frozen=True, slots=True)
class Outage:
    who: str
    sent: int
    lost: int
    silence: float  # seconds between two answers that came one after the other, the longest

    def __str__(self) -> str:
        return f"{self.who}: lost {self.lost} of {self.sent}, longest silence {self.silence:.2f} s"


def pairs(*networks: Network) -> Iterator[tuple[Pod, Pod]]:
    """Each two pods of a VNI that are on different hosts."""
    for network in networks:
        for pod, other in itertools.combinations(network.pods, 2):
            if pod.host != other.host:
                yield pod, other


class Watched:
    """A context in which pods ping pods, all at once; afterwards it tells what each has lost."""

    def __init__(self, lab: Lab, *pods: tuple[Pod, Pod], interval: float = 0.05) -> None:
        self._lab, self._pods, self._interval = lab, pods, interval
        self._running: list[tuple[str, Ping]] = []
        self.outages: list[Outage] = []

    def __enter__(self) -> Watched:
        for pod, other in self._pods:
            node = self._lab[pod.name]
            self._lab.wait(lambda n=node, o=other: n.reaches(o.address), 15, f"{pod.name}: ping {other.address}")  # type: ignore[misc]
            self._running.append((f"{pod.name} pings {other.name}", Ping(node, other.address, interval=self._interval)))
        time.sleep(0.5)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        time.sleep(0.5)
        self.outages = [_outage(who, ping, self._interval) for who, ping in self._running]

    @property
    def worst(self) -> Outage:
        return max(self.outages, key=lambda outage: (outage.lost, outage.silence))

    def at_most(self, lost: int) -> None:
        """No ping has lost more packets than this."""
        assert self.worst.sent >= 20, f"expected at least 20 packets, seen {self.worst}"
        wrong = [str(outage) for outage in self.outages if outage.lost > lost]
        assert not wrong, "\n".join([f"expected at most {lost} packets lost, seen", *wrong])


def _outage(who: str, ping: Ping, interval: float) -> Outage:
    sent, came = ping.answers()
    numbers = sorted(came)
    gaps = [came[later] - came[earlier] for earlier, later in itertools.pairwise(numbers)]
    gaps.append((sent - numbers[-1] if numbers else sent) * interval)  # nothing came at the end
    return Outage(who, sent, sent - len(came), max(gaps))

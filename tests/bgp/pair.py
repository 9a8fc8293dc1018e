"""Two sans-IO peers joined in memory: a network whose every delivery is a step of its own, and a clock that is told.

Nothing here sleeps or opens sockets. Each TCP connection has two directions, each a queue of what is under way: the
handshake, octets, the close. Any of the queues' heads may come next, so a test can walk all orders there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from evpnd.bgp import outputs as out
from evpnd.bgp.attributes import AttributeCache
from evpnd.bgp.fsm import State
from evpnd.bgp.peer import Peer
from evpnd.bgp.peer_config import PeerConfig

LOW = PeerConfig(address="192.0.2.2", asn=65002, local_asn=65001, router_id=b"\n\0\0\1")
HIGH = PeerConfig(address="192.0.2.1", asn=65001, local_asn=65002, router_id=b"\n\0\0\2")

OPENED, REFUSED, CLOSED = "opened", "refused", "closed"


@dataclass
class Tcp:
    """One connection: `ends[0]` is the side that connected; `toward[i]` is what will reach side i."""

    ends: tuple[Side, Side]
    links: list[int]
    toward: tuple[deque[Any], deque[Any]] = field(default_factory=lambda: (deque([OPENED]), deque([OPENED])))
    closed: list[bool] = field(default_factory=lambda: [False, False])


class Side:
    """A peer, and what its owner was told."""

    def __init__(self, name: str, config: PeerConfig, uniform: Callable[[float, float], float]) -> None:
        self.name = name
        self.peer = Peer(config, AttributeCache(), uniform=uniform)
        self.news: list[Any] = []
        self.up: int | None = None
        self.reachable = True


class Pair:
    def __init__(
        self,
        left: PeerConfig = LOW,
        right: PeerConfig = HIGH,
        uniform: Callable[[float, float], float] = lambda low, high: high,
    ) -> None:
        self.now = 0.0
        self.left, self.right = Side("left", left, uniform), Side("right", right, uniform)
        self.sides = (self.left, self.right)
        self.tcps: list[Tcp] = []

    def start(self) -> None:
        for side in self.sides:
            side.peer.start(self.now)
            self.settle(side)

    # Outputs

    def settle(self, side: Side) -> None:
        """Carry out what the peer asks for; nothing is delivered by it."""
        while side.peer.outputs:
            batch, side.peer.outputs = side.peer.outputs, []
            for output in batch:
                self._perform(side, output)
        self.check(side)

    def _perform(self, side: Side, output: Any) -> None:
        if isinstance(output, out.Connect):
            other = self.right if side is self.left else self.left
            tcp = Tcp((side, other), [output.link, 0])
            self.tcps.append(tcp)
            if not other.reachable:
                tcp.toward[1].clear()
                tcp.toward[0][0] = REFUSED
        elif isinstance(output, out.Write):
            tcp, index = self.find(side, output.link)
            assert not tcp.closed[index], "written after Close"
            tcp.toward[1 - index].append(output.data)
        elif isinstance(output, out.Close):
            self.close(*self.find(side, output.link))
        else:
            if isinstance(output, out.Up):
                assert side.up is None, "two established sessions"
                side.up = output.link
            elif isinstance(output, out.Down):
                assert side.up is not None, "down without up"
                side.up = None
            side.news.append(output)

    def find(self, side: Side, link: int) -> tuple[Tcp, int]:
        for tcp in self.tcps:
            for index in (0, 1):
                if tcp.ends[index] is side and tcp.links[index] == link:
                    return tcp, index
        raise AssertionError(f"{side.name} names link {link}, which there isn't")

    def close(self, tcp: Tcp, index: int) -> None:
        if not tcp.closed[index]:
            tcp.closed[index] = True
            tcp.toward[index].clear()
            tcp.toward[1 - index].append(CLOSED)

    def check(self, side: Side) -> None:
        peer = side.peer
        assert (side.up is not None) == (peer.state is State.ESTABLISHED)
        assert peer.second is None or peer.primary.state in (State.CONNECT, *OPEN_STATES)
        for conn in (peer.primary, peer.second):
            if conn is not None and conn.state in (State.CONNECT, *OPEN_STATES):
                assert conn.link
            elif conn is not None:
                assert not conn.link
        assert (peer.problem is None) == (peer.state is State.ESTABLISHED)

    # Deliveries

    def pending(self) -> list[tuple[Tcp, int]]:
        """All that could happen next on the network, each as the connection and the side that it reaches."""
        return [(tcp, index) for tcp in self.tcps for index in (0, 1) if tcp.toward[index]]

    def deliver(self, tcp: Tcp, index: int) -> None:
        side = tcp.ends[index]
        item = tcp.toward[index].popleft()
        here, there = (side.peer.config.local_address or "", side.peer.config.address)
        if item is OPENED:
            self._open(tcp, index, here.encode(), there.encode())
        elif tcp.closed[index]:
            pass
        elif item in (CLOSED, REFUSED):
            text = "the peer closed the connection" if item is CLOSED else "connection refused"
            side.peer.failed(tcp.links[index], text, self.now)
            self.close(tcp, index)
            tcp.closed[1 - index] |= item is REFUSED
        else:
            side.peer.received(tcp.links[index], item, self.now)
        self.settle(side)

    def _open(self, tcp: Tcp, index: int, here: bytes, there: bytes) -> None:
        peer = tcp.ends[index].peer
        if index == 0:
            peer.connected(tcp.links[0], here, there, self.now)
        else:
            tcp.links[1] = peer.accepted(here, there, self.now)

    def flush(self) -> None:
        """Deliver everything, first come first."""
        while pending := self.pending():
            self.deliver(*pending[0])
        self.tcps = [tcp for tcp in self.tcps if not all(tcp.closed)]

    # Time

    def advance(self, seconds: float) -> None:
        """Let time pass: timers fire when they are due, deliveries take none."""
        end = self.now + seconds
        self.flush()
        while (at := min(side.peer.deadline for side in self.sides)) <= end:
            self.now = max(self.now, at)
            for side in self.sides:
                side.peer.tick(self.now)
                self.settle(side)
            self.flush()
        self.now = end

    @property
    def established(self) -> bool:
        return all(side.up is not None for side in self.sides)


OPEN_STATES = (State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED)


def passive(config: PeerConfig) -> PeerConfig:
    return replace(config, passive=True)

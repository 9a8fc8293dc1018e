"""Labs: a topology brought up in namespaces of this machine, looked at, and taken down without a trace.

Owns starting and ending, in which order, links, and waiting for what a test expects, with the nodes' logs when it does
not come. A lab that containerlab has deployed is only looked at. `python -m interop.lab` is interop.develop.

Must not know: what the daemons' configurations say.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TypeVar

from interop.container import DockerContainer
from interop.kinds import KINDS, LabNode, Vtep
from interop.topology import Topology

T = TypeVar("T")


class LabError(AssertionError):
    """What was waited for did not come; the text tells what was seen instead."""


_PASSING = (AssertionError, RuntimeError, LookupError, ValueError, OSError, subprocess.TimeoutExpired)


def wait_until(
    check: Callable[[], T],
    timeout: float,
    what: str = "",
    *,
    interval: float = 0.05,
    seen: Callable[[], object] | None = None,
) -> T:
    """The first true value of check(); while it fails it may also raise. The error ends with the last state seen: what
    seen() tells, or else what check() came to."""
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            value = check()
            if value:
                return value
            last = value
        except _PASSING as error:
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() > deadline:
            told = f"{seen()}" if seen and not last else last
            raise LabError(f"not within {timeout:g} s: {what or check.__name__}\nlast seen: {told}")
        time.sleep(interval)


ORDERS = ("devices", "containerlab", "reverse", "random")


started: list[Topology] = []  # every topology that was brought up, for who keeps a record (interop.recorder)


class Lab:
    """A running topology; `lab["leaf1"]` is a node. A context manager that ends all of it.

    Orders: "devices" makes all devices and then starts all daemons; "containerlab" takes node by node as written, with
    each daemon before its node's devices; "reverse" the same from the last node on; "random" mixes all of these steps.
    Each step comes `delay` seconds after the one before.
    """

    def __init__(self, topology: Topology, *, order: str = "devices", delay: float = 0, seed: int = 0) -> None:
        self.topology = topology
        self.nodes: dict[str, LabNode] = {}
        self._order, self._delay, self._chance = order, delay, random.Random(seed)

    @classmethod
    def deployed(cls, topology: Topology) -> Lab:
        """The lab that containerlab has deployed."""
        lab = cls(topology)
        for name, node in topology.nodes.items():
            place = DockerContainer(name, f"clab-{topology.name}-{name}")
            place.wait_started()
            lab.nodes[name] = KINDS[node.kind](name, node, place)
        return lab

    def __getitem__(self, name: str) -> LabNode:
        return self.nodes[name]

    def vtep(self, number: int) -> Vtep:
        node = self.nodes[f"host{number}"]
        assert isinstance(node, Vtep)
        return node

    def __iter__(self) -> Iterator[LabNode]:
        return iter(self.nodes.values())

    def __enter__(self) -> Lab:
        started.append(self.topology)
        try:
            for name, node in self.topology.nodes.items():
                self.nodes[name] = KINDS[node.kind](name, node)
            for running in self:
                running.place.wait_started()
            self._link()
            for running in self:
                running.provide()
            for number, step in enumerate(self._steps()):
                time.sleep(self._delay if number else 0)
                step()
        except BaseException as error:
            self._report(error)
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self._report(error)
        self.close()

    def close(self) -> None:
        for node in self:
            node.place.close()
        self.nodes.clear()

    def wait(
        self, check: Callable[[], T], timeout: float = 15, what: str = "", *, seen: Callable[[], object] | None = None
    ) -> T:
        return wait_until(check, timeout, what, seen=seen)

    def _steps(self) -> list[Callable[[], None]]:
        nodes = list(self)
        if self._order == "devices":
            return [*(node.execute for node in nodes), *(node.start for node in nodes)]
        if self._order == "reverse":
            nodes.reverse()
        steps = [step for node in nodes for step in (node.start, node.execute)]
        if self._order == "random":
            self._chance.shuffle(steps)
        return steps

    def _link(self) -> None:
        lines = []
        mtu = self.topology.mtu
        for left, right in self.topology.links:
            (a, a_interface), (b, b_interface) = (end.split(":") for end in (left, right))
            lines.append(
                f"link add name {a_interface} mtu {mtu} netns {self[a].pid} type veth"
                f" peer name {b_interface} mtu {mtu} netns {self[b].pid}\n"
            )
        subprocess.run(["ip", "-batch", "-"], input="".join(lines), text=True, check=True)
        for node in self:
            node.run("".join(f"ip link set {name} up\n" for name in self.topology.interfaces(node.name)))

    def _report(self, error: BaseException) -> None:
        """Add the nodes' state to what pytest shows."""
        for node in self:
            if node.pid:
                error.add_note(f"----- {node.name} ({type(node).__name__})\n{node.report()}")


if __name__ == "__main__":
    from interop.develop import main

    main()

"""Labs: a topology brought up in namespaces of this machine, looked at, and taken down without a trace.

Owns starting and ending, links, and waiting for what a test expects, with the nodes' logs when it does not come.

Must not know: what the daemons' configurations say.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TypeVar

from interop.kinds import KINDS, LabNode, Vtep
from interop.topology import Topology

T = TypeVar("T")


class LabError(AssertionError):
    """What was waited for did not come; the text tells what was seen instead."""


def wait_until(check: Callable[[], T], timeout: float, what: str = "", *, interval: float = 0.05) -> T:
    """The first true value of check(); while it fails it may also raise, and the last state seen ends in the error."""
    deadline = time.monotonic() + timeout
    while True:
        seen: object
        try:
            value = check()
            if value:
                return value
            seen = value
        except (AssertionError, RuntimeError, LookupError, ValueError, OSError, subprocess.TimeoutExpired) as error:
            seen = f"{type(error).__name__}: {error}"
        if time.monotonic() > deadline:
            raise LabError(f"not within {timeout:g} s: {what or check.__name__}\nlast seen: {seen}")
        time.sleep(interval)


class Lab:
    """A running topology; `lab["leaf1"]` is a node. A context manager that ends all of it."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.nodes: dict[str, LabNode] = {}

    def __getitem__(self, name: str) -> LabNode:
        return self.nodes[name]

    def vtep(self, number: int) -> Vtep:
        node = self.nodes[f"host{number}"]
        assert isinstance(node, Vtep)
        return node

    def __iter__(self) -> Iterator[LabNode]:
        return iter(self.nodes.values())

    def __enter__(self) -> Lab:
        try:
            for name, node in self.topology.nodes.items():
                self.nodes[name] = KINDS[node.kind](name, node)
            for running in self:
                running.wait_started()
            self._link()
            for running in self:
                running.prepare()
            for running in self:
                running.start()
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
            node.close()
        self.nodes.clear()

    def wait(self, check: Callable[[], T], timeout: float = 15, what: str = "") -> T:
        return wait_until(check, timeout, what)

    def _link(self) -> None:
        lines = []
        for left, right in self.topology.links:
            (a, a_interface), (b, b_interface) = (end.split(":") for end in (left, right))
            lines.append(
                f"link add name {a_interface} netns {self[a].pid} type veth"
                f" peer name {b_interface} netns {self[b].pid}\n"
            )
        subprocess.run(["ip", "-batch", "-"], input="".join(lines), text=True, check=True)
        for node in self:
            interfaces = [end.split(":")[1] for link in self.topology.links for end in link if self._is_of(end, node)]
            node.run("".join(f"ip link set {name} up\n" for name in interfaces))

    @staticmethod
    def _is_of(end: str, node: LabNode) -> bool:
        return end.partition(":")[0] == node.name

    def _report(self, error: BaseException) -> None:
        """Add the nodes' state to what pytest shows."""
        for node in self:
            if node.pid:
                error.add_note(f"----- {node.name} ({type(node).__name__})\n{node.report()}")

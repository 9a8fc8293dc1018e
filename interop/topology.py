"""What a lab consists of, as data: nodes, and links between their interfaces.

Owns the description alone, in the terms of containerlab's own files (kind, exec, binds, endpoints), so that one
description serves the runner here and containerlab. A node's files are given as text.

Must not know: how a node is made or started, what a description looks like on disk (interop.clab).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Node:
    """One node: its kind names the daemon (see interop.kinds); `exec` are shell lines, run once its links are there."""

    kind: str
    exec: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    image: str = ""  # Docker's; in namespaces it has only chosen the kind
    command: str = ""  # its daemon's, where it is another than the kind's own
    labels: Mapping[str, str] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    delay: int = 0  # seconds that its start is put off

    @property
    def needs(self) -> tuple[str, ...]:
        """What the kernel must be able to do, in the words of interop.abilities."""
        return tuple(filter(None, self.labels.get("needs", "").replace(" ", "").split(",")))


@dataclass(frozen=True, slots=True)
class Topology:
    """Nodes by name; a link joins two endpoints "node:interface"."""

    name: str
    nodes: Mapping[str, Node]
    links: tuple[tuple[str, str], ...] = ()
    mtu: int = 1500  # of all links

    def __post_init__(self) -> None:
        ends = [end for link in self.links for end in link]
        for end in ends:
            node, _, interface = end.partition(":")
            if node not in self.nodes or not interface:
                raise ValueError(f"{self.name}: link end {end!r}: expected NODE:INTERFACE of a node of the topology")
            if ends.count(end) > 1:
                raise ValueError(f"{self.name}: link end {end!r} is used more than once")

    @property
    def needs(self) -> set[str]:
        return {ability for node in self.nodes.values() for ability in node.needs}

    def interfaces(self, node: str) -> list[str]:
        ends = (end.partition(":") for link in self.links for end in link)
        return [interface for name, _, interface in ends if name == node]

"""Pods within a node: network namespaces that a CNI plugin makes in a worker, as nodes of the lab.

Owns entering them. They share the worker's files and processes, and come and go as the worker's commands say.

Must not know: who makes them, what is attached to them.
"""

from __future__ import annotations

from collections.abc import Sequence

from interop.container import Place
from interop.kinds import LabNode
from interop.lab import Lab
from interop.networks import Network
from interop.topology import Node


class Pod(Place):
    """A named network namespace of another place."""

    def __init__(self, name: str, worker: Place) -> None:
        super().__init__(name)
        self.pid = worker.pid

    def enter(self, command: Sequence[str]) -> list[str]:
        return super().enter(["ip", "netns", "exec", self.name, *command])


def enter(lab: Lab, *networks: Network) -> None:
    """From now on `lab[POD]` is a node, for each pod of these networks."""
    for network in networks:
        for pod in network.pods:
            lab.nodes[pod.name] = LabNode(pod.name, Node("linux"), Pod(pod.name, lab[pod.host].place))

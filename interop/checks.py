"""What two VTEPs must agree on, whichever daemons they run: sessions, types 2 and 3 both ways, kernels, pings, moves.

Owns the sequences of steps and their waits; a test is a lab and some of these.

Must not know: how a daemon is configured.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from interop import fabric
from interop.fabric import VNI
from interop.lab import Lab

DEVICE = f"vx{VNI}"


def sessions(lab: Lab, *, timeout: float = 20) -> None:
    """host1 and host2 each say that the session with the other is up."""
    one, two = fabric.vtep_address(1), fabric.vtep_address(2)
    for node, peer, told in (
        (lab.vtep(1), two, "host1: session with host2"),
        (lab.vtep(2), one, "host2: session with host1"),
    ):
        lab.wait(lambda n=node, p=peer: n.established(p), timeout, told, seen=lambda n=node, p=peer: n.session(p))  # type: ignore[misc]


def floods(lab: Lab, *, timeout: float = 20) -> None:
    """Type 3 both ways: each kernel floods to the other VTEP and no other."""
    for here, there in ((1, 2), (2, 1)):
        expected = {fabric.vtep_address(there)}
        node = lab.vtep(here)
        lab.wait(
            lambda node=node, expected=expected: node.kernel_floods(DEVICE) == expected,  # type: ignore[misc]
            timeout,
            f"{node.name}: floods to {expected}",
        )


def no_floods(lab: Lab, number: int, *, timeout: float = 20) -> None:
    node = lab.vtep(number)
    lab.wait(lambda: not node.kernel_floods(DEVICE), timeout, f"{node.name}: nobody to flood to")
    lab.wait(lambda: not node.kernel_macs(DEVICE), timeout, f"{node.name}: no remote MAC in the kernel")


def pings(lab: Lab, left: int = 1, right: int = 2) -> None:
    """Pod to pod across VXLAN, both ways, none lost once the first came through."""
    for here, there in ((left, right), (right, left)):
        pod, address = lab[f"pod{here}"], fabric.pod_address(there)
        lab.wait(lambda pod=pod, address=address: pod.reaches(address), 15, f"{pod.name}: ping {address}")  # type: ignore[misc]
        lab.wait(lambda pod=pod, address=address: pod.ping(address, 5) == 5, 10, f"{pod.name}: five of five")  # type: ignore[misc]


def remote_mac(lab: Lab, number: int, mac: str, vtep: int, *, timeout: float = 15) -> None:
    """Host `number` has `mac` at VTEP `vtep`: in the daemon, in the VXLAN device, in the bridge."""
    node, expected = lab.vtep(number), fabric.vtep_address(vtep)
    place = f"{node.name}: {mac} at {expected}"
    lab.wait(lambda: node.kernel_macs(DEVICE).get(mac) == expected, timeout, f"{place} (vxlan)")
    lab.wait(lambda: mac in node.bridge_macs(DEVICE), timeout, f"{node.name}: {mac} on {DEVICE} (bridge)")
    lab.wait(lambda: node.macs(VNI).get(mac) == expected, timeout, f"{place} (daemon)")


def no_remote_mac(lab: Lab, number: int, mac: str, *, timeout: float = 15) -> None:
    node = lab.vtep(number)
    lab.wait(lambda: mac not in node.bridge_macs(DEVICE), timeout, f"{node.name}: {mac} not on {DEVICE} (bridge)")
    if node.tidy:
        lab.wait(lambda: mac not in node.kernel_macs(DEVICE), timeout, f"{node.name}: {mac} not remote (vxlan)")


def macs(lab: Lab) -> None:
    """Type 2 both ways."""
    remote_mac(lab, 1, fabric.pod_mac(2), 2)
    remote_mac(lab, 2, fabric.pod_mac(1), 1)


def joined(lab: Lab) -> None:
    """All of it: the two hosts make one network."""
    floods(lab)
    pings(lab)
    macs(lab)


@dataclass(frozen=True, slots=True)
class Lost:
    sent: int
    received: int

    @property
    def count(self) -> int:
        return self.sent - self.received


def roams(lab: Lab, to: int, *, seen_from: int = 1, most_lost: int = 15, live: bool = True) -> Lost:
    """The roamer moves to host `to` while a pod pings it ten times a second; all know where it is afterwards."""
    watcher = lab[f"pod{seen_from}"]
    lab.wait(lambda: watcher.reaches(fabric.ROAMER_ADDRESS), 15, f"{watcher.name}: ping the roamer")
    ping = watcher.spawn(["ping", "-n", "-i", "0.1", "-W", "1", "-c", "20", fabric.ROAMER_ADDRESS])
    time.sleep(0.5)
    lab["roamer"].run(fabric.roam(to) if live else fabric.replug(to))
    other = 3 - to
    remote_mac(lab, other, fabric.ROAMER_MAC, to)
    no_remote_mac(lab, to, fabric.ROAMER_MAC)
    output, _ = ping.communicate(timeout=60)
    found = re.search(r"(\d+) packets transmitted, (\d+) received", output)
    assert found, output
    lost = Lost(int(found[1]), int(found[2]))
    assert lost.count <= most_lost, f"{lost.count} of {lost.sent} lost in the move\n{output}"
    return lost

"""One VNI of a lab as data, and what must hold of it: floods, MACs, pings, and that other VNIs see nothing of it.

Owns the sequences for any number of VTEPs, VNIs and pods; each waits until it holds or tells expected and seen.

Must not know: which daemon runs where, how it is configured.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from interop.kinds import Evpnd, LabNode, Vtep
from interop.lab import Lab
from interop.routes import routes


@dataclass(frozen=True, slots=True)
class Pod:
    name: str
    host: str  # the VTEP that it is attached to
    mac: str
    address: str


@dataclass(frozen=True, slots=True)
class Network:
    """A VNI: its VTEPs by name with their addresses, and its pods. Two VNIs may use the same MACs and addresses."""

    vni: int
    hosts: Mapping[str, str]
    pods: tuple[Pod, ...]

    @property
    def device(self) -> str:
        return f"vx{self.vni}"

    def vteps_beside(self, host: str) -> set[str]:
        return {address for name, address in self.hosts.items() if name != host}

    def across(self, host: str) -> Iterator[tuple[Pod, Pod]]:
        """Pairs of a pod of this host and a pod elsewhere, both ways."""
        for pod in self.pods:
            for other in self.pods:
                if (pod.host == host) != (other.host == host):
                    yield pod, other

    def macs_beside(self, host: str) -> dict[str, str]:
        """The MACs that are remote for this host, each with its VTEP."""
        return {pod.mac: self.hosts[pod.host] for pod in self.pods if pod.host != host}


def two_hosts() -> tuple[Network, Network]:
    """VNIs 100 and 200 between host1 and host2; pod22 has pod1's MAC and address, in another VNI on another host."""
    hosts = {"host1": "10.0.0.1", "host2": "10.0.0.2"}
    pod1 = Pod("pod1", "host1", "02:00:00:00:00:01", "192.168.100.1")
    pod2 = Pod("pod2", "host2", "02:00:00:00:00:02", "192.168.100.2")
    pod21 = Pod("pod21", "host1", "02:00:00:00:00:21", "192.168.100.21")
    pod22 = Pod("pod22", "host2", "02:00:00:00:00:01", "192.168.100.1")
    return Network(100, hosts, (pod1, pod2)), Network(200, hosts, (pod21, pod22))


def vtep(lab: Lab, name: str) -> Vtep:
    node = lab[name]
    assert isinstance(node, Vtep), f"{name} is no VTEP"
    return node


def session(lab: Lab, name: str, peer: str, *, timeout: float = 30) -> None:
    node = lab[name]
    told = f"{name}: session with {peer}"
    lab.wait(lambda: node.established(peer), timeout, told, seen=lambda: node.session(peer))  # type: ignore[attr-defined]


def floods(lab: Lab, network: Network, *, timeout: float = 30) -> None:
    """Type 3: each kernel floods to the other VTEPs of the VNI and to no other."""
    for host in network.hosts:
        expected = network.vteps_beside(host)
        told = f"{host}: {network.device} floods to {sorted(expected)}"
        lab.wait(lambda host=host, expected=expected: _is(_floods(lab, host, network), expected), timeout, told)  # type: ignore[misc]


def _floods(lab: Lab, host: str, network: Network) -> set[str]:
    return lab[host].kernel_floods(network.device)


def _is(seen: object, expected: object) -> bool:
    assert seen == expected, f"expected {expected}, seen {seen}"
    return True


def pings(lab: Lab, network: Network) -> None:
    """Each pod reaches each other pod of the VNI; none lost once the first came through."""
    for pod in network.pods:
        for other in network.pods:
            if pod is not other:
                _pings(lab, network, pod, other)


def _pings(lab: Lab, network: Network, pod: Pod, other: Pod) -> None:
    told = f"{pod.name}: ping {other.address}"
    lab.wait(lambda: lab[pod.name].reaches(other.address), 15, told, seen=lambda: _way(lab, network, pod, other))
    told = f"{pod.name}: five of five from {other.address}"
    lab.wait(lambda: _is(lab[pod.name].ping(other.address, 5), 5), 10, told)


def _way(lab: Lab, network: Network, pod: Pod, other: Pod) -> str:
    """What the two hosts' kernels would do with frames between the pods."""
    told = ["no answer"]
    for host, mac in ((pod.host, other.mac), (other.host, pod.mac)):
        node = lab[host]
        at = node.kernel_macs(network.device).get(mac, "nowhere")
        told.append(f"{host}: {mac} at {at}, floods to {sorted(node.kernel_floods(network.device))}")
    return "; ".join(told)


def macs(lab: Lab, network: Network) -> None:
    """Type 2: each remote pod's MAC is at its VTEP: in the daemon, in the VXLAN device, in the bridge."""
    for host in network.hosts:
        for mac, address in network.macs_beside(host).items():
            remote_mac(lab, host, network, mac, address)


def remote_mac(lab: Lab, host: str, network: Network, mac: str, address: str, *, timeout: float = 15) -> None:
    node, device, told = vtep(lab, host), network.device, f"{host}: VNI {network.vni}: {mac} at {address}"
    lab.wait(lambda: _is(node.kernel_macs(device).get(mac), address), timeout, f"{told} (vxlan)")
    lab.wait(
        lambda: mac in node.bridge_macs(device),
        timeout,
        f"{told} (bridge)",
        seen=lambda: f"on {device}: {sorted(node.bridge_macs(device))}",
    )
    lab.wait(lambda: _is(node.macs(network.vni).get(mac), address), timeout, f"{told} (daemon)")


def kernels(lab: Lab, *networks: Network) -> None:
    for network in networks:
        floods(lab, network)
        macs(lab, network)


def joined(lab: Lab, *networks: Network) -> None:
    """All of it: each VNI is one network."""
    for network in networks:
        floods(lab, network)
    for network in networks:
        pings(lab, network)
        macs(lab, network)


def same_routes(lab: Lab, *names: str, timeout: float = 15) -> None:
    """All these daemons hold the same routes of types 2 and 3: whatever one says, the others have heard."""
    first, *others = names
    for other in others:
        told = f"{first} and {other} hold the same routes"
        lab.wait(lambda other=other: _is(routes(lab[other]), routes(lab[first])), timeout, told)  # type: ignore[misc]


def apart(lab: Lab, one: Network, two: Network) -> None:
    """Nothing of either VNI arrives in the other: no ping, no MAC, no VTEP that is not in both."""
    for here, there in ((one, two), (two, one)):
        _no_ping(lab, here, there)
        strange = {pod.mac for pod in there.pods} - {pod.mac for pod in here.pods}
        for host in here.hosts:
            node = vtep(lab, host)
            seen = set(node.kernel_macs(here.device)) | node.bridge_macs(here.device) | set(node.macs(here.vni))
            assert not seen & strange, f"{host}: MACs of VNI {there.vni} in VNI {here.vni}: {seen & strange}"
            wrong = {mac: at for mac, at in node.kernel_macs(here.device).items() if at not in here.vteps_beside(host)}
            assert not wrong, f"{host}: VNI {here.vni}: expected VTEPs {here.vteps_beside(host)}, seen {wrong}"
            _is(node.kernel_floods(here.device), here.vteps_beside(host))


def _no_ping(lab: Lab, here: Network, there: Network) -> None:
    """Pods ping what the other VNI alone has, and what both have: that is answered by their own VNI's pod."""
    own = {pod.address for pod in here.pods}
    addresses = {pod.address for pod in there.pods}
    before = {pod.name: echoes(lab[pod.name]) for pod in there.pods}
    running = [
        (pod, address, lab[pod.name].spawn(["ping", "-n", "-c", "3", "-i", "0.05", "-W", "1", address]))
        for pod in here.pods
        for address in sorted(addresses - {pod.address})
    ]
    for pod, address, ping in running:
        answers, expected = ping.communicate(timeout=30)[0].count(" bytes from "), 3 if address in own else 0
        told = f"{pod.name} (VNI {here.vni}) pings {address}, which VNI {there.vni} has"
        assert answers == expected, f"{told}: expected {expected} of 3 answers, seen {answers}"
    after = {pod.name: echoes(lab[pod.name]) for pod in there.pods}
    assert after == before, f"echo requests from VNI {here.vni} arrived in VNI {there.vni}: {before}, then {after}"


def echoes(node: LabNode) -> int:
    """How many echo requests the node's kernel has had."""
    names, values = re.findall(r"^Icmp: (.*)$", node.run("cat /proc/net/snmp"), re.MULTILINE)
    return int(dict(zip(names.split(), values.split(), strict=True))["InEchos"])


class Ping:
    """A ping that runs until it is ended, and then tells which answers came, and when."""

    def __init__(self, node: LabNode, address: str, *, interval: float = 0.05) -> None:
        self._node, self._file = node, f"/tmp/ping-{node.name}-{address}"  # pods may share a file system
        command = f"ping -n -D -i {interval} {address} </dev/null >{self._file} 2>&1 & echo $!"
        self._number = int(node.run(command))

    def end(self) -> tuple[int, int]:
        """(sent, lost), but for the last one, which may still be under way."""
        sent, came = self.answers()
        return sent, sent - len(came)

    def answers(self) -> tuple[int, dict[int, float]]:
        """End it: how many were sent, and the time of each answer by its number; without the last one."""
        text = self._node.run(
            f"kill -INT {self._number}\n"
            f"for i in $(seq 100); do grep -q transmitted {self._file} && break; sleep 0.05; done; cat {self._file}"
        )
        found = re.search(r"(\d+) packets transmitted", text)
        assert found, f"{self._node.name}: no result of ping: {text!r}"
        sent = int(found[1]) - 1
        came: dict[int, float] = {}
        for when, number in re.findall(r"^\[([\d.]+)\] .* bytes from .* icmp_seq=(\d+) ", text, re.MULTILINE):
            if int(number) <= sent:
                came.setdefault(int(number), float(when))
        return sent, came


def unharmed(ping: Ping, told: str) -> None:
    """End it: it has run all the time, and no packet was lost."""
    sent, lost = ping.end()
    assert sent >= 20, f"{told}: expected at least 20 packets, sent {sent}"
    assert not lost, f"{told}: expected no packet lost, lost {lost} of {sent}"


def survives_kill(lab: Lab, host: str, peers: tuple[str, ...], *networks: Network) -> None:
    """evpnd is killed: its kernel forwards on, its peers keep its routes (RFC 4724), it comes back; nothing is lost."""
    node = lab[host]
    assert isinstance(node, Evpnd), f"{host} does not run evpnd"
    running = [
        (Ping(lab[a.name], b.address), f"{a.name} pings {b.address} (VNI {network.vni})")
        for network in networks
        for a, b in network.across(host)
    ]
    before = node.show("version")["pid"]
    time.sleep(0.5)
    node.kill()
    time.sleep(1)
    node.start()
    lab.wait(
        lambda: node.show("version")["pid"] != before,
        15,
        f"{host}: evpnd runs again",
        seen=lambda: f"still pid {before}",
    )
    for peer in peers:
        session(lab, host, peer)
    joined(lab, *networks)
    for ping, told in running:
        unharmed(ping, told)


def moves(lab: Lab, network: Network, mac: str, to: str, lines: str, ping: Ping, *, most_lost: int) -> None:
    """The roamer moves to host `to` by these shell lines, while somebody pings it: all know where it is afterwards."""
    time.sleep(0.5)
    lab["roamer"].run(lines)
    for host in network.hosts:
        if host != to:
            remote_mac(lab, host, network, mac, network.hosts[to])
    lab.wait(
        lambda: mac not in lab[to].bridge_macs(network.device),
        15,
        f"{to}: {mac} is local (bridge)",
        seen=lambda: f"it is on {network.device}: {lab[to].run(f'bridge fdb show | grep {mac} || :')}",
    )
    time.sleep(0.5)
    sent, lost = ping.end()
    assert lost <= most_lost, f"expected at most {most_lost} packets lost in the move, lost {lost} of {sent}"

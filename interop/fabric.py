"""The labs' building blocks: VTEPs of each kind on one segment, each with a pod; their daemons' configurations.

Owns the addressing (VTEP n is 10.0.0.n, its pod has MAC 02:00:00:00:00:0n and address 192.168.100.n in VNI 100; the
roamer, MAC 02:00:00:00:00:99 and address 192.168.100.99, has a cable to each VTEP and uses one) and how one intent, a
Speaker, is said to each daemon.

Must not know: how nodes run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from interop.topology import Node, Topology

VNI = 100
ASN = 65000


@dataclass(frozen=True, slots=True)
class Neighbor:
    address: str
    asn: int
    client: bool = False  # of this reflector
    settings: tuple[str, ...] = ()  # more lines about this peer, in the daemon's own language


@dataclass(frozen=True, slots=True)
class Speaker:
    """What a daemon is told, whichever it is."""

    address: str
    asn: int
    neighbors: tuple[Neighbor, ...]
    vnis: tuple[int, ...] = (VNI,)
    extra: str = ""  # more lines in the daemon's own language
    imports: tuple[int, ...] = field(default=())  # other ASNs whose route targets are wanted, where there's no wildcard


def vtep_address(number: int) -> str:
    return f"10.0.0.{number}"


def pod_address(number: int) -> str:
    return f"192.168.100.{number}"


def pod_mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def evpnd_config(speaker: Speaker) -> dict[str, str]:
    lines = ["[bgp]", f"asn = {speaker.asn}", f'router_id = "{speaker.address}"', "connect_retry = 1"]
    for peer in speaker.neighbors:
        lines += ["", "[[bgp.peer]]", f'address = "{peer.address}"', f"asn = {peer.asn}", "hold_time = 9"]
        if peer.client:
            lines.append("route_reflector_client = true")
        lines += peer.settings
    return {"/etc/evpnd/evpnd.toml": "\n".join([*lines, speaker.extra, ""])}


def frr_config(speaker: Speaker) -> dict[str, str]:
    lines = ["log file /tmp/frr.log", "frr defaults datacenter", f"router bgp {speaker.asn}"]
    lines += [f" bgp router-id {speaker.address}", " no bgp default ipv4-unicast", " no bgp ebgp-requires-policy"]
    for peer in speaker.neighbors:
        lines += [f" neighbor {peer.address} remote-as {peer.asn}", f" neighbor {peer.address} timers 3 9"]
        lines += [f" neighbor {peer.address} timers connect 1", f" neighbor {peer.address} advertisement-interval 0"]
        lines += [f" neighbor {peer.address} {setting}" for setting in peer.settings]
    lines.append(" address-family l2vpn evpn")
    for peer in speaker.neighbors:
        lines.append(f"  neighbor {peer.address} activate")
        if peer.client:
            lines.append(f"  neighbor {peer.address} route-reflector-client")
    if speaker.vnis:
        lines.append("  advertise-all-vni")
    lines += [" exit-address-family", "exit", speaker.extra, ""]
    return {"/etc/frr/frr.conf": "\n".join(lines)}


def bird_config(speaker: Speaker) -> dict[str, str]:
    parts = [
        f"log stderr all;\nrouter id {speaker.address};\nevpn table evpntab;\nprotocol device {{ scan time 5; }}\n"
        "protocol direct { ipv4; ipv6; }\n"  # how it resolves the next hops
    ]
    for vni in speaker.vnis:
        targets = ", ".join(f"(rt, {asn}, {vni})" for asn in (speaker.asn, *speaker.imports))
        parts.append(
            f"eth table eth{vni};\n"
            f"protocol bridge bridge{vni} {{\n  eth {{ table eth{vni}; import all; export all; }};\n"
            f'  bridge device "br{vni}";\n  scan time 5 s;\n}}\n'
            f"protocol evpn evpn{vni} {{\n  eth {{ table eth{vni}; }};\n  evpn {{ table evpntab; }};\n"
            f"  rd {speaker.address}:{vni};\n  import target [{targets}];\n"
            f"  export target (rt, {speaker.asn}, {vni});\n  vni {vni};\n"
            f'  encapsulation vxlan {{ tunnel device "vx{vni}"; router address {speaker.address}; }};\n}}\n'
        )
    for index, peer in enumerate(speaker.neighbors):
        options = [*peer.settings, "rr client;"] if peer.client else list(peer.settings)
        parts.append(
            f"protocol bgp peer{index} {{\n  local {speaker.address} as {speaker.asn};\n"
            f"  neighbor {peer.address} as {peer.asn};\n  hold time 9;\n  keepalive time 3;\n"
            f"  connect delay time 1;\n  connect retry time 1;\n  error wait time 1,2;\n  {' '.join(options)}\n"
            "  evpn { table evpntab; import all; export all; };\n}\n"
        )
    return {"/etc/bird/bird.conf": "".join(parts) + speaker.extra}


def gobgp_config(speaker: Speaker) -> dict[str, str]:
    lines = ["[global.config]", f"as = {speaker.asn}", f'router-id = "{speaker.address}"']
    for peer in speaker.neighbors:
        lines += ["[[neighbors]]", "[neighbors.config]"]
        lines += [f'neighbor-address = "{peer.address}"', f"peer-as = {peer.asn}", *peer.settings]
        lines += ["[neighbors.timers.config]", "connect-retry = 1", "hold-time = 9", "keepalive-interval = 3"]
        if peer.client:
            lines += ["[neighbors.route-reflector.config]", "route-reflector-client = true"]
            lines.append(f'route-reflector-cluster-id = "{speaker.address}"')
        lines += ["[[neighbors.afi-safis]]", "[neighbors.afi-safis.config]", 'afi-safi-name = "l2vpn-evpn"']
    return {"/etc/gobgp/gobgpd.toml": "\n".join([*lines, speaker.extra, ""])}


def exabgp_config(speaker: Speaker) -> dict[str, str]:
    """Settings and `extra` hold more lines of each neighbor's section. What it hears is in /tmp/heard.json; what is
    appended to /tmp/orders it does (its API)."""
    parts = [
        f"process {name} {{\n  run /bin/sh /etc/exabgp/{name}.sh;\n  encoder json;\n}}\n"
        for name in ("heard", "orders")
    ]
    for peer in speaker.neighbors:
        parts.append(
            f"neighbor {peer.address} {{\n  router-id {speaker.address};\n  local-address {speaker.address};\n"
            f"  local-as {speaker.asn};\n  peer-as {peer.asn};\n  hold-time 9;\n"
            "  family { ipv4 unicast; l2vpn evpn; }\n"
            "  api { processes [ heard ]; neighbor-changes; receive { parsed; update; } }\n"
            "  api orders { processes [ orders ]; }\n"
            f"{' '.join(peer.settings)}\n{speaker.extra}\n}}\n"
        )
    # A helper that closes its standard output is dead to ExaBGP.
    heard = 'while read -r line; do printf "%s\\n" "$line" >>/tmp/heard.json; done\n'
    orders = ": >/tmp/orders; exec tail -n 0 -f /tmp/orders\n"
    return {
        "/etc/exabgp/exabgp.conf": "".join(parts),
        "/etc/exabgp/heard.sh": heard,
        "/etc/exabgp/orders.sh": orders,
    }


def openbgpd_config(speaker: Speaker) -> dict[str, str]:
    lines = [f"AS {speaker.asn}", f"router-id {speaker.address}", "fib-update no", "connect-retry 1"]
    for peer in speaker.neighbors:
        lines += [f"neighbor {peer.address} {{", f"  remote-as {peer.asn}", "  holdtime 9", "  announce EVPN"]
        if peer.client:
            lines.append("  route-reflector")
        lines += [*(f"  {setting}" for setting in peer.settings), "}"]
    # An EVPN route that it selects ends it on Linux ("kr_change: not handled AID"): it reads them, and takes none.
    lines += ["deny from any", "allow to any", speaker.extra, ""]
    return {"/etc/bgpd.conf": "\n".join(lines)}


CONFIGS: Mapping[str, Callable[[Speaker], dict[str, str]]] = {
    "linux": lambda _: {},
    "evpnd": evpnd_config,
    "frr8": frr_config,
    "frr": frr_config,
    "bird": bird_config,
    "gobgp3": gobgp_config,
    "gobgp": gobgp_config,
    "exabgp": exabgp_config,
    "openbgpd": openbgpd_config,
}


def devices(address: str, vni: int, ports: Sequence[str]) -> list[str]:
    """The classic model: the VNI's own bridge and VXLAN device, and the ports of what is attached."""
    lines = [
        f"ip link add name br{vni} type bridge",
        f"ip link set br{vni} addrgenmode none",
        f"ip link add name vx{vni} type vxlan id {vni} local {address} dstport 4789 nolearning",
        f"ip link set vx{vni} master br{vni} addrgenmode none",
        f"bridge link set dev vx{vni} learning off",
    ]
    lines += [f"ip link set {port} master br{vni} addrgenmode none" for port in ports]
    return [*lines, f"ip link set vx{vni} up", f"ip link set br{vni} up"]


def vtep(kind: str, speaker: Speaker) -> Node:
    """A host: its address on eth1; the first VNI's pod on eth2 and roamer on eth3, a further VNI's pod on eth4..."""
    lines = [f"ip address add {speaker.address}/24 dev eth1"]
    for index, vni in enumerate(speaker.vnis):
        lines += devices(speaker.address, vni, ["eth2", "eth3"] if index == 0 else [f"eth{3 + index}"])
    return Node(kind, tuple(lines), CONFIGS[kind](speaker))


def speaker_only(kind: str, speaker: Speaker) -> Node:
    """A node that only speaks BGP."""
    return Node(kind, (f"ip address add {speaker.address}/24 dev eth1",), CONFIGS[kind](speaker))


def pod(number: int) -> Node:
    return Node(
        "linux",
        (
            "ip link set eth1 down",
            f"ip link set eth1 address {pod_mac(number)} addrgenmode none",
            "ip link set eth1 up",
            f"ip address add {pod_address(number)}/24 dev eth1",
        ),
    )


ROAMER = 0x99
ROAMER_MAC = pod_mac(ROAMER)
ROAMER_ADDRESS = "192.168.100.99"


def appear(number: int) -> str:
    """The roamer's shell lines for a first appearance at VTEP `number`: all cables are in, the others are silent."""
    return (
        "for device in /sys/class/net/eth*; do device=${device##*/}\n"
        "ip link set $device down address 02:00:00:00:aa:0${device#eth} addrgenmode none\n"
        "echo 1 >/proc/sys/net/ipv4/conf/$device/arp_notify\n"
        "ip link set $device up; done\n"
    ) + roam(number)


def roam(number: int) -> str:
    """The roamer's shell lines for a move to VTEP `number`, which ends as a live migration does: announced by ARP.

    The old port stays as it is, and nobody answers there: reverse path filtering drops what still arrives.
    """
    return (
        "for old in /sys/class/net/eth*; do old=${old##*/}; ip address flush dev $old\n"
        "echo 1 >/proc/sys/net/ipv4/conf/$old/rp_filter\n"
        "ip link set $old address 02:00:00:00:aa:0${old#eth}; done\n"
        f"ip address add {ROAMER_ADDRESS}/24 dev eth{number}\n"
        f"ip link set eth{number} address {ROAMER_MAC}\n"  # the kernel announces it
    )


def replug(number: int) -> str:
    """The same with the cable pulled at the old place: what a cold migration does."""
    others = f"for old in /sys/class/net/eth*; do ip link set ${{old##*/}} down; done; ip link set eth{number} up\n"
    return others + roam(number)


def switch(ports: int) -> Node:
    lines = ["ip link add name br0 type bridge", "ip link set br0 up"]
    return Node("linux", (*lines, *(f"ip link set eth{n} master br0" for n in range(1, ports + 1))))


def segment(name: str, vteps: Sequence[tuple[str, Node]], others: Sequence[tuple[str, Node]] = ()) -> Topology:
    """VTEPs, and speakers without a data plane, on one switch; VTEP number n, as they come, has pod "podn"."""
    nodes = dict([*vteps, *others])
    links = [(f"{node}:eth1", f"switch:eth{index}") for index, node in enumerate(nodes, 1)]
    nodes["switch"] = switch(len(nodes))
    nodes["roamer"] = Node("linux", (appear(1),))
    for number, (node, _) in enumerate(vteps, 1):
        nodes[f"pod{number}"] = pod(number)
        links.append((f"{node}:eth2", f"pod{number}:eth1"))
        links.append((f"{node}:eth3", f"roamer:eth{number}"))
    return Topology(name, nodes, tuple(links))


def pair(left: str, right: str, *, asns: tuple[int, int] = (ASN, ASN)) -> Topology:
    """Two VTEPs, host1 and host2, that peer with each other."""
    nodes = []
    for number, kind in enumerate((left, right), 1):
        other = 3 - number
        neighbor = Neighbor(vtep_address(other), asns[other - 1])
        imports = (asns[other - 1],) if asns[0] != asns[1] else ()
        speaker = Speaker(vtep_address(number), asns[number - 1], (neighbor,), imports=imports)
        nodes.append((f"host{number}", vtep(kind, speaker)))
    return segment(f"{left}-{right}", nodes)


def reflected(left: str, right: str, reflector: str) -> Topology:
    """Two VTEPs that only see each other through a reflector, 10.0.0.9."""
    middle = vtep_address(9)
    nodes = [
        (f"host{n}", vtep(kind, Speaker(vtep_address(n), ASN, (Neighbor(middle, ASN),))))
        for n, kind in enumerate((left, right), 1)
    ]
    clients = tuple(Neighbor(vtep_address(n), ASN, client=True) for n in (1, 2))
    speaker = Speaker(middle, ASN, clients, vnis=())
    return segment(f"{left}-{reflector}-{right}", nodes, [("reflector", speaker_only(reflector, speaker))])

"""A host without kernel and sessions: RIB, instances, and a dict that stands for what was asked of the kernel."""

from __future__ import annotations

from evpnd.bgp.attributes import PathAttributes, PmsiTunnel, build
from evpnd.bgp.path import Source
from evpnd.bgp.rib import AdjRibIn, Rib
from evpnd.config import BgpConfig, EvpnConfig
from evpnd.evpn.extended_community import encapsulation, mac_mobility, route_target_from_text
from evpnd.evpn.instances import Instances
from evpnd.evpn.macvrf import INGRESS_REPLICATION, Fdb, MacVrf, mac_key, multicast_key
from evpnd.evpn.values import ip_from_text, mac_from_text, rd_from_text
from evpnd.fib.discovery import VniDevice
from evpnd.fib.mirror import LocalEntry

OWN_VTEP = "10.0.0.5"
MAC = "02:00:00:00:00:01"


class Intents(dict[bytes, bytes]):
    """Collects what the kernel should hold."""

    def set(self, key: bytes, value: bytes) -> None:
        self[key] = value

    def unset(self, key: bytes) -> None:
        self.pop(key, None)

    def adopted(self, key: bytes) -> bool:
        return key in self.left

    left: frozenset[bytes] = frozenset()  # what an earlier run left in the kernel


def device(vni: int = 100, ifindex: int = 10, vtep: str = OWN_VTEP, problem: str | None = None) -> VniDevice:
    return VniDevice(
        vni=vni,
        ifindex=ifindex,
        name=f"vx{vni}",
        bridge=1000 + vni,
        bridge_name=f"br{vni}",
        vtep=ip_from_text(vtep),
        problem=problem,
    )


def attributes(target: str = "65001:100", mobility: tuple[int, bool] | None = None, **more: object) -> PathAttributes:
    communities = [*map(route_target_from_text, target.split()), encapsulation(8)]
    if mobility:
        communities.append(mac_mobility(*mobility))
    return build(extended_communities=communities, **more)  # type: ignore[arg-type]


class Host:
    """One host; remote routes come from peers named by number."""

    def __init__(self, evpn: EvpnConfig | None = None, kernel: Fdb | None = None) -> None:
        """`kernel`: what takes the intents instead of `fdb`."""
        self.rib = Rib()
        self.fdb = Intents()
        self.local_in = AdjRibIn(Source("local", local=True))
        self.local: dict[tuple[int, bytes], LocalEntry] = {}  # (bridge, MAC)
        bgp = BgpConfig(asn=65001, router_id=OWN_VTEP)
        self.instances = Instances(bgp, evpn or EvpnConfig(), self.rib, self.local_in, kernel or self.fdb)
        self.peers: dict[int, AdjRibIn] = {}

    def vnis(self, *devices: VniDevice) -> None:
        self.settle()
        self.instances.set_vnis({d.vni: d for d in devices}, self.local_macs)
        self.settle()

    def local_macs(self, bridge: int) -> list[tuple[int, bytes, LocalEntry]]:
        return [(0, mac, entry) for (where, mac), entry in self.local.items() if where == bridge]

    @property
    def vrf(self) -> MacVrf:
        return self.instances.by_vni[100]

    def peer(self, number: int) -> AdjRibIn:
        address = bytes((192, 0, 2, number))
        return self.peers.setdefault(number, AdjRibIn(Source(f"p{number}", address=address, router_id=address)))

    def settle(self) -> None:
        while self.rib.changed:
            self.instances.apply(self.rib.take_changes())

    def mac_route(
        self, vtep: str, mac: str = MAC, mobility: tuple[int, bool] | None = None, *, peer: int = 1, ip: str = "",
        target: str = "65001:100", vni: int = 100, vrf: int = 0,
    ) -> bytes:  # fmt: skip
        """A type 2 route from the host with that VTEP; its key."""
        key = mac_key(rd_from_text(f"{vtep}:{vni}"), mac_from_text(mac))
        if ip:
            octets = ip_from_text(ip)
            key = key[:-1] + bytes((8 * len(octets),)) + octets
        body = bytes(10) + vni.to_bytes(3, "big") + (vrf.to_bytes(3, "big") if vrf else b"")
        self.rib.announce(self.peer(peer), attributes(target, mobility), ip_from_text(vtep), [(key, body)])
        self.settle()
        return key

    def multicast_route(
        self, vtep: str, *, peer: int = 1, pmsi: bool = True, endpoint: str = "", vni: int = 100
    ) -> bytes:
        octets = ip_from_text(vtep)
        key = multicast_key(rd_from_text(f"{vtep}:100"), octets)
        tunnel = PmsiTunnel(0, INGRESS_REPLICATION, vni.to_bytes(3, "big"), ip_from_text(endpoint or vtep))
        self.rib.announce(self.peer(peer), attributes(pmsi=tunnel if pmsi else None), octets, [(key, b"")])
        self.settle()
        return key

    def withdraw(self, key: bytes, peer: int = 1) -> None:
        self.rib.withdraw(self.peer(peer), [key])
        self.settle()

    def learn(
        self, mac: str = MAC, port: int = 7, vni: int = 100, sticky: bool = False, *, static: bool = False
    ) -> None:
        octets = mac_from_text(mac)
        entry = self.local[1000 + vni, octets] = LocalEntry(port, "static" if static else "dynamic", sticky)
        self.instances.local_macs([(1000 + vni, 0, octets, entry)])
        self.settle()

    def forget(self, mac: str = MAC, vni: int = 100) -> None:
        octets = mac_from_text(mac)
        self.local.pop((1000 + vni, octets), None)
        self.instances.local_macs([(1000 + vni, 0, octets, None)])
        self.settle()

    def where(self, mac: str = MAC) -> str | None:
        """The VTEP that the kernel is to send a MAC's frames to; None when it is local or unknown."""
        from evpnd.evpn.values import ip_text
        from evpnd.fib.intent import fdb_value

        held = self.fdb.get(self.vrf.intent(mac_from_text(mac)))
        for key in () if held is None else self.vrf.keys_of(mac_from_text(mac)):
            path = self.rib.best(key)
            if path is not None and fdb_value(path.next_hop, sticky=path.sticky) == held:
                return ip_text(path.next_hop)
        assert held is None
        return None

    def advertised(self, mac: str = MAC) -> tuple[int, bool] | None:
        """What peers hear of a local MAC: (sequence, sticky), or None."""
        path = self.local_in.paths.get(mac_key(self.vrf.rd, mac_from_text(mac)))
        return None if path is None else (path.sequence, path.sticky)

"""The MAC-VRFs of this host: made and dropped as VNIs come and go, and fed with the Loc-RIB's changes.

Owns which VNI has an instance, its route distinguisher and targets, and the index from targets to instances. The set of
instances is a function of the devices and the configuration, in whatever order they appear; when it changes, the whole
Loc-RIB is looked at once more. Knows nothing of sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from evpnd.bgp.decision import MAC_IP
from evpnd.bgp.path import Path
from evpnd.bgp.rib import AdjRibIn, Rib
from evpnd.config import BgpConfig, EvpnConfig
from evpnd.evpn.extended_community import encapsulations_of, route_target_from_text, route_targets_of, to_text
from evpnd.evpn.labels import named
from evpnd.evpn.macvrf import VXLAN, Fdb, MacVrf
from evpnd.evpn.targets import (
    ImportRule,
    TargetIndex,
    default_import_rule,
    derived_target,
    import_rule,
)
from evpnd.evpn.values import ip_from_text, rd_from_text
from evpnd.fib.discovery import VniDevice
from evpnd.fib.mirror import LocalEntry

LocalMacs = Callable[[int], list[tuple[int, bytes, LocalEntry]]]  # bridge -> (VLAN, MAC, where)

MULTICAST = 3
MAC_IN_KEY = slice(14, 20)  # route type, RD (8), Ethernet tag (4), MAC length, MAC: RFC 7432 section 7.2


class Instances:
    """All MAC-VRFs, by VNI and by bridge and VLAN."""

    def __init__(self, bgp: BgpConfig, evpn: EvpnConfig, rib: Rib, local_in: AdjRibIn, fdb: Fdb) -> None:
        self._bgp = bgp
        self._evpn = evpn
        self._rib = rib
        self._local_in = local_in
        self._fdb = fdb
        self.vnis: dict[int, VniDevice] = {}
        self.by_vni: dict[int, MacVrf] = {}
        self.taken: dict[bytes, str] = {}  # the host's addresses and subnets' broadcast addresses
        self._here: dict[bytes, str] = {}  # the same and all VTEPs of this host; one dict that all instances look into
        self._next_hops: set[bytes] = set()  # at least those of imported routes
        self._by_bridge: dict[tuple[int, int], MacVrf] = {}
        self._numbers: dict[int, int] = {}  # VNI -> the number in its derived RD, while the VNI is there
        written = {rd_from_text(vni.rd) for vni in evpn.vnis.values() if vni.rd is not None}
        own = self._rd_of(0)[:6]
        self._written_numbers = {int.from_bytes(rd[6:], "big") for rd in written if rd.startswith(own)}
        self._index: TargetIndex[MacVrf] = TargetIndex()
        self._generation = 0

    # Devices

    def set_vnis(self, vnis: Mapping[int, VniDevice], local: LocalMacs) -> None:
        """The kernel's VNIs changed; `local` gives the local MACs that a bridge has already."""
        before, self.vnis = self.vnis, dict(vnis)
        self._numbers = {vni: number for vni, number in self._numbers.items() if vni in vnis}
        changed = {vni for vni in before.keys() | vnis.keys() if _identity(before.get(vni)) != _identity(vnis.get(vni))}
        self._look_here()
        for vni in sorted(changed & self.by_vni.keys()):  # all of them first: a new one may take an old one's RD
            self.by_vni.pop(vni).close()
        devices = [vnis[vni] for vni in sorted(changed & vnis.keys())]
        fresh = [self._make(device) for device in devices if device.problem is None]
        self._by_bridge = {(vrf.device.bridge, vrf.device.vlan): vrf for vrf in self.by_vni.values()}
        if changed or before.keys() != vnis.keys():
            self._reindex()
        for vrf in fresh:
            for vlan, mac, entry in local(vrf.device.bridge):
                if vlan == vrf.device.vlan:
                    vrf.learn(mac, entry)

    def set_taken(self, taken: Mapping[bytes, str]) -> None:
        """At these addresses no other VTEP can be, for the reasons given."""
        self.taken = dict(taken)
        self._look_here()

    def _look_here(self) -> None:
        """Bring `_here` up to date, and what depends on it."""
        vteps = {device.vtep: f"this host's VTEP of VNI {vni}" for vni, device in self.vnis.items() if device.vtep}
        here = self.taken | vteps
        changed = here.keys() ^ self._here.keys()
        self._here.clear()
        self._here.update(here)
        for vrf in self.by_vni.values() if changed else ():
            vrf.recheck(changed, macs=not changed.isdisjoint(self._next_hops))

    def _make(self, device: VniDevice) -> MacVrf:
        settings = self._evpn.settings(device.vni)
        vrf = MacVrf(
            device,
            self._rd(device.vni, settings.rd),
            self._imports(device.vni, settings.import_targets),
            self._exports(device.vni, settings.export_targets),
            rib=self._rib,
            local_in=self._local_in,
            fdb=self._fdb,
            here=self._here,
            advertise=settings.advertise,
            flooding=settings.flooding,
        )
        self.by_vni[device.vni] = vrf
        vrf.open()
        return vrf

    def _rd(self, vni: int, configured: str | None) -> bytes:
        """`router_id:N` (RFC 7432 section 7.9): N is the VNI if it fits and is free, else the highest free one."""
        if configured is not None:
            return rd_from_text(configured)
        number = self._numbers.get(vni)
        if number is None:
            number = vni
            taken = self._written_numbers | set(self._numbers.values())
            if vni > 0xFFFF or vni in taken:
                number = next(n for n in range(0xFFFF, 0, -1) if n not in taken and n not in self.vnis)
            self._numbers[vni] = number
        return self._rd_of(number)

    def _rd_of(self, number: int) -> bytes:
        return b"\x00\x01" + ip_from_text(self._bgp.router_id) + number.to_bytes(2, "big")

    def _imports(self, vni: int, configured: tuple[str, ...] | None) -> ImportRule:
        if configured is not None:
            return import_rule(configured)
        return default_import_rule(self._bgp.asn, vni, any_asn=self._evpn.import_rule == "*:VNI")

    def _exports(self, vni: int, configured: tuple[str, ...] | None) -> tuple[bytes, ...]:
        if configured is not None:
            return tuple(route_target_from_text(text) for text in configured)
        return (derived_target(self._bgp.asn, vni, self._evpn.route_targets),)

    # Local MACs

    def local_macs(self, changes: list[tuple[int, int, bytes, LocalEntry | None]]) -> None:
        """MACs on local ports appeared, moved (an entry) or vanished (None)."""
        for bridge, vlan, mac, entry in changes:
            vrf = self._by_bridge.get((bridge, vlan))
            if vrf is None:
                continue
            if entry is None or entry.state == "permanent":  # the host's own addresses are no hosts of the segment
                vrf.forget(mac)
            else:
                vrf.learn(mac, entry)

    # Routes

    def importers(self, path: Path) -> tuple[MacVrf, ...]:
        """The instances that import a path's routes; none where it asks for another encapsulation than VXLAN."""
        if path.source.local or not self._is_vxlan(path):
            return ()
        found = self._index.importers(path.attributes.extended_communities)
        return tuple(vrf for vrf in found if self._belongs(path, vrf)) if found else found

    def _belongs(self, path: Path, vrf: MacVrf) -> bool:
        """Whether a route whose targets match may be an instance's, by the VNIs that it names.

        Which VNI a label has elsewhere doesn't matter, so long as it is none of this host's: that one's tenant the
        frames would reach. Nor is a VRF's target, which routes of symmetric IRB carry beside that of their own VNI, an
        invitation into the VNI of that number (RFC 9135).
        """
        own, routed = _named(path)
        return vrf.vni == own or not (own in self.vnis or vrf.vni == routed)

    def importers_now(self, path: Path) -> tuple[MacVrf, ...]:
        """The same without computing it where the path knows; one that is not best may not, or know what was."""
        return path.instances if path.generation == self._generation else self.importers(path)

    def _is_vxlan(self, path: Path) -> bool:
        """RFC 8365 section 5.1.3: absence means MPLS, but many VXLAN speakers leave it out."""
        encapsulations = encapsulations_of(path.attributes.extended_communities)
        return VXLAN in encapsulations or not (encapsulations or self._evpn.encapsulation_absent == "reject")

    def why_not_imported(self, path: Path) -> str:
        """In words, why no instance imports a path's routes."""
        if not self._is_vxlan(path):
            return "not imported: its encapsulation is not VXLAN"
        targets = route_targets_of(path.attributes.extended_communities)
        if not targets:
            return "not imported: it has no route target"
        refused = self._index.importers(targets)
        if refused:
            own, routed = _named(path)
            if own in self.vnis:
                return f"not imported: its route target is of VNI {refused[0].vni} here, its label of VNI {own}"
            return f"not imported: by its second label VNI {routed} is a VRF's, and here it is a bridge's"
        return f"not imported: no VNI here imports {' '.join(to_text(target) for target in targets)}"

    def apply(self, changes: Mapping[bytes, Path | None]) -> None:
        """The best paths of these keys changed, from the given ones to those in the Loc-RIB now."""
        table, generation = self._rib.table, self._generation
        for key, old in changes.items():
            found = table.get(key)
            new: Path | None = found[0] if found.__class__ is tuple else found  # type: ignore[assignment]
            if new is old:
                continue
            if new is not None and new.generation != generation:
                new.instances = self.importers(new)
                new.generation = generation
                self._next_hops.add(new.next_hop)
            self._move(key, new, () if old is None else old.instances, () if new is None else new.instances)

    def _move(self, key: bytes, path: Path | None, before: tuple[MacVrf, ...], after: tuple[MacVrf, ...]) -> None:
        if key[0] == MAC_IP:
            mac = key[MAC_IN_KEY]
            for vrf in after:
                vrf.add_mac(key, mac, path)  # type: ignore[arg-type]
            for vrf in before:
                if vrf not in after:
                    vrf.remove_mac(key, mac)
        elif key[0] == MULTICAST:
            for vrf in after:
                vrf.add_vtep(key, path)  # type: ignore[arg-type]
            for vrf in before:
                if vrf not in after:
                    vrf.remove_vtep(key)

    def _reindex(self) -> None:
        """The instances changed: bring the whole Loc-RIB into the new ones, and out of those that are gone."""
        self._index = TargetIndex((vrf, vrf.imports) for vrf in self.by_vni.values())
        self._generation += 1
        self._next_hops.clear()
        moves: dict[Path, tuple[tuple[MacVrf, ...], tuple[MacVrf, ...]]] = {}
        for key, found in self._rib.table.items():
            path = found if isinstance(found, Path) else found[0]
            move = moves.get(path)
            if move is None:
                move = moves[path] = (path.instances, self.importers(path))
            if move[0] != move[1]:
                self._move(key, path, *move)
        for path, (_, after) in moves.items():
            path.instances, path.generation = after, self._generation
            self._next_hops.add(path.next_hop)


def _named(path: Path) -> tuple[int, int]:
    pmsi = path.attributes.pmsi
    return named(path.body, None if pmsi is None else pmsi.label)


def _identity(device: VniDevice | None) -> tuple[object, ...] | None:
    """What an instance is built on; the rest of a device may change under it (a bridge's MAC does with its ports)."""
    if device is None or device.problem is not None:
        return None
    return (device.ifindex, device.bridge, device.vlan, device.vtep)

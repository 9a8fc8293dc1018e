"""The rows of routes: what each says, who imports it, and why one has no effect here.

Must not know tables.
"""

from __future__ import annotations

from collections.abc import Iterator

from evpnd.bgp.decision import MAC_IP, decisive_step
from evpnd.bgp.path import Path
from evpnd.evpn.addresses import is_host_mac
from evpnd.evpn.instances import MAC_IN_KEY, MULTICAST
from evpnd.evpn.labels import vni as vni_of
from evpnd.evpn.macvrf import MacVrf
from evpnd.evpn.nlri import route_from_entry
from evpnd.evpn.values import ip_text, mac_from_text
from evpnd.message_json import attributes_to_json
from evpnd.requests import LOCAL, Filters, unknown_peer
from evpnd.show.running import PAUSE, Row, Running, listed, vrf_of


class Routes:
    """`show routes`."""

    def __init__(self, daemon: Running) -> None:
        self._daemon = daemon
        self._speaker = daemon.speaker

    def routes(self, filters: Filters) -> Iterator[Row | None]:
        """All paths of all routes, the best of each first."""
        vni = int(str(filters["vni"])) if "vni" in filters else None
        if vni is not None:
            vrf_of(self._speaker, vni)  # refuses a VNI that is not here
        mac = mac_from_text(str(filters["mac"])) if "mac" in filters else None
        kind, peer = filters.get("type"), filters.get("peer")
        if peer not in (None, LOCAL, *(settings.address for settings in self._daemon.config.bgp.peers)):
            raise unknown_peer(str(peer))
        return self._routes(vni, mac, kind, peer)

    def _routes(self, vni: int | None, mac: bytes | None, kind: object, peer: object) -> Iterator[Row | None]:
        rib = self._speaker.rib
        for count, key in enumerate(listed(rib.table), 1):
            if count % PAUSE == 0:
                yield None
            if key not in rib.table:
                continue  # gone since the listing began
            if kind is not None and key[0] != kind:
                continue
            if mac is not None and (key[0] != MAC_IP or key[MAC_IN_KEY] != mac):
                continue
            paths = rib.paths(key)
            for index, path in enumerate(paths):
                if peer is not None and path.source.name != peer:
                    continue
                importers = self._speaker.instances.importers_now(path)
                if vni is not None and not self._concerns(vni, key, path, importers):
                    continue
                yield self._route_row(key, path, paths[0], importers, best=index == 0)

    def _concerns(self, vni: int, key: bytes, path: Path, importers: tuple[MacVrf, ...]) -> bool:
        """Whether the VNI announces or imports a route, or it carries the VNI and nobody imports it."""
        vrf = self._speaker.instances.by_vni.get(vni)
        if path.source.local:
            return vrf is not None and key[1:9] == vrf.rd
        return vrf in importers if importers else vni.to_bytes(3, "big") in _labels(key, path)

    def _route_row(self, key: bytes, path: Path, first: Path, importers: tuple[MacVrf, ...], best: bool) -> Row:
        return {
            **route_from_entry(key, path.body).to_json(),
            "best": best,
            "peer": path.source.name,
            "next_hop": ip_text(path.next_hop),
            "attributes": attributes_to_json(path.attributes),
            "vnis": [vrf.vni for vrf in importers],
            "stale": key in self._stale(path) or None,
            "why": self._why_not(key, path, first, best),
        }

    def _stale(self, path: Path) -> set[bytes]:
        peering = self._speaker.peerings.get(path.source.name)
        return peering.rib_in.stale if peering is not None else set()

    def _why_not(self, key: bytes, path: Path, first: Path, best: bool) -> str | None:
        """Why a route has no effect here, or None."""
        if not best:
            return f"not best: the other has {decisive_step(key, first, path)}"
        if path.source.local:
            return None
        if not path.instances:
            return "; ".join((self._speaker.instances.why_not_imported(path), *self._out_of_order(key, path)))
        if all(path.next_hop == vrf.vtep for vrf in path.instances):
            return "not installed: the next hop is this host"
        if key[0] == MULTICAST and all(key in vrf.no_flood for vrf in path.instances):
            vrf = path.instances[0]
            return f"not installed: {ip_text(vrf.no_flood[key])} is {vrf.why_not(vrf.no_flood[key])}"
        if key[0] == MULTICAST and not any(key in vrf.flood for vrf in path.instances):
            return "not installed: flooding is off, or there is no tunnel to a VTEP that can be reached from here"
        if key[0] == MAC_IP:
            mac = key[MAC_IN_KEY]
            if not is_host_mac(mac):
                return "not installed: no host can have this MAC"
            if not any(vrf.usable(path) for vrf in path.instances):
                return f"not installed: {ip_text(path.next_hop)} is {path.instances[0].why_not(path.next_hop)}"
            winners = [vrf.remote_winner(mac) for vrf in path.instances]
            if any(mac in vrf.local for vrf in path.instances):
                return "not installed: the MAC is local here"
            if all(winner is not path for winner in winners):
                return "not installed: another route for the MAC is better"
        return None

    def _out_of_order(self, key: bytes, path: Path) -> Iterator[str]:
        """The VNIs of this host that a route carries and that don't work, in words."""
        for label in _labels(key, path):
            device = self._speaker.instances.vnis.get(vni_of(label))
            if device is not None and device.problem is not None:
                yield f"VNI {device.vni} does not work here: {device.problem}"


def _labels(key: bytes, path: Path) -> tuple[bytes, ...]:
    """The label fields of a route; a type 3 route has its own in the PMSI tunnel attribute (RFC 8365 section 5.1.3)."""
    if key[0] == MULTICAST:
        pmsi = path.attributes.pmsi
        return () if pmsi is None else (pmsi.label,)
    route = route_from_entry(key, path.body)
    fields = (getattr(route, name, b"") for name in ("label1", "label2"))
    return tuple(label for label in fields if label)

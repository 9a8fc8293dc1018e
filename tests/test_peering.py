"""evpnd.peering: what is refused, and a peer that comes back as another router while its routes were kept."""

from __future__ import annotations

from dataclasses import replace

from evpnd.bgp.adj_out import UpdateGroup
from evpnd.bgp.attributes import build
from evpnd.bgp.family import L2VPN_EVPN
from evpnd.bgp.negotiation import Negotiated
from evpnd.bgp.path import Path
from evpnd.bgp.policy import ExportPolicy, ImportPolicy
from evpnd.bgp.reach import Reach, Unreach
from evpnd.bgp.rib import Rib
from evpnd.bgp.update import Update
from evpnd.config import PeerSettings
from evpnd.peering import Peering

IMPORTS = ImportPolicy(65001, bytes(4), bytes(4))
ATTRIBUTES = build(local_pref=100)
NEXT_HOP = bytes((10, 0, 0, 1))
KEY, LONELY = (b"\x02" + bytes(19) + bytes((number,)) for number in (1, 2))
OPENED = Negotiated(
    local_asn=65001,
    peer_asn=65001,
    local_router_id=bytes((10, 0, 0, 9)),
    peer_router_id=bytes((10, 0, 0, 2)),
    local_address=bytes((192, 0, 2, 9)),
    peer_address=bytes((192, 0, 2, 2)),
    hold_time_s=90,
    families=frozenset((L2VPN_EVPN,)),
    as4=True,
    extended_message=True,
    route_refresh=True,
    enhanced_refresh=True,
    graceful_restart=None,
    hostname="",
    capabilities=(),
)
LOW, HIGH = (replace(OPENED, peer_router_id=bytes((10, 0, 0, number))) for number in (1, 3))
POLICY = ExportPolicy(
    local_asn=65001,
    router_id=OPENED.local_router_id,
    cluster_id=OPENED.local_router_id,
    ebgp=False,
    client=False,
    as4=True,
    limit=4096,
)


class Scene:
    """Two clients of a reflector that announce one route, and the one that restarts another beside it."""

    def __init__(self) -> None:
        self.rib = Rib()
        self.restarts = self._peer("192.0.2.1", LOW)
        self.stays = self._peer("192.0.2.2", OPENED)
        self.rib.announce(self.restarts.rib_in, ATTRIBUTES, NEXT_HOP, [(KEY, bytes(13)), (LONELY, bytes(13))])
        self.rib.announce(self.stays.rib_in, ATTRIBUTES, NEXT_HOP, [(KEY, bytes(13))])
        self.group = UpdateGroup(POLICY, L2VPN_EVPN)
        self.flush()

    def _peer(self, address: str, opened: Negotiated) -> Peering:
        peer = Peering(PeerSettings(address=address, asn="internal", route_reflector_client=True))
        peer.open(opened, IMPORTS, self.rib)
        return peer

    def flush(self) -> dict[bytes, Path | None]:
        changes = self.rib.take_changes()
        self.group.apply(changes, self.rib.best)
        return changes

    def restart(self, opened: Negotiated) -> None:
        self.restarts.close()
        self.rib.mark_stale(self.restarts.rib_in)
        self.restarts.open(opened, IMPORTS, self.rib)

    def originator(self, key: bytes) -> bytes | None:
        return self.group.advertised[key].attributes.originator_id


def test_routes_kept_over_a_restart_rank_by_the_new_router_id() -> None:
    scene = Scene()
    assert scene.rib.best(KEY) is scene.restarts.rib_in.paths[KEY]
    scene.restart(HIGH)
    assert scene.rib.best(KEY) is scene.stays.rib_in.paths[KEY]
    assert KEY in scene.flush()
    # The route said again is the same path, and ranks by the new router id as well.
    scene.rib.announce(scene.restarts.rib_in, ATTRIBUTES, NEXT_HOP, [(KEY, bytes(13))])
    assert scene.rib.best(KEY) is scene.stays.rib_in.paths[KEY]
    scene.restart(LOW)
    assert scene.rib.best(KEY) is scene.restarts.rib_in.paths[KEY]


def test_what_is_told_of_them_names_the_new_originator() -> None:
    scene = Scene()
    assert scene.originator(KEY) == scene.originator(LONELY) == LOW.peer_router_id
    scene.restart(HIGH)
    scene.flush()
    assert scene.originator(KEY) == OPENED.peer_router_id
    assert scene.originator(LONELY) == HIGH.peer_router_id


def test_the_same_router_that_returns_changes_nothing() -> None:
    scene = Scene()
    scene.restart(LOW)
    assert not scene.rib.changed


def test_routes_that_are_refused_count_once_and_as_long_as_the_peer_announces_them() -> None:
    rib = Rib()
    peer = Peering(PeerSettings(address="192.0.2.1", asn=65002, maximum_prefix=1))
    peer.open(OPENED, IMPORTS, rib)
    looped, fine = build(local_pref=100, as_path=[65001]), ATTRIBUTES
    nlri = bytes((3, 17, 0, 1, 10, 0, 0, 1, 0, 100, 0, 0, 0, 0, 32, 10, 0, 0, 1))

    def hear(update: Update) -> tuple[int, int, set[str]]:
        peer.receive(update, rib)
        return len(peer.rib_in.paths), peer.routes_in, set(peer.refused.values())

    announced = Reach(L2VPN_EVPN, NEXT_HOP, nlri)
    for _ in range(2):
        assert hear(Update(looped, (announced,))) == (0, 1, {"own AS in the AS path"})
    assert not peer.over_limit
    assert hear(Update(fine, (announced,))) == (1, 1, set())
    assert hear(Update(looped, (announced,))) == (0, 1, {"own AS in the AS path"})
    assert hear(Update(fine, unreach=(Unreach(L2VPN_EVPN, nlri),))) == (0, 0, set())

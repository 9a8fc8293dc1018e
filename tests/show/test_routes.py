"""The rows of routes: which are listed, and why one has no effect."""

from __future__ import annotations

import pytest

from evpnd.bgp.attributes import PmsiTunnel
from evpnd.bgp.rib import Rib
from evpnd.evpn.macvrf import INGRESS_REPLICATION, multicast_key
from evpnd.evpn.values import ip_from_text, rd_from_text
from tests.evpn.scene import MAC, attributes, device
from tests.show.scene import A, B, Scene


def test_routes_by_vni_type_and_peer(scene: Scene) -> None:
    scene.learn("02:00:00:00:00:02")
    scene.mac_route(A)
    scene.mac_route(A, "02:00:00:00:00:03", target="65001:200", vni=200)
    assert len(list(scene.show("routes"))) == 4
    assert {row["peer"] for row in scene.show("routes", {"vni": 100})} == {"local", "p1"}
    assert [row["route_type"] for row in scene.show("routes", {"type": 3})] == [3]
    assert [row["mac"] for row in scene.show("routes", {"peer": "p1", "mac": MAC})] == [MAC]
    assert {row["peer"] for row in scene.show("routes", {"peer": "local"})} == {"local"}


def test_routes_by_vni_are_all_of_its_paths(scene: Scene) -> None:
    for peer in (1, 2):
        scene.mac_route(A, peer=peer)
    rows = list(scene.show("routes", {"vni": 100, "type": 2}))
    assert [(row["peer"], row["vnis"]) for row in rows] == [("p1", [100]), ("p2", [100])]


def test_routes_by_vni_are_also_those_that_carry_it_and_nobody_imports(scene: Scene) -> None:
    """A wrong route target: exactly then somebody looks for the route."""
    scene.mac_route(A, target="65001:999")
    tunnel = PmsiTunnel(0, INGRESS_REPLICATION, bytes((0, 0, 100)), ip_from_text(A))
    key = multicast_key(rd_from_text("1:1"), ip_from_text(A))
    scene.rib.announce(scene.peer(2), attributes("65001:999", pmsi=tunnel), ip_from_text(A), [(key, b"")])
    scene.settle()
    reason = "not imported: no VNI here imports rt:65001:999"
    rows = [row for row in scene.show("routes", {"vni": 100}) if row["peer"] != "local"]
    assert [(row["route_type"], row["peer"], row["vnis"], row["why"]) for row in rows] == [
        (2, "p1", [], reason),
        (3, "p2", [], reason),
    ]


def test_routes_by_vni_are_not_what_others_import_or_carry(scene: Scene) -> None:
    scene.vnis(device(), device(200, 20))
    scene.mac_route(A, target="65001:100", vni=900)  # of VNI 100, its label is no VNI of this host
    scene.mac_route(A, "02:00:00:00:00:02", target="65001:999", vni=300)
    rows = {vni: [row for row in scene.show("routes", {"vni": vni}) if row["peer"] == "p1"] for vni in (100, 200)}
    assert [row["mac"] for row in rows[100]] == [MAC]
    assert rows[200] == []


def test_routes_of_a_vni_that_does_not_work(scene: Scene) -> None:
    scene.vnis(device(), device(200, 20, problem="br200 is down"))
    scene.mac_route(A)
    scene.mac_route(A, "02:00:00:00:00:02", target="65001:200", vni=200)
    (row,) = scene.show("routes", {"vni": 200})
    assert row["mac"] == "02:00:00:00:00:02"
    assert row["why"] == "not imported: no VNI here imports rt:65001:200; VNI 200 does not work here: br200 is down"


def test_listing_survives_routes_that_go_meanwhile(scene: Scene) -> None:
    keys_ = [scene.mac_route(A, f"02:00:00:00:00:0{number}") for number in range(4)]
    rows = scene.show("routes", {"peer": "p1"})
    next(rows)
    for key in keys_:
        scene.withdraw(key)
    assert list(rows) == []
    assert isinstance(scene.rib, Rib)


def test_installed_route_has_nothing_to_explain(scene: Scene) -> None:
    assert scene.why(scene.mac_route(A)) is None


def test_route_without_an_importing_vni(scene: Scene) -> None:
    key = scene.mac_route(A, target="65001:200")
    assert scene.why(key) == "not imported: no VNI here imports rt:65001:200"


def test_route_to_this_host(scene: Scene) -> None:
    assert scene.why(scene.mac_route("10.0.0.5")) == "not installed: the next hop is this host"


def test_next_hop_that_is_here_says_what_it_is(scene: Scene) -> None:
    scene.vnis(device(), device(200, 20, vtep="10.0.0.6"))
    scene.instances.set_taken({ip_from_text("10.0.0.255"): "the broadcast address of a subnet on eth0"})
    wrong = scene.mac_route("10.0.0.6")
    assert scene.why(wrong) == "not installed: 10.0.0.6 is this host's VTEP of VNI 200"
    scene.mac_route("10.0.0.255", "02:00:00:00:00:02")
    scene.multicast_route(A, endpoint="10.0.0.255")
    reasons = [row["why"] for row in scene.show("routes") if row["peer"] == "p1"][1:]
    assert reasons == ["not installed: 10.0.0.255 is the broadcast address of a subnet on eth0"] * 2


@pytest.mark.parametrize("next_hop", ["0.0.0.0", "224.0.0.1", "2001:db8::1"])
def test_route_to_no_vtep_of_ours(scene: Scene, next_hop: str) -> None:
    key = scene.mac_route(A)
    scene.rib.announce(scene.peer(1), attributes(), ip_from_text(next_hop), [(key, bytes(13))])
    scene.settle()
    assert scene.why(key) == f"not installed: {next_hop} is no VTEP that can be reached from here"


@pytest.mark.parametrize("mac", ["00:00:00:00:00:00", "33:33:00:00:00:01"])
def test_route_for_what_is_no_host(scene: Scene, mac: str) -> None:
    assert scene.why(scene.mac_route(A, mac)) == "not installed: no host can have this MAC"


def test_route_that_adds_nobody_to_the_flood_list(scene: Scene) -> None:
    scene.multicast_route(A)
    scene.multicast_route(B, pmsi=False)
    rows = [row for row in scene.show("routes", {"type": 3, "peer": "p1"}) if row["why"] is not None]
    assert [row["originator_ip"] for row in rows] == [B]
    assert "no tunnel" in rows[0]["why"]


def test_route_for_a_local_mac(scene: Scene) -> None:
    scene.learn()
    assert scene.why(scene.mac_route(B)) == "not installed: the MAC is local here"


def test_route_that_another_beats_for_the_mac(scene: Scene) -> None:
    key = scene.mac_route(B)
    scene.mac_route(A, peer=2)
    assert scene.why(key) == "not installed: another route for the MAC is better"


def test_path_that_another_source_beats(scene: Scene) -> None:
    key = scene.mac_route(A)
    scene.mac_route(A, peer=2, mobility=(1, False))
    assert scene.why(key) == "not best: the other has higher mobility sequence"
    assert scene.why(key, "p2") is None

"""The rows that evpnctl gets, from a speaker without sockets: what they hold, and why a route has no effect."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from evpnd.bgp.rib import Rib
from evpnd.config import BgpConfig, Config, EvpnConfig, PeerSettings, VniSettings
from evpnd.evpn.values import ip_from_text, mac_from_text
from evpnd.fib.reconcile import Failure
from evpnd.requests import RequestError
from evpnd.show import PAUSE, Show, handlers
from evpnd.views import VIEWS, keys
from tests.evpn.scene import MAC, Host, attributes, device

A, B = "10.0.0.1", "10.0.0.9"


class Scene(Host):
    """A host whose RIB and instances are looked at through Show."""

    def __init__(self, evpn: EvpnConfig | None = None) -> None:
        super().__init__(evpn)
        config = Config(bgp=BgpConfig(asn=65001, router_id="10.0.0.5"), files=("evpnd.toml",))
        self.failures: dict[bytes, Failure] = {}
        link = SimpleNamespace(name="pod7")
        self.unusable: dict[str, str] = {}
        kernel = SimpleNamespace(links={7: link}, failures=self.failures, stats={"desired": 1}, unusable=self.unusable)
        peerings = {f"p{number}": SimpleNamespace(rib_in=self.peer(number)) for number in (1, 2)}
        speaker = SimpleNamespace(rib=self.rib, instances=self.instances, peerings=peerings)
        self.daemon: Any = SimpleNamespace(
            config=config, speaker=speaker, sessions={}, listener=None, kernel=kernel, now=lambda: 100.0, started_at=0.0
        )
        self.show: Any = Show(self.daemon)

    def why(self, key: bytes, peer: str = "p1") -> str | None:
        rows = [row for row in self.show.routes({}) if row["peer"] == peer]
        mac = key[14:20].hex(":")
        return next(cast("str | None", row["why"]) for row in rows if row.get("mac") == mac)


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.vnis(device())
    return scene


def test_every_command_has_a_handler_and_a_view(scene: Scene) -> None:
    assert handlers(scene.daemon).keys() == VIEWS.keys()


def test_local_and_remote_macs(scene: Scene) -> None:
    scene.learn("02:00:00:00:00:02")
    scene.mac_route(A, mobility=(3, True), ip="10.1.0.1")
    remote, local = scene.show.macs({})
    assert (remote["mac"], remote["kind"], remote["vtep"], remote["sequence"]) == (MAC, "remote", A, 3)
    assert (remote["sticky"], remote["ips"], remote["peer"]) == (True, ["10.1.0.1"], "p1")
    assert (local["mac"], local["kind"], local["port"]) == ("02:00:00:00:00:02", "local", "pod7")
    assert [row["mac"] for row in scene.show.macs({"mac": MAC})] == [MAC]
    assert keys(VIEWS["show.mac"]) <= remote.keys() | local.keys()


def test_mac_that_is_local_and_remote_is_listed_once(scene: Scene) -> None:
    scene.learn()
    scene.mac_route(B)
    scene.mac_route(A, "02:00:00:00:00:02")
    assert [(row["mac"], row["kind"]) for row in scene.show.macs({})] == [
        (MAC, "local"),
        ("02:00:00:00:00:02", "remote"),
    ]


def test_others_have_their_turn_between_peers(scene: Scene) -> None:
    """The routes of each are counted, a million of them in a tenth of a second."""
    peers = tuple(PeerSettings(address=f"10.0.0.{number}", asn=65001, enabled=False) for number in (1, 2))
    scene.daemon.config = Config(bgp=BgpConfig(asn=65001, router_id="10.0.0.5", peers=peers))
    rows = list(scene.show.peers({}))
    assert [None if row is None else row["address"] for row in rows] == ["10.0.0.1", None, "10.0.0.2", None]


def test_mac_that_the_kernel_refused_says_so(scene: Scene) -> None:
    scene.mac_route(A)
    scene.failures[scene.vrf.intent(mac_from_text(MAC))] = Failure(28, "no space left on device", 2, 105.0)
    (row,) = scene.show.macs({})
    assert row["problem"] == "not in the kernel: no space left on device"
    (failure,) = scene.show.fib_failures({})
    assert (failure["errno"], failure["count"], failure["retry_in_s"]) == ("ENOSPC", 2, 5.0)
    assert keys(VIEWS["show.fib.failures"]) == failure.keys()


def test_vni_that_works_and_one_that_does_not() -> None:
    scene = Scene(EvpnConfig(vnis={100: VniSettings(vni=100, import_targets=("*:7", "65001:100"))}))
    scene.vnis(device(), device(200, 20, problem="vx200 is down"))
    works, broken = scene.show.vnis({})
    assert works["import_targets"] == ["*:7", "65001:100"]
    assert works["export_targets"] == ["65001:100"]
    assert works["problem"] is None
    assert broken["problem"] == "vx200 is down"
    assert [row["vni"] for row in scene.show.vnis({"vni": 200})] == [200]
    assert list(scene.show.macs({"vni": 200})) == []


def test_macs_without_a_way_to_them_are_not_counted_as_remote(scene: Scene) -> None:
    scene.mac_route(A, "02:00:00:00:00:02")
    key = scene.mac_route("127.0.0.1", "02:00:00:00:00:03")
    (vni,) = scene.show.vnis({})
    assert (vni["remote_macs"], vni["unreached_macs"]) == (1, 1)
    assert vni["warnings"] == ["MACs without a route to a VTEP that can be reached from here: 1"]
    scene.mac_route(A, "02:00:00:00:00:03")
    (vni,) = scene.show.vnis({})
    assert (vni["remote_macs"], vni["unreached_macs"], vni["warnings"]) == (2, 0, [])
    scene.learn("02:00:00:00:00:03")
    scene.withdraw(key)
    (vni,) = scene.show.vnis({})
    assert (vni["remote_macs"], vni["unreached_macs"]) == (1, 0)


def test_next_hop_that_is_here_says_what_it_is(scene: Scene) -> None:
    scene.vnis(device(), device(200, 20, vtep="10.0.0.6"))
    scene.instances.set_taken({ip_from_text("10.0.0.255"): "the broadcast address of a subnet on eth0"})
    wrong = scene.mac_route("10.0.0.6")
    assert scene.why(wrong) == "not installed: 10.0.0.6 is this host's VTEP of VNI 200"
    scene.mac_route("10.0.0.255", "02:00:00:00:00:02")
    scene.multicast_route(A, endpoint="10.0.0.255")
    reasons = [row["why"] for row in scene.show.routes({}) if row["peer"] == "p1"][1:]
    assert reasons == ["not installed: 10.0.0.255 is the broadcast address of a subnet on eth0"] * 2


def test_device_that_can_not_be_used_says_why() -> None:
    scene = Scene()
    scene.unusable["vxlan0"] = "vxlan0 is a single VXLAN device"
    assert scene.show.vnis({}) == [{"vni": None, "device": "vxlan0", "problem": "vxlan0 is a single VXLAN device"}]


@pytest.mark.parametrize("command", ["vnis", "macs", "vteps", "routes"])
def test_unknown_vni_is_refused(scene: Scene, command: str) -> None:
    with pytest.raises(RequestError, match="VNI 5 is not known here"):
        list(getattr(scene.show, command)({"vni": 5}))


def test_peers_without_a_session_say_why(scene: Scene) -> None:
    peers = tuple(PeerSettings(address=f"10.0.0.{n}", asn="internal", enabled=n != 1) for n in (1, 2))
    scene.daemon.config = Config(bgp=BgpConfig(asn=65001, router_id="10.0.0.5", peers=peers), files=("evpnd.toml",))
    rows = [row for row in scene.show.peers({}) if row]
    assert [(row["state"], row["problem"].split(",")[0]) for row in rows] == [
        ("disabled", "disabled in the configuration"),
        ("idle", "evpnd is starting"),
    ]


def test_unknown_peer_is_refused(scene: Scene) -> None:
    for call in (scene.show.peer, scene.show.clear_peer, scene.show.routes):
        with pytest.raises(RequestError, match=r"peer 10.9.9.9 is not configured"):
            call({"peer": "10.9.9.9"})


def test_vteps_with_and_without_flooding(scene: Scene) -> None:
    scene.multicast_route(A)
    scene.mac_route(B)
    flooded, silent = scene.show.vteps({})
    assert (flooded["vtep"], flooded["flood"], flooded["macs"], flooded["peer"]) == (A, True, 0, "p1")
    assert (silent["vtep"], silent["flood"], silent["macs"]) == (B, False, 1)
    assert silent["problem"] == "no type 3 route: no flooding to it"


def test_routes_by_vni_type_and_peer(scene: Scene) -> None:
    scene.learn("02:00:00:00:00:02")
    scene.mac_route(A)
    scene.mac_route(A, "02:00:00:00:00:03", target="65001:200", vni=200)
    assert len(list(scene.show.routes({}))) == 4
    assert {row["peer"] for row in scene.show.routes({"vni": 100})} == {"local", "p1"}
    assert [row["route_type"] for row in scene.show.routes({"type": 3})] == [3]
    assert [row["mac"] for row in scene.show.routes({"peer": "p1", "mac": MAC})] == [MAC]


# Why a route has no effect


def test_routes_by_vni_are_all_of_its_paths(scene: Scene) -> None:
    for peer in (1, 2):
        scene.mac_route(A, peer=peer)
    rows = list(scene.show.routes({"vni": 100, "type": 2}))
    assert [(row["peer"], row["vnis"]) for row in rows] == [("p1", [100]), ("p2", [100])]


def test_installed_route_has_nothing_to_explain(scene: Scene) -> None:
    assert scene.why(scene.mac_route(A)) is None


def test_route_without_an_importing_vni(scene: Scene) -> None:
    key = scene.mac_route(A, target="65001:200")
    assert scene.why(key) == "not imported: no VNI here imports rt:65001:200"


def test_route_to_this_host(scene: Scene) -> None:
    assert scene.why(scene.mac_route("10.0.0.5")) == "not installed: the next hop is this host"


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
    rows = [row for row in scene.show.routes({"type": 3, "peer": "p1"}) if row["why"] is not None]
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


def test_listing_survives_routes_that_go_meanwhile(scene: Scene) -> None:
    keys_ = [scene.mac_route(A, f"02:00:00:00:00:0{number}") for number in range(4)]
    rows = scene.show.routes({"peer": "p1"})
    next(rows)
    for key in keys_:
        scene.withdraw(key)
    assert list(rows) == []
    assert isinstance(scene.rib, Rib)


@pytest.mark.parametrize("command", ["routes", "macs", "vteps"])
def test_long_listing_without_rows_lets_others_have_their_turn(scene: Scene, command: str) -> None:
    """At 200,000 routes a filter that finds nothing held up the loop for a third of a second."""
    for number in range(2 * PAUSE):
        scene.mac_route("10.0.0.5", f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}")
    filters = {"type": 5} if command == "routes" else {}
    rows = getattr(scene.show, command)(filters)
    assert list(rows) == [None, None]

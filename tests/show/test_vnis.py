"""The rows of VNIs, MACs and VTEPs."""

from __future__ import annotations

from evpnd.config import EvpnConfig, VniSettings
from evpnd.evpn.values import mac_from_text
from evpnd.fib.reconcile import Failure
from evpnd.views import VIEWS, keys
from tests.evpn.scene import MAC, OWN_VTEP, device
from tests.show.scene import A, B, Scene


def test_vni_that_works_and_one_that_does_not() -> None:
    scene = Scene(EvpnConfig(vnis={100: VniSettings(vni=100, import_targets=("*:7", "65001:100"))}))
    scene.vnis(device(), device(200, 20, problem="vx200 is down"))
    works, broken = scene.show("vni")
    assert works["import_targets"] == ["*:7", "65001:100"]
    assert works["export_targets"] == ["65001:100"]
    assert works["problem"] is None
    assert broken["problem"] == "vx200 is down"
    assert [row["vni"] for row in scene.show("vni", {"vni": 200})] == [200]
    assert list(scene.show("mac", {"vni": 200})) == []


def test_macs_without_a_way_to_them_are_not_counted_as_remote(scene: Scene) -> None:
    scene.mac_route(A, "02:00:00:00:00:02")
    key = scene.mac_route("127.0.0.1", "02:00:00:00:00:03")
    (vni,) = scene.show("vni")
    assert (vni["remote_macs"], vni["unreached_macs"]) == (1, 1)
    assert vni["warnings"] == [
        "MACs without a route to a VTEP that can be reached from here: 1; "
        "`evpnctl show mac --vni 100` lists them as unreached"
    ]
    remote, unreached = scene.show("mac", {"vni": 100})
    assert (remote["mac"], remote["kind"], remote["problem"]) == ("02:00:00:00:00:02", "remote", None)
    assert (unreached["mac"], unreached["kind"], unreached["vtep"]) == ("02:00:00:00:00:03", "unreached", "127.0.0.1")
    assert unreached["problem"] == "not installed: 127.0.0.1 is no VTEP that can be reached from here"
    scene.mac_route(A, "02:00:00:00:00:03")
    (vni,) = scene.show("vni")
    assert (vni["remote_macs"], vni["unreached_macs"], vni["warnings"]) == (2, 0, [])
    scene.learn("02:00:00:00:00:03")
    scene.withdraw(key)
    (vni,) = scene.show("vni")
    assert (vni["remote_macs"], vni["unreached_macs"]) == (1, 0)
    scene.learn("02:00:00:00:00:04")
    scene.mac_route("127.0.0.1", "02:00:00:00:00:04")
    (vni,) = scene.show("vni")
    assert (vni["unreached_macs"], vni["warnings"]) == (0, [])  # it is here, whatever a route says
    assert [row["kind"] for row in scene.show("mac")] == ["remote", "local", "local"]


def test_flood_entries_of_others_are_a_warning(scene: Scene) -> None:
    scene.vnis(device(100, 10), device(200, 20))
    scene.foreign_floods[20] = [bytes([10, 0, 0, 9]), bytes([10, 0, 0, 7])]
    first, second = scene.show("vni")
    assert first["warnings"] == []
    assert second["warnings"] == [
        "the flood list has entries without evpnd's mark, which stay: 10.0.0.7, 10.0.0.9; "
        "`bridge fdb del 00:00:00:00:00:00 dev vx200 dst ADDRESS self` removes one"
    ]


def test_device_that_can_not_be_used_says_why() -> None:
    scene = Scene()
    scene.unusable["vxlan0"] = "vxlan0 is a single VXLAN device"
    assert scene.show("vni") == [{"vni": None, "device": "vxlan0", "problem": "vxlan0 is a single VXLAN device"}]


def test_local_and_remote_macs(scene: Scene) -> None:
    scene.learn("02:00:00:00:00:02")
    scene.mac_route(A, mobility=(3, True), ip="10.1.0.1")
    remote, local = scene.show("mac")
    assert (remote["mac"], remote["kind"], remote["vtep"], remote["sequence"]) == (MAC, "remote", A, 3)
    assert (remote["sticky"], remote["ips"], remote["peer"]) == (True, ["10.1.0.1"], "p1")
    assert (local["mac"], local["kind"], local["port"]) == ("02:00:00:00:00:02", "local", "pod7")
    assert [row["mac"] for row in scene.show("mac", {"mac": MAC})] == [MAC]
    assert keys(VIEWS["show.mac"]) <= remote.keys() | local.keys()


def test_mac_that_is_local_and_remote_is_listed_once(scene: Scene) -> None:
    scene.learn()
    scene.mac_route(B)
    scene.mac_route(A, "02:00:00:00:00:02")
    assert [(row["mac"], row["kind"]) for row in scene.show("mac")] == [
        (MAC, "local"),
        ("02:00:00:00:00:02", "remote"),
    ]


def test_mac_that_the_kernel_refused_says_so(scene: Scene) -> None:
    scene.mac_route(A)
    scene.failures[scene.vrf.intent(mac_from_text(MAC))] = Failure(28, "no space left on device", 2, 105.0)
    (row,) = scene.show("mac")
    assert row["problem"] == "not in the kernel: no space left on device"


def test_vteps_with_and_without_flooding(scene: Scene) -> None:
    scene.multicast_route(A)
    scene.mac_route(B)
    flooded, silent = scene.show("vteps")
    assert (flooded["vtep"], flooded["flood"], flooded["macs"], flooded["peer"]) == (A, True, 0, "p1")
    assert (silent["vtep"], silent["flood"], silent["macs"]) == (B, False, 1)
    assert silent["problem"] == "no type 3 route: no flooding to it"


def test_vtep_where_flooding_is_off() -> None:
    scene = Scene(EvpnConfig(vnis={100: VniSettings(vni=100, flooding=False)}))
    scene.vnis(device())
    scene.multicast_route(A)
    scene.mac_route(A)
    (row,) = scene.show("vteps")
    assert (row["flood"], row["problem"]) == (False, "no flooding to it: that is off in the configuration")


def test_vtep_that_is_here(scene: Scene) -> None:
    """Two hosts with the same VTEP address."""
    scene.multicast_route(A, endpoint=OWN_VTEP)
    scene.mac_route(OWN_VTEP)
    (row,) = scene.show("vteps")
    assert (row["vtep"], row["flood"], row["macs"], row["peer"]) == (OWN_VTEP, False, 1, "p1")
    assert row["problem"] == "not used: 10.0.0.5 is this host's VTEP of VNI 100"
    (vni,) = scene.show("vni")
    assert vni["warnings"][1:] == ["VTEPs that can't be flooded to: 1; `evpnctl show vteps --vni 100` says why"]

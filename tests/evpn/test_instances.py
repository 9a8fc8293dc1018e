"""Instances over time: route distinguishers and targets, and any order of events ending in the same state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evpnd.config import EvpnConfig, VniSettings
from evpnd.evpn.extended_community import to_text
from evpnd.evpn.values import ip_from_text, rd_text
from tests.evpn.scene import OWN_VTEP, Host, device

A = "10.0.0.1"


def test_rd_is_the_vni_or_the_highest_free_number() -> None:
    host = Host()
    host.vnis(device(100), device(70000, 11), device(70001, 12), device(65535, 13))
    rds = {vni: rd_text(vrf.rd) for vni, vrf in host.instances.by_vni.items()}
    assert rds == {
        100: "10.0.0.5:100",
        65535: "10.0.0.5:65535",
        70000: "10.0.0.5:65534",
        70001: "10.0.0.5:65533",
    }


def test_rd_and_targets_from_the_configuration() -> None:
    own = VniSettings(vni=100, rd="65001:7", import_targets=("65009:1", "*:5"), export_targets=("65009:2",))
    host = Host(EvpnConfig(vnis={100: own}))
    host.vnis(device())
    assert rd_text(host.vrf.rd) == "65001:7"
    assert [to_text(target) for target in host.vrf.exports] == ["rt:65009:2"]
    host.mac_route(A, target="65001:100")
    assert host.where() is None
    host.mac_route(A, target="65001:5")
    assert host.where() == A


@pytest.mark.parametrize(("derivation", "target"), [("asn", "rt:65001:100"), ("rfc8365", "rt:65001:268435556")])
def test_derived_targets(derivation: str, target: str) -> None:
    host = Host(EvpnConfig(route_targets=derivation))  # type: ignore[arg-type]
    host.vnis(device())
    assert [to_text(octets) for octets in host.vrf.exports] == [target]


def test_broken_device_has_no_instance_until_it_works() -> None:
    host = Host()
    host.mac_route(A)
    host.vnis(device(problem="vx100 is down"))
    assert not host.instances.by_vni
    assert not host.fdb
    host.vnis(device())
    assert host.where() == A


def test_device_with_a_new_index_moves_everything() -> None:
    host = Host()
    host.vnis(device(ifindex=10))
    host.mac_route(A)
    before = set(host.fdb)
    host.vnis(device(ifindex=20))
    assert len(host.fdb) == 1
    assert not before & set(host.fdb)
    assert host.where() == A


@pytest.mark.parametrize("change", [{"bridge": 2000}, {"vtep": ip_from_text("10.0.0.6")}, {"vlan": 7}])
def test_device_that_changes_in_place_keeps_its_remote_macs_and_floods(change: dict[str, Any]) -> None:
    host = Host()
    host.vnis(device())
    host.mac_route(A)
    host.multicast_route(A)
    host.vnis(replace(device(), **change))
    assert len(host.fdb) == 2
    assert host.where() == A


def test_rds_differ_whatever_the_order_in_which_vnis_come() -> None:
    host = Host(EvpnConfig(vnis={300: VniSettings(vni=300, rd=f"{OWN_VTEP}:200")}))
    host.vnis(device(70000, 11))
    host.vnis(device(70000, 11), device(65535, 12), device(200, 13), device(300, 14))
    rds = [vrf.rd for vrf in host.instances.by_vni.values()]
    assert len(set(rds)) == 4, list(map(rd_text, rds))


def test_rd_of_a_vni_that_went_is_free_for_the_one_that_comes_with_it() -> None:
    host = Host()
    host.vnis(device(70000, 11))
    host.learn(vni=65535)
    host.vnis(device(65535, 12))
    assert rd_text(host.instances.by_vni[65535].rd) == f"{OWN_VTEP}:65535"
    assert len(host.local_in.paths) == 2


def test_numbers_of_rds_do_not_run_out() -> None:
    host = Host()
    for vni in range(100_000, 170_000, 1000):
        host.vnis(*(device(vni + n, 10 + n) for n in range(3)))
        assert {rd_text(vrf.rd) for vrf in host.instances.by_vni.values()} == {
            f"{OWN_VTEP}:{number}" for number in (65535, 65534, 65533)
        }


def test_change_of_what_does_not_matter_keeps_the_instance() -> None:
    host = Host()
    host.vnis(device())
    vrf = host.vrf
    host.vnis(replace(device(), bridge_mac=bytes(6), mtu=1450))
    assert host.vrf is vrf


def test_next_hop_that_is_taken_here_is_refused_while_it_is() -> None:
    host = Host()
    host.vnis(device())
    host.multicast_route(A)
    key = host.mac_route(A)
    held = dict(host.fdb)
    assert len(held) == 2
    host.instances.set_taken({ip_from_text(A): "a"})
    assert not host.fdb
    assert host.vrf.count_remote() == 0
    host.instances.set_taken({})
    assert host.fdb == held
    for problem in (None, "vx200 is down"):
        host.vnis(device(), device(200, 20, vtep=A, problem=problem))
        assert not host.fdb
        host.vnis(device())
        assert host.fdb == held
    host.instances.set_taken({ip_from_text(A): "a"})
    host.withdraw(key)
    host.mac_route(A)
    host.multicast_route(A)
    assert not host.fdb
    host.instances.set_taken({})
    assert host.fdb == held


def test_why_a_route_is_not_imported() -> None:
    host = Host()
    host.vnis(device())
    key = host.mac_route(A, target="65001:200")
    path = host.rib.best(key)
    assert path is not None
    assert host.instances.why_not_imported(path) == "not imported: no VNI here imports rt:65001:200"


@pytest.mark.parametrize("problem", [None, "vx200 is down"])
def test_route_whose_label_is_another_vni_of_this_host_is_not_imported(problem: str | None) -> None:
    """The target alone would bring one tenant's MAC, and a place to flood to, into another's bridge."""
    host = Host()
    host.vnis(device())
    key = host.mac_route(A, vni=200)
    host.multicast_route(A, vni=200)
    held = dict(host.fdb)
    assert len(held) == 2  # nothing here is VNI 200: the peer may number in its own way
    for _ in range(2):
        host.vnis(device(), device(200, 20, problem=problem))
        assert not host.fdb
        path = host.rib.best(key)
        assert path is not None
        why = "not imported: its route target is of VNI 100 here, its label of VNI 200"
        assert host.instances.why_not_imported(path) == why
        host.vnis(device())
        assert host.fdb == held


def test_target_of_a_vrf_does_not_bring_a_mac_into_the_bridge_of_that_number() -> None:
    """A route of symmetric IRB has the targets of its VNI and of its VRF."""
    host = Host()
    host.vnis(device(200, 20))
    key = host.mac_route(A, target="65001:100 65001:200", vni=100, vrf=200)
    assert not host.fdb
    path = host.rib.best(key)
    assert path is not None
    why = "not imported: by its second label VNI 200 is a VRF's, and here it is a bridge's"
    assert host.instances.why_not_imported(path) == why
    host.vnis(device(), device(200, 20))
    assert host.where() == A
    assert [vrf.vni for vrf in host.instances.importers_now(path)] == [100]


# Any order

STEPS = (
    "device",
    "other device",
    "mac a",
    "mac b",
    "mac ip",
    "flood",
    "local",
    "local a",
    "withdraw",
    "gone",
    "down",
    "targets",
    "own hop",
    "taken",
    "free",
    "vtep a",
)


def perform(host: Host, step: str, devices: dict[int, object]) -> None:
    if step == "device":
        devices[100] = device(100, 10)
    elif step == "other device":
        devices[200] = device(200, 20)
    elif step == "gone":
        devices.pop(100, None)
    elif step == "down":
        devices[100] = device(100, 10, problem="vx100 is down")
    elif step == "mac a":
        host.mac_route(A, "02:00:00:00:00:02")
    elif step == "mac b":
        host.mac_route("10.0.0.2", "02:00:00:00:00:02", (1, False), peer=2)
    elif step == "mac ip":
        host.mac_route(A, "02:00:00:00:00:02", ip="10.1.0.1")
    elif step == "targets":
        host.mac_route(A, "02:00:00:00:00:02", target="65001:200")
    elif step == "flood":
        host.multicast_route(A)
    elif step == "local":
        host.learn("02:00:00:00:00:03")
    elif step == "local a":
        host.learn("02:00:00:00:00:02")
        host.forget("02:00:00:00:00:02")
    elif step in ("taken", "free"):
        host.instances.set_taken({ip_from_text(A): "taken"} if step == "taken" else {})
    elif step == "vtep a":
        devices[200] = device(200, 20, vtep=A)
    elif step == "own hop":
        host.mac_route(OWN_VTEP, "02:00:00:00:00:02")
    elif step == "withdraw":
        host.rib.withdraw(host.peer(1), list(host.peer(1).paths))
        host.settle()
    host.vnis(*devices.values())  # type: ignore[arg-type]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(STEPS), max_size=12))
def test_end_state_depends_on_what_is_there_and_not_on_its_history(steps: list[str]) -> None:
    """A host that went through anything holds what one holds that saw only the outcome."""
    host, devices = Host(), dict[int, object]()
    for step in steps:
        perform(host, step, devices)

    fresh = Host()
    fresh.local = dict(host.local)
    for number, rib_in in host.peers.items():
        for key, path in rib_in.paths.items():
            fresh.rib.announce(fresh.peer(number), path.attributes, path.next_hop, [(key, path.body)])
    fresh.vnis(*devices.values())  # type: ignore[arg-type]
    fresh.instances.set_taken(host.instances.taken)

    assert dict(host.fdb) == dict(fresh.fdb)
    assert host.local_in.paths.keys() == fresh.local_in.paths.keys()
    assert host.instances.by_vni.keys() == fresh.instances.by_vni.keys()
    for vrf in host.instances.by_vni.values():
        assert vrf.count_remote() == sum(vrf.intent(mac) in host.fdb for mac in vrf.remote)

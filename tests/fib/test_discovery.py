"""evpnd.fib.discovery: VNIs from devices, and why one of them does not work."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.fib.discovery import Known, discover, unusable
from evpnd.fib.link import BridgePort, Link, Vxlan

LOCAL = bytes([10, 0, 0, 1])
BRIDGE = Link(2, "br100", True, mac=b"\2\0\0\0\0\1", kind="bridge")
PORT = BridgePort(3, learning=False)
VXLAN = Link(3, "vx100", True, 2, mtu=1450, kind="vxlan", vxlan=Vxlan(100, LOCAL, learning=False), port=PORT)
OTHER = Link(4, "vx100b", True, 2, kind="vxlan", vxlan=Vxlan(100, LOCAL, port=4790, learning=False), port=PORT)


TENANT = Link(6, "vx200", True, 2, kind="vxlan", vxlan=Vxlan(200, LOCAL, learning=False), port=PORT)


def by_index(*links: Link) -> dict[int, Link]:
    return {link.index: link for link in links}


def test_a_vni_that_works() -> None:
    device = discover(by_index(BRIDGE, VXLAN))[100]
    assert (device.ifindex, device.name, device.bridge, device.bridge_name) == (3, "vx100", 2, "br100")
    assert (device.vtep, device.mtu, device.problem, device.warnings) == (LOCAL, 1450, None, ())


@pytest.mark.parametrize(
    ("bridge", "vxlan", "problem"),
    [
        (BRIDGE, replace(VXLAN, master=0), "vx100 is not in a bridge"),
        (BRIDGE, replace(VXLAN, master=99), "vx100 is not in a bridge"),
        (replace(BRIDGE, kind="bond"), VXLAN, "vx100 is not in a bridge"),
        (BRIDGE, replace(VXLAN, up=False), "vx100 is down"),
        (replace(BRIDGE, up=False), VXLAN, "br100 is down"),
        (BRIDGE, replace(VXLAN, vxlan=Vxlan(100)), "vx100 has no local address"),
        (replace(BRIDGE, vlan_filtering=True), VXLAN, "br100 is VLAN-aware, which evpnd does not use yet"),
    ],
)
def test_the_first_condition_that_fails_is_named(bridge: Link, vxlan: Link, problem: str) -> None:
    assert discover(by_index(bridge, vxlan))[100].problem == problem


def test_settings_that_let_the_kernel_learn_remote_macs_are_warned_of() -> None:
    vxlan = replace(VXLAN, vxlan=Vxlan(100, LOCAL), port=BridgePort(3))
    assert discover(by_index(BRIDGE, vxlan))[100].warnings == (
        "vx100 learns from traffic; expected nolearning",
        "vx100 learns as a bridge port; expected learning off",
    )


def test_of_two_devices_with_one_vni_the_one_that_works_counts() -> None:
    device = discover(by_index(BRIDGE, VXLAN, OTHER))[100]
    assert (device.name, device.warnings) == ("vx100", ("VNI 100 is also on vx100b, which is not used",))
    device = discover(by_index(BRIDGE, replace(VXLAN, up=False), OTHER))[100]
    assert (device.name, device.warnings) == ("vx100b", ("VNI 100 is also on vx100, which is not used",))


@pytest.mark.parametrize("up", [True, False])
def test_of_two_vnis_in_one_bridge_none_works(up: bool) -> None:
    other = replace(TENANT, up=up)
    text = "br100 has devices of several VNIs (100, 200), expected a bridge for each"
    devices = discover(by_index(BRIDGE, VXLAN, other))
    assert devices[100].problem == text
    assert devices[200].problem == (text if up else "vx200 is down")
    assert discover(by_index(BRIDGE, VXLAN, replace(other, master=0)))[100].problem is None


def test_a_single_vxlan_device_is_named_as_unusable() -> None:
    single = Link(5, "vxlan0", True, 2, kind="vxlan", vxlan=Vxlan(0, LOCAL, collect_metadata=True))
    links = by_index(BRIDGE, single)
    assert discover(links) == {}
    assert unusable(links) == {"vxlan0": "vxlan0 is a single VXLAN device (external), which evpnd does not use yet"}


@given(st.permutations([BRIDGE, VXLAN, OTHER, Link(6, "vx200", vxlan=Vxlan(200), kind="vxlan")]))
def test_the_order_of_devices_does_not_matter(links: list[Link]) -> None:
    assert list(discover(by_index(*links)).items()) == list(
        discover(by_index(*sorted(links, key=lambda link: link.index))).items()
    )


@given(
    st.lists(st.sampled_from([BRIDGE, VXLAN, OTHER, replace(VXLAN, up=False), replace(BRIDGE, up=False), TENANT, 3, 2]))
)
def test_what_is_known_already_makes_no_difference(changes: list[Link | int]) -> None:
    links: dict[int, Link] = {}
    known: Known = {}
    for change in changes:
        if isinstance(change, int):
            links.pop(change, None)
        else:
            links[change.index] = change
        assert discover(links, known) == discover(links)

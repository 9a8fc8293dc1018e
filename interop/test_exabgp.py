"""evpnd with ExaBGP 5: what evpnd says, read by its decoder; and routes of types 2 and 3 from it.

ExaBGP reads EVPN, but its configuration has no words for it: MP_REACH_NLRI is given as octets, beside an IPv4 route.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from interop import capture, checks, fabric, matrix
from interop.fabric import ASN, Neighbor, Speaker, pod_mac, vtep_address
from interop.kinds import Exabgp
from interop.lab import Lab
from interop.vtep_tests import HERE, evpnd_of

pytestmark = pytest.mark.peers("exabgp")

EXABGP = vtep_address(9)
MAC = "02:cc:00:00:00:01"


def announcement(prefix: str, route_type: int, value: bytes, more: str = "") -> str:
    """A static IPv4 route that carries an EVPN route of the instance EXABGP:100 with it."""
    address = socket.inet_aton(EXABGP)
    body = b"\0\1" + address + b"\0\x64" + value
    reach = b"\0\x19\x46\4" + address + b"\0" + bytes([route_type, len(body)]) + body
    communities = f"extended-community [ target:{ASN}:100 0x030c000000000008 ];"
    attribute = f"attribute [ 0x0e 0x90 0x{reach.hex()} ];"
    return f"    route {prefix} {{ next-hop {EXABGP}; {communities} {attribute} {more} }}\n"


def announcements() -> str:
    address = socket.inet_aton(EXABGP)
    mac_ip = bytes(10) + bytes(4) + b"\x30" + bytes.fromhex(MAC.replace(":", "")) + b"\0" + (100).to_bytes(3, "big")
    multicast = bytes(4) + b"\x20" + address
    pmsi = b"\0\6" + (100).to_bytes(3, "big") + address  # ingress replication (RFC 6514 section 5)
    tunnel = f"attribute [ 0x16 0xc0 0x{pmsi.hex()} ];"
    routes = announcement("203.0.113.1/32", 2, mac_ip) + announcement("203.0.113.2/32", 3, multicast, tunnel)
    return f"  static {{\n{routes}{other_types()}  }}"


def other_types() -> str:
    """Types 1, 4 (RFC 7432 sections 7.1, 7.4) and 5 (RFC 9136 section 3.1), as octets after the RD."""
    address, esi, label = socket.inet_aton(EXABGP), bytes(range(10)), (5000).to_bytes(3, "big")
    discovery = announcement("203.0.113.3/32", 1, esi + bytes(4) + label)
    segment = announcement("203.0.113.4/32", 4, esi + b"\x20" + address)
    prefix = bytes(10) + bytes(4) + b"\x10" + socket.inet_aton("10.10.0.0") + bytes(4) + label
    return discovery + segment + announcement("203.0.113.5/32", 5, prefix)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    families = ('families = ["l2vpn-evpn", "ipv4-unicast"]',)
    evpnd = fabric.vtep("evpnd", Speaker(HERE, ASN, (Neighbor(EXABGP, ASN, settings=families),)))
    speaker = Speaker(EXABGP, ASN, (Neighbor(HERE, ASN),), vnis=(), extra=announcements())
    exabgp = fabric.speaker_only("exabgp", speaker)
    with Lab(fabric.segment("exabgp", [("host1", evpnd)], [("exabgp", exabgp)])) as lab:
        capture.record(lab["switch"], "eth1")
        yield lab


def heard(lab: Lab, what: str) -> list[dict[str, Any]]:
    """EVPN routes that ExaBGP has read from evpnd: "announce" or "withdraw"."""
    node = lab["exabgp"]
    assert isinstance(node, Exabgp)
    updates = [event.get("neighbor", {}).get("message", {}).get("update", {}) for event in node.heard()]
    families = [update.get(what, {}).get("l2vpn evpn", {}) for update in updates]
    found: list[dict[str, Any]] = []
    for family in families:
        for routes in family.values() if isinstance(family, dict) else [family]:
            found += routes
    return found


@pytest.mark.feature(matrix.RECEIVED)
def test_types_2_and_3_from_exabgp_are_in_the_kernel(lab: Lab) -> None:
    node = lab.vtep(1)
    lab.wait(lambda: node.established(EXABGP), 20, "session")
    lab.wait(lambda: node.kernel_floods(checks.DEVICE) == {EXABGP}, 10, "flood entry")
    lab.wait(lambda: node.kernel_macs(checks.DEVICE).get(MAC) == EXABGP, 10, "MAC")


@pytest.mark.feature(matrix.OTHER_TYPES)
def test_other_types_are_kept_and_harm_nobody(lab: Lab) -> None:
    node = evpnd_of(lab)
    lab.wait(lambda: node.established(EXABGP), 20, "session")
    kept = {"1": 1, "2": 1, "3": 1, "4": 1, "5": 1}
    lab.wait(lambda: node.show(f"peer {EXABGP}")["routes_by_type"] == kept, 10, "one route of each type")
    assert node.established(EXABGP)


@pytest.mark.feature(matrix.SENT)
def test_exabgp_reads_types_2_and_3(lab: Lab) -> None:
    lab.wait(lambda: lab.vtep(1).established(EXABGP), 20, "session")
    lab["pod1"].run("ping -c 1 -W 1 192.168.100.200 || :")
    lab.wait(lambda: {route["code"] for route in heard(lab, "announce")} == {2, 3}, 10, "types 2 and 3 in ExaBGP")
    macs = [route for route in heard(lab, "announce") if route["code"] == 2]
    assert all(route["parsed"] for route in heard(lab, "announce"))
    assert pod_mac(1) in {route["mac"].lower() for route in macs}, macs


@pytest.mark.feature(matrix.WITHDRAWAL)
def test_exabgp_reads_a_withdrawal(lab: Lab) -> None:
    lab.vtep(1).run("ip link set eth2 down")
    lab.wait(lambda: pod_mac(1) in str(heard(lab, "withdraw")).lower(), 10, "withdrawal in ExaBGP")
    lab.vtep(1).run("ip link set eth2 up")


def test_exabgp_restarts(lab: Lab) -> None:
    node, exabgp = lab.vtep(1), lab["exabgp"]
    for end in (exabgp.stop, exabgp.kill):
        end()
        checks.no_floods(lab, 1)
        exabgp.start()
        lab.wait(lambda: node.established(EXABGP), 20, "session")
        lab.wait(lambda: node.kernel_macs(checks.DEVICE).get(MAC) == EXABGP, 10, "MAC")


def test_z_tshark_finds_nothing_malformed(lab: Lab) -> None:
    test_exabgp_reads_types_2_and_3(lab)  # so that enough is said when alone
    test_exabgp_reads_a_withdrawal(lab)
    assert capture.updates(lab["switch"], HERE) >= 3
    assert capture.faults(lab["switch"], HERE) == []


@pytest.mark.feature(matrix.REFLECTS)
def test_exabgp_and_evpnd_through_evpnd_as_reflector() -> None:
    reflector = vtep_address(8)
    families = ('families = ["l2vpn-evpn", "ipv4-unicast"]',)
    host = fabric.vtep("evpnd", Speaker(HERE, ASN, (Neighbor(reflector, ASN),)))
    exabgp = fabric.speaker_only(
        "exabgp", Speaker(EXABGP, ASN, (Neighbor(reflector, ASN),), vnis=(), extra=announcements())
    )
    clients = (Neighbor(HERE, ASN, client=True), Neighbor(EXABGP, ASN, client=True, settings=families))
    middle = fabric.speaker_only("evpnd", Speaker(reflector, ASN, clients, vnis=()))
    with Lab(fabric.segment("reflected", [("host1", host)], [("reflector", middle), ("exabgp", exabgp)])) as lab:
        node = lab.vtep(1)
        lab.wait(lambda: node.kernel_floods(checks.DEVICE) == {EXABGP}, 20, "ExaBGP's type 3 in host1's kernel")
        lab.wait(lambda: node.kernel_macs(checks.DEVICE).get(MAC) == EXABGP, 10, "ExaBGP's type 2 in host1's kernel")
        wanted = {(2, f"{HERE}:100"), (3, f"{HERE}:100")}
        lab.wait(
            lambda: {(route["code"], route["rd"]) for route in heard(lab, "announce")} >= wanted,
            10,
            "host1's types 2 and 3 in ExaBGP",
        )

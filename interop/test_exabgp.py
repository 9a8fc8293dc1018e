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
from interop.vtep_tests import HERE

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
    return f"  static {{\n{routes}  }}"


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
    updates = [event["neighbor"].get("message", {}).get("update", {}) for event in node.heard()]
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


@pytest.mark.feature(matrix.SENT)
def test_exabgp_reads_types_2_and_3(lab: Lab) -> None:
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
    assert capture.updates(lab["switch"], HERE) >= 3
    assert capture.faults(lab["switch"], HERE) == []

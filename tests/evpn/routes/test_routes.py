"""Each route type: its octets, its JSON, and what it refuses to encode."""

from __future__ import annotations

from typing import Any

import pytest

from evpnd.evpn import nlri
from evpnd.evpn.routes import (
    EthernetAdRoute,
    EthernetSegmentRoute,
    InclusiveMulticastRoute,
    IpPrefixRoute,
    LeaveSynchRoute,
    MacIpRoute,
    MembershipReportSynchRoute,
    OpaqueRoute,
    Route,
    SelectiveMulticastRoute,
)
from evpnd.evpn.routes.layout import Layout

RD = bytes.fromhex("00010aff00020002")
NO_ESI = "00:00:00:00:00:00:00:00:00:00"
ESI = bytes.fromhex("00112233445566778899")
MAC = b"\x02\0\0\0\0\x01"
VNI = b"\0\0\x64"
IP4 = b"\x0a\x01\0\x01"
IP6 = bytes.fromhex("20010db8000000000000000000000001")
GROUP = b"\xef\x01\x01\x01"

CASES: list[tuple[Route, str, dict[str, Any]]] = [
    (
        EthernetAdRoute(RD, ESI, 0xFFFFFFFF),
        "0119 00010aff00020002 00112233445566778899 ffffffff 000000",
        {"rd": "10.255.0.2:2", "esi": "00:11:22:33:44:55:66:77:88:99", "ethernet_tag": 0xFFFFFFFF, "label1": 0},
    ),
    (
        MacIpRoute(RD, bytes(10), 0, MAC, IP4, VNI),
        "0225 00010aff00020002 00000000000000000000 00000000 30 020000000001 20 0a010001 000064",
        {"rd": "10.255.0.2:2", "esi": NO_ESI, "ethernet_tag": 0, "mac": "02:00:00:00:00:01", "ip": "10.1.0.1"}
        | {"label1": 100, "label2": None},
    ),
    (
        MacIpRoute(RD, bytes(10), 7, MAC, b"", VNI),
        "0221 00010aff00020002 00000000000000000000 00000007 30 020000000001 00 000064",
        {"rd": "10.255.0.2:2", "esi": NO_ESI, "ethernet_tag": 7, "mac": "02:00:00:00:00:01", "ip": None}
        | {"label1": 100, "label2": None},
    ),
    (
        MacIpRoute(RD, bytes(10), 0, MAC, IP6, VNI, b"\0\x10\0"),
        "0234 00010aff00020002 00000000000000000000 00000000 30 020000000001 80 " + IP6.hex() + " 000064 001000",
        {"rd": "10.255.0.2:2", "esi": NO_ESI, "ethernet_tag": 0, "mac": "02:00:00:00:00:01", "ip": "2001:db8::1"}
        | {"label1": 100, "label2": 4096},
    ),
    (
        InclusiveMulticastRoute(RD, 0, IP4),
        "0311 00010aff00020002 00000000 20 0a010001",
        {"rd": "10.255.0.2:2", "ethernet_tag": 0, "originator_ip": "10.1.0.1"},
    ),
    (
        EthernetSegmentRoute(RD, ESI, IP4),
        "0417 00010aff00020002 00112233445566778899 20 0a010001",
        {"rd": "10.255.0.2:2", "esi": "00:11:22:33:44:55:66:77:88:99", "originator_ip": "10.1.0.1"},
    ),
    (
        IpPrefixRoute(RD, bytes(10), 0, 24, b"\x0a\x01\0\0", bytes(4), VNI),
        "0522 00010aff00020002 00000000000000000000 00000000 18 0a010000 00000000 000064",
        {"rd": "10.255.0.2:2", "esi": NO_ESI, "ethernet_tag": 0, "prefix": "10.1.0.0/24", "gateway_ip": "0.0.0.0"}
        | {"label1": 100},
    ),
    (
        SelectiveMulticastRoute(RD, 0, b"", GROUP, IP4, 0x04),
        "0618 00010aff00020002 00000000 00 20 ef010101 20 0a010001 04",
        {"rd": "10.255.0.2:2", "ethernet_tag": 0, "source": None, "group": "239.1.1.1", "originator_ip": "10.1.0.1"}
        | {"flags": 4},
    ),
    (
        MembershipReportSynchRoute(RD, ESI, 0, IP4, GROUP, IP4, 0x04),
        "0726 00010aff00020002 00112233445566778899 00000000 20 0a010001 20 ef010101 20 0a010001 04",
        {"rd": "10.255.0.2:2", "esi": "00:11:22:33:44:55:66:77:88:99", "ethernet_tag": 0, "source": "10.1.0.1"}
        | {"group": "239.1.1.1", "originator_ip": "10.1.0.1", "flags": 4},
    ),
    (
        LeaveSynchRoute(RD, ESI, 0, b"", GROUP, IP4, b"\0\0\0\0\x0a\x04"),
        "0827 00010aff00020002 00112233445566778899 00000000 00 20 ef010101 20 0a010001 00000000 0a 04",
        {"rd": "10.255.0.2:2", "esi": "00:11:22:33:44:55:66:77:88:99", "ethernet_tag": 0, "source": None}
        | {"group": "239.1.1.1", "originator_ip": "10.1.0.1", "max_response_time": 10, "flags": 4},
    ),
    (OpaqueRoute(11, b"\x01\x02"), "0b02 0102", {"raw": "0102"}),
]


@pytest.mark.parametrize(("route", "octets", "shown"), CASES)
def test_octets_and_json(route: Route, octets: str, shown: dict[str, Any]) -> None:
    wire = bytes.fromhex(octets)
    assert route.encode() == wire
    assert nlri.decode_routes(wire) == [route]
    raw = {"raw": wire[2:].hex()} if wire[0] > 5 else {}
    assert route.to_json() == {"route_type": wire[0]} | shown | raw


@pytest.mark.parametrize(
    "route",
    [
        EthernetAdRoute(RD[:7], ESI, 0),
        EthernetAdRoute(RD, ESI, 0, b"\0\0"),
        MacIpRoute(RD, ESI, 0, MAC[:5], b"", VNI),
        MacIpRoute(RD, ESI[:9], 0, MAC, IP4, VNI),
        InclusiveMulticastRoute(RD + b"\0", 0, IP4),
        EthernetSegmentRoute(RD, ESI + b"\0", IP4),
        IpPrefixRoute(RD, bytes(10), 0, 24, IP4, bytes(16), VNI),
    ],
)
def test_fields_of_wrong_size_are_not_encoded(route: Route) -> None:
    with pytest.raises(ValueError, match="wrong size"):
        route.encode()


def test_a_leave_with_five_octets_at_the_end_is_not_guessed_at() -> None:
    route = LeaveSynchRoute(RD, ESI, 0, b"", GROUP, IP4, bytes(5))
    assert (route.max_response_time_s, route.flags) == (None, None)
    assert nlri.decode_routes(route.encode()) == [route]


def test_a_layout_must_cut_all_octets() -> None:
    with pytest.raises(ValueError, match="key and body make 26 octets of 27"):
        Layout(EthernetAdRoute, "8s10sI3s", key=22, tail=2)

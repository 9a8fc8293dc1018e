"""Everything that evpnd encodes, read by tshark: it reads the values that were meant, and finds nothing malformed.

tshark 4.0 is no judge of labels (its reading depends on the order of attributes), of RFC 9072, of OTC and of the
long-lived graceful restart capability: those it does not read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from evpnd.bgp.attributes import Aggregator, AsPath, PmsiTunnel, build
from evpnd.bgp.capability import AddPath, Capability, ExtendedNextHop, GracefulFamily, GracefulRestart, LongLivedFamily
from evpnd.bgp.community import LargeCommunity
from evpnd.bgp.family import IPV4_UNICAST, IPV6_UNICAST, L2VPN_EVPN
from evpnd.bgp.message import Keepalive, Notification, Open, RouteRefresh, encode_message
from evpnd.bgp.packing import end_of_rib, pack_updates, pack_withdrawals
from evpnd.evpn import extended_community as ec
from evpnd.evpn.routes import (
    EthernetAdRoute,
    EthernetSegmentRoute,
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    SelectiveMulticastRoute,
)
from tests import tshark

ATTRIBUTE = "bgp.update.path_attribute"
RD = bytes.fromhex("00010aff00020002")
ESI = bytes.fromhex("00112233445566778899")
MAC = bytes.fromhex("0200000000ab")
LABEL = bytes.fromhex("000064")
HERE, THERE = IPv4Address("10.0.0.1"), IPv4Address("10.1.0.7")
HERE6, THERE6 = IPv6Address("2001:db8::1"), IPv6Address("2001:db8:1::7")
ROUTER = IPv4Address("10.255.0.9")
PLAIN = build(local_pref=100)
ASN4 = 4200000000


@dataclass(frozen=True)
class Case:
    """A message of ours, and what tshark is to read in it."""

    name: str
    message: bytes
    means: dict[str, list[str]]


def announcing(name: str, attributes: Any, means: dict[str, list[str]]) -> Case:
    route = InclusiveMulticastRoute(RD, 0, HERE.packed).encode()
    (message,) = pack_updates(attributes, L2VPN_EVPN, HERE.packed, [route])
    return Case(
        name, message, {f"{ATTRIBUTE}.mp_reach_nlri.next_hop.ipv4": [str(HERE)], "bgp.evpn.nlri.rt": ["3"], **means}
    )


def route(name: str, encoded: bytes, means: dict[str, list[str]]) -> list[Case]:
    """A route announced and withdrawn."""
    values = {f"bgp.evpn.nlri.{field}": value for field, value in means.items()}
    values.setdefault("bgp.evpn.nlri.rd", [RD.hex(":")])
    (announced,) = pack_updates(PLAIN, L2VPN_EVPN, HERE6.packed, [encoded])
    (withdrawn,) = pack_withdrawals(L2VPN_EVPN, [encoded])
    next_hop = {
        f"{ATTRIBUTE}.mp_reach_nlri.next_hop.ipv6": [str(HERE6)],
        f"{ATTRIBUTE}.type_code": ["14", "1", "2", "5"],
    }
    return [
        Case(name, announced, values | next_hop),
        Case(f"{name}, withdrawn", withdrawn, values | {f"{ATTRIBUTE}.type_code": ["15"]}),
    ]


ATTRIBUTES = [
    announcing("ORIGIN", build(origin=2), {f"{ATTRIBUTE}.origin": ["2"]}),
    announcing(
        "AS_PATH",
        build(as_path=AsPath([(2, (65001, ASN4)), (1, (7, 8))])),
        {
            f"{ATTRIBUTE}.as_path_segment.type": ["2", "1"],
            f"{ATTRIBUTE}.as_path_segment.as4": ["65001", str(ASN4), "7", "8"],
        },
    ),
    announcing(
        "empty AS_PATH", build(), {f"{ATTRIBUTE}.type_code": ["14", "1", "2"], f"{ATTRIBUTE}.length": ["28", "1", "0"]}
    ),
    announcing("NEXT_HOP", build(next_hop=THERE.packed), {f"{ATTRIBUTE}.next_hop": [str(THERE)]}),
    announcing("MED", build(med=ASN4), {f"{ATTRIBUTE}.multi_exit_disc": [str(ASN4)]}),
    announcing("LOCAL_PREF", build(local_pref=7), {f"{ATTRIBUTE}.local_pref": ["7"]}),
    announcing("ATOMIC_AGGREGATE", build(atomic_aggregate=True), {f"{ATTRIBUTE}.type_code": ["14", "1", "2", "6"]}),
    announcing(
        "AGGREGATOR",
        build(aggregator=Aggregator(ASN4, ROUTER.packed)),
        {f"{ATTRIBUTE}.aggregator_as": [str(ASN4)], f"{ATTRIBUTE}.aggregator_origin": [str(ROUTER)]},
    ),
    announcing(
        "COMMUNITIES",
        build(communities=(0xFFFFFF01, 65001 << 16 | 7)),
        {
            f"{ATTRIBUTE}.community_wellknown": ["0xffffff01"],
            f"{ATTRIBUTE}.community_as": ["65001"],
            f"{ATTRIBUTE}.community_value": ["7"],
        },
    ),
    announcing("ORIGINATOR_ID", build(originator_id=ROUTER.packed), {f"{ATTRIBUTE}.originator_id": [str(ROUTER)]}),
    announcing(
        "CLUSTER_LIST",
        build(cluster_list=(ROUTER.packed, HERE.packed)),
        {"bgp.path_attribute.cluster_id": [str(ROUTER), str(HERE)]},
    ),
    announcing(
        "EXTENDED COMMUNITIES",
        build(
            extended_communities=(
                ec.route_target(65001, 100),
                ec.route_target(ASN4, 7),
                ec.encapsulation(),
                ec.mac_mobility(5, sticky=True),
                ec.router_mac(MAC),
                ec.es_import(MAC),
            )
        ),
        {
            "bgp.ext_com.value_as2": ["65001"],
            "bgp.ext_com.value_an4": ["100"],
            "bgp.ext_com.value_as4": [str(ASN4)],
            "bgp.ext_com.value_an2": ["7"],
            "bgp.ext_com.tunnel_type": ["8"],
            "bgp.ext_com_evpn.mmac.flags": ["0x01"],
            "bgp.ext_com_evpn.mmac.seq": ["5"],
            "bgp.ext_com_evpn.esi.router_mac": [MAC.hex(":")],
            "bgp.ext_com_evpn.esi.rt": [MAC.hex(":")],
        },
    ),
    announcing(
        "PMSI tunnel",
        build(extended_communities=(ec.encapsulation(),), pmsi=PmsiTunnel(0, 6, LABEL, HERE.packed)),
        {
            f"{ATTRIBUTE}.pmsi.tunnel.type": ["6"],
            f"{ATTRIBUTE}.pmsi.ingress_rep_ip": [str(HERE)],
            "bgp.evpn.nlri.vni": ["100"],
        },
    ),
    announcing(
        "LARGE_COMMUNITY",
        build(large_communities=(LargeCommunity(ASN4, 2, 3),)),
        {
            "bgp.large_communities.ga": [str(ASN4)],
            "bgp.large_communities.ldp1": ["2"],
            "bgp.large_communities.ldp2": ["3"],
        },
    ),
    announcing(
        "OTC",
        build(otc=65001),
        {f"{ATTRIBUTE}.type_code": ["14", "1", "2", "35"], f"{ATTRIBUTE}.flags": ["0x90", "0x40", "0x40", "0xc0"]},
    ),
]

ROUTES = [
    *route(
        "type 1",
        EthernetAdRoute(RD, ESI, 0xFFFFFFFF, bytes(3)).encode(),
        {"rt": ["1"], "esi": [ESI.hex(":")], "etag": ["4294967295"]},
    ),
    *route(
        "type 2, MAC only",
        MacIpRoute(RD, ESI, 5, MAC, b"", LABEL).encode(),
        {
            "rt": ["2"],
            "esi": [ESI.hex(":")],
            "etag": ["5"],
            "maclen": ["48"],
            "mac_addr": [MAC.hex(":")],
            "iplen": ["0"],
        },
    ),
    *route(
        "type 2, IPv4",
        MacIpRoute(RD, ESI, 0, MAC, THERE.packed, LABEL).encode(),
        {"rt": ["2"], "mac_addr": [MAC.hex(":")], "iplen": ["32"], "ip.addr": [str(THERE)]},
    ),
    *route(
        "type 2, IPv6 and two labels",
        MacIpRoute(RD, ESI, 0, MAC, THERE6.packed, LABEL, LABEL).encode(),
        {"rt": ["2"], "len": ["52"], "mac_addr": [MAC.hex(":")], "iplen": ["128"], "ipv6.addr": [str(THERE6)]},
    ),
    *route(
        "type 3",
        InclusiveMulticastRoute(RD, 9, HERE6.packed).encode(),
        {"rt": ["3"], "etag": ["9"], "ipv6.addr": [str(HERE6)]},
    ),
    *route(
        "type 4",
        EthernetSegmentRoute(RD, ESI, HERE.packed).encode(),
        {"rt": ["4"], "esi": [ESI.hex(":")], "ip.addr": [str(HERE)]},
    ),
    *route(
        "type 5, IPv4",
        IpPrefixRoute(RD, bytes(10), 0, 24, IPv4Address("10.7.0.0").packed, THERE.packed, LABEL).encode(),
        {"rt": ["5"], "prefix_len": ["24"], "ip.addr": ["10.7.0.0"], "ipv4.gtw_addr": [str(THERE)]},
    ),
    *route(
        "type 5, IPv6",
        IpPrefixRoute(RD, bytes(10), 0, 48, IPv6Address("2001:db8:7::").packed, bytes(16), LABEL).encode(),
        {"rt": ["5"], "prefix_len": ["48"], "ipv6.addr": ["2001:db8:7::"], "ipv6.gtw_addr": ["::"]},
    ),
    *route(
        "type 6",
        SelectiveMulticastRoute(RD, 4, b"", bytes((239, 0, 0, 1)), HERE.packed, 2).encode(),
        {"rt": ["6"], "etag": ["4"], "or_addr_ipv4": [str(HERE)], "igmp_mc_flags.v2": ["1"]},
    ),
]

PREFIXES = [
    Case(
        "IPv4 prefixes",
        pack_updates(PLAIN, IPV4_UNICAST, HERE.packed, [b"\x18\x0a\x01\x02", b"\x10\x0a\x02"])[0],
        {
            f"{ATTRIBUTE}.next_hop": [str(HERE)],
            "bgp.prefix_length": ["24", "16"],
            "bgp.nlri_prefix": ["10.1.2.0", "10.2.0.0"],
        },
    ),
    Case(
        "IPv4 prefixes by IPv6",
        pack_updates(PLAIN, IPV4_UNICAST, HERE6.packed, [b"\x18\x0a\x01\x02"])[0],
        {
            f"{ATTRIBUTE}.mp_reach_nlri.afi": ["1"],
            f"{ATTRIBUTE}.mp_reach_nlri.next_hop.ipv6": [str(HERE6)],
            "bgp.mp_reach_nlri_ipv4_prefix": ["10.1.2.0"],
        },
    ),
    Case(
        "IPv4 prefixes withdrawn",
        pack_withdrawals(IPV4_UNICAST, [b"\x18\x0a\x01\x02"])[0],
        {"bgp.withdrawn_prefix": ["10.1.2.0"], "bgp.update.withdrawn_routes.length": ["4"]},
    ),
    Case(
        "IPv6 prefixes",
        pack_updates(PLAIN, IPV6_UNICAST, HERE6.packed, [b"\x20\x20\x01\x0d\xb8"])[0],
        {f"{ATTRIBUTE}.mp_reach_nlri.next_hop.ipv6": [str(HERE6)], "bgp.mp_reach_nlri_ipv6_prefix": ["2001:db8::"]},
    ),
    Case(
        "IPv6 prefixes withdrawn",
        pack_withdrawals(IPV6_UNICAST, [b"\x20\x20\x01\x0d\xb8"])[0],
        {"bgp.mp_unreach_nlri_ipv6_prefix": ["2001:db8::"]},
    ),
    Case(
        "End-of-RIB", end_of_rib(L2VPN_EVPN), {f"{ATTRIBUTE}.mp_unreach_nlri.afi": ["25"], f"{ATTRIBUTE}.length": ["3"]}
    ),
    Case(
        "End-of-RIB of IPv4",
        end_of_rib(IPV4_UNICAST),
        {"bgp.length": ["23"], "bgp.update.path_attributes.length": ["0"]},
    ),
]

CAPABILITIES = (
    Capability.multiprotocol(L2VPN_EVPN),
    Capability.route_refresh(),
    Capability.extended_next_hop([ExtendedNextHop(IPV4_UNICAST, 2)]),
    Capability.extended_message(),
    Capability.graceful_restart(GracefulRestart(0xC, 120, (GracefulFamily(L2VPN_EVPN, 0x80),))),
    Capability.as4(ASN4),
    Capability.add_path([AddPath(L2VPN_EVPN, 3)]),
    Capability.enhanced_route_refresh(),
    Capability.long_lived_graceful_restart([LongLivedFamily(L2VPN_EVPN, 0x80, 3600)]),
    Capability.fqdn("leaf1", "example.net"),
)
OPEN_MEANS = {
    "bgp.open.version": ["4"],
    "bgp.open.myas": ["23456"],
    "bgp.open.holdtime": ["90"],
    "bgp.open.identifier": [str(ROUTER)],
    "bgp.cap.type": ["1", "2", "5", "6", "64", "65", "69", "70", "71", "73"],
    "bgp.cap.mp.afi": ["25"],
    "bgp.cap.mp.safi": ["70"],
    "bgp.cap.enh.afi": ["1"],
    "bgp.cap.enh.nhafi": ["2"],
    "bgp.cap.gr.timers.restart_flag": ["1"],
    "bgp.cap.gr.timers.notification_flag": ["1"],
    "bgp.cap.gr.timers.restart_time": ["120"],
    "bgp.cap.gr.flag.pfs": ["1"],
    "bgp.cap.4as": [str(ASN4)],
    "bgp.cap.ap.sendreceive": ["3"],
    "bgp.cap.orf.fqdn.hostname": ["leaf1"],
    "bgp.cap.orf.fqdn.domain_name": ["example.net"],
}
OTHERS = [
    Case("OPEN", encode_message(Open(4, 23456, 90, ROUTER.packed, CAPABILITIES)), OPEN_MEANS),
    Case(
        "OPEN without capabilities",
        encode_message(Open(4, 7, 0, ROUTER.packed)),
        {"bgp.open.opt.len": ["0"], "bgp.open.myas": ["7"]},
    ),
    Case("KEEPALIVE", encode_message(Keepalive()), {"bgp.type": ["4"], "bgp.length": ["19"]}),
    Case(
        "NOTIFICATION",
        encode_message(Notification(6, 2, b"\x0cback at noon")),
        {
            "bgp.notify.major_error": ["6"],
            "bgp.notify.minor_error_cease": ["2"],
            "bgp.notify.communication": ["back at noon"],
        },
    ),
    Case(
        "ROUTE-REFRESH",
        encode_message(RouteRefresh(L2VPN_EVPN, 1)),
        {"bgp.route_refresh.afi": ["25"], "bgp.route_refresh.safi": ["70"], "bgp.route_refresh.subtype": ["1"]},
    ),
]

CASES = [*ATTRIBUTES, *ROUTES, *PREFIXES, *OTHERS]


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tshark.Reading]:
    """All cases, read by one run of tshark."""
    folder = tmp_path_factory.mktemp("tshark")
    found = tshark.read([case.message for case in CASES], folder, "-o", "bgp.asn_len:4 octet")
    return {case.name: reading for case, reading in zip(CASES, found, strict=True)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tshark_reads_what_was_meant(case: Case, readings: dict[str, tshark.Reading]) -> None:
    reading = readings[case.name]
    assert reading.faults == []
    assert {field: reading[field] for field in case.means} == case.means


def test_tshark_reads_both_forms_of_as_numbers(tmp_path: Path) -> None:
    """Towards a speaker of two-octet AS numbers: AS_TRANS, and the truth beside it (RFC 6793 section 4.2.2)."""
    attributes = build(as_path=(65001, ASN4), aggregator=Aggregator(ASN4, ROUTER.packed))
    messages = pack_updates(attributes, IPV4_UNICAST, HERE.packed, [b"\x08\x0a"], as4=False)
    (reading,) = tshark.read(messages, tmp_path, "-o", "bgp.asn_len:2 octet")
    assert reading.faults == []
    assert reading[f"{ATTRIBUTE}.as_path_segment.as2"] == ["65001", "23456"]
    assert reading[f"{ATTRIBUTE}.as_path_segment.as4"] == ["65001", str(ASN4)]
    assert reading[f"{ATTRIBUTE}.aggregator_as"] == ["23456", str(ASN4)]


def test_tshark_reads_all_routes_of_full_messages(tmp_path: Path) -> None:
    macs = [b"\x02" + os.urandom(5) for _ in range(500)]
    routes = [MacIpRoute(RD, bytes(10), 0, mac, b"", LABEL).encode() for mac in macs]
    messages = pack_updates(PLAIN, L2VPN_EVPN, HERE.packed, routes)
    readings = tshark.read(messages, tmp_path)
    assert [reading.faults for reading in readings] == [[]] * len(messages)
    assert [mac for reading in readings for mac in reading["bgp.evpn.nlri.mac_addr"]] == [mac.hex(":") for mac in macs]


def test_tshark_tells_a_malformed_message(tmp_path: Path) -> None:
    """So that finding none means something."""
    (message,) = pack_updates(PLAIN, L2VPN_EVPN, HERE.packed, [InclusiveMulticastRoute(RD, 0, HERE.packed).encode()])
    damaged = message.replace(b"\x40\x05\x04", b"\x40\x05\x40")
    (reading,) = tshark.read([damaged], tmp_path)
    assert reading.faults

"""`evpnd decode`: other implementations' messages, the JSON shape, streams that begin and break anywhere, captures."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import PcapWriter

from evpnd import decode
from evpnd.bgp.attributes import Aggregator, AsPath, Attribute, AttributeCache, PmsiTunnel, build
from evpnd.bgp.capability import AddPath, Capability
from evpnd.bgp.community import LargeCommunity
from evpnd.bgp.family import L2VPN_EVPN, Family
from evpnd.bgp.message import Keepalive, Message, Notification, Open, RouteRefresh, encode_message
from evpnd.bgp.update import Context, UpdateDecoder, encode_update, end_of_rib, pack_updates, pack_withdrawals
from evpnd.errors import Action
from evpnd.evpn import extended_community as ec
from evpnd.evpn import labels, values
from evpnd.evpn.routes import MacIpRoute
from tests.vector_files import Vector, differences, name, vectors

ROUTE = MacIpRoute(bytes.fromhex("00010aff00020002"), bytes(10), 0, b"\x02\0\0\0\0\x01", b"\x0a\1\0\1", b"\0\0\x64")
COMMUNITIES = (ec.route_target(65001, 100), ec.encapsulation(), ec.mac_mobility(5))
ATTRIBUTES = build(as_path=[65001, 4200000000], local_pref=100, extended_communities=COMMUNITIES)
UPDATE = pack_updates(ATTRIBUTES, L2VPN_EVPN, bytes((10, 0, 0, 2)), [ROUTE.encode()])[0]
KEEPALIVE = encode_message(Keepalive(), Context())
SHOWN_ROUTE = {
    "route_type": 2,
    "rd": "10.255.0.2:2",
    "esi": "00:00:00:00:00:00:00:00:00:00",
    "ethernet_tag": 0,
    "mac": "02:00:00:00:00:01",
    "ip": "10.1.0.1",
    "label1": 100,
    "label2": None,
}


def open_message(asn: int, *more: Capability, as4: bool = True) -> bytes:
    capabilities = (Capability.multiprotocol(L2VPN_EVPN), *([Capability.as4(asn)] if as4 else []), *more)
    return encode_message(Open(4, asn if asn <= 0xFFFF else 23456, 90, bytes((10, 0, 0, 1)), capabilities), Context())


@pytest.mark.parametrize("vector", vectors("update"), ids=name)
def test_vector_is_read_as_its_source_reads_it_and_written_back(vector: Vector) -> None:
    context = Context(as4=True, extended_message=True)
    update = UpdateDecoder(context, AttributeCache()).decode(vector.data[19:])
    means = vector.means or {}
    routes = {
        "announced": [route for part in update.reach for route in part.routes],
        "withdrawn": [route for part in update.unreach for route in part.routes],
    }
    if update.errors:  # sources that leave mandatory attributes out: RFC 7606 section 3d
        assert {error.subcode for error in update.errors} == {3}
        assert vector.project == "openstack/os-ken"
        routes = {"announced": routes["withdrawn"]}
    else:
        assert encode_update(update, context) == vector.data
        if "next_hop" in means:
            assert [values.ip_text(part.next_hop) for part in update.reach] == [means["next_hop"]]
    for side in ("announced", "withdrawn"):
        for route, said in zip(routes.get(side, []), means.get(side, []), strict=side in means):
            assert differences(said, route) == {}
    shown = decode.attributes_to_json(update.attributes)
    for field, said in means.get("attributes", {}).items():
        if field != "pmsi":
            assert shown[field] == said
    if "pmsi" in means.get("attributes", {}):
        said = dict(means["attributes"]["pmsi"])
        assert update.attributes.pmsi is not None
        assert labels.mpls(update.attributes.pmsi.label) == said.pop("mpls")
        assert said.items() <= shown["pmsi_tunnel"].items()


def shown_of(data: bytes) -> list[dict[str, Any]]:
    return list(decode.decode_octets(data))


def test_update() -> None:
    (shown,) = shown_of(UPDATE)
    assert shown == {
        "type": "update",
        "attributes": {
            "origin": "igp",
            "as_path": [65001, 4200000000],
            "local_pref": 100,
            "extended_communities": ["rt:65001:100", "encapsulation:vxlan", "mac-mobility:5"],
        },
        "announced": [{"family": "l2vpn-evpn", "next_hop": "10.0.0.2", "routes": [SHOWN_ROUTE]}],
        "withdrawn": [],
    }


def test_withdrawal_and_end_of_rib() -> None:
    withdrawal, end = shown_of(pack_withdrawals(L2VPN_EVPN, [ROUTE.encode()])[0] + end_of_rib(L2VPN_EVPN))
    assert withdrawal["withdrawn"] == [{"family": "l2vpn-evpn", "next_hop": None, "routes": [SHOWN_ROUTE]}]
    assert end == {
        "type": "update",
        "attributes": {},
        "announced": [],
        "withdrawn": [{"family": "l2vpn-evpn", "next_hop": None, "routes": []}],
        "end_of_rib": "l2vpn-evpn",
    }


def test_open() -> None:
    more = (Capability.route_refresh(), Capability(200, b"\x01"), Capability.add_path([AddPath(L2VPN_EVPN, 2)]))
    (shown,) = shown_of(open_message(4200000000, *more))
    assert shown == {
        "type": "open",
        "version": 4,
        "asn": 4200000000,
        "hold_time": 90,
        "router_id": "10.0.0.1",
        "capabilities": [
            {"code": 1, "name": "multiprotocol", "family": "l2vpn-evpn"},
            {"code": 65, "name": "4-octet-as", "asn": 4200000000},
            {"code": 2, "name": "route-refresh"},
            {"code": 200, "name": "capability-200", "value": "01"},
            {"code": 69, "name": "add-path", "families": [{"family": "l2vpn-evpn", "receive": False, "send": True}]},
        ],
    }


def test_a_malformed_capability_shows_why() -> None:
    (shown,) = shown_of(open_message(65001, Capability(1, b"\x00")))
    assert shown["capabilities"][-1]["value"] == "00"
    assert "error" in shown["capabilities"][-1]


def test_other_messages() -> None:
    text = b"\x05later"
    messages: list[Message] = [Keepalive(), RouteRefresh(L2VPN_EVPN, 0, b""), Notification(6, 2, text)]
    wire = b"".join(encode_message(message, Context()) for message in messages)
    keepalive, refresh, notification = shown_of(wire)
    assert keepalive == {"type": "keepalive"}
    assert refresh == {"type": "route-refresh", "family": "l2vpn-evpn", "subtype": 0}
    assert (notification["type"], notification["code"], notification["subcode"]) == ("notification", 6, 2)
    assert "later" in notification["text"]
    assert notification["data"] == text.hex()


def test_treat_as_withdraw_shows_routes_and_errors() -> None:
    (shown,) = shown_of(pack_updates(build(origin=None), L2VPN_EVPN, bytes((10, 0, 0, 2)), [ROUTE.encode()])[0])
    assert shown["announced"] == []
    assert shown["withdrawn"][0]["routes"] == [SHOWN_ROUTE]
    assert shown["errors"][0]["action"] == "withdraw"


def test_an_unreadable_update_shows_the_error_and_the_octets() -> None:
    bad = bytearray(UPDATE)
    bad[bad.index(ROUTE.encode()) + 24] = 47  # MAC address length
    first, second = shown_of(bytes(bad) + KEEPALIVE)
    assert first["type"] == "update"
    assert first["error"]["action"] == Action.DISABLE.name.lower()
    assert "MAC address length" in first["error"]["message"]
    assert first["raw"] == bytes(bad).hex()
    assert second == {"type": "keepalive"}


def test_octet_by_octet_is_the_same_as_whole() -> None:
    stream = open_message(65001) + KEEPALIVE + UPDATE + UPDATE
    decoder = decode.StreamDecoder()
    shown = [one for octet in stream for one in decoder.feed(bytes((octet,)))]
    assert shown == shown_of(stream)
    assert len(shown) == 4


def test_garbage_between_messages_is_skipped_and_shown() -> None:
    first, error, last = shown_of(KEEPALIVE + b"garbage" + KEEPALIVE)
    assert first == last == {"type": "keepalive"}
    assert (error["type"], error["raw"]) == ("error", b"garbage".hex())


def test_a_message_cut_off_is_shown() -> None:
    (shown,) = shown_of(UPDATE[:-1])
    assert shown["error"]["message"] == f"the octets end after {len(UPDATE) - 1} of {len(UPDATE)} of a message"


def test_two_octet_as_numbers_are_tried_when_nothing_told() -> None:
    old = pack_updates(build(as_path=[65001, 65002]), L2VPN_EVPN, bytes((10, 0, 0, 2)), [ROUTE.encode()])[0]
    four = bytes.fromhex("4002 0a 02 02 0000fde9 0000fdea")
    two = bytes.fromhex("4002 06 02 02 fde9 fdea")
    assert four in old
    lengths = bytearray(old.replace(four, two))
    for at in (16, 21):
        lengths[at : at + 2] = (int.from_bytes(lengths[at : at + 2], "big") - 4).to_bytes(2, "big")
    (shown,) = shown_of(bytes(lengths))
    assert shown["attributes"]["as_path"] == [65001, 65002]
    assert "errors" not in shown


@pytest.mark.parametrize(
    "lines",
    [
        [UPDATE.hex()],
        [UPDATE.hex(" ").upper() + "  # a comment"],
        [UPDATE.hex(":")],
        ["", UPDATE.hex()[:80] + "\n", UPDATE.hex()[80:] + "\n"],
        ["0x" + UPDATE.hex()],
    ],
)
def test_hex_spellings(lines: list[str]) -> None:
    assert [shown["type"] for shown in decode.decode_lines(lines)] == ["update"]


def test_a_bad_line_costs_that_line() -> None:
    kinds = [
        shown["type"] for shown in decode.decode_lines([KEEPALIVE.hex(), "not hex", UPDATE.hex()[:60], KEEPALIVE.hex()])
    ]
    assert kinds == ["keepalive", "error", "error", "keepalive"]


def capture(path: Path, *parts: tuple[int, bytes]) -> str:
    """A pcap of a session on the loopback: (side 0 or 1, octets) of each packet."""
    sequence = [1, 1]
    with PcapWriter(str(path)) as writer:
        for side, octets in parts:
            ends = (("10.0.0.1", 40000), ("10.0.0.2", 179))
            (source, sport), (destination, dport) = ends if side == 0 else ends[::-1]
            tcp = TCP(sport=sport, dport=dport, seq=sequence[side], flags="A")
            writer.write(Ether() / IP(src=source, dst=destination) / tcp / octets)
            sequence[side] += len(octets)
    return str(path)


def run(hex: str | None = None, pcap: str | None = None, file: Any = None) -> tuple[int, list[dict[str, Any]]]:
    out = io.StringIO()
    status = decode.run(hex, pcap, file or io.StringIO(), out)
    return status, [json.loads(line) for line in out.getvalue().splitlines()]


def test_run_on_a_capture(tmp_path: Path) -> None:
    parts = [(0, open_message(65001)), (1, open_message(65002)), (0, UPDATE[:30]), (0, UPDATE[30:]), (1, KEEPALIVE)]
    status, shown = run(pcap=capture(tmp_path / "session.pcap", *parts))
    assert status == 0
    assert [one["type"] for one in shown] == ["open", "open", "update", "keepalive"]
    assert (shown[2]["source"], shown[2]["destination"]) == ("10.0.0.1:40000", "10.0.0.2:179")
    assert "time" in shown[2]


def test_a_capture_tells_the_size_of_as_numbers(tmp_path: Path) -> None:
    # 2-octet numbers that would also read as one 4-octet number
    attributes = bytes.fromhex("400101 00 4002 06 02 02 fde9 fdea 4003 04 0a000002")
    body = bytes(2) + len(attributes).to_bytes(2, "big") + attributes + bytes.fromhex("18 0a0100")
    update = b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + b"\x02" + body
    parts = [(0, open_message(65001, as4=False)), (1, open_message(65002)), (0, update)]
    status, shown = run(pcap=capture(tmp_path / "old.pcap", *parts))
    assert status == 0
    assert shown[2]["attributes"]["as_path"] == [65001, 65002]
    assert shown[2]["announced"] == [
        {"family": "ipv4-unicast", "next_hop": "10.0.0.2", "routes": [{"prefix": "10.1.0.0/24"}]}
    ]


def test_a_capture_that_begins_in_a_message(tmp_path: Path) -> None:
    status, shown = run(pcap=capture(tmp_path / "late.pcap", (0, UPDATE[25:]), (0, UPDATE), (1, KEEPALIVE)))
    assert status == 0
    assert [one["type"] for one in shown] == ["update", "keepalive"]


def test_a_capture_that_was_cut_off(tmp_path: Path) -> None:
    path = Path(capture(tmp_path / "whole.pcap", (0, KEEPALIVE), (0, UPDATE[:30]), (1, KEEPALIVE)))
    path.write_bytes(path.read_bytes()[:-1])
    status, shown = run(pcap=str(path))
    assert status == 1
    assert [one["type"] for one in shown] == ["keepalive", "error", "error"]
    assert "the octets end after 30" in shown[1]["error"]["message"]
    assert shown[2].keys() == {"type", "error"}
    assert re.fullmatch(
        rf"{path}: cut off: the packet at octet \d+ ends after 88 of 89 octets", shown[2]["error"]["message"]
    )


def test_run_on_hex() -> None:
    assert run(hex=KEEPALIVE.hex()) == (0, [{"type": "keepalive"}])
    assert run(hex="zz")[0] == 1
    assert run(hex=UPDATE.hex()[:-2])[0] == 1


def test_run_on_standard_input(tmp_path: Path) -> None:
    assert run(file=io.StringIO(KEEPALIVE.hex() + "\n"))[0] == 0
    for content in (KEEPALIVE.hex().encode(), KEEPALIVE, Path(capture(tmp_path / "k", (0, KEEPALIVE))).read_bytes()):
        with io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))) as file:
            status, shown = run(file=file)
        assert (status, shown[0]["type"]) == (0, "keepalive")


def test_run_says_why_a_file_cannot_be_read(tmp_path: Path) -> None:
    status, shown = run(pcap=str(tmp_path / "absent"))
    assert (status, len(shown)) == (1, 1)
    assert "No such file" in shown[0]["error"]["message"]
    (tmp_path / "text").write_text("hello")
    assert "not a pcap" in run(pcap=str(tmp_path / "text"))[1][0]["error"]["message"]


def test_path_identifiers_and_unread_families(tmp_path: Path) -> None:
    both = Capability.add_path([AddPath(L2VPN_EVPN, 3)])
    numbered = pack_updates(ATTRIBUTES, L2VPN_EVPN, bytes((10, 0, 0, 2)), [b"\0\0\0\7" + ROUTE.encode()])[0]
    unread = pack_withdrawals(Family(1, 128), [b"\x18\x0a\1\0"])[0]
    parts = [(0, open_message(65001, both)), (1, open_message(65002, both)), (0, numbered), (0, unread)]
    status, shown = run(pcap=capture(tmp_path / "paths.pcap", *parts))
    assert status == 0
    assert shown[2]["announced"][0]["routes"] == [SHOWN_ROUTE | {"path_id": 7}]
    assert shown[3]["withdrawn"] == [{"family": "afi-1-safi-128", "next_hop": None, "routes": [{"raw": "180a0100"}]}]


def test_attributes_of_every_kind() -> None:
    attributes = build(
        as_path=AsPath(((2, (65001,)), (1, (65002, 65003)))),
        next_hop=bytes((10, 0, 0, 9)),
        med=10,
        aggregator=Aggregator(65001, bytes((10, 0, 0, 1))),
        communities=[0xFFFFFF01, 65001 << 16 | 7],
        originator_id=bytes((10, 0, 0, 3)),
        cluster_list=[bytes((10, 0, 0, 4))],
        pmsi=PmsiTunnel(0, 6, b"\0\0\x64", bytes((10, 0, 0, 2))),
        large_communities=[LargeCommunity(65001, 1, 2)],
        otc=65001,
        others=[Attribute(0x40, 6, b""), Attribute(0xE0, 99, b"\x01\x02")],
    )
    assert decode.attributes_to_json(attributes) == {
        "origin": "igp",
        "as_path": [65001, {"as_set": [65002, 65003]}],
        "next_hop": "10.0.0.9",
        "multi_exit_disc": 10,
        "atomic_aggregate": True,
        "aggregator": {"asn": 65001, "router_id": "10.0.0.1"},
        "communities": ["no-export", "65001:7"],
        "originator_id": "10.0.0.3",
        "cluster_list": ["10.0.0.4"],
        "pmsi_tunnel": {
            "flags": 0,
            "leaf_information_required": False,
            "tunnel_type": "ingress-replication",
            "label": 100,
            "endpoint": "10.0.0.2",
        },
        "large_community": ["65001:1:2"],
        "only_to_customer": 65001,
        "attribute_99": {"flags": 0xE0, "value": "0102"},
    }

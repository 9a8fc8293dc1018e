"""The NLRI codec: vectors of others, round trips, runs against one by one, and what is wrong with wrong fields."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.errors import Action, ProtocolError
from evpnd.evpn import nlri
from evpnd.evpn.routes import LAYOUTS, VARIABLE, IpPrefixRoute, MacIpRoute, OpaqueRoute, Route
from tests.evpn.strategies import ROUTE, fields
from tests.vector_files import Vector, differences, name, vectors

RD = bytes.fromhex("00010a0000010002")
MAC_ROUTE = MacIpRoute(RD, bytes(10), 0, b"\x02\0\0\0\0\x01", b"", b"\0\0\x64")
PREFIX_ROUTE = IpPrefixRoute(RD, bytes(10), 0, 24, b"\x0a\1\1\0", b"\x0a\0\0\x09", b"\0\x10\0")

# the source wants six octets after the originator; other speakers send five
ACCEPTED_HERE = ("truncated at flags",)


@pytest.mark.parametrize("vector", vectors("nlri", valid=True), ids=name)
def test_vector_is_read_as_its_source_reads_it_and_written_back(vector: Vector) -> None:
    nlri.check(vector.data)
    routes = nlri.decode_routes(vector.data)
    assert b"".join(route.encode() for route in routes) == vector.data
    assert b"".join(nlri.join_entry(*entry) for entry in nlri.split_entries(vector.data)) == vector.data
    for route, means in zip(routes, vector.means or [], strict=bool(vector.means)):
        assert differences(means, route) == {}


@pytest.mark.parametrize("vector", [v for v in vectors("nlri", valid=True) if v.tshark], ids=name)
def test_vector_is_read_as_tshark_reads_it(vector: Vector) -> None:
    assert tshark_view(nlri.decode_routes(vector.data), vector.tshark) == vector.tshark


def tshark_view(routes: list[Route], asked: dict[str, list[str]]) -> dict[str, list[str]]:
    shown = [route.to_json() for route in routes if not isinstance(route, OpaqueRoute)]
    view = {
        "route_type": [str(route.TYPE) for route in routes],
        "rd_hex": [route.rd.hex() for route in routes if not isinstance(route, OpaqueRoute)],
        "esi": [fields["esi"] for fields in shown if "esi" in fields],
        "ethernet_tag": [str(fields["ethernet_tag"]) for fields in shown if "ethernet_tag" in fields],
        "mac": [fields["mac"] for fields in shown if "mac" in fields],
        "address": [text for f in shown if (text := f.get("ip") or f.get("originator_ip"))],
        "prefix_length": [fields["prefix"].split("/")[1] for fields in shown if "prefix" in fields],
    }
    return {field: view[field] for field in asked}


@pytest.mark.parametrize("vector", vectors("nlri", valid=False), ids=name)
def test_vector_that_its_source_rejects(vector: Vector) -> None:
    read_here = vector.data[0] <= 8 and not vector.source.endswith(ACCEPTED_HERE)
    whole = len(vector.data) == 2 + vector.data[1]
    if read_here or not whole:
        with pytest.raises(ProtocolError):
            nlri.check(vector.data)
    else:  # types that are carried opaquely
        nlri.check(vector.data)
        assert b"".join(route.encode() for route in nlri.decode_routes(vector.data)) == vector.data


@given(ROUTE)
def test_route_survives_the_wire(route: Route) -> None:
    data = route.encode()
    nlri.check(data)
    assert nlri.decode_routes(data) == [route]
    assert type(nlri.decode_routes(data)[0]) is type(route)
    assert nlri.split_entries(data) == [(route.key(), route.body())]
    assert nlri.split_keys(data) == [route.key()]
    assert nlri.join_entry(route.key(), route.body()) == data
    assert nlri.route_from_entry(route.key(), route.body()) == route


@given(fields())
def test_runs_are_read_as_one_by_one(routes: list[Route]) -> None:
    parts = [route.encode() for route in routes]
    data = b"".join(parts)
    nlri.check(data)
    assert nlri.decode_routes(data) == routes == [nlri.decode_routes(part)[0] for part in parts]
    assert nlri.split_entries(data) == [nlri.split_entries(part)[0] for part in parts]
    assert nlri.split_keys(data) == [nlri.split_keys(part)[0] for part in parts]


@given(st.binary(max_size=200))
def test_garbage_raises_only_protocol_errors(data: bytes) -> None:
    for read in (nlri.check, nlri.decode_routes, nlri.split_entries, nlri.split_keys, nlri.split_path_ids):
        try:
            read(data)
        except ProtocolError as error:
            assert (error.code, error.subcode) == (3, 9)
            assert error.data in data


@given(fields(), st.data())
def test_damaged_octet_is_refused_or_survives(routes: list[Route], data: st.DataObject) -> None:
    field = bytearray(b"".join(route.encode() for route in routes) or MAC_ROUTE.encode())
    at = data.draw(st.integers(0, len(field) - 1))
    field[at] = data.draw(st.integers(0, 255))
    wire = bytes(field)
    try:
        decoded = nlri.decode_routes(wire)
    except ProtocolError as error:
        assert error.action is Action.DISABLE
        with pytest.raises(ProtocolError):
            nlri.check(wire, withdrawn=True)
        with pytest.raises(ProtocolError):
            nlri.split_keys(wire)
    else:
        assert b"".join(route.encode() for route in decoded) == wire
        assert [route.key() for route in decoded] == nlri.split_keys(wire)
        nlri.check(wire, withdrawn=True)


def test_keys_leave_out_what_is_not_key() -> None:
    other = MAC_ROUTE._replace(esi=b"\x01" * 10, label1=b"\1\2\3", label2=b"\4\5\6")
    assert other.key() == MAC_ROUTE.key()
    assert MAC_ROUTE._replace(ip=b"\x0a\0\0\1").key() != MAC_ROUTE.key()
    assert PREFIX_ROUTE._replace(esi=b"\x01" * 10, gateway_ip=bytes(4), label1=b"\0\0\0").key() == PREFIX_ROUTE.key()
    assert PREFIX_ROUTE._replace(prefix_length=25).key() != PREFIX_ROUTE.key()


@pytest.mark.parametrize(
    ("damage", "action", "words"),
    [
        (lambda d: d[:-1], Action.DISABLE, "route type 2 of 33 octets, 32 are left"),
        (lambda d: d + b"\x02", Action.DISABLE, "one octet is left"),
        (lambda d: d[:1] + b"\x1f" + d[2:33], Action.DISABLE, "route type 2 cannot have 31 octets"),
        (lambda d: d[:24] + b"\x2f" + d[25:], Action.DISABLE, "MAC address length is 47"),
        (lambda d: d[:31] + b"\x20" + d[32:], Action.DISABLE, "IP address length is 32"),
        (lambda d: d * 3 + d[:24] + b"\x2f" + d[25:] + d, Action.DISABLE, "MAC address length is 47"),
    ],
)
def test_damaged_type_2(damage: Callable[[bytes], bytes], action: Action, words: str) -> None:
    with pytest.raises(ProtocolError, match=words) as raised:
        nlri.check(damage(MAC_ROUTE.encode()))
    assert raised.value.action is action


def test_the_error_carries_the_octets_of_the_bad_route_alone() -> None:
    good = MAC_ROUTE.encode()
    bad = good[:24] + b"\x2f" + good[25:]
    with pytest.raises(ProtocolError) as raised:
        nlri.check(good * 2 + bad + good)
    assert raised.value.data == bad
    assert bad.hex() in str(raised.value)


def test_prefix_length_beyond_the_address() -> None:
    field = PREFIX_ROUTE.encode() + PREFIX_ROUTE._replace(prefix_length=33).encode()
    with pytest.raises(ProtocolError, match="IP prefix length is 33") as raised:
        nlri.check(field)
    assert raised.value.action is Action.DISABLE


def test_prefix_with_segment_and_gateway_is_treated_as_withdrawn() -> None:
    # RFC 9136 section 3.1
    both = PREFIX_ROUTE._replace(esi=b"\0" * 9 + b"\1")
    field = PREFIX_ROUTE.encode() + both.encode()
    with pytest.raises(ProtocolError, match="both set") as raised:
        nlri.check(field)
    assert raised.value.action is Action.WITHDRAW
    assert raised.value.data == both.encode()
    nlri.check(field, withdrawn=True)
    assert nlri.split_keys(field)[1] == both.key()


def test_multicast_routes_of_another_form_are_treated_as_withdrawn_but_kept_whole() -> None:
    field = bytes((6, 3)) + b"abc"
    with pytest.raises(ProtocolError, match="RFC 9251") as raised:
        nlri.check(field)
    assert raised.value.action is Action.WITHDRAW
    assert nlri.decode_routes(field) == [OpaqueRoute(6, b"abc")]
    assert nlri.split_keys(field) == [b"\x06abc"]


def test_an_unknown_type_does_not_cost_its_neighbours() -> None:
    field = MAC_ROUTE.encode() + b"\xfe\x03\xaa\xbb\xcc" + MAC_ROUTE.encode()
    assert nlri.decode_routes(field) == [MAC_ROUTE, OpaqueRoute(0xFE, b"\xaa\xbb\xcc"), MAC_ROUTE]


def test_path_identifiers() -> None:
    route = MAC_ROUTE.encode()
    assert nlri.split_path_ids(b"\0\0\0\7" + route + b"\0\0\0\x08" + route) == [(7, route), (8, route)]
    with pytest.raises(ProtocolError):
        nlri.split_path_ids(b"\0\0\0\7" + route[:-1])


def test_equal_bodies_of_a_run_are_one_object() -> None:
    field = b"".join(MAC_ROUTE._replace(mac=bytes((2, 0, 0, 0, 0, number))).encode() for number in range(50))
    assert len({id(body) for _, body in nlri.split_entries(field)}) == 1


def test_a_field_of_alternating_types_stays_cheap() -> None:
    field = (MAC_ROUTE.encode() + PREFIX_ROUTE.encode()) * 900
    assert len(nlri.split_entries(field)) == 1800


def test_each_route_type_has_one_reader() -> None:
    assert {header[0] for header in LAYOUTS} == {1, 2, 3, 4, 5}
    assert set(VARIABLE) == {6, 7, 8}

"""OPEN, NOTIFICATION, KEEPALIVE and ROUTE-REFRESH as values and octets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.bgp.capability import Capability
from evpnd.bgp.family import L2VPN_EVPN, Family
from evpnd.bgp.message import (
    Context,
    Keepalive,
    Notification,
    Open,
    RouteRefresh,
    Update,
    decode_message,
    decode_notification,
    decode_open,
    decode_route_refresh,
    encode_message,
    encode_open,
)
from evpnd.errors import ProtocolError
from tests.bgp.octets import WELL_KNOWN, body, message, mp_reach

ROUTER = bytes((10, 0, 0, 1))
HEAD = bytes((4, 0xFD, 0xE9, 0, 90)) + ROUTER
EVPN = bytes.fromhex("010400190046")
AS4 = bytes.fromhex("4104fa56ea00")


def parameter(value: bytes, kind: int = 2) -> bytes:
    return bytes((kind, len(value))) + value


def parameters(*each: bytes) -> bytes:
    return bytes((len(b"".join(each)),)) + b"".join(each)


# OPEN


def test_open() -> None:
    data = HEAD + parameters(parameter(EVPN + AS4))
    opened = decode_open(data)
    assert (opened.version, opened.asn, opened.hold_time_s, opened.router_id) == (4, 65001, 90, ROUTER)
    assert opened.capabilities == (Capability.multiprotocol(L2VPN_EVPN), Capability.as4(4200000000))
    assert opened.asn4 == 4200000000
    assert encode_open(opened) == message(data, 1)


def test_open_without_parameters() -> None:
    opened = decode_open(HEAD + b"\0")
    assert (opened.capabilities, opened.asn4) == ((), 65001)
    assert encode_open(opened) == message(HEAD + b"\0", 1)


# The same capabilities can stand in many ways.
LAYOUTS = [
    parameters(parameter(EVPN), parameter(AS4)),
    parameters(parameter(EVPN + AS4), parameter(b"")),
    parameters(parameter(b""), parameter(EVPN), parameter(AS4)),
    # RFC 9072 section 2; the old length octet is ignored unless it is zero.
    bytes((255, 255, 0, 15, 2, 0, 12)) + EVPN + AS4,
    bytes((1, 255, 0, 18, 2, 0, 6)) + EVPN + bytes((2, 0, 6)) + AS4,
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_of_parameters_is_kept(layout: bytes) -> None:
    opened = decode_open(HEAD + layout)
    assert opened.capabilities == (Capability.multiprotocol(L2VPN_EVPN), Capability.as4(4200000000))
    assert encode_open(opened) == message(HEAD + layout, 1)
    assert opened == Open(4, 65001, 90, ROUTER, opened.capabilities)


def test_changed_capabilities_are_written_anew() -> None:
    opened = replace(decode_open(HEAD + LAYOUTS[0]), capabilities=(Capability.route_refresh(),))
    assert encode_open(opened) == message(HEAD + parameters(parameter(b"\x02\x00")), 1)


def test_more_capabilities_than_the_old_form_holds() -> None:
    """RFC 9072."""
    opened = Open(4, 65001, 90, ROUTER, tuple(Capability(code, bytes(20)) for code in range(100, 120)))
    octets = encode_open(opened)
    assert octets[28:30] == b"\xff\xff"
    assert decode_message(octets) == opened


def test_open_of_our_own_without_capabilities() -> None:
    assert encode_open(Open(4, 65001, 90, ROUTER)) == message(HEAD + b"\0", 1)


def test_open_that_cannot_be_sent() -> None:
    opened = Open(4, 65001, 90, ROUTER, tuple(Capability(code, bytes(255)) for code in range(20)))
    with pytest.raises(ValueError, match="OPEN of"):
        encode_open(opened)


@pytest.mark.parametrize(
    ("field", "subcode"),
    [
        (b"", 0),
        (b"\x05", 0),
        (b"\0\0", 0),
        (parameters(b"\x02"), 0),
        (parameters(b"\x02\x07" + EVPN), 0),
        (parameters(parameter(EVPN[:-1])), 0),
        (parameters(parameter(b"", kind=1)), 4),
        (parameters(parameter(EVPN), parameter(b"key", kind=1)), 4),
        (bytes((255, 255, 0)), 0),
        (bytes((255, 255, 0, 9, 2, 0, 6)) + EVPN[:-1], 0),
        (bytes((255, 255, 0, 2, 2, 0)), 0),
    ],
)
def test_malformed_open(field: bytes, subcode: int) -> None:
    """RFC 4271 section 6.2, RFC 5492 section 5."""
    with pytest.raises(ProtocolError) as caught:
        decode_open(HEAD + field)
    assert (caught.value.code, caught.value.subcode) == (2, subcode)


# NOTIFICATION


@pytest.mark.parametrize(
    ("code", "subcode", "data", "text"),
    [
        (6, 2, b"\x0cback at noon", "cease: administrative shutdown: back at noon"),
        (6, 4, "\x06später".encode().replace(b"\x06", b"\x07"), "cease: administrative reset: später"),
        (6, 2, b"", "cease: administrative shutdown"),
        (6, 2, b"\x00", "cease: administrative shutdown"),
        (6, 2, b"\x09short", "cease: administrative shutdown"),
        (6, 2, b"\x04\x1b[2J", "cease: administrative shutdown: \ufffd[2J"),
        (6, 2, b"\x03a\nb", "cease: administrative shutdown: a\ufffdb"),
        (6, 9, b"\x06\x02\x03now", "cease: hard reset: cease: administrative shutdown: now"),
        (6, 9, b"\x06\x09\x06\x09", "cease: hard reset"),
        (4, 0, b"", "hold timer expired"),
        (3, 11, b"", "UPDATE message error: malformed AS_PATH"),
        (2, 99, b"", "OPEN message error: subcode 99"),
        (200, 1, b"", "error code 200: subcode 1"),
    ],
)
def test_text_of_a_notification(code: int, subcode: int, data: bytes, text: str) -> None:
    """RFC 9003 section 2, RFC 8538 section 3."""
    notification = Notification(code, subcode, data)
    assert notification.text() == text
    assert decode_message(encode_message(notification)) == notification


def test_notification_without_codes() -> None:
    with pytest.raises(ProtocolError):
        decode_notification(b"\x06")


# ROUTE-REFRESH


def test_route_refresh() -> None:
    refresh = RouteRefresh(L2VPN_EVPN)
    assert encode_message(refresh) == message(bytes.fromhex("00190046"), 5)
    for known in (refresh, RouteRefresh(L2VPN_EVPN, 1), RouteRefresh(L2VPN_EVPN, 2), RouteRefresh(Family(1, 2), 77)):
        assert decode_message(encode_message(known)) == known


def test_route_refresh_with_a_filter() -> None:
    """RFC 5291: outbound route filters follow a subtype of 0."""
    assert decode_route_refresh(bytes.fromhex("00190046010203")).raw == b"\1\2\3"


@pytest.mark.parametrize("data", [bytes.fromhex("0019014600"), bytes.fromhex("0019024600"), bytes(3)])
def test_route_refresh_of_wrong_length(data: bytes) -> None:
    """RFC 7313 section 5: the data is the whole message."""
    with pytest.raises(ProtocolError) as caught:
        decode_route_refresh(data)
    assert (caught.value.code, caught.value.subcode, caught.value.data) == (7, 1, message(data, 5))


# All five


def test_keepalive() -> None:
    assert encode_message(Keepalive()) == message(b"", 4)
    assert decode_message(message(b"", 4)) == Keepalive()


def test_update_by_way_of_the_message() -> None:
    octets = message(body(mp_reach() + WELL_KNOWN))
    update = decode_message(octets)
    assert isinstance(update, Update)
    assert encode_message(update) == octets
    long = message(body(mp_reach(b"\x63\x64" + bytes(100)) * 1 + WELL_KNOWN + b"\xd0\xfa\x13\x88" + bytes(5000)))
    with pytest.raises(ProtocolError):
        decode_message(long)
    assert encode_message(decode_message(long, Context(extended_message=True)), Context(extended_message=True)) == long


@given(st.integers(0, 6), st.binary(max_size=60))
def test_garbage(kind: int, data: bytes) -> None:
    octets = message(data, kind)
    try:
        read = decode_message(octets)
    except ProtocolError:
        return
    assert encode_message(read) == octets

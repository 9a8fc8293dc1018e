"""Routes packed into UPDATEs: all of them, once, in order, in as few messages as the limit allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.bgp.attributes import AttributeCache, PathAttributes, build
from evpnd.bgp.family import IPV4_UNICAST, IPV6_UNICAST, L2VPN_EVPN, Family
from evpnd.bgp.packing import end_of_rib, pack_updates, pack_withdrawals, room_for_nlri
from evpnd.bgp.prefix import Prefix
from evpnd.bgp.update import Context, Update, UpdateDecoder
from tests.bgp.octets import NEXT_HOP, TYPE2, TYPE3

ATTRIBUTES = build(as_path=[65001], local_pref=100, extended_communities=[bytes(8)])
PREFIXES = [Prefix(24, bytes((10, number, 0))).encode() for number in range(250)] * 10
ROUTES = [TYPE2[:20] + number.to_bytes(4, "big") + TYPE2[24:] for number in range(2000)]


def read(messages: list[bytes], context: Context = Context(extended_message=True)) -> list[Update]:  # noqa: B008 - frozen
    decoder = UpdateDecoder(context, AttributeCache())
    updates = [decoder.decode(message[19:]) for message in messages]
    assert not any(update.errors for update in updates)
    return updates


@pytest.mark.parametrize("limit", [150, 4096, 65535])
def test_messages_are_full(limit: int) -> None:
    messages = pack_updates(ATTRIBUTES, L2VPN_EVPN, NEXT_HOP, ROUTES, limit)
    assert all(limit - len(TYPE2) < len(message) <= limit for message in messages[:-1])
    assert len(messages[-1]) <= limit
    updates = read(messages)
    assert b"".join(update.reach[0].nlri for update in updates) == b"".join(ROUTES)
    assert all(update.reach[0].next_hop == NEXT_HOP and update.attributes == ATTRIBUTES for update in updates)
    # RFC 7606 section 5.1: MP_REACH_NLRI is the first attribute.
    assert {message[24] for message in messages} == {14}


@pytest.mark.parametrize("family", [IPV4_UNICAST, IPV6_UNICAST, L2VPN_EVPN])
def test_withdrawals_are_full(family: Family) -> None:
    nlris = ROUTES if family == L2VPN_EVPN else PREFIXES
    messages = pack_withdrawals(family, nlris)
    assert all(4096 - 40 < len(message) <= 4096 for message in messages[:-1])
    updates = read(messages)
    assert b"".join(update.unreach[0].nlri for update in updates) == b"".join(nlris)
    assert {update.unreach[0].family for update in updates} == {family}
    assert not any(update.end_of_rib for update in updates)


def test_ipv4_prefixes_take_the_old_fields() -> None:
    messages = pack_updates(ATTRIBUTES, IPV4_UNICAST, NEXT_HOP, PREFIXES)
    assert all(4092 < len(message) <= 4096 for message in messages[:-1])
    updates = read(messages)
    assert b"".join(update.reach[0].nlri for update in updates) == b"".join(PREFIXES)
    assert all(update.reach[0].classic and update.attributes.next_hop == NEXT_HOP for update in updates)


def test_ipv4_prefixes_behind_ipv6_next_hops() -> None:
    """RFC 8950."""
    (update,) = read(pack_updates(ATTRIBUTES, IPV4_UNICAST, bytes(16), PREFIXES[:3]))
    assert (update.reach[0].classic, update.reach[0].next_hop) == (False, bytes(16))
    assert update.attributes.next_hop is None


def test_two_octet_speakers() -> None:
    attributes = build(as_path=[70000])
    (message,) = pack_updates(attributes, L2VPN_EVPN, NEXT_HOP, [TYPE2], as4=False)
    (update,) = read([message], Context(as4=False))
    assert update.attributes.as_path.asns() == (70000,)


def test_no_routes_no_messages() -> None:
    assert pack_updates(ATTRIBUTES, L2VPN_EVPN, NEXT_HOP, []) == []
    assert pack_withdrawals(L2VPN_EVPN, []) == []


def test_attributes_that_leave_no_room() -> None:
    """RFC 8654 section 4: such a route is not sent."""
    big = build(communities=range(1005))
    room = room_for_nlri(big, NEXT_HOP, 4096)
    assert room < len(TYPE2)
    with pytest.raises(ValueError, match="a route of 35 octets"):
        pack_updates(big, L2VPN_EVPN, NEXT_HOP, [TYPE3, TYPE2], 4096)
    assert room_for_nlri(build(communities=range(2000)), NEXT_HOP, 4096) < 0
    assert len(pack_updates(big, L2VPN_EVPN, NEXT_HOP, [TYPE2], 65535)) == 1


def test_room_is_what_it_says() -> None:
    room = room_for_nlri(ATTRIBUTES, NEXT_HOP, 4096)
    nlri = bytes((255, 100)) + bytes(100)
    (message,) = pack_updates(ATTRIBUTES, L2VPN_EVPN, NEXT_HOP, [nlri * (room // 102) + bytes(room % 102)])
    assert len(message) == 4096


def test_end_of_rib() -> None:
    """RFC 4724 section 2."""
    assert end_of_rib(IPV4_UNICAST)[16:] == bytes.fromhex("00170200000000")
    assert end_of_rib(L2VPN_EVPN)[16:] == bytes.fromhex("001d0200000006800f03001946")


@given(st.lists(st.integers(0, 60), max_size=60), st.integers(140, 400))
def test_nothing_is_lost(sizes: list[int], limit: int) -> None:
    nlris = [bytes((200, size)) + bytes((number % 256,)) * size for number, size in enumerate(sizes)]
    attributes = PathAttributes(ATTRIBUTES.raw)
    messages = pack_updates(attributes, L2VPN_EVPN, NEXT_HOP, nlris, limit)
    assert all(len(message) <= limit for message in messages)
    assert b"".join(update.reach[0].nlri for update in read(messages)) == b"".join(nlris)
    # Greedy: no message could have taken the first route of the next.
    reaches = [update.reach[0] for update in read(messages)]
    for message, following in zip(messages, reaches[1:], strict=False):
        assert len(message) + 2 + following.nlri[1] > limit

"""UPDATE as a whole: its fields, RFC 7606's judgement of the message, byte-exact writing, and the short way against the
long one."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evpnd.bgp.attributes import AttributeCache, build
from evpnd.bgp.family import IPV4_UNICAST, IPV6_UNICAST, L2VPN_EVPN, Family
from evpnd.bgp.prefix import Prefix
from evpnd.bgp.reach import Reach, Unreach
from evpnd.bgp.update import (
    Context,
    Update,
    UpdateDecoder,
    decode_update,
    encode_update,
    end_of_rib,
    families_of,
)
from evpnd.errors import Action, ProtocolError
from evpnd.evpn.routes import InclusiveMulticastRoute, MacIpRoute
from tests.bgp.octets import (
    AS_PATH,
    CLASSIC_NEXT_HOP,
    EVPN,
    IPV4,
    IPV6,
    LOCAL_PREF,
    NEXT_HOP,
    ORIGIN,
    SHORT_PATH,
    TYPE2,
    TYPE3,
    WELL_KNOWN,
    attribute,
    body,
    message,
    mp_reach,
    mp_unreach,
)
from tests.vector_files import Vector, name, vectors

TEN, TWENTY = bytes((8, 10)), bytes((16, 20, 1))
BAD_ORIGIN = attribute(0x40, 1, b"\x09")
UNKNOWN = attribute(0xE0, 250, b"opaque")
ORDERS = list(permutations((mp_reach(), mp_unreach(TYPE3, flags=0x90), ORIGIN, UNKNOWN + AS_PATH)))


def decode(data: bytes, context: Context = Context(), *, warm: bool = False) -> Update:  # noqa: B008 - frozen
    """By a decoder that has seen the same before, or nothing at all."""
    decoder = UpdateDecoder(context, AttributeCache())
    if warm:
        decoder.decode(data)
    return decoder.decode(data)


def reset_of(data: bytes, context: Context = Context()) -> ProtocolError:  # noqa: B008 - frozen
    with pytest.raises(ProtocolError) as caught:
        UpdateDecoder(context, AttributeCache()).decode(data)
    return caught.value


# What is in an UPDATE


@pytest.mark.parametrize("warm", [False, True])
def test_evpn_routes(warm: bool) -> None:
    update = decode(body(mp_reach(TYPE2 + TYPE3) + WELL_KNOWN), warm=warm)
    (reach,) = update.reach
    assert (reach.family, reach.next_hop, reach.nlri) == (L2VPN_EVPN, NEXT_HOP, TYPE2 + TYPE3)
    assert [type(route) for route in reach.routes] == [MacIpRoute, InclusiveMulticastRoute]
    assert update.attributes.raw == WELL_KNOWN
    assert (update.unreach, update.errors, update.end_of_rib) == ((), (), None)


@pytest.mark.parametrize("warm", [False, True])
def test_evpn_withdrawal(warm: bool) -> None:
    update = decode(body(mp_unreach(TYPE2)), warm=warm)
    (unreach,) = update.unreach
    assert (unreach.family, unreach.nlri) == (L2VPN_EVPN, TYPE2)
    assert len(unreach.routes) == 1
    assert (update.reach, update.errors, update.end_of_rib, update.attributes.raw) == ((), (), None, b"")


def test_classic_ipv4_fields() -> None:
    update = decode(body(WELL_KNOWN + CLASSIC_NEXT_HOP, withdrawn=TWENTY, nlri=TEN + b"\0"))
    (reach,), (unreach,) = update.reach, update.unreach
    assert (reach.family, reach.next_hop, reach.classic) == (IPV4_UNICAST, NEXT_HOP, True)
    assert reach.routes == [Prefix(8, b"\x0a"), Prefix(0, b"")]
    assert (unreach.family, unreach.routes, unreach.classic) == (IPV4_UNICAST, [Prefix(16, b"\x14\x01")], True)


def test_all_ways_of_naming_routes_in_one_message() -> None:
    data = body(mp_unreach() + mp_reach() + WELL_KNOWN + CLASSIC_NEXT_HOP, withdrawn=TWENTY, nlri=TEN)
    update = decode(data)
    assert [part.family for part in update.reach] == [L2VPN_EVPN, IPV4_UNICAST]
    assert [part.family for part in update.unreach] == [L2VPN_EVPN, IPV4_UNICAST]
    assert encode_update(update) == message(data)


@pytest.mark.parametrize("size", [4, 16, 32])
def test_next_hops_of_evpn(size: int) -> None:
    update = decode(body(mp_reach(next_hop=bytes(size)) + WELL_KNOWN))
    assert update.reach[0].next_hop == bytes(size)


def test_ipv6_prefixes_and_two_next_hops() -> None:
    """RFC 2545 section 3."""
    update = decode(body(mp_reach(bytes((32, 0x20, 1, 0xD, 0xB8)), IPV6, bytes(32)) + WELL_KNOWN))
    assert update.reach[0].family == IPV6_UNICAST
    assert [route.text(16) for route in update.reach[0].routes] == ["2001:db8::/32"]


def test_family_without_a_codec_is_carried_unread() -> None:
    data = body(mp_reach(b"whatever", bytes((0, 1, 128)), bytes(12)) + WELL_KNOWN)
    update = decode(data)
    assert (update.reach[0].family, update.reach[0].routes) == (Family(1, 128), [])
    assert encode_update(update) == message(data)


@pytest.mark.parametrize("family", [IPV4_UNICAST, IPV6_UNICAST, L2VPN_EVPN])
def test_end_of_rib(family: Family) -> None:
    data = end_of_rib(family)
    update = decode(data[19:])
    assert (update.end_of_rib, update.reach, update.errors) == (family, (), ())
    assert encode_update(update) == data
    assert decode(data[19:], warm=True) == update


def test_end_of_rib_with_an_extended_length_or_unused_flags() -> None:
    for flags in (0x90, 0x88):
        data = body(mp_unreach(b"", flags=flags))
        assert decode(data).end_of_rib == L2VPN_EVPN
        assert encode_update(decode(data)) == message(data)


@pytest.mark.parametrize("data", [body(mp_unreach(b"") + ORIGIN), body(mp_unreach()), body(withdrawn=TEN)])
def test_what_is_no_end_of_rib(data: bytes) -> None:
    assert decode(data).end_of_rib is None


def test_add_path_puts_a_number_before_each_route() -> None:
    """RFC 7911 section 3."""
    context = Context(add_path=frozenset((L2VPN_EVPN, IPV4_UNICAST)))
    numbered = b"\0\0\0\x07" + TYPE2 + b"\0\0\0\x08" + TYPE3
    data = body(mp_reach(numbered) + WELL_KNOWN + CLASSIC_NEXT_HOP, nlri=b"\0\0\0\x09" + TEN)
    update = decode(data, context)
    assert [part.path_ids for part in update.reach] == [[7, 8], [9]]
    assert [len(part.routes) for part in update.reach] == [2, 1]
    assert encode_update(update, context) == message(data)
    assert reset_of(body(mp_reach(numbered[:-1]) + WELL_KNOWN), context).action is Action.DISABLE
    cut = reset_of(body(WELL_KNOWN + CLASSIC_NEXT_HOP, nlri=b"\0\0\0\x09" + TEN[:1]), context)
    assert (cut.subcode, cut.action) == (10, Action.RESET)
    assert decode(end_of_rib(L2VPN_EVPN)[19:], context).end_of_rib == L2VPN_EVPN


# Families that were not agreed on (RFC 4760 section 7)


def test_other_families_are_ignored_whatever_they_hold() -> None:
    context = Context(families=frozenset((L2VPN_EVPN,)))
    update = decode(body(mp_reach(b"\xff\xff", IPV6, b"x") + WELL_KNOWN, withdrawn=TWENTY), context)
    assert (update.reach, update.unreach, update.errors) == ((), (), ())
    for family in (IPV4_UNICAST, IPV6_UNICAST):
        assert decode(end_of_rib(family)[19:], context).end_of_rib is None
    assert decode(body(mp_reach() + WELL_KNOWN), context).reach


# RFC 7606: the message


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"\0\0\0", b"\0\x05\0\0\0", b"\0\0\0\x05\x40\x01\x01", b"\xff\xff\0\0", body(ORIGIN)[:-1]],
)
def test_lengths_that_exceed_the_message_end_the_session(data: bytes) -> None:
    """RFC 7606 section 3 a."""
    error = reset_of(data)
    assert (error.code, error.subcode, error.action) == (3, 1, Action.RESET)


@pytest.mark.parametrize(
    ("section", "nlri", "missing"),
    [
        (mp_reach() + AS_PATH, b"", [1]),
        (mp_reach() + ORIGIN, b"", [2]),
        (mp_reach(), b"", [1, 2]),
        (WELL_KNOWN, TEN, [3]),
        (mp_reach() + WELL_KNOWN, TEN, [3]),
    ],
)
@pytest.mark.parametrize("warm", [False, True])
def test_missing_mandatory_attribute(section: bytes, nlri: bytes, missing: list[int], warm: bool) -> None:
    """RFC 7606 section 3 d."""
    update = decode(body(section, nlri=nlri), warm=warm)
    assert update.reach == ()
    assert update.unreach
    assert [(error.subcode, error.data, error.action) for error in update.errors] == [
        (3, bytes((code,)), Action.WITHDRAW) for code in missing
    ]


def test_nothing_is_missing_where_nothing_is_announced() -> None:
    for section in (b"", LOCAL_PREF, mp_unreach(), mp_unreach() + ORIGIN):
        assert decode(body(section, withdrawn=TEN)).errors == ()


def test_local_pref_may_be_missing() -> None:
    assert decode(body(mp_reach() + ORIGIN + AS_PATH)).errors == ()


def test_treat_as_withdraw_takes_all_routes_of_the_message() -> None:
    """RFC 7606 section 2."""
    section = mp_unreach(TYPE3) + mp_reach() + BAD_ORIGIN + AS_PATH + CLASSIC_NEXT_HOP
    update = decode(body(section, withdrawn=TWENTY, nlri=TEN))
    assert update.reach == ()
    assert [(part.family, part.nlri) for part in update.unreach] == [
        (L2VPN_EVPN, TYPE3),
        (IPV4_UNICAST, TWENTY),
        (L2VPN_EVPN, TYPE2),
        (IPV4_UNICAST, TEN),
    ]
    assert max(error.action for error in update.errors) is Action.WITHDRAW


def test_attribute_discard_keeps_the_routes() -> None:
    """RFC 7606 section 2; the message is written without the attribute, the others where they were."""
    bad = attribute(0x40, 6, b"x")
    update = decode(body(ORIGIN + bad + AS_PATH + mp_reach() + LOCAL_PREF))
    (error,) = update.errors
    assert error.action is Action.DISCARD
    assert update.reach[0].nlri == TYPE2
    assert update.attributes.raw == WELL_KNOWN
    assert decode(encode_update(update)[19:]).reach[0].nlri == TYPE2


@pytest.mark.parametrize(
    "section", [BAD_ORIGIN, BAD_ORIGIN + mp_unreach(), BAD_ORIGIN + mp_reach(b""), ORIGIN + b"\x40\x05"]
)
@pytest.mark.parametrize("withdrawn", [b"", TEN])
def test_error_without_a_route_announced_ends_the_session(section: bytes, withdrawn: bytes) -> None:
    """RFC 7606 section 5.2: perhaps the routes were not found."""
    assert reset_of(body(section, withdrawn=withdrawn)).action is Action.RESET


def test_discard_without_a_route_announced_does_not() -> None:
    (error,) = decode(body(attribute(0x40, 6, b"x") + mp_unreach())).errors
    assert error.action is Action.DISCARD


def test_wrong_flags_of_the_only_attribute_that_withdraws() -> None:
    """RFC 7606 section 3 c says treat-as-withdraw, and section 5.2 excepts a message of MP_UNREACH_NLRI alone."""
    update = decode(body(mp_unreach(flags=0xC0)))
    assert [(error.subcode, error.action) for error in update.errors] == [(4, Action.WITHDRAW)]
    assert update.unreach[0].nlri == TYPE2
    assert update.end_of_rib is None


def test_wrong_flags_of_mp_reach() -> None:
    update = decode(body(mp_reach(flags=0xC0) + WELL_KNOWN), warm=True)
    assert [(error.subcode, error.action) for error in update.errors] == [(4, Action.WITHDRAW)]
    assert (update.reach, update.unreach[0].nlri) == ((), TYPE2)


@pytest.mark.parametrize("size", [0, 3, 5, 12, 24, 48])
@pytest.mark.parametrize("warm", [False, True])
def test_next_hop_of_unexpected_length_disables_the_family(size: int, warm: bool) -> None:
    """RFC 7606 section 7.11."""
    cache = AttributeCache()
    if warm:
        UpdateDecoder(Context(), cache).decode(body(mp_reach() + WELL_KNOWN))
    with pytest.raises(ProtocolError) as caught:
        UpdateDecoder(Context(), cache).decode(body(mp_reach(next_hop=bytes(size)) + WELL_KNOWN))
    assert (caught.value.subcode, caught.value.action) == (9, Action.DISABLE)
    assert families_of(body(mp_reach(next_hop=bytes(size)) + WELL_KNOWN)) == {L2VPN_EVPN}


@pytest.mark.parametrize("value", [b"", EVPN[:2], EVPN, EVPN + b"\x04", EVPN + b"\x04\x0a\0\0\x01", EVPN + b"\xff" * 9])
def test_mp_reach_too_short_for_its_next_hop(value: bytes) -> None:
    """RFC 7606 section 7.11."""
    assert reset_of(body(attribute(0x80, 14, value) + WELL_KNOWN)).action in (Action.DISABLE, Action.RESET)


@pytest.mark.parametrize("value", [b"", b"\0", EVPN[:2]])
def test_mp_unreach_too_short_for_its_family(value: bytes) -> None:
    """RFC 7606 section 7.12: fewer than three octets."""
    assert reset_of(body(attribute(0x80, 15, value))).action is Action.RESET


@pytest.mark.parametrize("part", [mp_reach(TYPE2[:-1]) + WELL_KNOWN, mp_unreach(TYPE2[:-1]), mp_unreach(b"\x02")])
def test_evpn_routes_that_cannot_be_cut_disable_the_family(part: bytes) -> None:
    """RFC 7606 sections 3 j and 5.3."""
    error = reset_of(body(part))
    assert (error.subcode, error.action) == (9, Action.DISABLE)
    assert families_of(body(part)) == {L2VPN_EVPN}


@pytest.mark.parametrize("bad", [b"\x21\0\0\0\0\0", b"\x08", b"\x20\x0a\0\0"])
def test_prefixes_that_cannot_be_cut(bad: bytes) -> None:
    """RFC 7606 section 5.3; in the message's own fields they end the session (RFC 4271 section 6.3)."""
    for data in (body(WELL_KNOWN + CLASSIC_NEXT_HOP, nlri=TEN + bad), body(withdrawn=TEN + bad)):
        error = reset_of(data)
        assert (error.subcode, error.action) == (10, Action.RESET)
    error = reset_of(body(mp_reach(TEN + bad, IPV4) + WELL_KNOWN))
    assert (error.subcode, error.action) == (9, Action.DISABLE)


def test_route_that_contradicts_itself_is_treated_as_withdrawn() -> None:
    """RFC 9136 section 3.1: a type 5 route with both an ESI and a gateway."""
    prefix = bytes((5, 34)) + TYPE2[2:10] + b"\x01" * 10 + bytes(4) + b"\x18\x0a\x01\x01\0" + NEXT_HOP + b"\0\0\x64"
    update = decode(body(mp_reach(prefix) + WELL_KNOWN), warm=True)
    assert (update.reach, update.unreach[0].nlri) == ((), prefix)
    assert [error.action for error in update.errors] == [Action.WITHDRAW]
    assert decode(body(mp_unreach(prefix))).errors == ()


def test_unknown_route_type_is_carried() -> None:
    """RFC 7606 section 5.4 leaves it to the family; a reflector needs it."""
    data = body(mp_reach(bytes((200, 3)) + b"abc" + TYPE2) + WELL_KNOWN)
    update = decode(data)
    assert len(update.reach[0].routes) == 2
    assert encode_update(update) == message(data)


def test_strict_decoding_raises_the_strongest_error() -> None:
    assert decode_update(body(mp_reach() + WELL_KNOWN)).reach
    bad = body(mp_reach() + attribute(0x40, 6, b"x") + BAD_ORIGIN + AS_PATH)
    with pytest.raises(ProtocolError) as caught:
        decode_update(bad)
    assert (caught.value.subcode, caught.value.action) == (6, Action.WITHDRAW)


def test_families_of_a_message_that_ends_the_session_are_none() -> None:
    for data in (b"", body(mp_reach()[:-1]), b"\0\0\0\xff"):
        assert families_of(data) == frozenset()
    assert families_of(body(mp_reach() + mp_unreach(b"", IPV6))) == {L2VPN_EVPN, IPV6_UNICAST}


# Writing


@pytest.mark.parametrize("vector", vectors("update"), ids=name)
@pytest.mark.parametrize("warm", [False, True])
def test_others_messages_are_written_back(vector: Vector, warm: bool) -> None:
    update = decode(vector.data[19:], warm=warm)
    if update.errors:  # sources that leave mandatory attributes out
        assert {error.subcode for error in update.errors} == {3}
    else:
        assert encode_update(update) == vector.data


@pytest.mark.parametrize("order", ORDERS)
def test_attributes_stay_where_they_were(order: tuple[bytes, ...]) -> None:
    data = body(b"".join(order))
    assert encode_update(decode(data)) == message(data)
    assert encode_update(decode(data, warm=True)) == message(data)


def test_reserved_octet_and_extended_lengths_are_kept() -> None:
    value = EVPN + b"\x04" + NEXT_HOP + b"\x2a" + TYPE2
    data = body(attribute(0x90, 14, value) + attribute(0x50, 1, b"\0") + AS_PATH)
    assert encode_update(decode(data, warm=True)) == message(data)


def test_session_of_two_octet_as_numbers() -> None:
    context = Context(as4=False)
    data = body(ORIGIN + SHORT_PATH + mp_reach() + LOCAL_PREF)
    update = decode(data, context, warm=True)
    assert update.attributes.as_path.asns() == (65001,)
    assert encode_update(update, context) == message(data)
    # The attributes before MP_REACH_NLRI grow by two octets, and it still stands between two of them.
    other = decode(encode_update(update, Context())[19:])
    assert (other.reach[0].nlri, other.attributes.raw) == (TYPE2, WELL_KNOWN)


def test_update_of_our_own_making() -> None:
    update = Update(build(as_path=[65001]), (Reach(L2VPN_EVPN, NEXT_HOP, TYPE2),), (Unreach(L2VPN_EVPN, TYPE3),))
    octets = encode_update(update)
    assert octets[23:25] == b"\x80\x0e"  # RFC 7606 section 5.1: the MP attributes first
    read = decode(octets[19:])
    assert (read.attributes, read.reach[0].nlri, read.unreach[0].nlri) == (update.attributes, TYPE2, TYPE3)
    assert encode_update(read) == octets


def test_message_over_the_limit() -> None:
    update = Update(build(), (Reach(L2VPN_EVPN, NEXT_HOP, TYPE2 * 200),))
    with pytest.raises(ValueError, match="the limit is 4096"):
        encode_update(update)
    assert len(encode_update(update, Context(extended_message=True))) > 4096


# Properties

TYPES2 = st.tuples(st.binary(min_size=22, max_size=22), st.binary(min_size=6, max_size=6)).map(
    lambda parts: bytes((2, 33)) + parts[0] + b"\x30" + parts[1] + b"\0" + parts[0][:3]
)
OTHERS = st.tuples(st.integers(12, 255), st.binary(max_size=30)).map(lambda r: bytes((r[0], len(r[1]))) + r[1])
NLRI = st.lists(TYPES2 | OTHERS | st.just(TYPE3), max_size=6).map(b"".join)
FLAGS = st.sampled_from([0x80, 0x90, 0x81])
PIECES = st.fixed_dictionaries(
    {
        "origin": st.sampled_from([ORIGIN, attribute(0x50, 1, b"\x02")]),
        "as_path": st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=5).map(
            lambda asns: attribute(0x40, 2, bytes((2, len(asns))) + b"".join(n.to_bytes(4, "big") for n in asns))
        ),
        "unknown": st.binary(max_size=300).map(lambda value: attribute(0xF0, 251, value)),
        "communities": st.binary(min_size=8, max_size=8).map(lambda value: attribute(0xC0, 16, value)),
    },
    optional={
        "reach": st.tuples(NLRI, FLAGS).map(lambda r: mp_reach(r[0], flags=r[1] if len(r[0]) < 200 else 0x90)),
        "unreach": st.tuples(NLRI, FLAGS).map(lambda r: mp_unreach(r[0], flags=r[1] if len(r[0]) < 200 else 0x90)),
    },
)


@given(PIECES.flatmap(lambda pieces: st.permutations(sorted(pieces.values()))))
def test_whatever_is_well_formed_is_written_back(pieces: list[bytes]) -> None:
    data = body(b"".join(pieces))
    update = decode(data)
    assert update.errors == ()
    assert encode_update(update) == message(data)


@given(PIECES.flatmap(lambda pieces: st.permutations(sorted(pieces.values()))), st.data())
@example([mp_reach(), ORIGIN, AS_PATH], None)
def test_short_way_says_what_the_long_way_says(pieces: list[bytes], data: st.DataObject | None) -> None:
    """Whatever is done to the octets of a message whose attributes are known."""
    whole = bytearray(body(b"".join(pieces)))
    decoder = UpdateDecoder(Context(), AttributeCache())
    decoder.decode(bytes(whole))
    if data is not None:
        for _ in range(3):
            at = data.draw(st.integers(0, len(whole) - 1))
            whole[at] = data.draw(st.integers(0, 255))
    assert outcome(decoder, bytes(whole)) == outcome(UpdateDecoder(Context(), AttributeCache()), bytes(whole))


@given(st.binary(max_size=120), st.booleans(), st.booleans())
def test_garbage(data: bytes, as4: bool, ebgp: bool) -> None:
    context = Context(as4=as4, ebgp=ebgp)
    try:
        update = decode(data, context)
    except ProtocolError as error:
        assert error.action >= Action.DISABLE
        return
    assert all(error.action <= Action.WITHDRAW for error in update.errors)
    if not update.errors:
        assert encode_update(update, context) == message(data)


def outcome(decoder: UpdateDecoder, data: bytes) -> object:
    try:
        update = decoder.decode(data)
    except ProtocolError as error:
        return error.code, error.subcode, error.action, error.data
    errors = [(error.subcode, error.action, error.data) for error in update.errors]
    return replace(update, errors=()), errors

"""The two ways of UpdateDecoder say the same: the short one, for what is common, and the long one, for anything."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evpnd.bgp.attributes import AttributeCache
from evpnd.bgp.family import IPV4_UNICAST, IPV6_UNICAST, L2VPN_EVPN
from evpnd.bgp.update import Context, Update, UpdateDecoder
from evpnd.errors import ProtocolError
from tests.bgp.octets import (
    AS_PATH,
    CLASSIC_NEXT_HOP,
    IPV4,
    IPV6,
    LOCAL_PREF,
    ORIGIN,
    SHORT_PATH,
    TYPE2,
    TYPE3,
    attribute,
    body,
    mp_reach,
    mp_unreach,
)
from tests.fuzz.mutation import mutations
from tests.vector_files import Vector, name, vectors

CONTEXTS = (
    Context(),
    Context(ebgp=True),
    Context(as4=False),
    Context(families=frozenset((L2VPN_EVPN,))),
    Context(families=frozenset((IPV4_UNICAST, IPV6_UNICAST)), add_path=frozenset((IPV4_UNICAST,))),
    Context(add_path=frozenset((L2VPN_EVPN,))),
)
PREFIXES = bytes((8, 10, 16, 20, 1))
PIECES = [
    ORIGIN,
    AS_PATH,
    SHORT_PATH,
    LOCAL_PREF,
    CLASSIC_NEXT_HOP,
    attribute(0xE0, 250, b"opaque"),
    attribute(0xC0, 16, bytes(8)),
    attribute(0xC0, 16, bytes(7)),
    attribute(0x40, 1, b"\x09"),
    attribute(0x40, 99),
    mp_reach(TYPE2 + TYPE3),
    mp_reach(TYPE2 * 7, flags=0x90),
    mp_reach(PREFIXES, IPV4),
    mp_reach(PREFIXES, IPV6, bytes(16)),
    mp_reach(PREFIXES, IPV6),
    mp_reach(b""),
    mp_reach(flags=0xC0),
    mp_reach(b"anything", bytes((0, 77, 7))),
    mp_unreach(),
    mp_unreach(b""),
    mp_unreach(b"", flags=0xA0),
    mp_unreach(PREFIXES, IPV4),
    mp_unreach(b"\x81", IPV6),
]


def outcome(update: Update | ProtocolError) -> object:
    if isinstance(update, ProtocolError):
        return update.code, update.subcode, update.action, update.data, update.message
    errors = [(error.code, error.subcode, error.action, error.data, error.message) for error in update.errors]
    return replace(update, errors=()), errors


def both(context: Context, data: bytes) -> tuple[Update | ProtocolError, Update | ProtocolError]:
    """By both ways, the short one first with a new cache and then with one that knows the attributes."""
    decoder = UpdateDecoder(context, AttributeCache())
    found: list[Update | ProtocolError] = []
    for decode in (decoder.decode, decoder._decode_any, decoder.decode):
        try:
            found.append(decode(data))
        except ProtocolError as error:
            found.append(error)
    first, any_, again = found
    assert outcome(first) == outcome(again)
    if isinstance(any_, Update) and isinstance(again, Update):
        assert any_.attributes is again.attributes or not any_.attributes.raw  # interned
    return first, any_


@given(st.sampled_from(CONTEXTS), st.lists(st.sampled_from(PIECES), max_size=6))
@example(Context(), [mp_reach(), ORIGIN, AS_PATH])
@example(Context(), [ORIGIN, AS_PATH, mp_reach()])
@example(Context(), [mp_unreach(b"")])
@example(Context(), [mp_reach(), ORIGIN, AS_PATH, mp_reach()])
@example(Context(), [mp_reach(), ORIGIN, AS_PATH, mp_unreach()])
def test_of_attributes_in_any_order(context: Context, pieces: list[bytes]) -> None:
    first, any_ = both(context, body(b"".join(pieces)))
    assert outcome(first) == outcome(any_)


@given(st.sampled_from(CONTEXTS), st.lists(st.sampled_from(PIECES), max_size=5), st.data())
def test_of_damaged_messages(context: Context, pieces: list[bytes], data: st.DataObject) -> None:
    octets = bytearray(body(b"".join(pieces)))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    del octets[data.draw(st.integers(0, len(octets))) :]
    first, any_ = both(context, bytes(octets))
    assert outcome(first) == outcome(any_)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("vector", vectors("update"), ids=name)
def test_of_others_messages(vector: Vector, context: Context) -> None:
    first, any_ = both(context, vector.data[19:])
    assert outcome(first) == outcome(any_)


@pytest.mark.parametrize("number", range(len(CONTEXTS)))
def test_of_others_messages_damaged(number: int) -> None:
    seeds = [vector.data[19:] for vector in vectors("update")]
    for octets in mutations(seeds, 3000, number):
        first, any_ = both(CONTEXTS[number], octets)
        assert outcome(first) == outcome(any_), octets.hex()


def test_the_short_way_is_taken() -> None:
    """So that the tests above compare two ways."""
    decoder = UpdateDecoder(Context(), AttributeCache())
    for section in (mp_reach() + ORIGIN + AS_PATH, ORIGIN + mp_reach() + AS_PATH, mp_unreach(), mp_unreach(b"")):
        assert decoder._decode_known(body(section)) is not None
    assert decoder._decode_known(body(mp_reach() + ORIGIN)) is None

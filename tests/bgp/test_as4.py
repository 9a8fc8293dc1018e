"""The two forms of attributes, with AS numbers of two octets and of four (RFC 6793)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evpnd.bgp.aspath import AS_TRANS, AsPath
from evpnd.bgp.attribute_table import AGGREGATOR, AS4_AGGREGATOR, AS4_PATH, AS_PATH
from evpnd.bgp.attributes import Aggregator, AttributeCache, PathAttributes, build
from tests.bgp.octets import LOCAL_PREF, ORIGIN, attribute

ROUTER = bytes((10, 0, 0, 1))


def old(*attributes: bytes) -> PathAttributes:
    """As a two-octet speaker sent them."""
    return AttributeCache().intern(ORIGIN + b"".join(attributes) + LOCAL_PREF, as4=False)


def short_path(*asns: int) -> bytes:
    return attribute(0x40, AS_PATH, bytes((2, len(asns))) + b"".join(n.to_bytes(2, "big") for n in asns))


def long_path(*asns: int) -> bytes:
    return attribute(0xC0, AS4_PATH, bytes((2, len(asns))) + b"".join(n.to_bytes(4, "big") for n in asns))


def aggregator(code: int, asn: int) -> bytes:
    return attribute(0xC0, code, asn.to_bytes(2 if code == AGGREGATOR else 4, "big") + ROUTER)


def test_path_and_aggregator_are_merged() -> None:
    """Section 4.2.3."""
    found = old(
        short_path(5, AS_TRANS), aggregator(AGGREGATOR, AS_TRANS), long_path(70000), aggregator(AS4_AGGREGATOR, 80000)
    )
    assert found.as_path.asns() == (5, 70000)
    assert found.aggregator == Aggregator(80000, ROUTER)
    new = found.four_octet()
    assert new.as4
    assert new.as_path.asns() == (5, 70000)
    assert new.aggregator == Aggregator(80000, ROUTER)
    assert new.get(AS4_PATH) is new.get(AS4_AGGREGATOR) is None
    assert AttributeCache().intern(new.raw) == new  # and is valid


def test_aggregator_of_an_old_speaker_voids_both() -> None:
    """Section 4.2.3: an AGGREGATOR that is not AS_TRANS was made after an AS4_AGGREGATOR beside it."""
    found = old(short_path(5, AS_TRANS), aggregator(AGGREGATOR, 9), long_path(70000), aggregator(AS4_AGGREGATOR, 80000))
    assert found.as_path.asns() == (5, AS_TRANS)
    assert found.aggregator == Aggregator(9, ROUTER)


def test_aggregator_alone_voids_nothing() -> None:
    """Section 4.2.3: only both together say that somebody aggregated."""
    found = old(short_path(5, AS_TRANS), aggregator(AGGREGATOR, 9), long_path(70000))
    assert found.as_path.asns() == (5, 70000)
    assert found.aggregator == Aggregator(9, ROUTER)


def test_as_trans_without_its_counterpart() -> None:
    found = old(short_path(AS_TRANS), aggregator(AGGREGATOR, AS_TRANS))
    assert found.as_path.asns() == (AS_TRANS,)
    assert found.aggregator == Aggregator(AS_TRANS, ROUTER)


def test_towards_an_old_speaker() -> None:
    """Section 4.2.2."""
    made = build(as_path=[65001, 70000], aggregator=Aggregator(80000, ROUTER), local_pref=100)
    assert made.wire(as4=False) == b"".join(
        (
            ORIGIN,
            short_path(65001, AS_TRANS),
            LOCAL_PREF,
            aggregator(AGGREGATOR, AS_TRANS),
            long_path(65001, 70000),
            aggregator(AS4_AGGREGATOR, 80000),
        )
    )


def test_nothing_is_added_when_all_numbers_fit() -> None:
    """Section 4.2.2: no AS4_PATH without need."""
    made = build(as_path=[65001], aggregator=Aggregator(65001, ROUTER), local_pref=100)
    assert made.wire(as4=False) == ORIGIN + short_path(65001) + LOCAL_PREF + aggregator(AGGREGATOR, 65001)


def test_as4_path_leaves_confederations_out() -> None:
    """Section 3."""
    made = build(as_path=AsPath([(3, (64512,)), (2, (70000,))]), local_pref=100)
    assert long_path(70000) in made.wire(as4=False)


def test_received_octets_are_left_alone_where_the_form_is_the_same() -> None:
    for as4 in (True, False):
        raw = build(as_path=[65001, 70000]).wire(as4)
        assert AttributeCache().intern(raw, as4).wire(as4) is raw


def test_replace_gives_four_octets() -> None:
    found = old(short_path(AS_TRANS), long_path(70000))
    changed = found.replace({AS_PATH: found.as_path.prepend(65001).encode()})
    assert changed.as4
    assert changed.as_path.asns() == (65001, 70000)
    assert changed.get(AS4_PATH) is None


def test_same_octets_of_another_form_are_not_equal() -> None:
    raw = ORIGIN + attribute(0x40, AS_PATH)
    cache = AttributeCache()
    assert cache.intern(raw, True) != cache.intern(raw, False)


@given(st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=300), st.integers(1, 2**32 - 1))
def test_there_and_back(asns: list[int], who: int) -> None:
    made = build(as_path=asns, aggregator=Aggregator(who, ROUTER))
    back = AttributeCache().intern(made.wire(as4=False), as4=False)
    assert back.as_path.asns() == tuple(asns)
    assert back.aggregator == Aggregator(who, ROUTER)
    assert back.four_octet().as_path.asns() == tuple(asns)

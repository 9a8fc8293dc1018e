"""Sets of attributes: views, changes, building, and the cache that makes equal ones one object."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.bgp import attribute_table as table
from evpnd.bgp.aspath import AsPath
from evpnd.bgp.attribute_table import VIEWS, Form, attribute_name
from evpnd.bgp.attributes import Aggregator, Attribute, AttributeCache, PathAttributes, PmsiTunnel, build
from evpnd.bgp.community import LargeCommunity
from evpnd.errors import Action, ProtocolError
from tests.bgp.octets import AS_PATH, LOCAL_PREF, ORIGIN, SHORT_PATH, WELL_KNOWN, attribute, mp_reach

ROUTER = bytes((10, 0, 0, 1))
FULL = {
    "origin": 1,
    "as_path": AsPath.sequence([65001, 4200000000]),
    "next_hop": ROUTER,
    "med": 7,
    "local_pref": 200,
    "atomic_aggregate": True,
    "aggregator": Aggregator(4200000000, ROUTER),
    "communities": (0xFFFFFF01, 65001 << 16 | 1),
    "originator_id": ROUTER,
    "cluster_list": (ROUTER, bytes(4)),
    "extended_communities": (bytes(range(8)), bytes(8)),
    "ipv6_extended_communities": (bytes(range(20)),),
    "pmsi": PmsiTunnel(0, 6, b"\0\0\x64", ROUTER),
    "large_communities": (LargeCommunity(4200000000, 1, 2),),
    "otc": 65002,
}


def test_every_view_of_a_full_set() -> None:
    made = build(**FULL)  # type: ignore[arg-type]
    read = AttributeCache().intern(made.raw)
    for name, value in FULL.items():
        assert getattr(read, name) == value, name
    assert read == made
    assert FULL.keys() | {"as4_path", "as4_aggregator"} == VIEWS.keys()
    assert [item.code for item in read.items] == sorted(item.code for item in read.items)
    assert all(item.flags == table.canonical_flags(item.code) for item in read.items)


def test_views_of_what_is_absent() -> None:
    nothing = build(origin=None, as_path=None)
    assert nothing.raw == b""
    assert nothing.items == ()
    assert not nothing.complete
    for name, row in VIEWS.items():
        assert getattr(nothing, name) == row.absent, name
    with pytest.raises(AttributeError, match="no attribute 'weight'"):
        nothing.weight  # type: ignore[attr-defined]  # noqa: B018


def test_least_set_that_a_route_needs() -> None:
    """RFC 4271 section 5: a path that begins here has an empty AS_PATH."""
    made = build()
    assert made.raw == ORIGIN + attribute(0x40, 2)
    assert made.complete
    assert not AttributeCache().intern(ORIGIN).complete
    assert not AttributeCache().intern(AS_PATH).complete


def test_other_attributes_in_their_place() -> None:
    unknown = Attribute(0xC0, 20, b"x")
    assert [item.code for item in build(local_pref=1, otc=1, others=[unknown]).items] == [1, 2, 5, 20, 35]


def test_as_path_of_numbers() -> None:
    assert build(as_path=[1, 2]).as_path == AsPath.sequence([1, 2])


def test_equal_values_build_equal_sets_whatever_holds_them() -> None:
    """Tuples are remembered, lists and iterators are not; all say the same."""
    communities = [b"\0\x02\0\1\0\0\0\1", b"\0\x02\0\1\0\0\0\2"]
    first = build(as_path=(65001, 65002), extended_communities=tuple(communities))
    assert build(as_path=(65001, 65002), extended_communities=tuple(communities)) is first
    assert build(as_path=[65001, 65002], extended_communities=communities) == first
    assert build(as_path=iter((65001, 65002)), extended_communities=iter(communities)) == first
    assert build(as_path=(65001, 65002), extended_communities=()) != first


def test_others_are_kept_beside_values_without_hash() -> None:
    others = [Attribute(0xC0, 100, b"x")]
    expected = build(others=others, communities=(1, 2))
    assert build(others=iter(others), communities=[1, 2]) == expected


def test_build_refuses_names_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="'colour'"):
        build(colour=7)  # type: ignore[call-arg]


def test_long_values_get_an_extended_length() -> None:
    made = build(communities=range(100))
    assert made.communities == tuple(range(100))
    assert AttributeCache().intern(made.raw) == made
    assert made.get(8) == Attribute(0xD0, 8, b"".join(n.to_bytes(4, "big") for n in range(100)))


def test_attribute_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="'weight'"):
        build(weight=1)  # type: ignore[call-arg]


# Changes


def test_replace_keeps_the_flags_and_places_of_the_others() -> None:
    raw = attribute(0x50, 5, bytes(4)) + attribute(0xE0, 99, b"x") + ORIGIN + AS_PATH
    found = AttributeCache().intern(raw)
    changed = found.replace({5: bytes((0, 0, 0, 9)), 10: ROUTER, 200: b"y"})
    assert changed.raw == b"".join(
        (
            attribute(0x40, 5, bytes((0, 0, 0, 9))),
            attribute(0x80, 10, ROUTER),
            attribute(0xE0, 99, b"x"),
            ORIGIN,
            AS_PATH,
            attribute(0xC0, 200, b"y"),
        )
    )
    assert changed.local_pref == 9
    assert changed.cluster_list == (ROUTER,)
    assert found.raw == raw


def test_replace_removes() -> None:
    found = AttributeCache().intern(WELL_KNOWN)
    assert found.replace({5: None, 99: None}).raw == ORIGIN + AS_PATH
    assert found.replace({}) == found


def test_unknown_attributes_are_marked_when_passed_on() -> None:
    """RFC 4271 section 5: Partial for those that are transitive; the others go no further."""
    unknown, marked, local = attribute(0xC0, 99, b"x"), attribute(0xF0, 100, b"y"), attribute(0x80, 101, b"z")
    found = AttributeCache().intern(WELL_KNOWN + unknown + marked + local)
    assert found.passed_on().raw == WELL_KNOWN + attribute(0xE0, 99, b"x") + marked
    known = AttributeCache().intern(WELL_KNOWN + marked)
    assert known.passed_on() is known


def test_sets_do_not_change() -> None:
    made = build()
    with pytest.raises(AttributeError):
        made.local_pref = 5
    assert made.local_pref is None


def test_equality_is_by_octets() -> None:
    one, other = build(local_pref=1), build(local_pref=1)
    assert one == other
    assert hash(one) == hash(other)
    assert one != build(local_pref=2)
    assert one != one.raw
    assert repr(one) == f"PathAttributes({one.raw.hex()})"


# The cache


def test_equal_sets_are_one_object() -> None:
    cache = AttributeCache()
    found = cache.intern(WELL_KNOWN)
    assert cache.intern(bytes(bytearray(WELL_KNOWN))) is found
    assert cache.share(PathAttributes(WELL_KNOWN)) is found
    made = build(local_pref=77)
    assert cache.share(made) is made
    assert cache.intern(made.raw) is made
    assert AttributeCache().intern(WELL_KNOWN) is not found


def test_cache_is_bounded_and_remembers_what_is_alive() -> None:
    cache = AttributeCache(size=10)
    kept = cache.intern(build(local_pref=0).raw)
    for number in range(1, 100):
        cache.intern(build(local_pref=number).raw)
    assert len(cache.recent(Form())) <= 10
    assert cache.intern(build(local_pref=0).raw) is kept
    cache.recent(Form()).clear()
    gc.collect()
    assert len(cache._alive) == 1


def test_long_sets_are_not_kept_for_nothing() -> None:
    cache = AttributeCache()
    raw = build(communities=range(1000)).raw
    found = cache.intern(raw)
    assert cache.intern(raw) is found
    del found
    gc.collect()
    assert not cache._alive


@pytest.mark.parametrize(
    ("raw", "action"),
    [
        (attribute(0x40, 6, b"x") + AS_PATH, Action.DISCARD),
        (attribute(0x40, 6, b"x") + attribute(0x40, 1, b"\x09"), Action.WITHDRAW),
        (mp_reach() + WELL_KNOWN, Action.RESET),
        (attribute(0x40, 99), Action.RESET),
        (SHORT_PATH, Action.WITHDRAW),
    ],
)
def test_cache_refuses_what_is_malformed(raw: bytes, action: Action) -> None:
    cache = AttributeCache()
    for _ in range(2):
        with pytest.raises(ProtocolError) as caught:
            cache.intern(raw)
        assert caught.value.action is action
    assert not cache.recent(Form())


def test_cache_keeps_forms_apart() -> None:
    cache = AttributeCache()
    assert cache.intern(ORIGIN + SHORT_PATH, as4=False).as_path.asns() == (65001,)
    with pytest.raises(ProtocolError):
        cache.intern(ORIGIN + SHORT_PATH, as4=True)


def test_attributes_known_of_one_form_are_not_of_another() -> None:
    cache = AttributeCache()
    assert cache.learn(WELL_KNOWN, Form()) is not None
    assert cache.learn(WELL_KNOWN, Form(ebgp=True)) is None  # LOCAL_PREF, RFC 7606 section 7.5


def test_peer_that_never_repeats_itself_makes_nothing_grow() -> None:
    cache = AttributeCache(size=100)

    def most(first: int, count: int) -> int:
        tracemalloc.reset_peak()
        for number in range(first, first + count):
            unknown = attribute(0xC0, 100 + number % 100, number.to_bytes(200, "big"))
            assert cache.learn(WELL_KNOWN + unknown, Form()) is not None
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        early, late = most(0, 3000), most(3000, 9000)
    finally:
        tracemalloc.stop()
    assert late < early * 1.1
    assert len(cache._alive) <= 100


@given(st.binary(max_size=60), st.booleans())
def test_garbage(raw: bytes, as4: bool) -> None:
    try:
        found = AttributeCache().intern(raw, as4)
    except ProtocolError:
        return
    for name in VIEWS:
        getattr(found, name)
    assert found.wire(as4) == raw
    AttributeCache().intern(found.wire(not as4), not as4)


@given(
    st.fixed_dictionaries(
        {
            "origin": st.integers(0, 2),
            "as_path": st.lists(st.integers(1, 2**32 - 1), max_size=300).map(AsPath.sequence),
            "med": st.none() | st.integers(0, 2**32 - 1),
            "local_pref": st.none() | st.integers(0, 2**32 - 1),
            "communities": st.lists(st.integers(0, 2**32 - 1), max_size=80).map(tuple),
            "cluster_list": st.lists(st.binary(min_size=4, max_size=4), max_size=4).map(tuple),
            "extended_communities": st.lists(st.binary(min_size=8, max_size=8), max_size=40).map(tuple),
            "pmsi": st.none()
            | st.builds(
                PmsiTunnel, st.integers(0, 255), st.just(6), st.binary(min_size=3, max_size=3), st.just(ROUTER)
            ),
        }
    )
)
def test_what_is_built_is_read(values: dict[str, object]) -> None:
    made = build(**values)  # type: ignore[arg-type]
    read = AttributeCache().intern(made.raw)
    assert {name: getattr(read, name) for name in values} == values


def test_names() -> None:
    assert attribute_name(1) == "origin"
    assert attribute_name(14) == "mp_reach_nlri"
    assert attribute_name(40) == "bgp_prefix_sid"
    assert attribute_name(254) == "attribute_254"
    assert LOCAL_PREF[1:2] == bytes((VIEWS["local_pref"].code,))

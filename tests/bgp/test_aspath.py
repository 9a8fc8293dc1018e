"""AS paths: reading, counting, prepending, text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.bgp.aspath import AS_TRANS, EMPTY, AsPath, decode_as_path, merge_as4, needs_as4

SET, SEQUENCE, CONFED_SEQUENCE, CONFED_SET = 1, 2, 3, 4

segments = st.lists(
    st.tuples(st.integers(1, 4), st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=255).map(tuple)), max_size=4
)


@given(segments)
def test_round_trip(found: list[tuple[int, tuple[int, ...]]]) -> None:
    path = AsPath(found)
    assert decode_as_path(path.encode()) == path
    assert decode_as_path(path.encode()).segments == tuple(found)


@given(st.binary(max_size=40), st.booleans())
def test_garbage(data: bytes, as4: bool) -> None:
    try:
        path = decode_as_path(data, as4)
    except ValueError:
        return
    assert path.encode(as4) == data


def test_length() -> None:
    """RFC 4271 section 9.1.2.2, RFC 5065 section 5.3."""
    path = AsPath([(CONFED_SEQUENCE, (1, 2)), (SEQUENCE, (3, 4, 5)), (SET, (6, 7)), (CONFED_SET, (8,))])
    assert path.length == 4
    assert path.asns() == (1, 2, 3, 4, 5, 6, 7, 8)
    assert path.text() == "(1 2) 3 4 5 {6,7} [8]"
    assert (EMPTY.length, EMPTY.asns(), EMPTY.text(), EMPTY.encode()) == (0, (), "", b"")


def test_prepend() -> None:
    """RFC 4271 section 5.1.2 b."""
    assert EMPTY.prepend(1).segments == ((SEQUENCE, (1,)),)
    assert AsPath.sequence([2]).prepend(1).segments == ((SEQUENCE, (1, 2)),)
    assert AsPath([(SET, (2,))]).prepend(1).segments == ((SEQUENCE, (1,)), (SET, (2,)))
    full = AsPath.sequence(range(1, 256))
    assert full.prepend(1).segments == ((SEQUENCE, (1,)), full.segments[0])


def test_first_as() -> None:
    assert AsPath.sequence([7, 8]).first_as() == 7
    assert EMPTY.first_as() is None
    assert AsPath([(SET, (7,))]).first_as() is None


def test_long_sequences_are_cut_into_segments() -> None:
    path = AsPath.sequence(range(1, 601))
    assert [len(asns) for _, asns in path.segments] == [255, 255, 90]
    assert path.length == 600
    assert decode_as_path(path.encode()) == path


def test_equal_paths() -> None:
    assert AsPath.sequence([1, 2]) == AsPath([(SEQUENCE, (1, 2))])
    assert len({AsPath.sequence([1, 2]), AsPath.sequence([1, 2]), EMPTY}) == 2
    assert AsPath.sequence([1]) != (SEQUENCE, (1,))
    assert repr(AsPath.sequence([1, 2])) == "AsPath('1 2')"


def test_two_octets_a_number() -> None:
    path = AsPath.sequence([65001, 70000])
    assert path.encode(as4=False) == bytes((2, 2, 0xFD, 0xE9)) + AS_TRANS.to_bytes(2, "big")
    assert decode_as_path(path.encode(as4=False), as4=False).asns() == (65001, AS_TRANS)
    assert needs_as4(path)
    assert not needs_as4(AsPath.sequence([65001]))
    assert not needs_as4(AsPath([(CONFED_SEQUENCE, (70000,))]))


# RFC 6793 section 4.2.3: (AS_PATH of two octets, AS4_PATH, the true path)
MERGES = [
    ("all replaced", [(2, (AS_TRANS, 2))], [(2, (70000, 2))], [(2, (70000, 2))]),
    ("old speakers before", [(2, (5, 6, AS_TRANS, 2))], [(2, (70000, 2))], [(2, (5, 6, 70000, 2))]),
    ("AS4_PATH is longer", [(2, (5,))], [(2, (70000, 2))], [(2, (5,))]),
    ("a set counts as one", [(2, (5,)), (1, (AS_TRANS, 7))], [(1, (70000, 7))], [(2, (5,)), (1, (70000, 7))]),
    ("confederation in front", [(3, (9,)), (2, (5, AS_TRANS))], [(2, (70000,))], [(3, (9,)), (2, (5, 70000))]),
    ("confederation in AS4_PATH", [(2, (5, AS_TRANS))], [(3, (1, 2)), (2, (70000,))], [(2, (5, 70000))]),
    ("set in front", [(1, (5, 6)), (2, (AS_TRANS,))], [(2, (70000,))], [(1, (5, 6)), (2, (70000,))]),
]


@pytest.mark.parametrize(("rule", "short", "long", "true"), MERGES)
def test_merging(rule: str, short: list, long: list, true: list) -> None:  # type: ignore[type-arg]
    assert merge_as4(AsPath(short), AsPath(long)).segments == tuple(true)


def test_merged_segment_does_not_outgrow_its_count() -> None:
    front, rest = tuple(range(1, 101)), (70000,) * 200
    merged = merge_as4(AsPath([(2, (*front, *(AS_TRANS,) * 155)), (2, (AS_TRANS,) * 45)]), AsPath([(2, rest)]))
    assert merged.asns() == front + rest
    assert decode_as_path(merged.encode()) == merged

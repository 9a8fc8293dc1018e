"""RFC 7606 section by section: what each malformed path attribute costs, and nothing more."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evpnd.bgp.attribute_section import Attribute, encode_items, faultless_items, parse_section, walk_items
from evpnd.bgp.attribute_table import ATTRIBUTES, Form, attribute_name
from evpnd.errors import Action, ProtocolError
from tests.bgp.octets import AS_PATH, LOCAL_PREF, ORIGIN, SHORT_PATH, WELL_KNOWN, attribute, mp_reach, mp_unreach

DISCARD, WITHDRAW = Action.DISCARD, Action.WITHDRAW
INTERNAL, EXTERNAL, OLD = Form(), Form(ebgp=True), Form(as4=False)
PATH4 = bytes((2, 1, 0, 1, 0, 0))

# (section of RFC 7606 or other RFC, flags, code, value, form, action, subcode of RFC 4271 section 6.3)
MALFORMED = [
    ("7.1 length", 0x40, 1, b"", INTERNAL, WITHDRAW, 5),
    ("7.1 length", 0x40, 1, b"\0\0", INTERNAL, WITHDRAW, 5),
    ("7.1 undefined value", 0x40, 1, b"\x03", INTERNAL, WITHDRAW, 6),
    ("7.2 unknown segment type", 0x40, 2, bytes((5, 1, 0, 0, 0, 1)), INTERNAL, WITHDRAW, 11),
    ("7.2 segment overrun", 0x40, 2, bytes((2, 2, 0, 0, 0, 1)), INTERNAL, WITHDRAW, 11),
    ("7.2 segment underrun", 0x40, 2, bytes((2, 1, 0, 0, 0, 1, 2)), INTERNAL, WITHDRAW, 11),
    ("7.2 empty segment", 0x40, 2, bytes((2, 0)), INTERNAL, WITHDRAW, 11),
    ("7.2 four octets on a session of two", 0x40, 2, bytes((2, 1, 0, 0, 0xFD, 0xE9)), OLD, WITHDRAW, 11),
    ("RFC 7607 AS 0", 0x40, 2, bytes((2, 1, 0, 0, 0, 0)), INTERNAL, WITHDRAW, 11),
    ("RFC 5065 confederation", 0x40, 2, bytes((3, 1, 0, 0, 0, 1)), EXTERNAL, WITHDRAW, 11),
    ("7.3 length", 0x40, 3, bytes(3), INTERNAL, WITHDRAW, 5),
    ("7.3 length", 0x40, 3, bytes(16), INTERNAL, WITHDRAW, 5),
    ("7.4 length", 0x80, 4, bytes(3), INTERNAL, WITHDRAW, 5),
    ("7.4 length", 0x80, 4, b"", EXTERNAL, WITHDRAW, 5),
    ("7.5 length", 0x40, 5, bytes(5), INTERNAL, WITHDRAW, 5),
    ("7.5 external", 0x40, 5, bytes(4), EXTERNAL, DISCARD, 9),
    ("7.5 external and malformed", 0x40, 5, bytes(1), EXTERNAL, DISCARD, 9),
    ("7.6 length", 0x40, 6, bytes(1), INTERNAL, DISCARD, 5),
    ("7.7 length", 0xC0, 7, bytes(6), INTERNAL, DISCARD, 5),
    ("7.7 length", 0xC0, 7, bytes(8), OLD, DISCARD, 5),
    ("RFC 7607 AS 0", 0xC0, 7, bytes(4) + b"\x0a\0\0\x01", INTERNAL, DISCARD, 9),
    ("7.8 length", 0xC0, 8, bytes(6), INTERNAL, WITHDRAW, 5),
    ("7.8 length", 0xC0, 8, b"", INTERNAL, WITHDRAW, 5),
    ("7.9 length", 0x80, 9, bytes(5), INTERNAL, WITHDRAW, 5),
    ("7.9 external", 0x80, 9, bytes(4), EXTERNAL, DISCARD, 9),
    ("7.10 length", 0x80, 10, bytes(7), INTERNAL, WITHDRAW, 5),
    ("7.10 length", 0x80, 10, b"", INTERNAL, WITHDRAW, 5),
    ("7.10 external", 0x80, 10, bytes(4), EXTERNAL, DISCARD, 9),
    ("7.14 length", 0xC0, 16, bytes(12), INTERNAL, WITHDRAW, 5),
    ("7.14 length", 0xC0, 16, b"", INTERNAL, WITHDRAW, 5),
    ("7.15 length", 0xC0, 25, bytes(8), INTERNAL, WITHDRAW, 5),
    ("RFC 6793 6, too short", 0xC0, 17, bytes((2, 1, 0, 1)), OLD, DISCARD, 5),
    ("RFC 6793 6, segment overrun", 0xC0, 17, bytes((2, 2, 0, 0, 0, 1)), OLD, DISCARD, 9),
    ("RFC 6793 6, segment type", 0xC0, 17, bytes((9, 1, 0, 0, 0, 1)), OLD, DISCARD, 9),
    ("RFC 6793 6, length", 0xC0, 18, bytes(6), OLD, DISCARD, 5),
    ("RFC 7607 AS 0", 0xC0, 18, bytes(4) + b"\x0a\0\0\x01", OLD, DISCARD, 9),
    ("RFC 6793 4.1", 0xC0, 17, PATH4, INTERNAL, DISCARD, 9),
    ("RFC 6793 4.1", 0xC0, 18, bytes((0, 1, 0, 0, 10, 0, 0, 1)), INTERNAL, DISCARD, 9),
    ("RFC 6514 5, too short", 0xC0, 22, bytes((0, 6, 0, 0)), INTERNAL, WITHDRAW, 5),
    ("RFC 6514 5, endpoint", 0xC0, 22, bytes((0, 6, 0, 0, 1, 10, 0, 0)), INTERNAL, WITHDRAW, 9),
    ("RFC 8092 5", 0xC0, 32, bytes(8), INTERNAL, WITHDRAW, 5),
    ("RFC 8092 5", 0xC0, 32, b"", INTERNAL, WITHDRAW, 5),
    ("RFC 9234 5", 0xC0, 35, bytes(8), INTERNAL, WITHDRAW, 5),
]


@pytest.mark.parametrize(("rule", "flags", "code", "value", "form", "action", "subcode"), MALFORMED)
def test_malformed_attribute(
    rule: str, flags: int, code: int, value: bytes, form: Form, action: Action, subcode: int
) -> None:
    before, behind = attribute(0xC0, 99, b"before"), attribute(0xC0, 100, b"behind")
    bad = attribute(flags, code, value)
    section = parse_section(before + bad + behind, form)
    (error,) = section.errors
    assert (error.code, error.subcode, error.action) == (3, subcode, action)
    assert error.data == bad  # RFC 4271 section 6.3: the attribute as it came
    assert attribute_name(code) in error.message
    assert encode_items(section.items) == before + behind


# Values that their rules allow.
WELL_FORMED = [
    (0x40, 1, b"\x02", INTERNAL),
    (0x40, 2, b"", INTERNAL),
    (0x40, 2, bytes((3, 1, 0, 0, 0, 1, 2, 1, 0, 0, 0, 2)), INTERNAL),
    (0x40, 2, bytes((1, 2, 0, 1, 0, 2)), OLD),
    (0x40, 3, bytes(4), EXTERNAL),
    (0x80, 4, bytes(4), EXTERNAL),
    (0x40, 5, bytes(4), INTERNAL),
    (0x40, 6, b"", EXTERNAL),
    (0xC0, 7, bytes((0, 0, 0, 1, 10, 0, 0, 1)), EXTERNAL),
    (0xC0, 7, bytes((0, 1, 10, 0, 0, 1)), OLD),
    (0xC0, 8, bytes(8), EXTERNAL),
    (0x80, 9, bytes(4), INTERNAL),
    (0x80, 10, bytes(8), INTERNAL),
    (0xC0, 16, bytes(16), EXTERNAL),
    (0xC0, 25, bytes(20), EXTERNAL),
    (0xC0, 17, PATH4, OLD),
    (0xC0, 18, bytes((0, 1, 0, 0, 10, 0, 0, 1)), OLD),
    (0xC0, 22, bytes((0, 6, 0, 0, 1, 10, 0, 0, 1)), EXTERNAL),
    (0xC0, 22, bytes((0, 6, 0, 0, 1)) + bytes(16), EXTERNAL),
    (0xC0, 22, bytes((1, 0, 0, 0, 0)), EXTERNAL),
    (0xC0, 22, bytes((0, 77, 0, 0, 0, 1)), EXTERNAL),  # RFC 7385 section 2
    (0xC0, 32, bytes(24), EXTERNAL),
    (0xC0, 35, bytes(4), EXTERNAL),
]


@pytest.mark.parametrize(("flags", "code", "value", "form"), WELL_FORMED)
def test_well_formed_attribute_is_kept_as_it_came(flags: int, code: int, value: bytes, form: Form) -> None:
    for more in (0, 0x10, 0x20, 0x0F):  # the Extended Length, Partial and unused bits are nobody's error
        octets = attribute(flags | more, code, value)
        section = parse_section(octets, form)
        assert section.errors == ()
        assert section.items == (Attribute(flags | more, code, value),)
        assert encode_items(section.items) == octets


def test_the_tables_above_name_every_attribute() -> None:
    assert {row[1] for row in WELL_FORMED} == ATTRIBUTES.keys()
    assert {row[2] for row in MALFORMED} == ATTRIBUTES.keys()


@pytest.mark.parametrize(("flags", "code", "value", "form"), WELL_FORMED)
@pytest.mark.parametrize("wrong", [0x80, 0x40, 0xC0])
def test_conflicting_flags(flags: int, code: int, value: bytes, form: Form, wrong: int) -> None:
    """RFC 7606 section 3 c."""
    bad = attribute(flags ^ wrong, code, value)
    section = parse_section(bad, form)
    (error,) = section.errors
    assert (error.subcode, error.action, error.data) == (4, WITHDRAW, bad)
    assert section.items == ()


def test_unknown_attributes_are_kept_with_their_flags() -> None:
    octets = b"".join(attribute(flags, 200 + n, b"opaque") for n, flags in enumerate((0x80, 0xC0, 0xE0, 0xD0, 0x8F)))
    section = parse_section(octets, INTERNAL)
    assert section.errors == ()
    assert encode_items(section.items) == octets


@pytest.mark.parametrize("flags", [0x00, 0x40, 0x50])
def test_unknown_well_known_attribute_ends_the_session(flags: int) -> None:
    """RFC 4271 section 6.3; RFC 7606 does not soften it."""
    bad = attribute(flags, 99, b"x")
    with pytest.raises(ProtocolError) as caught:
        parse_section(WELL_KNOWN + bad, INTERNAL)
    assert (caught.value.subcode, caught.value.action, caught.value.data) == (2, Action.RESET, bad)


@pytest.mark.parametrize("code", sorted(ATTRIBUTES.keys() | {99}))
def test_of_repeated_attributes_the_first_counts(code: int) -> None:
    """RFC 7606 section 3 g."""
    samples = {row[1]: row for row in WELL_FORMED} | {99: (0xC0, 99, b"x", INTERNAL)}
    flags, _, value, form = samples[code]
    first = attribute(flags, code, value)
    section = parse_section(first + attribute(0xC0, 98) + first, form)
    (error,) = section.errors
    assert (error.subcode, error.action) == (1, DISCARD)
    assert encode_items(section.items) == first + attribute(0xC0, 98)


@pytest.mark.parametrize("twice", [mp_reach(), mp_unreach()])
def test_repeated_mp_attributes_end_the_session(twice: bytes) -> None:
    """RFC 7606 section 3 g."""
    with pytest.raises(ProtocolError) as caught:
        parse_section(twice + WELL_KNOWN + twice, INTERNAL)
    assert (caught.value.subcode, caught.value.action) == (1, Action.RESET)


def test_mp_attributes_are_found_with_their_places() -> None:
    octets = ORIGIN + mp_reach() + AS_PATH + mp_unreach(flags=0x90) + LOCAL_PREF
    section = parse_section(octets, INTERNAL)
    assert section.reach is not None
    assert section.unreach is not None
    assert section.reach.offset == len(ORIGIN)
    assert section.unreach.offset == octets.index(mp_unreach(flags=0x90))
    assert section.reach.attribute.encode() == mp_reach()
    assert section.unreach.attribute.encode() == mp_unreach(flags=0x90)
    assert encode_items(section.items) == WELL_KNOWN


@pytest.mark.parametrize("left", [b"\x40", b"\x40\x05", b"\x50\x05\x00", b"\x10"])
def test_octets_left_behind_the_last_attribute(left: bytes) -> None:
    """RFC 7606 section 4, the second case."""
    section = parse_section(WELL_KNOWN + left, INTERNAL)
    (error,) = section.errors
    assert (error.action, error.data) == (WITHDRAW, left)
    assert encode_items(section.items) == WELL_KNOWN


@pytest.mark.parametrize("flags", [0x80, 0x90])
def test_last_attribute_runs_past_the_end(flags: int) -> None:
    """RFC 7606 section 4, the first case."""
    cut = attribute(flags, 4, bytes(4))[:-1]
    section = parse_section(WELL_KNOWN + cut, INTERNAL)
    (error,) = section.errors
    assert (error.subcode, error.action, error.data) == (5, WITHDRAW, cut)
    assert encode_items(section.items) == WELL_KNOWN


@pytest.mark.parametrize("cut", [mp_reach()[:-1], mp_unreach()[:-1]])
def test_cut_mp_attribute_ends_the_session(cut: bytes) -> None:
    """RFC 7606 section 3 j: its routes can't be told, so they can't be withdrawn."""
    with pytest.raises(ProtocolError) as caught:
        parse_section(WELL_KNOWN + cut, INTERNAL)
    assert caught.value.action is Action.RESET


def test_several_errors_are_all_told() -> None:
    section = parse_section(attribute(0x40, 1, b"\x07") + attribute(0x40, 6, b"x") + LOCAL_PREF, INTERNAL)
    assert [error.action for error in section.errors] == [WITHDRAW, DISCARD]
    assert encode_items(section.items) == LOCAL_PREF


@given(st.binary(max_size=80), st.sampled_from([INTERNAL, EXTERNAL, OLD, Form(False, True)]))
def test_garbage(data: bytes, form: Form) -> None:
    try:
        section = parse_section(data, form)
    except ProtocolError as error:
        assert error.action is Action.RESET
        return
    assert all(error.action in (DISCARD, WITHDRAW) for error in section.errors)
    if not section.errors and section.reach is None and section.unreach is None:
        assert encode_items(section.items) == data


@given(
    st.lists(st.tuples(st.sampled_from([0x80, 0xC0, 0xE0, 0x90, 0xD0]), st.integers(100, 255), st.binary(max_size=300)))
)
def test_items_of_any_length_come_back(items: list[tuple[int, int, bytes]]) -> None:
    octets = encode_items(Attribute(*item) for item in items)
    assert [item.value for item in walk_items(octets)] == [value for _, _, value in items]
    assert encode_items(walk_items(octets)) == octets


# Sections without error, whose attributes may be known

PIECES = [
    ORIGIN,
    AS_PATH,
    SHORT_PATH,
    LOCAL_PREF,
    attribute(0x40, 6),
    attribute(0xC0, 16, bytes(16)),
    attribute(0xD0, 16, bytes(16)),
    attribute(0xC0, 17, PATH4),
    attribute(0xE0, 250, b"opaque"),
    attribute(0xD0, 251, b"opaque" * 50),
    mp_reach(),
    mp_unreach(),
]


@given(
    st.sampled_from([INTERNAL, EXTERNAL, OLD, Form(False, True)]),
    st.lists(st.sampled_from(PIECES), max_size=6),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3),
    st.integers(0, 4),
)
@example(INTERNAL, [ORIGIN, AS_PATH, LOCAL_PREF], [], 0)
@example(INTERNAL, [AS_PATH, ORIGIN], [], 2)  # two octets of the last one are there,
@example(INTERNAL, [AS_PATH, ORIGIN], [], 1)  # its header,
@example(INTERNAL, [AS_PATH, attribute(0xD0, 250)], [], 1)  # or all but one of a long one's
@example(INTERNAL, [ORIGIN, AS_PATH, ORIGIN], [], 0)
@example(INTERNAL, [ORIGIN, mp_reach()], [], 0)
def test_faultless_is_what_parses_without_error(
    form: Form, pieces: list[bytes], changes: list[tuple[int, int]], left_out: int
) -> None:
    known: dict[bytes, Attribute] = {}
    for piece in PIECES:
        faultless_items(piece, form, known)
    octets = bytearray(b"".join(pieces))
    for at, value in changes if octets else ():
        octets[at % len(octets)] = value
    data = bytes(octets[: len(octets) - left_out])
    try:
        section = parse_section(data, form)
    except ProtocolError:
        expected = None
    else:
        wrong = section.errors or section.reach or section.unreach
        expected = None if wrong else {item.code: item for item in section.items}
    for _ in range(2):
        try:
            found = faultless_items(data, form, known)
        except ProtocolError:
            found = None
        assert found == expected
        assert found is None or encode_items(found.values()) == data


def test_only_short_attributes_are_known_and_not_many() -> None:
    known: dict[bytes, Attribute] = {}
    for number in range(3000):
        assert faultless_items(ORIGIN + attribute(0xC0, 8, number.to_bytes(4, "big")), INTERNAL, known) is not None
        assert len(known) <= 1024
    known.clear()
    assert faultless_items(ORIGIN + attribute(0xD0, 8, bytes(400)), INTERNAL, known) is not None
    assert list(known) == [ORIGIN]

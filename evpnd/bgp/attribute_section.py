"""The path attributes field of an UPDATE as a sequence of (flags, type, length, value): walking, checking, writing.

Owns the error handling of RFC 7606 sections 3, 4 and 7 for everything but MP_REACH_NLRI and MP_UNREACH_NLRI, which it
only finds. What each attribute allows stands in `evpnd.bgp.attribute_table`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from evpnd.bgp.attribute_table import (
    ATTRIBUTES,
    EXTENDED_LENGTH,
    FLAGS_ERROR,
    LENGTH_ERROR,
    MALFORMED_LIST,
    MP_REACH,
    MP_UNREACH,
    OPTIONAL,
    OPTIONAL_ERROR,
    TRANSITIVE,
    UNRECOGNIZED_WELL_KNOWN,
    UPDATE_ERROR,
    AttributeType,
    Form,
    Malformed,
    attribute_name,
)
from evpnd.errors import Action, ProtocolError

_KIND = OPTIONAL | TRANSITIVE
_MP_CODES = (MP_REACH, MP_UNREACH)
# Bounds of the attributes that faultless_items keeps: how many, and how long. They bound what a peer can make us hold.
_MOST_KNOWN = 1024
_LONGEST_KNOWN = 256


class Attribute(NamedTuple):
    """One attribute as it stands on the wire; the Extended Length bit of `flags` is kept with the rest."""

    flags: int
    code: int
    value: bytes

    def encode(self) -> bytes:
        size = len(self.value)
        if self.flags & EXTENDED_LENGTH or size > 255:
            return bytes((self.flags | EXTENDED_LENGTH, self.code, size >> 8, size & 0xFF)) + self.value
        return bytes((self.flags, self.code, size)) + self.value


class Placed(NamedTuple):
    """An MP_REACH_NLRI or MP_UNREACH_NLRI attribute and the octet of the section at which it begins."""

    attribute: Attribute
    offset: int


class Section(NamedTuple):
    """A section after checking: what is kept of it, in order, the MP attributes apart, and what was wrong."""

    items: tuple[Attribute, ...]
    reach: Placed | None
    unreach: Placed | None
    errors: tuple[ProtocolError, ...]


def parse_section(data: bytes, form: Form) -> Section:
    """Walk and check a section. Errors are returned, strongest action not yet drawn; only RESET ones are raised."""
    kept: dict[int, Attribute] = {}
    placed: dict[int, Placed] = {}
    found, errors = _walk(data)
    for attribute, offset in found:
        code = attribute.code
        if code in _MP_CODES:
            if code in placed:  # RFC 7606 section 3 g
                raise ProtocolError(UPDATE_ERROR, MALFORMED_LIST, message=f"{attribute_name(code)} occurs twice")
            placed[code] = Placed(attribute, offset)
            error = _flags_error(attribute, OPTIONAL)
        elif code in kept:  # RFC 7606 section 3 g: all but the first are discarded.
            error = _error(attribute, MALFORMED_LIST, "occurs twice", Action.DISCARD)
        else:
            error = _check(attribute, form)
            if error is None:
                kept[code] = attribute
        if error is not None:
            errors.append(error)
    return Section(tuple(kept.values()), placed.get(MP_REACH), placed.get(MP_UNREACH), tuple(errors))


def faultless_items(data: bytes, form: Form, known: dict[bytes, Attribute]) -> dict[int, Attribute] | None:
    """The attributes, by type, of a section without any error or MP attribute; None of every other section.

    Sets of attributes differ in one or two of them, most often. So each one is checked when it comes for the first
    time, and is in `known` from then on, by its octets. That is right for sections of the same form only.
    """
    items: dict[int, Attribute] = {}
    start, end = 0, len(data)
    while start + 2 < end:
        if data[start] & EXTENDED_LENGTH:
            value = start + 4
            stop = value + int.from_bytes(data[start + 2 : value], "big")
        else:
            value = start + 3
            stop = value + data[start + 2]
        octets = data[start:stop]
        item = known.get(octets)
        if item is None:
            item = Attribute(data[start], data[start + 1], data[value:stop])
            if stop > end or item.code in _MP_CODES or _check(item, form) is not None:
                return None
            if len(octets) <= _LONGEST_KNOWN:
                if len(known) >= _MOST_KNOWN:
                    known.clear()  # What is still in use is soon back.
                known[octets] = item
        if item.code in items:
            return None
        items[item.code] = item
        start = stop
    return items if start == end else None


def encode_items(items: Iterable[Attribute]) -> bytes:
    """The octets of a section."""
    return b"".join([item.encode() for item in items])


def walk_items(data: bytes) -> tuple[Attribute, ...]:
    """The attributes of a section that was checked before."""
    return tuple([attribute for attribute, _ in _walk(data)[0]])


def _walk(data: bytes) -> tuple[list[tuple[Attribute, int]], list[ProtocolError]]:
    """The attributes with their offsets, up to the first one that does not fit (RFC 7606 section 4)."""
    found: list[tuple[Attribute, int]] = []
    position = 0
    end = len(data)
    while position < end:
        flags = data[position]
        start = position + (4 if flags & EXTENDED_LENGTH else 3)
        if start > end:
            text = f"{end - position} octets are left behind the last attribute"
            return found, [ProtocolError(UPDATE_ERROR, MALFORMED_LIST, data[position:], text, Action.WITHDRAW)]
        code = data[position + 1]
        size = data[start - 1]
        if flags & EXTENDED_LENGTH:
            size |= data[start - 2] << 8
        stop = start + size
        if stop > end:
            text = f"{attribute_name(code)} runs past the end of the path attributes"
            # RFC 7606 section 3 j: without the NLRI inside, nothing can be treated as withdrawn.
            action = Action.RESET if code in _MP_CODES else Action.WITHDRAW
            error = ProtocolError(UPDATE_ERROR, LENGTH_ERROR, data[position:], text, action)
            if action is Action.RESET:
                raise error
            return found, [error]
        found.append((Attribute(flags, code, data[start:stop]), position))
        position = stop
    return found, []


def _check(attribute: Attribute, form: Form) -> ProtocolError | None:
    row = ATTRIBUTES.get(attribute.code)
    if row is None:
        if attribute.flags & OPTIONAL:
            return None
        # RFC 4271 section 6.3, which RFC 7606 leaves as it is.
        raise _error(attribute, UNRECOGNIZED_WELL_KNOWN, "is well-known and not recognized", Action.RESET)
    if row.internal and form.ebgp:  # RFC 7606 sections 7.5, 7.9, 7.10
        return _error(attribute, OPTIONAL_ERROR, "from an external peer", Action.DISCARD)
    if row.two_octet_only and form.as4:  # RFC 6793 section 4.1
        return _error(attribute, OPTIONAL_ERROR, "on a session of 4-octet AS numbers", Action.DISCARD)
    if attribute.flags & _KIND != row.flags:
        return _flags_error(attribute, row.flags)
    return _value_error(attribute, row, form)


def _flags_error(attribute: Attribute, flags: int) -> ProtocolError | None:
    """RFC 7606 section 3 c: only the Optional and Transitive bits count."""
    if attribute.flags & _KIND == flags:
        return None
    return _error(attribute, FLAGS_ERROR, f"has flags 0x{attribute.flags:02x}", Action.WITHDRAW)


def _value_error(attribute: Attribute, row: AttributeType, form: Form) -> ProtocolError | None:
    try:
        row.check(attribute.value, form)
    except Malformed as error:
        return _error(attribute, error.subcode, str(error), row.action)
    except ValueError as error:
        return _error(attribute, OPTIONAL_ERROR, str(error), row.action)
    return None


def _error(attribute: Attribute, subcode: int, text: str, action: Action) -> ProtocolError:
    # RFC 4271 section 6.3: the data is the whole attribute.
    message = f"{attribute_name(attribute.code)}: {text}"
    return ProtocolError(UPDATE_ERROR, subcode, attribute.encode(), message, action)

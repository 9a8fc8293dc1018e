"""UPDATE messages: decoded with RFC 7606's error handling, encoded byte for byte as they were, and packed for sending.

Owns the message's own fields (RFC 4271 section 4.3) and the order of judgement: first the section of attributes, then
the NLRI, then what is missing. An UPDATE whose attributes (but for the MP ones) are known already costs one look-up in
the cache; that is the rule in a running daemon. Knows no sessions; loops and policy are not errors of this layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from evpnd.bgp.attribute_section import Attribute, parse_section
from evpnd.bgp.attribute_table import (
    AS_PATH,
    EXTENDED_LENGTH,
    MALFORMED_LIST,
    MISSING_WELL_KNOWN,
    MP_REACH,
    MP_UNREACH,
    NEXT_HOP,
    OPTIONAL,
    ORIGIN,
    UPDATE_ERROR,
    Form,
    attribute_name,
)
from evpnd.bgp.attributes import AttributeCache, PathAttributes
from evpnd.bgp.family import IPV4_UNICAST, Family
from evpnd.bgp.framing import HEADER_SIZE, MAX_EXTENDED, MAX_SIZE, UPDATE, frame
from evpnd.bgp.reach import Reach, Unreach, check_nlri, decode_reach, decode_unreach, read_family
from evpnd.errors import Action, ProtocolError

_FIXED = 4  # octets of the two length fields
_MP_HEADER = 4  # octets before an MP attribute's value: flags, type, length of two octets
_MP_CODES = (MP_REACH, MP_UNREACH)
_MP_FLAGS = (OPTIONAL, OPTIONAL | EXTENDED_LENGTH)
_NO_FAMILIES: frozenset[Family] = frozenset()


@dataclass(frozen=True, slots=True)
class Context:
    """What of a session matters to the reading of its UPDATEs; `families` None: all are read."""

    as4: bool = True
    ebgp: bool = False
    extended_message: bool = False
    add_path: frozenset[Family] = _NO_FAMILIES
    families: frozenset[Family] | None = None


@dataclass(slots=True)
class Update:
    """An UPDATE: attributes (without the MP ones), what it announces and withdraws, and what was wrong with it.

    With an error of action WITHDRAW everything is in `unreach` (RFC 7606 section 2, treat-as-withdraw).
    """

    attributes: PathAttributes
    reach: tuple[Reach, ...] = ()
    unreach: tuple[Unreach, ...] = ()
    errors: tuple[ProtocolError, ...] = ()
    end_of_rib: Family | None = field(default=None)


class UpdateDecoder:
    """Decodes the UPDATEs of one session."""

    def __init__(self, context: Context, cache: AttributeCache) -> None:
        self._context = context
        self._form = Form(context.as4, context.ebgp)
        self._cache = cache
        self._known = cache.recent(self._form)
        self._none = PathAttributes(b"", context.as4)

    def decode(self, body: bytes) -> Update:
        """Of the body of a message. Raises ProtocolError for DISABLE and RESET; what costs less is in `errors`."""
        size = len(body)
        start = 2 + ((body[0] << 8) | body[1]) if size >= _FIXED else size
        if start + 2 > size or (end := start + 2 + ((body[start] << 8) | body[start + 1])) > size:
            text = "the lengths of withdrawn routes and path attributes exceed the message"
            raise ProtocolError(UPDATE_ERROR, MALFORMED_LIST, message=text)
        if size == _FIXED:
            return Update(self._none, end_of_rib=IPV4_UNICAST)
        section = body[start + 2 : end]
        if start == 2 and end == size:
            update = self._decode_known(section)
            if update is not None:
                return update
        return self._decode_any(section, body[2:start], body[end:])

    def _decode_known(self, section: bytes) -> Update | None:
        """The common message: one MP attribute, the others known. None when it is not that."""
        at, size = 0, len(section)
        while at + 4 <= size:
            flags = section[at]
            if flags & EXTENDED_LENGTH:
                value_at = at + 4
                stop = value_at + ((section[at + 2] << 8) | section[at + 3])
            else:
                value_at = at + 3
                stop = value_at + section[at + 2]
            if section[at + 1] in _MP_CODES:
                break
            at = stop
        else:
            return None
        if stop > size or flags not in _MP_FLAGS:
            return None
        rest = section[:at] + section[stop:]
        attributes = self._known.get(rest) if rest else self._none
        if attributes is None:
            return None
        attribute = Attribute(flags, section[at + 1], section[value_at:stop])
        if attribute.code == MP_UNREACH:
            unreach = decode_unreach(attribute, at, self._context.add_path)
            if not unreach.nlri and not rest:
                return Update(attributes, (), (unreach,), (), unreach.family)
            return self._judge(attributes, [], [unreach], [])
        if not attributes.complete:
            return None
        return self._judge(attributes, [decode_reach(attribute, at, self._context.add_path)], [], [])

    def _decode_any(self, section: bytes, withdrawn: bytes, announced: bytes) -> Update:
        parsed = parse_section(section, self._form)
        errors = list(parsed.errors)
        attributes = self._cache.admit(parsed, self._form)
        add_path = self._context.add_path
        reach = [decode_reach(*parsed.reach, add_path)] if parsed.reach else []
        unreach = [decode_unreach(*parsed.unreach, add_path)] if parsed.unreach else []
        classic_ids = IPV4_UNICAST in add_path
        if withdrawn:
            unreach.append(Unreach(IPV4_UNICAST, withdrawn, True, add_path=classic_ids))
        if announced:
            next_hop = attributes.next_hop or b""
            reach.append(Reach(IPV4_UNICAST, next_hop, announced, True, add_path=classic_ids))
        missing = _missing(attributes, reach)
        if missing is not None:
            errors.append(missing)
        return self._judge(attributes, reach, unreach, errors)

    def _judge(
        self, attributes: PathAttributes, reach: list[Reach], unreach: list[Unreach], errors: list[ProtocolError]
    ) -> Update:
        """Check the NLRI, leave families out that were not agreed on, and treat as withdrawn what must be."""
        families = self._context.families
        if families is not None:
            reach = [part for part in reach if part.family in families]
            unreach = [part for part in unreach if part.family in families]
        for withdrawal in unreach:
            check_nlri(withdrawal, True)
        for part in reach:
            try:
                check_nlri(part, False)
            except ProtocolError as error:
                if error.action > Action.WITHDRAW:
                    raise
                errors.append(error)
        if errors and any(error.action is Action.WITHDRAW for error in errors):
            unreach += [Unreach(p.family, p.nlri, p.classic, p.offset, p.flags, p.add_path) for p in reach]
            reach = []
        return Update(attributes, tuple(reach), tuple(unreach), tuple(errors))


def _missing(attributes: PathAttributes, reach: list[Reach]) -> ProtocolError | None:
    """RFC 7606 section 3 d: a mandatory attribute that is not there."""
    if not reach:
        return None
    needed = [ORIGIN, AS_PATH]
    if any(part.classic for part in reach):
        needed.append(NEXT_HOP)
    for code in needed:
        if attributes.get(code) is None:
            text = f"{attribute_name(code)} is missing"
            return ProtocolError(UPDATE_ERROR, MISSING_WELL_KNOWN, bytes((code,)), text, Action.WITHDRAW)
    return None


def decode_update(body: bytes, context: Context | None = None) -> Update:
    """The strict reading: raises the strongest error, whatever its action."""
    update = UpdateDecoder(context or Context(), AttributeCache()).decode(body)
    if update.errors:
        raise max(update.errors, key=lambda error: error.action)
    return update


def families_of(body: bytes) -> frozenset[Family]:
    """The families that an UPDATE, perhaps a broken one, is about: those that its MP attributes name."""
    found: set[Family] = set()
    start = 4 + ((body[0] << 8) | body[1]) if len(body) >= _FIXED else len(body)
    at, size = start, len(body)
    while at + 4 <= size:
        head = 4 if body[at] & EXTENDED_LENGTH else 3
        stop = at + head + int.from_bytes(body[at + 2 : at + head], "big")
        if body[at + 1] in _MP_CODES:
            family = read_family(body[at + head : stop])
            if family is not None:
                found.add(family)
        at = stop
    return frozenset(found)


def encode_update(update: Update, context: Context | None = None) -> bytes:
    """The whole message, its attributes where they were when it was decoded; ValueError when it is too long."""
    context = context or Context()
    section = update.attributes.wire(context.as4)
    withdrawn = announced = b""
    placed: list[Reach | Unreach] = []
    parts: list[Reach | Unreach] = [*update.unreach, *update.reach]
    for part in parts:
        if not part.classic:
            placed.append(part)
        elif isinstance(part, Unreach):
            withdrawn += part.nlri
        else:
            announced += part.nlri
    for part in sorted(placed, key=lambda part: part.offset):
        section = section[: part.offset] + part.attribute().encode() + section[part.offset :]
    return _message(section, withdrawn, announced, MAX_EXTENDED if context.extended_message else MAX_SIZE)


def _message(section: bytes, withdrawn: bytes = b"", announced: bytes = b"", limit: int = MAX_EXTENDED) -> bytes:
    size = HEADER_SIZE + _FIXED + len(withdrawn) + len(section) + len(announced)
    if size > limit:
        raise ValueError(f"an UPDATE of {size} octets, the limit is {limit}")
    lengths = len(withdrawn).to_bytes(2, "big"), len(section).to_bytes(2, "big")
    return frame(UPDATE, lengths[0] + withdrawn + lengths[1] + section + announced)


def pack_updates(
    attributes: PathAttributes,
    family: Family,
    next_hop: bytes,
    nlris: Sequence[bytes],
    limit: int = MAX_SIZE,
    *,
    as4: bool = True,
) -> list[bytes]:
    """Whole messages that announce `nlris`, as few as `limit` allows; MP_REACH_NLRI first (RFC 7606 section 5.1).

    Raises ValueError when the attributes leave no room for a route; see `room_for_nlri`.
    """
    head = family.encode() + bytes((len(next_hop),)) + next_hop + b"\0"
    rest = attributes.wire(as4)
    room = limit - HEADER_SIZE - _FIXED - _MP_HEADER - len(head) - len(rest)
    return [_message(_mp(MP_REACH, head + part) + rest) for part in _portions(nlris, room)]


def room_for_nlri(attributes: PathAttributes, next_hop: bytes, limit: int, as4: bool = True) -> int:
    """How many octets of NLRI fit into one UPDATE with these attributes; RFC 8654 section 4 on too few."""
    return limit - HEADER_SIZE - _FIXED - _MP_HEADER - 5 - len(next_hop) - len(attributes.wire(as4))


def pack_withdrawals(family: Family, nlris: Sequence[bytes], limit: int = MAX_SIZE) -> list[bytes]:
    """Whole messages that withdraw `nlris`."""
    head = family.encode()
    room = limit - HEADER_SIZE - _FIXED - _MP_HEADER - len(head)
    return [_message(_mp(MP_UNREACH, head + part)) for part in _portions(nlris, room)]


def end_of_rib(family: Family) -> bytes:
    """The message that says that all routes of the family were sent (RFC 4724 section 2)."""
    if family == IPV4_UNICAST:
        return _message(b"")
    return _message(Attribute(OPTIONAL, MP_UNREACH, family.encode()).encode())


def _mp(code: int, value: bytes) -> bytes:
    return bytes((OPTIONAL | EXTENDED_LENGTH, code, len(value) >> 8, len(value) & 0xFF)) + value


def _portions(nlris: Sequence[bytes], room: int) -> list[bytes]:
    """The NLRI in as few runs of at most `room` octets as their order allows."""
    portions: list[bytes] = []
    first = used = 0
    for index, nlri in enumerate(nlris):
        size = len(nlri)
        if used + size > room:
            if size > room:
                raise ValueError(f"a route of {size} octets, and room for {max(room, 0)}")
            portions.append(b"".join(nlris[first:index]))
            first, used = index, 0
        used += size
    if first < len(nlris):
        portions.append(b"".join(nlris[first:]))
    return portions

"""UPDATE messages: decoded with RFC 7606's error handling, encoded byte for byte as they were.

Owns the message's own fields (RFC 4271 section 4.3) and the order of judgement: first the section of attributes, then
the NLRI, then what is missing. An UPDATE whose attributes (but for the MP ones) are known already costs one look-up in
the cache; that is the rule in a running daemon. Knows no sessions; loops and policy are not errors of this layer.
Packing for sending is `evpnd.bgp.packing`'s, whose functions can be had from here too.
"""

from __future__ import annotations

from dataclasses import dataclass

from evpnd.bgp.attribute_section import Section, parse_section, walk_items
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
    TRANSITIVE,
    UPDATE_ERROR,
    Form,
    attribute_name,
)
from evpnd.bgp.attributes import AttributeCache, PathAttributes
from evpnd.bgp.family import IPV4_UNICAST, Family
from evpnd.bgp.framing import MAX_EXTENDED, MAX_SIZE
from evpnd.bgp.packing import end_of_rib, pack_updates, pack_withdrawals, room_for_nlri, update_message
from evpnd.bgp.reach import CODECS, Reach, Unreach, check_nlri, decode_reach, decode_unreach, read_family
from evpnd.errors import Action, ProtocolError

__all__ = [
    "Context",
    "Reach",
    "Unreach",
    "Update",
    "UpdateDecoder",
    "decode_update",
    "encode_update",
    "end_of_rib",
    "families_of",
    "pack_updates",
    "pack_withdrawals",
    "room_for_nlri",
]

_MP_CODES = (MP_REACH, MP_UNREACH)
_SECTION = 4  # where the path attributes begin in a body without withdrawn routes


@dataclass(frozen=True, slots=True)
class Context:
    """What of a session matters to the reading of its UPDATEs.

    `families` are those agreed on; what comes of others is ignored (RFC 4760 section 7). None: all are read.
    """

    as4: bool = True
    ebgp: bool = False
    extended_message: bool = False
    add_path: frozenset[Family] = frozenset()
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
    end_of_rib: Family | None = None


class UpdateDecoder:
    """Decodes the UPDATEs of one session."""

    __slots__ = ("_cache", "_context", "_form", "_known", "_none", "_plain")

    def __init__(self, context: Context, cache: AttributeCache) -> None:
        self._context = context
        self._form = Form(context.as4, context.ebgp)
        self._cache = cache
        self._known = cache.recent(self._form)
        self._none = PathAttributes(b"", context.as4)
        # The families that the short way reads, by the octets that name them.
        self._plain = {
            family.encode(): (family, codec)
            for family, codec in CODECS.items()
            if family not in context.add_path and (context.families is None or family in context.families)
        }

    def decode(self, body: bytes) -> Update:
        """Of the body of a message. Raises ProtocolError for DISABLE and RESET; what costs less is in `errors`."""
        return self._decode_known(body) or self._decode_any(body)

    def _decode_known(self, body: bytes) -> Update | None:
        """The short way for the common message: one MP attribute and no error anywhere. None when it is not that.

        Attributes are walked by their headers until the MP one is found. The others are known, most often; that says
        that there is no second one among them, and that they are whole.
        """
        size = len(body)
        if size < 10 or body[0] or body[1] or ((body[2] << 8) | body[3]) + _SECTION != size:
            return None
        at = _SECTION
        code = body[5]
        while True:
            if body[at] & EXTENDED_LENGTH:
                start = at + 4
                stop = start + ((body[at + 2] << 8) | body[at + 3])
            else:
                start = at + 3
                stop = start + body[at + 2]
            if code in _MP_CODES:
                break
            at = stop
            if at + 6 > size:
                return None
            code = body[at + 1]
        plain = self._plain.get(body[start : start + 3])
        if plain is None or stop > size or body[at] & (OPTIONAL | TRANSITIVE) != OPTIONAL:
            return None
        rest = body[stop:] if at == _SECTION else body[_SECTION:at] + body[stop:]
        attributes = self._known.get(rest) if rest else self._none
        if attributes is None and (attributes := self._cache.learn(rest, self._form)) is None:
            return None
        family, codec = plain
        try:
            if code == MP_UNREACH:
                nlri = body[start + 3 : stop]
                codec.check_withdrawn(nlri)
                closing = None if nlri or rest else family  # RFC 4724 section 2
                return Update(attributes, (), (Unreach(family, nlri, False, at - _SECTION, body[at]),), (), closing)
            next_hop_size = body[start + 3] if start + 3 < stop else 0
            end = start + 4 + next_hop_size
            if end >= stop or next_hop_size not in codec.next_hop_sizes or not attributes.complete:
                return None
            nlri = body[end + 1 : stop]
            codec.check(nlri)
        except ProtocolError:
            return None  # The long way says what this costs.
        reach = Reach(family, body[start + 4 : end], nlri, False, at - _SECTION, body[at], body[end])
        return Update(attributes, (reach,))

    def _decode_any(self, body: bytes) -> Update:
        withdrawn, section, announced = _fields(body)
        parsed = parse_section(section, self._form)
        attributes = self._cache.admit(parsed, self._form) if parsed.items else self._none
        reach, unreach = self._parts(parsed, attributes, withdrawn, announced)
        errors = [*parsed.errors, *_missing(attributes, reach)]
        for withdrawal in unreach:
            check_nlri(withdrawal, True)
        for part in reach:
            try:
                check_nlri(part, False)
            except ProtocolError as error:
                if error.action > Action.WITHDRAW:
                    raise
                errors.append(error)
        worst = max(errors, key=_action, default=None)
        if worst is not None and worst.action is Action.WITHDRAW:
            if not announced and not _reaches(parsed) and not _only_withdraws(parsed, section):
                # RFC 7606 section 5.2: the NLRI are perhaps not where they should be.
                text = f"{worst.message}; and no route is announced"
                raise ProtocolError(worst.code, worst.subcode, worst.data, text)
            unreach += [Unreach(p.family, p.nlri, p.classic, p.offset, p.flags, p.add_path) for p in reach]
            reach = []
        closing = self._end_of_rib(body, parsed, unreach)
        return Update(attributes, tuple(reach), tuple(unreach), tuple(errors), closing)

    def _parts(
        self, parsed: Section, attributes: PathAttributes, withdrawn: bytes, announced: bytes
    ) -> tuple[list[Reach], list[Unreach]]:
        """What the message is about, of the families that were agreed on."""
        add_path, families = self._context.add_path, self._context.families
        reach: list[Reach] = []
        unreach: list[Unreach] = []
        if parsed.reach and _agreed(parsed.reach.attribute.value, families):
            reach.append(decode_reach(*parsed.reach, add_path))
        if parsed.unreach and _agreed(parsed.unreach.attribute.value, families):
            unreach.append(decode_unreach(*parsed.unreach, add_path))
        if families is None or IPV4_UNICAST in families:
            numbered = IPV4_UNICAST in add_path
            if withdrawn:
                unreach.append(Unreach(IPV4_UNICAST, withdrawn, True, add_path=numbered))
            if announced:
                reach.append(Reach(IPV4_UNICAST, attributes.next_hop or b"", announced, True, add_path=numbered))
        return reach, unreach

    def _end_of_rib(self, body: bytes, parsed: Section, unreach: list[Unreach]) -> Family | None:
        """RFC 4724 section 2: the family that the message ends, if it is an End-of-RIB marker."""
        if len(body) == _SECTION:
            families = self._context.families
            return IPV4_UNICAST if families is None or IPV4_UNICAST in families else None
        if len(unreach) == 1 and not unreach[0].nlri and not parsed.items and not parsed.reach and not parsed.errors:
            return unreach[0].family
        return None


def _fields(body: bytes) -> tuple[bytes, bytes, bytes]:
    """Withdrawn routes, path attributes, NLRI (RFC 4271 section 4.3)."""
    size = len(body)
    middle = 2 + int.from_bytes(body[:2], "big")
    end = middle + 2 + int.from_bytes(body[middle : middle + 2], "big")
    if middle + 2 > size or end > size:
        text = "the lengths of withdrawn routes and path attributes exceed the message"
        raise ProtocolError(UPDATE_ERROR, MALFORMED_LIST, message=text)
    return body[2:middle], body[middle + 2 : end], body[end:]


def _agreed(value: bytes, families: frozenset[Family] | None) -> bool:
    """Whether an MP attribute is to be read; one too short to name its family is, for the error it is."""
    return families is None or (family := read_family(value)) is None or family in families


def _missing(attributes: PathAttributes, reach: list[Reach]) -> list[ProtocolError]:
    """RFC 7606 section 3 d: the mandatory attributes that are not there."""
    needed: list[int] = []
    if any(part.nlri for part in reach):
        needed = [ORIGIN, AS_PATH]
        if any(part.classic for part in reach):
            needed.append(NEXT_HOP)
    return [
        ProtocolError(
            UPDATE_ERROR, MISSING_WELL_KNOWN, bytes((code,)), f"{attribute_name(code)} is missing", Action.WITHDRAW
        )
        for code in needed
        if attributes.get(code) is None
    ]


def _reaches(parsed: Section) -> bool:
    """Whether there is an MP_REACH_NLRI that announces something."""
    if parsed.reach is None:
        return False
    value = parsed.reach.attribute.value
    return len(value) > 4 and len(value) > 5 + value[3]


def _only_withdraws(parsed: Section, section: bytes) -> bool:
    return parsed.unreach is not None and len(parsed.unreach.attribute.encode()) == len(section)


def _action(error: ProtocolError) -> Action:
    return error.action


def decode_update(body: bytes, context: Context | None = None) -> Update:
    """The strict reading: raises the strongest error, whatever its action."""
    update = UpdateDecoder(context or Context(), AttributeCache()).decode(body)
    if update.errors:
        raise max(update.errors, key=_action)
    return update


def families_of(body: bytes) -> frozenset[Family]:
    """The families that the MP attributes of an UPDATE name, perhaps a broken one."""
    try:
        parsed = parse_section(_fields(body)[1], Form())
    except ProtocolError:
        return frozenset()
    families = (read_family(placed.attribute.value) for placed in (parsed.reach, parsed.unreach) if placed)
    return frozenset(family for family in families if family)


def encode_update(update: Update, context: Context | None = None) -> bytes:
    """The whole message, its attributes where they were when it was decoded; ValueError when it is too long."""
    context = context or Context()
    parts: list[Reach | Unreach] = [*update.reach, *update.unreach]
    withdrawn = b"".join(part.nlri for part in parts if part.classic and isinstance(part, Unreach))
    announced = b"".join(part.nlri for part in parts if part.classic and isinstance(part, Reach))
    section = _place(update.attributes.wire(context.as4), [part for part in parts if not part.classic])
    return update_message(section, withdrawn, announced, MAX_EXTENDED if context.extended_message else MAX_SIZE)


def _place(raw: bytes, parts: list[Reach | Unreach]) -> bytes:
    """The section with MP attributes put in at their offsets, or after that at the next end of an attribute."""
    waiting = sorted(parts, key=lambda part: part.offset)[::-1]
    section = b""
    for item in walk_items(raw):
        while waiting and waiting[-1].offset <= len(section):
            section += waiting.pop().attribute().encode()
        section += item.encode()
    while waiting:
        section += waiting.pop().attribute().encode()
    return section

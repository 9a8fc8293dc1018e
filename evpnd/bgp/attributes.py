"""Sets of path attributes: immutable, kept as wire octets, decoded on demand, shared by all routes that have them.

Owns PathAttributes (everything but MP_REACH_NLRI and MP_UNREACH_NLRI, which belong to one message) and the cache that
interns them. Formats and error rules of single attributes are `evpnd.bgp.attribute_table`'s and `attribute_section`'s.

RFC 4271 section 5; RFC 6793 for the two forms, with 2-octet and with 4-octet AS numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypedDict, Unpack
from weakref import ref

from evpnd.bgp.as4 import four_octet_items, two_octet_items
from evpnd.bgp.aspath import AsPath
from evpnd.bgp.attribute_section import Attribute, Section, encode_items, faultless_items, parse_section, walk_items
from evpnd.bgp.attribute_table import (
    AS_PATH,
    ATTRIBUTES,
    MALFORMED_LIST,
    ORIGIN,
    PARTIAL,
    TRANSITIVE,
    UPDATE_ERROR,
    VIEWS,
    Aggregator,
    AttributeType,
    Form,
    PmsiTunnel,
    canonical_flags,
)
from evpnd.bgp.community import LargeCommunity
from evpnd.errors import ProtocolError

__all__ = ["Aggregator", "AsPath", "Attribute", "AttributeCache", "PathAttributes", "PmsiTunnel", "build"]


class PathAttributes:
    """A checked set of path attributes. Make one by AttributeCache.intern(), build() or replace().

    A view is decoded when it is first read and is a plain slot from then on. Views tell the truth of RFC 6793 whatever
    the form: `as_path` and `aggregator` have AS4_PATH and AS4_AGGREGATOR merged in.
    """

    __slots__ = ("__weakref__", "as4", "complete", "items", "raw", *VIEWS)

    raw: bytes  # the wire octets, in received order, with received flags
    as4: bool  # whether AS_PATH and AGGREGATOR in `raw` have AS numbers of four octets
    items: tuple[Attribute, ...]  # the attributes of `raw`
    complete: bool  # whether ORIGIN and AS_PATH are there, which every route needs (RFC 4271 section 5)

    origin: int | None
    as_path: AsPath
    next_hop: bytes | None
    med: int | None
    local_pref: int | None
    atomic_aggregate: bool
    aggregator: Aggregator | None
    communities: tuple[int, ...]
    originator_id: bytes | None
    cluster_list: tuple[bytes, ...]
    extended_communities: tuple[bytes, ...]
    ipv6_extended_communities: tuple[bytes, ...]
    as4_path: AsPath | None
    as4_aggregator: Aggregator | None
    pmsi: PmsiTunnel | None
    large_communities: tuple[LargeCommunity, ...]
    otc: int | None

    def __init__(self, raw: bytes, as4: bool = True) -> None:
        """Of octets that are known to be valid; AttributeCache.intern() checks them."""
        _set(self, "raw", raw)
        _set(self, "as4", as4)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Only reached while the slot is empty.
            reader = _READERS.get(name)
            if reader is None:
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
            value = reader(self)
            _set(self, name, value)
            return value

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("path attributes are immutable; see replace()")

    def get(self, code: int) -> Attribute | None:
        """The attribute of that type as it stands in `raw`, or None."""
        for item in self.items:
            if item.code == code:
                return item
        return None

    def replace(self, changes: Mapping[int, bytes | None]) -> PathAttributes:
        """The set with attributes set to raw values (AS numbers of four octets) or removed by None, canonical flags.

        What is not named keeps its flags and place; a new attribute goes before the first of a higher type.
        """
        items = list(self.four_octet().items)
        for code, value in changes.items():
            at = next((i for i, item in enumerate(items) if item.code == code), None)
            new = [] if value is None else [Attribute(canonical_flags(code), code, value)]
            if at is not None:
                items[at : at + 1] = new
            else:
                at = next((i for i, item in enumerate(items) if item.code > code), len(items))
                items[at:at] = new
        return PathAttributes(encode_items(items))

    def passed_on(self) -> PathAttributes:
        """The set as it may go to another speaker: unknown attributes marked Partial, or dropped when not transitive.

        RFC 4271 section 5. Returns self when there is none.
        """
        if all(item.code in ATTRIBUTES or _is_marked(item) for item in self.items):
            return self
        kept = [
            item if item.code in ATTRIBUTES else item._replace(flags=item.flags | PARTIAL)
            for item in self.items
            if item.code in ATTRIBUTES or item.flags & TRANSITIVE
        ]
        return PathAttributes(encode_items(kept), self.as4)

    def four_octet(self) -> PathAttributes:
        """The same attributes with AS numbers of four octets and no AS4_PATH (RFC 6793 section 4.2.3)."""
        return self if self.as4 else PathAttributes(encode_items(four_octet_items(self.items)))

    def wire(self, as4: bool = True) -> bytes:
        """The octets for a session of that AS number size (RFC 6793 section 4.2.2 towards an old speaker)."""
        if as4 == self.as4:
            return self.raw
        return self.four_octet().raw if as4 else encode_items(two_octet_items(self.items))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PathAttributes):
            return NotImplemented
        return self is other or (self.raw == other.raw and self.as4 == other.as4)

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"PathAttributes({self.raw.hex()})"


_set = object.__setattr__
_type_octet: Callable[[bytes], int] = itemgetter(1)  # of an attribute's octets


def _is_marked(item: Attribute) -> bool:
    return item.flags & (TRANSITIVE | PARTIAL) == TRANSITIVE | PARTIAL


def _view_reader(row: AttributeType) -> Callable[[PathAttributes], Any]:
    def read(attributes: PathAttributes) -> Any:
        item = attributes.get(row.code)
        return row.absent if item is None else row.read(item.value)

    return read


def _merged_reader(row: AttributeType) -> Callable[[PathAttributes], Any]:
    plain = _view_reader(row)
    return lambda attributes: plain(attributes.four_octet())


_READERS: dict[str, Callable[[PathAttributes], Any]] = {
    **{name: _view_reader(row) for name, row in VIEWS.items()},
    "as_path": _merged_reader(VIEWS["as_path"]),
    "aggregator": _merged_reader(VIEWS["aggregator"]),
    "items": lambda attributes: walk_items(attributes.raw),
    "complete": lambda attributes: bool(attributes.get(ORIGIN) and attributes.get(AS_PATH)),
}


class Views(TypedDict, total=False):
    """The attributes that `build` makes, by the names of their views."""

    next_hop: bytes | None
    med: int | None
    local_pref: int | None
    atomic_aggregate: bool
    aggregator: Aggregator | None
    communities: Iterable[int]
    originator_id: bytes | None
    cluster_list: Iterable[bytes]
    extended_communities: Iterable[bytes]
    ipv6_extended_communities: Iterable[bytes]
    pmsi: PmsiTunnel | None
    large_communities: Iterable[LargeCommunity]
    otc: int | None


def build(
    *,
    origin: int | None = 0,
    as_path: AsPath | Iterable[int] | None = (),
    others: Iterable[Attribute] = (),
    **views: Unpack[Views],
) -> PathAttributes:
    """Attributes of our own making, in the order of their types; None and empty lists leave the attribute out.

    The same values in the same order give the same object, as long as they are tuples and it is not too long ago.
    """
    others = tuple(others)
    path = as_path if as_path is None or isinstance(as_path, AsPath) else tuple(as_path)
    try:
        return _built(others, origin=origin, as_path=path, **views)  # type: ignore[arg-type]  # see below
    except TypeError:  # Lists have no hash.
        return _made(_piece.__wrapped__, others, {"origin": origin, "as_path": path, **views})


@lru_cache(maxsize=1024)
def _built(others: tuple[Attribute, ...], **views: Any) -> PathAttributes:
    return _made(_piece, others, views)


def _made(piece: Callable[[str, Any], bytes], others: Iterable[Attribute], views: Mapping[str, Any]) -> PathAttributes:
    pieces = [item.encode() for item in others]
    pieces += [octets for name, value in views.items() if (octets := piece(name, value))]
    pieces.sort(key=_type_octet)
    return PathAttributes(b"".join(pieces))


@lru_cache(maxsize=1024)
def _piece(name: str, value: Any) -> bytes:
    """One attribute on the wire; nothing for a value that leaves it out. Sets that differ share most of them."""
    row = VIEWS.get(name)
    if row is None:
        raise TypeError(f"there is no attribute {name!r}")
    if value is None or value is False:
        return b""
    octets = row.write(AsPath.sequence(value) if row.code == AS_PATH and isinstance(value, tuple) else value)
    return Attribute(row.flags, row.code, octets).encode() if octets or row.may_be_empty else b""


class AttributeCache:
    """Interns sets of attributes by their octets: equal sets are one object as long as anybody holds it.

    Weak references hold what is alive; `recent` keeps the last few thousand short sections besides, so that a stream of
    UPDATEs costs one dict lookup each. Of a set that is new, only the attributes that are new are checked. One cache
    serves all sessions of a daemon.
    """

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        # References are equal when the sets are. One that dies leaves the dict by itself.
        self._alive: dict[ref[PathAttributes], ref[PathAttributes]] = {}
        self._forget = self._alive.pop
        self._recent: dict[Form, dict[bytes, PathAttributes]] = {}
        self._known: dict[Form, dict[bytes, Attribute]] = {}  # single attributes without error
        self._of_size = {as4: self.recent(Form(as4)) for as4 in (True, False)}

    def intern(self, raw: bytes, as4: bool = True) -> PathAttributes:
        """The set with these octets; the strongest ProtocolError when they are not valid as they are."""
        found = self._of_size[as4].get(raw)
        if found is not None:
            return found
        form = Form(as4)
        section = parse_section(raw, form)
        if section.reach or section.unreach:
            raise ProtocolError(UPDATE_ERROR, MALFORMED_LIST, message="MP_REACH_NLRI or MP_UNREACH_NLRI in a set")
        if section.errors:
            raise max(section.errors, key=lambda error: error.action)
        return self._hold(raw, section.items, form)

    def learn(self, raw: bytes, form: Form) -> PathAttributes | None:
        """The set with these octets if nothing at all is wrong with them, and they hold no MP attribute."""
        try:
            items = faultless_items(raw, form, self._known.setdefault(form, {}))
        except ProtocolError:
            return None
        if items is None:
            return None
        attributes = self._hold(raw, tuple(items.values()), form)
        _set(attributes, "complete", ORIGIN in items and AS_PATH in items)
        return attributes

    def share(self, attributes: PathAttributes) -> PathAttributes:
        """The one object equal to `attributes`, which need not be checked: build() or replace() made it."""
        this = ref(attributes, self._forget)
        return self._alive.setdefault(this, this)() or attributes

    def recent(self, form: Form) -> dict[bytes, PathAttributes]:
        """Sections seen lately on sessions of that form that were without error; always the same dict."""
        return self._recent.setdefault(form, {})

    def admit(self, section: Section, form: Form) -> PathAttributes:
        """The set that a parsed section leaves, which is valid whatever was wrong with the rest."""
        return self._hold(encode_items(section.items), section.items, form)

    def _hold(self, raw: bytes, items: tuple[Attribute, ...], form: Form) -> PathAttributes:
        new = PathAttributes(raw, form.as4)
        _set(new, "items", items)
        attributes = self.share(new)
        if len(raw) <= _LONGEST_RECENT:
            recent = self.recent(form)
            if len(recent) >= self._size:
                recent.clear()  # What is still in use comes back by its weak entry.
            recent[attributes.raw] = attributes
        return attributes


_LONGEST_RECENT = 1024  # Octets: bounds what a peer that never repeats itself can make us keep.

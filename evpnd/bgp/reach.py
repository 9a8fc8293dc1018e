"""MP_REACH_NLRI and MP_UNREACH_NLRI: what an UPDATE announces and withdraws in one family (RFC 4760 sections 3 and 4).

Owns the table of families with their NLRI codecs, the one place to touch for a new family. NLRI stay octets, checked
when they are decoded; typed routes are made when asked for. The IPv4 prefixes in an UPDATE's own fields (RFC 4271
section 4.3) take the same form, marked as classic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from evpnd.bgp.attribute_section import Attribute
from evpnd.bgp.attribute_table import INVALID_NETWORK, MP_REACH, MP_UNREACH, OPTIONAL, OPTIONAL_ERROR, UPDATE_ERROR
from evpnd.bgp.family import IPV4_UNICAST, IPV6_UNICAST, L2VPN_EVPN, Family
from evpnd.bgp.prefix import check_prefixes, decode_prefixes
from evpnd.errors import Action, ProtocolError
from evpnd.evpn import nlri as evpn

_PATH_ID = 4  # RFC 7911 section 3


class Codec(NamedTuple):
    """How one family's NLRI are read. The checks raise ProtocolError; `split` cuts a field with path identifiers."""

    check: Callable[[bytes], None]  # of announced routes: form and meaning
    check_withdrawn: Callable[[bytes], None]  # of withdrawn ones: form
    routes: Callable[[bytes], list[Any]]
    split: Callable[[bytes], list[tuple[int, bytes]]]
    next_hop_sizes: tuple[int, ...]


def _check_prefixes(data: bytes, *, bits: int) -> None:
    try:
        check_prefixes(data, bits)
    except ValueError as error:
        # RFC 7606 section 5.3: what can't be cut can't be treated as withdrawn.
        raise ProtocolError(UPDATE_ERROR, OPTIONAL_ERROR, data, str(error), Action.DISABLE) from None


def _split_prefixes(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    at, size = 0, len(data)
    while at < size:
        start = at + _PATH_ID
        if start >= size or (end := start + 1 + ((data[start] + 7) >> 3)) > size:
            text = "a path identifier and its prefix do not fit in the field"
            raise ProtocolError(UPDATE_ERROR, OPTIONAL_ERROR, data[at:], text, Action.DISABLE)
        found.append((int.from_bytes(data[at:start], "big"), data[start:end]))
        at = end
    return found


_check_ipv4 = partial(_check_prefixes, bits=32)
_check_ipv6 = partial(_check_prefixes, bits=128)
_check_evpn_form = partial(evpn.check, withdrawn=True)

CODECS: dict[Family, Codec] = {
    # RFC 8950 section 3: IPv6 next hops for IPv4 prefixes; RFC 2545 section 3: a link-local address may follow.
    IPV4_UNICAST: Codec(_check_ipv4, _check_ipv4, decode_prefixes, _split_prefixes, (4, 16, 32)),
    IPV6_UNICAST: Codec(_check_ipv6, _check_ipv6, decode_prefixes, _split_prefixes, (16, 32)),
    # RFC 7432 section 7: any address of the PE, whatever the session's family.
    L2VPN_EVPN: Codec(evpn.check, _check_evpn_form, evpn.decode_routes, evpn.split_path_ids, (4, 16, 32)),
}


class _Routes:
    """The view of `nlri` that Reach and Unreach share."""

    __slots__ = ()

    family: Family
    nlri: bytes
    add_path: bool

    @property
    def routes(self) -> list[Any]:
        """The typed routes; none of a family without a codec. Path identifiers are in `path_ids`."""
        codec = CODECS.get(self.family)
        if codec is None:
            return []
        if not self.add_path:
            return codec.routes(self.nlri)
        return codec.routes(b"".join(part for _, part in codec.split(self.nlri)))

    @property
    def path_ids(self) -> list[int]:
        """The path identifier of each route (RFC 7911); none without ADD-PATH."""
        codec = CODECS.get(self.family)
        return [number for number, _ in codec.split(self.nlri)] if codec is not None and self.add_path else []


@dataclass(slots=True)
class Reach(_Routes):
    """Announced routes. `next_hop` is as on the wire: of 32 octets, the first 16 are the global address.

    `classic`: from the UPDATE's own NLRI field, the next hop being an attribute. `offset`, `flags` and `reserved` tell
    where and how the attribute stood in its section, so that it is written as it came.
    """

    family: Family
    next_hop: bytes
    nlri: bytes
    classic: bool = False
    offset: int = 0
    flags: int = OPTIONAL
    reserved: int = 0
    add_path: bool = False

    def attribute(self) -> Attribute:
        head = self.family.encode() + bytes((len(self.next_hop),)) + self.next_hop + bytes((self.reserved,))
        return Attribute(self.flags, MP_REACH, head + self.nlri)


@dataclass(slots=True)
class Unreach(_Routes):
    """Withdrawn routes; the fields are those of Reach."""

    family: Family
    nlri: bytes
    classic: bool = False
    offset: int = 0
    flags: int = OPTIONAL
    add_path: bool = False

    def attribute(self) -> Attribute:
        return Attribute(self.flags, MP_UNREACH, self.family.encode() + self.nlri)


def read_family(value: bytes) -> Family | None:
    """The family that an MP attribute's value begins with."""
    return Family((value[0] << 8) | value[1], value[2]) if len(value) >= 3 else None


def decode_reach(attribute: Attribute, offset: int, add_path: frozenset[Family]) -> Reach:
    """Cut and check an MP_REACH_NLRI; ProtocolError with RFC 7606's action (sections 5.3 and 7.11)."""
    value = attribute.value
    family = read_family(value)
    if family is None or len(value) < 5:
        raise _error(attribute, "is too short for a family and a next hop", Action.RESET)
    end = 4 + value[3]
    if end >= len(value):
        raise _error(attribute, f"a next hop of {value[3]} octets runs past the end", Action.DISABLE)
    codec = CODECS.get(family)
    if codec is not None and value[3] not in codec.next_hop_sizes:
        raise _error(attribute, f"a next hop of {value[3]} octets for {family.name}", Action.DISABLE)
    return Reach(family, value[4:end], value[end + 1 :], False, offset, attribute.flags, value[end], family in add_path)


def decode_unreach(attribute: Attribute, offset: int, add_path: frozenset[Family]) -> Unreach:
    """Cut and check an MP_UNREACH_NLRI (RFC 7606 sections 5.3 and 7.12)."""
    family = read_family(attribute.value)
    if family is None:
        raise _error(attribute, "is too short for a family", Action.RESET)
    return Unreach(family, attribute.value[3:], False, offset, attribute.flags, family in add_path)


def check_nlri(part: Reach | Unreach, withdrawn: bool) -> None:
    """Raise ProtocolError unless the NLRI can be cut (DISABLE, RESET), and mean something (WITHDRAW)."""
    codec = CODECS.get(part.family)
    if codec is None:
        return
    check = codec.check_withdrawn if withdrawn else codec.check
    try:
        if part.add_path:
            for _, nlri in codec.split(part.nlri):
                check(nlri)
        else:
            check(part.nlri)
    except ProtocolError as error:
        if part.classic:  # RFC 4271 section 6.3: there is no family to disable but the session's own.
            raise ProtocolError(UPDATE_ERROR, INVALID_NETWORK, error.data, error.message) from None
        raise


def _error(attribute: Attribute, text: str, action: Action) -> ProtocolError:
    name = "mp_reach_nlri" if attribute.code == MP_REACH else "mp_unreach_nlri"
    return ProtocolError(UPDATE_ERROR, OPTIONAL_ERROR, attribute.encode(), f"{name}: {text}", action)

"""Routes packed into UPDATEs for sending: as many as fit beside one set of attributes (RFC 4271, RFC 4760).

Owns the filling of messages up to a session's limit. MP_REACH_NLRI goes first (RFC 7606 section 5.1); IPv4 prefixes
with an IPv4 next hop take the fields that every speaker knows. What is told to whom is `evpnd.bgp.adj_out`'s.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from struct import Struct

from evpnd.bgp.attribute_section import Attribute
from evpnd.bgp.attribute_table import EXTENDED_LENGTH, MP_REACH, MP_UNREACH, NEXT_HOP, OPTIONAL
from evpnd.bgp.attributes import PathAttributes
from evpnd.bgp.family import IPV4_UNICAST, Family
from evpnd.bgp.framing import HEADER_SIZE, MARKER, MAX_EXTENDED, MAX_SIZE, UPDATE, frame

_FIXED = HEADER_SIZE + 4  # octets of the header and the two length fields
_MP_HEADER = 4  # octets before an MP attribute's value: flags, type, length of two octets
_MP_FLAGS = OPTIONAL | EXTENDED_LENGTH
# Marker, length, type; lengths of the withdrawn routes and the attributes; MP_REACH_NLRI (RFC 4760 section 3) up to
# its next hop, which one reserved octet follows.
_REACH = Struct(">16sHB HH BBH HBB")


def update_message(section: bytes, withdrawn: bytes = b"", announced: bytes = b"", limit: int = MAX_EXTENDED) -> bytes:
    """An UPDATE of its three fields; ValueError when it is over the limit."""
    size = _FIXED + len(withdrawn) + len(section) + len(announced)
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
    """Whole messages that announce `nlris`, as few as `limit` allows.

    Raises ValueError when the attributes leave no room for a route; see `room_for_nlri`.
    """
    if family == IPV4_UNICAST and len(next_hop) == 4:
        rest = attributes.replace({NEXT_HOP: next_hop}).wire(as4)
        return [update_message(rest, b"", part) for part in _portions(nlris, limit - _FIXED - len(rest))]
    rest = attributes.raw if attributes.as4 is as4 else attributes.wire(as4)
    afi, safi = family
    size = len(next_hop)
    besides = _MP_HEADER + 5 + size + len(rest)  # octets of the section that are no NLRI
    messages = []
    for part in _portions(nlris, limit - _FIXED - besides):
        section = besides + len(part)
        value = 5 + size + len(part)
        head = _REACH.pack(MARKER, _FIXED + section, UPDATE, 0, section, _MP_FLAGS, MP_REACH, value, afi, safi, size)
        messages.append(b"".join((head, next_hop, b"\0", part, rest)))
    return messages


def room_for_nlri(attributes: PathAttributes, next_hop: bytes, limit: int, as4: bool = True) -> int:
    """How many octets of NLRI fit at least into one UPDATE with these attributes; RFC 8654 section 4 on too few."""
    return limit - _FIXED - _MP_HEADER - 5 - len(next_hop) - len(attributes.wire(as4))


def pack_withdrawals(family: Family, nlris: Sequence[bytes], limit: int = MAX_SIZE) -> list[bytes]:
    """Whole messages that withdraw `nlris`."""
    if family == IPV4_UNICAST:
        return [update_message(b"", part) for part in _portions(nlris, limit - _FIXED)]
    head = family.encode()
    room = limit - _FIXED - _MP_HEADER - len(head)
    return [update_message(_unreach(head + part)) for part in _portions(nlris, room)]


def end_of_rib(family: Family) -> bytes:
    """The message that says that all routes of the family were sent (RFC 4724 section 2)."""
    if family == IPV4_UNICAST:
        return update_message(b"")
    return update_message(Attribute(OPTIONAL, MP_UNREACH, family.encode()).encode())


def _unreach(value: bytes) -> bytes:
    return bytes((_MP_FLAGS, MP_UNREACH, len(value) >> 8, len(value) & 0xFF)) + value


def _portions(nlris: Sequence[bytes], room: int) -> list[bytes]:
    """The NLRI in as few runs of at most `room` octets as their order allows."""
    whole = b"".join(nlris)
    if len(whole) <= room:
        return [whole] if whole else []
    ends = list(accumulate(map(len, nlris)))
    portions: list[bytes] = []
    first = taken = 0
    while first < len(ends):
        stop = bisect_right(ends, taken + room, lo=first)
        if stop == first:
            raise ValueError(f"a route of {len(nlris[first])} octets, and room for {max(room, 0)}")
        portions.append(whole[taken : ends[stop - 1]])
        first, taken = stop, ends[stop - 1]
    return portions

"""The two forms of a set of attributes: with AS numbers of two octets and of four (RFC 6793 section 4.2).

Owns the translation between them, AS4_PATH and AS4_AGGREGATOR included. Works on items of `attribute_section`.
"""

from __future__ import annotations

from collections.abc import Iterable

from evpnd.bgp.aspath import AS_TRANS, decode_as_path, merge_as4, needs_as4, without_confederations
from evpnd.bgp.attribute_section import Attribute
from evpnd.bgp.attribute_table import (
    AGGREGATOR,
    AS4_AGGREGATOR,
    AS4_PATH,
    AS_PATH,
    EXTENDED_LENGTH,
    Aggregator,
    canonical_flags,
    read_aggregator,
)


def four_octet_items(items: Iterable[Attribute]) -> list[Attribute]:
    """The items of a two-octet speaker in four-octet form, AS4_PATH and AS4_AGGREGATOR merged (section 4.2.3)."""
    found = {item.code: item for item in items}
    as4_path, as4_aggregator = found.pop(AS4_PATH, None), found.pop(AS4_AGGREGATOR, None)
    aggregator = found.get(AGGREGATOR)
    if aggregator is not None:
        who = read_aggregator(aggregator.value)
        if as4_aggregator is not None:
            if who.asn == AS_TRANS:
                who = read_aggregator(as4_aggregator.value)
            else:  # An old speaker aggregated after the AS4 attributes were made: neither holds any more.
                as4_path = None
        found[AGGREGATOR] = _with_value(aggregator, who.encode())
    if AS_PATH in found:
        path = decode_as_path(found[AS_PATH].value, as4=False)
        if as4_path is not None:
            path = merge_as4(path, decode_as_path(as4_path.value))
        found[AS_PATH] = _with_value(found[AS_PATH], path.encode())
    return list(found.values())


def two_octet_items(items: Iterable[Attribute]) -> list[Attribute]:
    """The items for a two-octet speaker: AS_TRANS for what does not fit, the truth beside it (section 4.2.2)."""
    out: list[Attribute] = []
    beside: list[Attribute] = []
    for item in items:
        if item.code == AS_PATH:
            path = decode_as_path(item.value)
            out.append(_with_value(item, path.encode(as4=False)))
            if needs_as4(path):
                beside.append(_new(AS4_PATH, without_confederations(path).encode()))
        elif item.code == AGGREGATOR:
            who = read_aggregator(item.value)
            out.append(_with_value(item, _short(who)))
            if who.asn > 0xFFFF:
                beside.append(_new(AS4_AGGREGATOR, who.encode()))
        else:
            out.append(item)
    for item in beside:
        at = next((i for i, other in enumerate(out) if other.code > item.code), len(out))
        out.insert(at, item)
    return out


def _short(who: Aggregator) -> bytes:
    return (who.asn if who.asn <= 0xFFFF else AS_TRANS).to_bytes(2, "big") + who.router_id


def _with_value(item: Attribute, value: bytes) -> Attribute:
    return Attribute(item.flags & ~EXTENDED_LENGTH, item.code, value)


def _new(code: int, value: bytes) -> Attribute:
    return Attribute(canonical_flags(code), code, value)

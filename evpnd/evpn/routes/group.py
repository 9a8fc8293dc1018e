"""What route types 6, 7 and 8 share: the addresses of a multicast state. RFC 9251 section 9.

    source length 1 | source 0, 4 or 16 | group length 1 | group 0, 4 or 16 | originator length 1 | originator 4 or 16

Owns reading and writing that part. A source or group of no octets is a wildcard.
"""

from __future__ import annotations

from typing import Any

from evpnd.evpn import values

BITS = {size: bytes((8 * size,)) for size in (0, 4, 16)}
_SIZES = {0: 0, 32: 4, 128: 16}


def read_group(value: bytes, at: int) -> tuple[bytes, bytes, bytes, int] | None:
    """(source, group, originator, where they end), or None when `value` has no such addresses at `at`."""
    addresses = []
    for _ in range(3):
        size = _SIZES.get(value[at]) if at < len(value) else None
        if size is None or at + 1 + size > len(value):
            return None
        addresses.append(value[at + 1 : at + 1 + size])
        at += 1 + size
    source, group, originator = addresses
    return (source, group, originator, at) if originator else None


def group_octets(source: bytes, group: bytes, originator: bytes) -> bytes:
    return BITS[len(source)] + source + BITS[len(group)] + group + BITS[len(originator)] + originator


def group_json(source: bytes, group: bytes, originator: bytes) -> dict[str, Any]:
    return {
        "source": values.ip_text(source) if source else None,
        "group": values.ip_text(group) if group else None,
        "originator_ip": values.ip_text(originator),
    }


def nlri(key: bytes, tail: bytes) -> bytes:
    """The NLRI whose key (from the route type octet on) is followed by `tail`."""
    return bytes((key[0], len(key) - 1 + len(tail))) + key[1:] + tail

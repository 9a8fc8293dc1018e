"""Which octets can be the address of one host: a peer may say anything, the kernel is told of hosts only.

Owns the reserved ranges (RFC 6890, RFC 4291 section 2.4, IEEE 802 section 8.2); must not know what addresses are for.
"""

from __future__ import annotations

from functools import lru_cache

NO_MAC = bytes(6)

_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291 section 2.5.5.2: never on the wire
_LOOPBACK = bytes(15) + b"\x01"


def is_host_mac(mac: bytes) -> bool:
    """Whether frames can come from it: neither a group's nor all zeros, which the kernel takes for a flood list."""
    return not mac[0] & 1 and mac != NO_MAC


@lru_cache(maxsize=65536)
def is_host_address(address: bytes) -> bool:
    """Whether packets can be sent to it from any host: no group, no broadcast, no loopback, no link's own address."""
    if len(address) == 4:
        return address[0] not in (0, 127) and not 224 <= address[0] <= 239 and address != b"\xff\xff\xff\xff"
    link_local = address[0] == 0xFE and address[1] & 0xC0 == 0x80
    return any(address) and address[0] != 0xFF and address != _LOOPBACK and address[:12] != _MAPPED and not link_local

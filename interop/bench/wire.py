"""The load program's own BGP encoder and scanner: just enough to announce types 2 and 3 and to hear them.

It is apart from evpnd's codec on purpose: what measures must not share code, nor errors, with what is measured.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

OPEN, UPDATE, NOTIFICATION, KEEPALIVE = 1, 2, 3, 4
_MARKER = b"\xff" * 16
_EVPN = b"\x00\x19\x46"
MAC_PREFIX = b"\x02\xbe"
REMOTE_ASN = LOCAL_ASN = 65000


def mac(number: int) -> bytes:
    return MAC_PREFIX + number.to_bytes(4, "big")


def vtep(number: int) -> bytes:
    """The address of remote VTEP `number`: 10.9.0.1 and up."""
    return bytes((10, 9, 0, number + 1))


def message(kind: int, body: bytes = b"") -> bytes:
    return _MARKER + struct.pack(">HB", 19 + len(body), kind) + body


def open_message(asn: int, hold_time_s: int, router_id: bytes) -> bytes:
    capabilities = b"\x01\x04\x00\x19\x00\x46" + b"\x02\x00" + b"\x41\x04" + struct.pack(">I", asn)
    parameters = struct.pack(">BB", 2, len(capabilities)) + capabilities
    short = asn if asn < 65536 else 23456
    return message(
        OPEN, struct.pack(">BHH", 4, short, hold_time_s) + router_id + bytes((len(parameters),)) + parameters
    )


def _attribute(flags: int, code: int, value: bytes) -> bytes:
    if len(value) > 255:
        return struct.pack(">BBH", flags | 0x10, code, len(value)) + value
    return struct.pack(">BBB", flags, code, len(value)) + value


def _update(attributes: bytes) -> bytes:
    return message(UPDATE, struct.pack(">HH", 0, len(attributes)) + attributes)


def _rd(vtep_address: bytes, vni: int) -> bytes:
    return b"\x00\x01" + vtep_address + struct.pack(">H", vni & 0xFFFF)


def _communities(vni: int) -> bytes:
    """Route target and encapsulation (VXLAN)."""
    return struct.pack(">HHI", 0x0002, REMOTE_ASN, vni) + b"\x03\x0c" + b"\x00" * 5 + b"\x08"


def announce(nlri: bytes, next_hop: bytes, vni: int, pmsi: bytes = b"") -> bytes:
    """An iBGP UPDATE, MP_REACH first."""
    reach = _EVPN + bytes((len(next_hop),)) + next_hop + b"\x00" + nlri
    attributes = _attribute(0x80, 14, reach) + b"\x40\x01\x01\x00" + b"\x40\x02\x00" + b"\x40\x05\x04\x00\x00\x00\x64"
    attributes += _attribute(0xC0, 16, _communities(vni))
    if pmsi:
        attributes += _attribute(0xC0, 22, pmsi)
    return _update(attributes)


def withdraw(nlri: bytes) -> bytes:
    return _update(_attribute(0x80, 15, _EVPN + nlri))


def end_of_rib() -> bytes:
    return withdraw(b"")


def mac_route(rd: bytes, number: int, vni: int, *, with_ip: bool) -> bytes:
    """A type 2 of MAC `number`, alone or with an IPv4 address."""
    address = b"\x20\x0a" + number.to_bytes(3, "big") if with_ip else b"\x00"
    length = 37 if with_ip else 33
    return bytes((2, length)) + rd + bytes(14) + b"\x30" + mac(number) + address + vni.to_bytes(3, "big")


def mac_updates(
    first: int, count: int, per_update: int, vteps: int, vni: int, *, with_ip: bool = False, gone: bool = False
) -> list[bytes]:
    """UPDATEs that announce (or withdraw) MACs `first` to `first + count`; every UPDATE is of the next VTEP."""
    updates = []
    for start in range(first, first + count, per_update):
        next_hop = vtep(start // per_update % vteps)
        rd = _rd(next_hop, vni)
        stop = min(start + per_update, first + count)
        nlri = b"".join(mac_route(rd, number, vni, with_ip=with_ip) for number in range(start, stop))
        updates.append(withdraw(nlri) if gone else announce(nlri, next_hop, vni))
    return updates


def flood_updates(vnis: range, vteps: int) -> list[bytes]:
    """A type 3 of every VTEP for every VNI, each in its UPDATE, as they have different route targets."""
    updates = []
    for number in range(vteps):
        address = vtep(number)
        for vni in vnis:
            nlri = b"\x03\x11" + _rd(address, vni) + b"\x00" * 4 + b"\x20" + address
            pmsi = b"\x00\x06" + vni.to_bytes(3, "big") + address
            updates.append(announce(nlri, address, vni, pmsi))
    return updates


def scan_messages(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Cut the whole messages off the front of `buffer`: (type, body)."""
    start = 0
    size = len(buffer)
    while size - start >= 19:
        length = buffer[start + 16] << 8 | buffer[start + 17]
        if size - start < length:
            break
        yield buffer[start + 18], bytes(buffer[start + 19 : start + length])
        start += length
    del buffer[:start]


def announced_routes(body: bytes) -> Iterator[tuple[int, bytes]]:
    """(route type, value) of each EVPN route that an UPDATE announces."""
    offset = 4 + (body[0] << 8 | body[1])
    while offset < len(body):
        flags, code = body[offset], body[offset + 1]
        if flags & 0x10:
            length, offset = body[offset + 2] << 8 | body[offset + 3], offset + 4
        else:
            length, offset = body[offset + 2], offset + 3
        if code == 14 and body[offset : offset + 3] == _EVPN:
            position, end = offset + 5 + body[offset + 3], offset + length
            while position < end:
                following = position + 2 + body[position + 1]
                yield body[position], body[position + 2 : following]
                position = following
        offset += length

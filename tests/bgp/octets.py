"""UPDATE bodies put together by hand, with nothing of the codec under test."""

from __future__ import annotations

# A type 2 and a type 3 route of RD 10.0.0.1:2, by RFC 7432 sections 7.2 and 7.3.
RD = bytes.fromhex("00010a0000010002")
TYPE2 = bytes((2, 33)) + RD + bytes(10) + bytes(4) + b"\x30\x02\0\0\0\0\x01" + b"\0" + b"\0\0\x64"
TYPE3 = bytes((3, 17)) + RD + bytes(4) + b"\x20\x0a\0\0\x01"
NEXT_HOP = bytes((10, 0, 0, 1))
EVPN = bytes((0, 25, 70))
IPV4 = bytes((0, 1, 1))
IPV6 = bytes((0, 2, 1))


def attribute(flags: int, code: int, value: bytes = b"") -> bytes:
    size = len(value).to_bytes(2 if flags & 0x10 else 1, "big")
    return bytes((flags, code)) + size + value


ORIGIN = attribute(0x40, 1, b"\0")
AS_PATH = attribute(0x40, 2, bytes((2, 1, 0, 0, 0xFD, 0xE9)))
SHORT_PATH = attribute(0x40, 2, bytes((2, 1, 0xFD, 0xE9)))  # for a session of 2-octet AS numbers
LOCAL_PREF = attribute(0x40, 5, bytes((0, 0, 0, 100)))
CLASSIC_NEXT_HOP = attribute(0x40, 3, NEXT_HOP)
WELL_KNOWN = ORIGIN + AS_PATH + LOCAL_PREF


def mp_reach(nlri: bytes = TYPE2, family: bytes = EVPN, next_hop: bytes = NEXT_HOP, flags: int = 0x80) -> bytes:
    return attribute(flags, 14, family + bytes((len(next_hop),)) + next_hop + b"\0" + nlri)


def mp_unreach(nlri: bytes = TYPE2, family: bytes = EVPN, flags: int = 0x80) -> bytes:
    return attribute(flags, 15, family + nlri)


def body(section: bytes = b"", *, withdrawn: bytes = b"", nlri: bytes = b"") -> bytes:
    return len(withdrawn).to_bytes(2, "big") + withdrawn + len(section).to_bytes(2, "big") + section + nlri


def message(body_: bytes, kind: int = 2) -> bytes:
    return b"\xff" * 16 + (len(body_) + 19).to_bytes(2, "big") + bytes((kind,)) + body_

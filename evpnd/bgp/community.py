"""Text views of standard and large communities (RFC 1997, RFC 8092). Extended ones are EVPN's (evpnd.evpn)."""

from __future__ import annotations

from typing import NamedTuple

WELL_KNOWN: dict[int, str] = {
    0xFFFF0000: "graceful-shutdown",  # RFC 8326
    0xFFFF0006: "llgr-stale",  # RFC 9494
    0xFFFF0007: "no-llgr",
    0xFFFF029A: "blackhole",  # RFC 7999
    0xFFFFFF01: "no-export",
    0xFFFFFF02: "no-advertise",
    0xFFFFFF03: "no-export-subconfed",
    0xFFFFFF04: "no-peer",  # RFC 3765
}

_BY_NAME = {name: value for value, name in WELL_KNOWN.items()}


class LargeCommunity(NamedTuple):
    """RFC 8092 section 3: a global administrator (an AS number) and two numbers of its choice."""

    administrator: int
    data1: int
    data2: int

    def text(self) -> str:
        return f"{self.administrator}:{self.data1}:{self.data2}"

    @classmethod
    def from_text(cls, text: str) -> LargeCommunity:
        return cls(*_numbers(text, 3, 0xFFFFFFFF))

    def encode(self) -> bytes:
        return b"".join(number.to_bytes(4, "big") for number in self)


def community_text(value: int) -> str:
    """`65001:100`, or the name of a well-known community."""
    return WELL_KNOWN.get(value) or f"{value >> 16}:{value & 0xFFFF}"


def community_from_text(text: str) -> int:
    """The community's value; ValueError when the text is neither `N:N` nor a well-known name."""
    known = _BY_NAME.get(text)
    if known is not None:
        return known
    high, low = _numbers(text, 2, 0xFFFF)
    return (high << 16) | low


def _numbers(text: str, count: int, most: int) -> list[int]:
    parts = text.split(":")
    if len(parts) != count or not all(part.isascii() and part.isdigit() and int(part) <= most for part in parts):
        raise ValueError(f"{text!r} is not a community of {count} numbers up to {most}")
    return [int(part) for part in parts]

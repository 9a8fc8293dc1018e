"""Text views of the raw octets that EVPN routes carry: RD, route target, ESI, MAC and IP address.

Owns the text of each, both ways. Raw octets are what the rest of evpnd keeps and compares; text is a view at the edges
and may lose what the octets say (a type 2 RD with a small AS number reads like a type 0). Reading text raises
ValueError with what was expected; making text never fails on octets of the right size.

RFC 4364 section 4.2 (RD), RFC 4360 and RFC 5668 (route targets), RFC 7432 section 5 (ESI).
"""

from __future__ import annotations

import ipaddress
import re

RD_SIZE = 8
MAC_SIZE = 6
ESI_SIZE = 10
ZERO_ESI = bytes(ESI_SIZE)
ZERO_MAC = bytes(MAC_SIZE)

# RD types and, with the same numbers, the types of route target communities.
TYPE_AS2 = 0
TYPE_IPV4 = 1
TYPE_AS4 = 2

_MAX16 = 0xFFFF
_MAX32 = 0xFFFFFFFF
_MAC = re.compile(r"(?:[0-9a-f]{1,2}:){5}[0-9a-f]{1,2}|(?:[0-9a-f]{2}-){5}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}")
_ESI = re.compile(r"(?:[0-9a-f]{2}:){9}[0-9a-f]{2}|(?:0x)?[0-9a-f]{20}")


def mac_text(mac: bytes) -> str:
    return mac.hex(":")


def mac_from_text(text: str) -> bytes:
    """Six octets from `02:00:00:00:00:01`, `02-00-00-00-00-01` or `0200.0000.0001`."""
    lowered = text.lower()
    if not _MAC.fullmatch(lowered):
        raise ValueError(f"{text!r} is not a MAC address such as 02:00:00:00:00:01")
    if ":" in lowered:
        return bytes(int(octet, 16) for octet in lowered.split(":"))
    return bytes.fromhex(lowered.replace("-", "").replace(".", ""))


def ip_text(ip: bytes) -> str:
    """An IPv4 or IPv6 address; hex for octets of any other number."""
    if len(ip) == 4:
        return f"{ip[0]}.{ip[1]}.{ip[2]}.{ip[3]}"
    if len(ip) == 16:
        return str(ipaddress.IPv6Address(ip))
    return ip.hex()


def ip_from_text(text: str) -> bytes:
    try:
        return ipaddress.ip_address(text).packed
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None


def administrator_text(kind: int, value: bytes) -> str:
    """Six octets `administrator:number` of the given kind, as RDs and route targets write them."""
    if kind == TYPE_IPV4:
        return f"{ip_text(value[:4])}:{int.from_bytes(value[4:], 'big')}"
    cut = 4 if kind == TYPE_AS4 else 2
    return f"{int.from_bytes(value[:cut], 'big')}:{int.from_bytes(value[cut:], 'big')}"


def administrator_from_text(text: str) -> tuple[int, bytes]:
    """(kind, six octets) of `ASN:N`, `A.B.C.D:N` or `ASNL:N`: the L asks for the 4-octet kind for a small ASN too."""
    left, _, right = text.rpartition(":")
    number = _decimal(right)
    if number is None or not left:
        raise ValueError(f"{text!r} is not ASN:NUMBER or A.B.C.D:NUMBER")
    if "." in left:
        return TYPE_IPV4, _ipv4(left, text) + _number16(number, text)
    asn = _decimal(left.removesuffix("L"))
    if asn is None or asn > _MAX32:
        raise ValueError(f"{text!r}: {left!r} is neither an AS number nor an IPv4 address")
    if asn > _MAX16 or left.endswith("L"):
        return TYPE_AS4, asn.to_bytes(4, "big") + _number16(number, text)
    if number > _MAX32:
        raise ValueError(f"{text!r}: {number} does not fit 32 bits")
    return TYPE_AS2, asn.to_bytes(2, "big") + number.to_bytes(4, "big")


def rd_text(rd: bytes) -> str:
    """`65001:100`, `10.0.0.1:2`, `4200000000:7`; `0x` and 16 digits for an RD of unknown type."""
    kind = rd[0] << 8 | rd[1]
    if kind > TYPE_AS4:
        return f"0x{rd.hex()}"
    return administrator_text(kind, rd[2:])


def rd_from_text(text: str) -> bytes:
    if text.startswith("0x"):
        return _raw(text, RD_SIZE, "a route distinguisher")
    kind, value = administrator_from_text(text)
    return kind.to_bytes(2, "big") + value


def esi_text(esi: bytes) -> str:
    return esi.hex(":")


def esi_from_text(text: str) -> bytes:
    """Ten octets from `00:11:…:99` or 20 digits; evpnd.evpn.esi reads the typed spellings."""
    lowered = text.lower()
    if not _ESI.fullmatch(lowered):
        raise ValueError(f"{text!r} is not an ESI of ten octets such as 00:11:22:33:44:55:66:77:88:99")
    return bytes.fromhex(lowered.removeprefix("0x").replace(":", ""))


def _decimal(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _number16(number: int, text: str) -> bytes:
    if number > _MAX16:
        raise ValueError(f"{text!r}: {number} does not fit the 16 bits after an IPv4 address or a 4-octet AS number")
    return number.to_bytes(2, "big")


def _ipv4(address: str, text: str) -> bytes:
    try:
        return ipaddress.IPv4Address(address).packed
    except ValueError:
        raise ValueError(f"{text!r}: {address!r} is not an IPv4 address") from None


def _raw(text: str, size: int, what: str) -> bytes:
    digits = text.removeprefix("0x")
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        value = b""
    if len(value) != size or len(digits) != 2 * size:
        raise ValueError(f"{text!r} is not {what} of {size} octets in hex")
    return value

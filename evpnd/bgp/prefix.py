"""IPv4 and IPv6 unicast NLRI: prefixes of a length in bits and as many octets as it needs (RFC 4271 section 4.3).

Bits behind the length are kept as they came: an NLRI field re-encodes exactly, and so does each Prefix.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple


class Prefix(NamedTuple):
    """A prefix: its length in bits and the octets that stand on the wire, `(length + 7) // 8` of them."""

    length: int
    octets: bytes

    def encode(self) -> bytes:
        return bytes((self.length,)) + self.octets

    def key(self) -> bytes:
        """The octets that identify the prefix: the length, and the address with the bits behind it cleared."""
        spare = -self.length % 8
        if not spare:
            return self.encode()
        return bytes((self.length,)) + self.octets[:-1] + bytes((self.octets[-1] >> spare << spare,))

    def text(self, address_size: int) -> str:
        """`10.0.0.0/8`; `address_size` is 4 or 16 octets, which a prefix alone does not tell."""
        address = self.key()[1:].ljust(address_size, b"\0")
        return f"{IPv4Address(address) if address_size == 4 else IPv6Address(address)}/{self.length}"


def check_prefixes(data: bytes, max_length: int) -> None:
    """Raise ValueError unless `data` is a run of whole prefixes of at most `max_length` bits (RFC 7606 section 5.3)."""
    position = 0
    end = len(data)
    while position < end:
        length = data[position]
        if length > max_length:
            raise ValueError(f"a prefix length of {length} at octet {position} is over {max_length}")
        position += 1 + ((length + 7) >> 3)
    if position > end:
        raise ValueError("the last prefix runs past the end")


def decode_prefixes(data: bytes) -> list[Prefix]:
    """The prefixes of a checked NLRI field."""
    prefixes = []
    position = 0
    while position < len(data):
        length = data[position]
        start = position + 1
        position = start + ((length + 7) >> 3)
        prefixes.append(Prefix(length, data[start:position]))
    return prefixes

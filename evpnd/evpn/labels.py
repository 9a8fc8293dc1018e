"""Label fields of EVPN routes and of the PMSI tunnel attribute: three octets, two readings.

Owns the two views. It does not know which one applies: that follows from the encapsulation, so the raw octets are kept
everywhere and read at the edge.

VXLAN: the VNI fills all 24 bits (RFC 8365 section 5.1.3). MPLS: the label is the upper 20 bits, followed by three
bits of traffic class and the bottom-of-stack bit (RFC 7432 section 7, RFC 3107 section 3).
"""

from __future__ import annotations

SIZE = 3
ZERO = bytes(SIZE)
MAX_VNI = 0xFFFFFF
MAX_MPLS = 0xFFFFF


def vni(label: bytes) -> int:
    """The field as VXLAN reads it: all 24 bits."""
    return int.from_bytes(label, "big")


def mpls(label: bytes) -> int:
    """The field as MPLS reads it: the upper 20 bits."""
    return int.from_bytes(label, "big") >> 4


def from_vni(number: int) -> bytes:
    """A VNI as a label field."""
    if not 0 <= number <= MAX_VNI:
        raise ValueError(f"VNI {number} does not fit 24 bits")
    return number.to_bytes(SIZE, "big")


def from_mpls(number: int, *, bottom: bool = True) -> bytes:
    """An MPLS label as a label field; `bottom` is the bottom-of-stack bit."""
    if not 0 <= number <= MAX_MPLS:
        raise ValueError(f"MPLS label {number} does not fit 20 bits")
    return (number << 4 | bottom).to_bytes(SIZE, "big")

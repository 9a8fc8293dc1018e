"""Label fields of EVPN routes and of the PMSI tunnel attribute: three octets, two readings.

Owns the two views. It does not know which one applies: that follows from the encapsulation, so the raw octets are kept
everywhere and read at the edge.

VXLAN: the VNI fills all 24 bits (RFC 8365 section 5.1.3). MPLS: the label is the upper 20 bits, followed by three
bits of traffic class and the bottom-of-stack bit (RFC 7432 section 7, RFC 3107 section 3).
"""

from __future__ import annotations

SIZE = 3
_TYPE_2_BODIES = (10 + SIZE, 10 + 2 * SIZE)
ZERO = bytes(SIZE)
MAX_VNI = 0xFFFFFF
MAX_MPLS = 0xFFFFF


def vni(label: bytes) -> int:
    """The field as VXLAN reads it: all 24 bits."""
    return int.from_bytes(label, "big")


def mpls(label: bytes) -> int:
    """The field as MPLS reads it: the upper 20 bits."""
    return int.from_bytes(label, "big") >> 4


def named(body: bytes, pmsi: bytes | None) -> tuple[int, int]:
    """The VNIs that a route over VXLAN names: where its frames belong, and the VRF of its packets; 0 is none.

    `body` is what its NLRI has besides the key: that of a type 2 route is an ESI and one or two labels (RFC 7432
    section 7.2, RFC 9135). `pmsi` is the label of the PMSI tunnel attribute, which a type 3 route has (RFC 8365
    section 5.1.3).
    """
    if len(body) in _TYPE_2_BODIES:
        return vni(body[10:13]), vni(body[13:])
    return vni(pmsi or b""), 0


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

"""Route type 8, multicast leave synch: RFC 9251 section 9.3.

    RD 8 | ESI 10 | Ethernet tag 4 | source, group, originator with lengths | reserved 4 | response time 1 | flags 1

What follows the originator is not key. Some speakers send five octets there, of which one can't tell which is missing:
they are kept as they came, and only six are read. The JSON has `raw` besides the fields, as every route type above 5.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from evpnd.evpn import values
from evpnd.evpn.routes.group import group_json, group_octets, nlri, read_group

_TAILS = (5, 6)


class _Fields(NamedTuple):
    rd: bytes
    esi: bytes
    ethernet_tag: int
    source: bytes  # no octets: any source
    group: bytes  # no octets: any group
    originator_ip: bytes
    tail: bytes  # 6 octets, or 5


class LeaveSynchRoute(_Fields):
    __slots__ = ()
    TYPE = 8

    @property
    def max_response_time_s(self) -> int | None:
        return self.tail[4] if len(self.tail) == 6 else None

    @property
    def flags(self) -> int | None:
        return self.tail[5] if len(self.tail) == 6 else None

    def encode(self) -> bytes:
        return nlri(self.key(), self.tail)

    def key(self) -> bytes:
        group = group_octets(self.source, self.group, self.originator_ip)
        return b"\x08" + self.rd + self.esi + self.ethernet_tag.to_bytes(4, "big") + group

    def body(self) -> bytes:
        return self.tail

    def to_json(self) -> dict[str, Any]:
        return {
            "route_type": self.TYPE,
            "rd": values.rd_text(self.rd),
            "esi": values.esi_text(self.esi),
            "ethernet_tag": self.ethernet_tag,
            **group_json(self.source, self.group, self.originator_ip),
            "max_response_time": self.max_response_time_s,
            "flags": self.flags,
            "raw": self.encode()[2:].hex(),
        }


def read(value: bytes) -> LeaveSynchRoute | None:
    """The route of an NLRI's value, or None when it is not of this form."""
    found = read_group(value, 22)
    if found is None or len(value) - found[3] not in _TAILS:
        return None
    source, group, originator, end = found
    return LeaveSynchRoute(
        value[:8], value[8:18], int.from_bytes(value[18:22], "big"), source, group, originator, value[end:]
    )

"""Route type 6, selective multicast Ethernet tag: RFC 9251 section 9.1.

    RD 8 | Ethernet tag 4 | source, group, originator with lengths | flags 1

All but the flags is key. Its JSON has `raw` besides the fields, as every route type above 5 has.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from evpnd.evpn import values
from evpnd.evpn.routes.group import group_json, group_octets, nlri, read_group


class _Fields(NamedTuple):
    rd: bytes
    ethernet_tag: int
    source: bytes  # no octets: any source
    group: bytes  # no octets: any group
    originator_ip: bytes
    flags: int


class SelectiveMulticastRoute(_Fields):
    __slots__ = ()
    TYPE = 6

    def encode(self) -> bytes:
        return nlri(self.key(), self.body())

    def key(self) -> bytes:
        group = group_octets(self.source, self.group, self.originator_ip)
        return b"\x06" + self.rd + self.ethernet_tag.to_bytes(4, "big") + group

    def body(self) -> bytes:
        return bytes((self.flags,))

    def to_json(self) -> dict[str, Any]:
        return {
            "route_type": self.TYPE,
            "rd": values.rd_text(self.rd),
            "ethernet_tag": self.ethernet_tag,
            **group_json(self.source, self.group, self.originator_ip),
            "flags": self.flags,
            "raw": self.encode()[2:].hex(),
        }


def read(value: bytes) -> SelectiveMulticastRoute | None:
    """The route of an NLRI's value, or None when it is not of this form."""
    found = read_group(value, 12)
    if found is None or found[3] + 1 != len(value):
        return None
    source, group, originator, _ = found
    return SelectiveMulticastRoute(value[:8], int.from_bytes(value[8:12], "big"), source, group, originator, value[-1])

"""Route type 1, Ethernet auto-discovery, per segment (tag 0xffffffff) and per EVI: RFC 7432 section 7.1.

RD 8 | ESI 10 | Ethernet tag 4 | label 3
"""

from __future__ import annotations

from typing import Any, NamedTuple

from evpnd.evpn import labels, values
from evpnd.evpn.routes.layout import Layout

MAX_ETHERNET_TAG = 0xFFFFFFFF  # RFC 7432 section 8.2.1: the route is of the whole segment


class _Fields(NamedTuple):
    rd: bytes
    esi: bytes
    ethernet_tag: int
    label1: bytes = labels.ZERO


class EthernetAdRoute(_Fields):
    __slots__ = ()
    TYPE = 1

    def encode(self) -> bytes:
        nlri = b"\x01\x19" + self.key()[1:] + self.label1
        if len(nlri) != 27:
            raise ValueError(f"a field of {self} has the wrong size")
        return nlri

    def key(self) -> bytes:
        return b"\x01" + self.rd + self.esi + self.ethernet_tag.to_bytes(4, "big")

    def body(self) -> bytes:
        return self.label1

    def to_json(self) -> dict[str, Any]:
        return {
            "route_type": self.TYPE,
            "rd": values.rd_text(self.rd),
            "esi": values.esi_text(self.esi),
            "ethernet_tag": self.ethernet_tag,
            "label1": labels.vni(self.label1),
        }


LAYOUTS = [Layout(EthernetAdRoute, "8s10sI3s", key=22, tail=3)]

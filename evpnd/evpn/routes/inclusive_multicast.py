"""Route type 3, inclusive multicast Ethernet tag: RFC 7432 section 7.3.

RD 8 | Ethernet tag 4 | IP length 1 | originating router's IP 4 or 16
"""

from __future__ import annotations

from typing import Any, NamedTuple

from evpnd.evpn import values
from evpnd.evpn.routes.layout import Layout


class _Fields(NamedTuple):
    rd: bytes
    ethernet_tag: int
    originator_ip: bytes


class InclusiveMulticastRoute(_Fields):
    __slots__ = ()
    TYPE = 3

    def encode(self) -> bytes:
        ip = self.originator_ip
        nlri = _HEADERS[len(ip)] + self.key()[1:]
        if len(nlri) != nlri[1] + 2:
            raise ValueError(f"a field of {self} has the wrong size")
        return nlri

    def key(self) -> bytes:
        ip = self.originator_ip
        return b"\x03" + self.rd + self.ethernet_tag.to_bytes(4, "big") + bytes((8 * len(ip),)) + ip

    def body(self) -> bytes:
        return b""

    def to_json(self) -> dict[str, Any]:
        return {
            "route_type": self.TYPE,
            "rd": values.rd_text(self.rd),
            "ethernet_tag": self.ethernet_tag,
            "originator_ip": values.ip_text(self.originator_ip),
        }


_HEADERS = {ip: bytes((InclusiveMulticastRoute.TYPE, 13 + ip)) for ip in (4, 16)}

LAYOUTS = [
    Layout(
        InclusiveMulticastRoute,
        f"8sIx{ip}s",
        key=13 + ip,
        tail=0,
        fixed=((14, 8 * ip, "originator's IP address length"),),
    )
    for ip in _HEADERS
]

"""Route type 4, Ethernet segment: RFC 7432 section 7.4.

RD 8 | ESI 10 | IP length 1 | originating router's IP 4 or 16
"""

from __future__ import annotations

from typing import Any, NamedTuple

from evpnd.evpn import values
from evpnd.evpn.routes.layout import Layout


class _Fields(NamedTuple):
    rd: bytes
    esi: bytes
    originator_ip: bytes


class EthernetSegmentRoute(_Fields):
    __slots__ = ()
    TYPE = 4

    def encode(self) -> bytes:
        nlri = _HEADERS[len(self.originator_ip)] + self.key()[1:]
        if len(nlri) != nlri[1] + 2:
            raise ValueError(f"a field of {self} has the wrong size")
        return nlri

    def key(self) -> bytes:
        ip = self.originator_ip
        return b"\x04" + self.rd + self.esi + bytes((8 * len(ip),)) + ip

    def body(self) -> bytes:
        return b""

    def to_json(self) -> dict[str, Any]:
        return {
            "route_type": self.TYPE,
            "rd": values.rd_text(self.rd),
            "esi": values.esi_text(self.esi),
            "originator_ip": values.ip_text(self.originator_ip),
        }


_HEADERS = {ip: bytes((EthernetSegmentRoute.TYPE, 19 + ip)) for ip in (4, 16)}

LAYOUTS = [
    Layout(
        EthernetSegmentRoute,
        f"8s10sx{ip}s",
        key=19 + ip,
        tail=0,
        fixed=((20, 8 * ip, "originator's IP address length"),),
    )
    for ip in _HEADERS
]

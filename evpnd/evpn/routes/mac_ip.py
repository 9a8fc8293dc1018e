"""Route type 2, MAC/IP advertisement: RFC 7432 section 7.2, RFC 9135 for the second label.

    RD 8 | ESI 10 | Ethernet tag 4 | MAC length 1 | MAC 6 | IP length 1 | IP 0, 4 or 16 | label 3 | label 0 or 3

How many labels there are follows from the length of the route, never from a bottom-of-stack bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from evpnd.evpn import labels, values
from evpnd.evpn.routes.layout import Layout

_MAC_BITS = 48


class _Fields(NamedTuple):
    rd: bytes
    esi: bytes
    ethernet_tag: int
    mac: bytes
    ip: bytes  # 0, 4 or 16 octets
    label1: bytes
    label2: bytes = b""  # 0 or 3 octets


class MacIpRoute(_Fields):
    __slots__ = ()
    TYPE = 2

    def encode(self) -> bytes:
        rd, esi, tag, mac, ip, label1, label2 = self
        nlri = b"".join(
            (
                _HEADERS[len(ip), len(label2)],
                rd,
                esi,
                tag.to_bytes(4, "big"),
                b"\x30",
                mac,
                _BITS[len(ip)],
                ip,
                label1,
                label2,
            )
        )
        if len(nlri) != nlri[1] + 2:
            raise ValueError(f"a field of {self} has the wrong size")
        return nlri

    def key(self) -> bytes:
        ip = self.ip
        return b"\x02" + self.rd + self.ethernet_tag.to_bytes(4, "big") + b"\x30" + self.mac + _BITS[len(ip)] + ip

    def body(self) -> bytes:
        return self.esi + self.label1 + self.label2

    def to_json(self) -> dict[str, Any]:
        return {
            "route_type": self.TYPE,
            "rd": values.rd_text(self.rd),
            "esi": values.esi_text(self.esi),
            "ethernet_tag": self.ethernet_tag,
            "mac": values.mac_text(self.mac),
            "ip": values.ip_text(self.ip) if self.ip else None,
            "label1": labels.vni(self.label1),
            "label2": labels.vni(self.label2) if self.label2 else None,
        }


_BITS = {size: bytes((8 * size,)) for size in (0, 4, 16)}
_HEADERS = {(ip, label2): bytes((MacIpRoute.TYPE, 33 + ip + label2)) for ip in (0, 4, 16) for label2 in (0, 3)}

LAYOUTS = [
    Layout(
        MacIpRoute,
        f"8s10sIx6sx{ip}s3s{label2}s",
        key=20 + ip,
        tail=3 + label2,
        esi=True,
        fixed=((24, _MAC_BITS, "MAC address length"), (31, 8 * ip, "IP address length")),
    )
    for ip, label2 in _HEADERS
]

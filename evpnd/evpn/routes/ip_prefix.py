"""Route type 5, IP prefix: RFC 9136 section 3.1.

    RD 8 | ESI 10 | Ethernet tag 4 | prefix length 1 | prefix 4 or 16 | gateway 4 or 16 | label 3

The prefix fills all its octets whatever its length; the family follows from the length of the route. Bits beyond the
prefix length are kept as they came, so that the route re-encodes exactly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from evpnd.evpn import labels, values
from evpnd.evpn.routes.layout import Layout


class _Fields(NamedTuple):
    rd: bytes
    esi: bytes
    ethernet_tag: int
    prefix_length: int
    prefix: bytes  # 4 or 16 octets
    gateway_ip: bytes  # as many as the prefix
    label1: bytes


class IpPrefixRoute(_Fields):
    __slots__ = ()
    TYPE = 5

    def encode(self) -> bytes:
        key = self.key()
        nlri = _HEADERS[len(self.prefix)] + self.rd + self.esi + key[9:] + self.gateway_ip + self.label1
        if len(nlri) != nlri[1] + 2:
            raise ValueError(f"a field of {self} has the wrong size")
        return nlri

    def key(self) -> bytes:
        return b"\x05" + self.rd + self.ethernet_tag.to_bytes(4, "big") + bytes((self.prefix_length,)) + self.prefix

    def body(self) -> bytes:
        return self.esi + self.gateway_ip + self.label1

    def to_json(self) -> dict[str, Any]:
        return {
            "route_type": self.TYPE,
            "rd": values.rd_text(self.rd),
            "esi": values.esi_text(self.esi),
            "ethernet_tag": self.ethernet_tag,
            "prefix": f"{values.ip_text(self.prefix)}/{self.prefix_length}",
            "gateway_ip": values.ip_text(self.gateway_ip),
            "label1": labels.vni(self.label1),
        }


def overlay_conflict(nlri: bytes) -> str | None:
    """RFC 9136 section 3.1: a route with both an ESI and a gateway is treated as withdrawn."""
    size = 4 if len(nlri) == 36 else 16
    if any(nlri[10:20]) and any(nlri[25 + size : 25 + 2 * size]):
        return "ESI and gateway IP address are both set"
    return None


_HEADERS = {ip: bytes((IpPrefixRoute.TYPE, 26 + 2 * ip)) for ip in (4, 16)}

LAYOUTS = [
    Layout(
        IpPrefixRoute,
        f"8s10sIB{ip}s{ip}s3s",
        key=13 + ip,
        tail=ip + 3,
        esi=True,
        most=(24, 8 * ip, "IP prefix length"),
        check=overlay_conflict,
    )
    for ip in _HEADERS
]

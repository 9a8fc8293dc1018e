"""Address families: the (AFI, SAFI) pairs that BGP carries (RFC 4760 section 3) and their names.

Owns nothing but the pair itself; which NLRI codec a family has is `evpnd.bgp.reach`'s matter.
"""

from __future__ import annotations

from typing import NamedTuple


class Family(NamedTuple):
    """An address family and its subsequent address family, as IANA numbers them."""

    afi: int
    safi: int

    @property
    def name(self) -> str:
        """The family's name: "l2vpn-evpn", or "afi-25-safi-71" for one that has no codec here."""
        return NAMES.get(self) or f"afi-{self.afi}-safi-{self.safi}"

    @classmethod
    def from_name(cls, name: str) -> Family:
        """The family of that name; KeyError when there is none."""
        return _BY_NAME[name]

    def encode(self) -> bytes:
        """AFI and SAFI as MP_REACH_NLRI and MP_UNREACH_NLRI begin with them: three octets."""
        return self.afi.to_bytes(2, "big") + self.safi.to_bytes(1, "big")


IPV4_UNICAST = Family(1, 1)
IPV6_UNICAST = Family(2, 1)
L2VPN_EVPN = Family(25, 70)  # RFC 7432 section 7

NAMES: dict[Family, str] = {
    IPV4_UNICAST: "ipv4-unicast",
    IPV6_UNICAST: "ipv6-unicast",
    L2VPN_EVPN: "l2vpn-evpn",
}

_BY_NAME = {name: family for family, name in NAMES.items()}

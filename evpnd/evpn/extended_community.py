"""Extended communities that EVPN uses: builders to eight octets and readers of a route's set of them.

Owns what the octets mean. It does not know attributes: a set of communities is a sequence of eight-octet strings. The
numbers and their RFCs are in evpnd.evpn.community_kinds, the spelling in evpnd.evpn.community_text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from evpnd.evpn import community_kinds as kinds
from evpnd.evpn import values
from evpnd.evpn.community_text import from_text, to_text

__all__ = [
    "arp_nd",
    "default_gateway",
    "df_election",
    "encapsulation",
    "encapsulations_of",
    "es_import",
    "es_import_of",
    "es_import_of_esi",
    "esi_label",
    "esi_label_of",
    "find",
    "from_text",
    "is_default_gateway",
    "l2_attributes",
    "link_bandwidth",
    "mac_mobility",
    "mobility_of",
    "route_target",
    "route_target_from_text",
    "route_targets_of",
    "router_mac",
    "router_mac_of",
    "to_text",
]

_DEFAULT_GATEWAY = kinds.DEFAULT_GATEWAY + bytes(6)
# MAC mobility up to the sequence number: type, flags, one reserved octet
_MOVABLE, _STICKY = (kinds.MAC_MOBILITY + bytes((flags, 0)) for flags in (0, kinds.STICKY))


def route_target(asn: int, number: int) -> bytes:
    """The route target ASN:number, of the 4-octet kind when the AS number needs it."""
    if asn <= 0xFFFF:
        return b"\x00\x02" + asn.to_bytes(2, "big") + number.to_bytes(4, "big")
    return b"\x02\x02" + asn.to_bytes(4, "big") + number.to_bytes(2, "big")


def route_target_from_text(text: str) -> bytes:
    """`65001:100`, `4200000000:7`, `10.0.0.1:3`; ValueError says what is wrong."""
    kind, value = values.administrator_from_text(text)
    return bytes((kind, 0x02)) + value


def encapsulation(tunnel_type: int = kinds.VXLAN) -> bytes:
    return kinds.ENCAPSULATION + tunnel_type.to_bytes(6, "big")


def mac_mobility(sequence: int, sticky: bool = False) -> bytes:
    return (_STICKY if sticky else _MOVABLE) + sequence.to_bytes(4, "big")


def esi_label(label: bytes, *, single_active: bool = False) -> bytes:
    """`label` is a field of three octets (evpnd.evpn.labels)."""
    return kinds.ESI_LABEL + bytes((kinds.SINGLE_ACTIVE if single_active else 0, 0, 0)) + label


def es_import(mac: bytes) -> bytes:
    return kinds.ES_IMPORT + mac


def es_import_of_esi(esi: bytes) -> bytes:
    """RFC 7432 section 7.6: the six octets after the ESI's type."""
    return kinds.ES_IMPORT + esi[1:7]


def router_mac(mac: bytes) -> bytes:
    return kinds.ROUTER_MAC + mac


def default_gateway() -> bytes:
    return _DEFAULT_GATEWAY


def l2_attributes(flags: int, mtu: int) -> bytes:
    return kinds.L2_ATTRIBUTES + struct.pack(">HHH", flags, mtu, 0)


def df_election(algorithm: int, capabilities: int = 0, preference: int = 0) -> bytes:
    """`capabilities` are DF_AC_INFLUENCED and the like of community_kinds; `preference` is RFC 9785's."""
    return kinds.DF_ELECTION + struct.pack(">BHBH", algorithm, capabilities, 0, preference)


def arp_nd(flags: int) -> bytes:
    return kinds.ARP_ND + bytes((flags, 0, 0, 0, 0, 0))


def link_bandwidth(asn: int, octets_per_second: float, *, transitive: bool = False) -> bytes:
    kind = kinds.LINK_BANDWIDTH_TRANSITIVE if transitive else kinds.LINK_BANDWIDTH
    return kind + struct.pack(">Hf", asn, octets_per_second)


def find(communities: Iterable[bytes], kind: bytes) -> bytes | None:
    """The first community whose type and subtype are `kind`."""
    for community in communities:
        if community.startswith(kind):
            return community
    return None


def mobility_of(communities: Iterable[bytes]) -> tuple[int, bool]:
    """(sequence, sticky); a route without the community has sequence 0 (RFC 7432 section 15)."""
    sequence, sticky = 0, False
    for community in communities:
        if community.startswith(kinds.MAC_MOBILITY):
            sequence = max(sequence, int.from_bytes(community[4:], "big"))
            sticky = sticky or bool(community[2] & kinds.STICKY)
    return sequence, sticky


def route_targets_of(communities: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(community for community in communities if community[:2] in kinds.ROUTE_TARGETS)


def encapsulations_of(communities: Iterable[bytes]) -> tuple[int, ...]:
    """Tunnel types; none means that nothing is said, which RFC 8365 section 5.1.3 reads as kinds.MPLS."""
    return tuple(
        community[6] << 8 | community[7] for community in communities if community.startswith(kinds.ENCAPSULATION)
    )


def router_mac_of(communities: Iterable[bytes]) -> bytes | None:
    community = find(communities, kinds.ROUTER_MAC)
    return None if community is None else community[2:]


def es_import_of(communities: Iterable[bytes]) -> bytes | None:
    community = find(communities, kinds.ES_IMPORT)
    return None if community is None else community[2:]


def esi_label_of(communities: Iterable[bytes]) -> tuple[bytes, bool] | None:
    """(label field, single-active) of the ESI label community."""
    community = find(communities, kinds.ESI_LABEL)
    return None if community is None else (community[5:], bool(community[2] & kinds.SINGLE_ACTIVE))


def is_default_gateway(communities: Iterable[bytes]) -> bool:
    return find(communities, kinds.DEFAULT_GATEWAY) is not None

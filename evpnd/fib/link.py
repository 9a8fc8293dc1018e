"""RTM_NEWLINK and RTM_DELLINK: what evpnd wants to know of network devices.

Decodes names, masters, addresses, states, and what is particular to bridges, bridge ports and VXLAN devices. Must not
know what VNIs are used for, nor do I/O. Layout: linux/if_link.h.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from struct import Struct

from evpnd.errors import NetlinkError
from evpnd.fib.neighbour import AF_BRIDGE
from evpnd.fib.netlink import (
    NLM_F_DUMP,
    NLM_F_REQUEST,
    RTM_GETLINK,
    decode_attributes,
    encode_attribute,
    encode_message,
    text,
    u8,
    u32,
)

IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_LINK = 5
IFLA_MASTER = 10
IFLA_PROTINFO = 12
IFLA_OPERSTATE = 16
IFLA_LINKINFO = 18
IFLA_EXT_MASK = 29
IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
IFLA_INFO_SLAVE_KIND = 4
IFLA_INFO_SLAVE_DATA = 5
IFLA_BR_VLAN_FILTERING = 7
IFLA_BRPORT_STATE = 1
IFLA_BRPORT_LEARNING = 8
IFLA_BRPORT_VLAN_TUNNEL = 29
IFLA_BRPORT_NEIGH_SUPPRESS = 32
IFLA_VXLAN_ID = 1
IFLA_VXLAN_GROUP = 2
IFLA_VXLAN_LOCAL = 4
IFLA_VXLAN_LEARNING = 7
IFLA_VXLAN_PORT = 15
IFLA_VXLAN_GROUP6 = 16
IFLA_VXLAN_LOCAL6 = 17
IFLA_VXLAN_COLLECT_METADATA = 25
IFLA_VXLAN_VNIFILTER = 30

IFF_UP = 1
RTEXT_FILTER_SKIP_STATS = 1 << 3

_IFINFOMSG = Struct("=BxHiII")


@dataclass(frozen=True, slots=True)
class Vxlan:
    """A VXLAN device's own settings; addresses are raw, None when unset."""

    vni: int
    local: bytes | None = None
    remote: bytes | None = None
    port: int = 4789
    learning: bool = True
    collect_metadata: bool = False
    vnifilter: bool = False


@dataclass(frozen=True, slots=True)
class BridgePort:
    """What a bridge keeps of one of its ports; state 3 is forwarding (linux/if_bridge.h)."""

    state: int = 0
    learning: bool = True
    neigh_suppress: bool = False
    vlan_tunnel: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """One network device."""

    index: int
    name: str = ""
    up: bool = False
    master: int = 0
    mac: bytes = b""
    mtu: int = 0
    operstate: int = 0
    lower: int = 0
    kind: str = ""
    vxlan: Vxlan | None = None
    port: BridgePort | None = None
    vlan_filtering: bool = False


def decode_link(body: bytes) -> Link:
    """A device, from an AF_UNSPEC message."""
    family, index, flags = _header(body)
    if family == AF_BRIDGE:
        raise NetlinkError(errno.EBADMSG, "link message of a bridge port")
    attributes = decode_attributes(body, _IFINFOMSG.size)
    info = decode_attributes(attributes.get(IFLA_LINKINFO, b""))
    kind = text(info.get(IFLA_INFO_KIND, b""))
    data = info.get(IFLA_INFO_DATA, b"")
    is_port = text(info.get(IFLA_INFO_SLAVE_KIND, b"")) == "bridge"
    return Link(
        index,
        text(attributes.get(IFLA_IFNAME, b"")),
        bool(flags & IFF_UP),
        _number(attributes, IFLA_MASTER),
        attributes.get(IFLA_ADDRESS, b""),
        _number(attributes, IFLA_MTU),
        attributes.get(IFLA_OPERSTATE, b"\0")[:1][0] if attributes.get(IFLA_OPERSTATE) else 0,
        _number(attributes, IFLA_LINK),
        kind,
        _decode_vxlan(data) if kind == "vxlan" else None,
        _decode_port(info.get(IFLA_INFO_SLAVE_DATA, b"")) if is_port else None,
        kind == "bridge" and _flag(decode_attributes(data), IFLA_BR_VLAN_FILTERING),
    )


def decode_port_change(body: bytes) -> tuple[int, BridgePort] | None:
    """(device, settings) of an AF_BRIDGE message: a bridge tells a change of its port in a message of its own."""
    family, index, _ = _header(body)
    if family != AF_BRIDGE:
        return None
    protinfo = decode_attributes(body, _IFINFOMSG.size).get(IFLA_PROTINFO)
    return None if protinfo is None else (index, _decode_port(protinfo))


def with_port(link: Link, port: BridgePort) -> Link:
    return replace(link, port=port)


def link_family(body: bytes) -> int:
    return _header(body)[0]


def link_index(body: bytes) -> int:
    return _header(body)[1]


def encode_link_dump(sequence: int = 0) -> bytes:
    """Ask for all devices, without their counters."""
    body = _IFINFOMSG.pack(0, 0, 0, 0, 0) + encode_attribute(
        IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS.to_bytes(4, "little")
    )
    return encode_message(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, body, sequence)


def _header(body: bytes) -> tuple[int, int, int]:
    if len(body) < _IFINFOMSG.size:
        raise NetlinkError(errno.EBADMSG, f"link message of {len(body)} octets")
    family, _, index, flags, _ = _IFINFOMSG.unpack_from(body)
    return family, index, flags


def _number(attributes: dict[int, bytes], attribute_type: int) -> int:
    value = attributes.get(attribute_type)
    return 0 if value is None else u32(value)


def _flag(attributes: dict[int, bytes], attribute_type: int, default: bool = False) -> bool:
    value = attributes.get(attribute_type)
    return default if value is None else bool(u8(value))


def _decode_vxlan(data: bytes) -> Vxlan:
    attributes = decode_attributes(data)
    return Vxlan(
        _number(attributes, IFLA_VXLAN_ID),
        _address(attributes, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6),
        _address(attributes, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6),
        int.from_bytes(attributes.get(IFLA_VXLAN_PORT, b""), "big"),
        _flag(attributes, IFLA_VXLAN_LEARNING, True),
        _flag(attributes, IFLA_VXLAN_COLLECT_METADATA),
        _flag(attributes, IFLA_VXLAN_VNIFILTER),
    )


def _decode_port(data: bytes) -> BridgePort:
    attributes = decode_attributes(data)
    state = attributes.get(IFLA_BRPORT_STATE)
    return BridgePort(
        0 if state is None else u8(state),
        _flag(attributes, IFLA_BRPORT_LEARNING, True),
        _flag(attributes, IFLA_BRPORT_NEIGH_SUPPRESS),
        _flag(attributes, IFLA_BRPORT_VLAN_TUNNEL),
    )


def _address(attributes: dict[int, bytes], four: int, six: int) -> bytes | None:
    for attribute_type, size in ((four, 4), (six, 16)):
        value = attributes.get(attribute_type)
        if value is not None and len(value) == size and any(value):
            return value
    return None

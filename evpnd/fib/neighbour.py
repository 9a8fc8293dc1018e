"""RTM_NEWNEIGH, RTM_DELNEIGH and RTM_GETNEIGH of family AF_BRIDGE: the FDB of bridges and of VXLAN devices.

An FDB entry of a VXLAN port lives twice in the kernel and is told in two messages: the bridge's half names its bridge
(NDA_MASTER), the VXLAN device's half has NTF_SELF and the VTEP (NDA_DST). Must not know intents, nor do I/O.
Layout: linux/neighbour.h.
"""

from __future__ import annotations

import errno
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from evpnd.errors import NetlinkError
from evpnd.fib import netlink
from evpnd.fib.netlink import NLM_F_DUMP, NLM_F_REQUEST, RTM_GETNEIGH, RTM_NEWNEIGH, decode_attributes, encode_attribute

AF_BRIDGE = 7

NDA_DST = 1
NDA_LLADDR = 2
NDA_VLAN = 5
NDA_PORT = 6
NDA_VNI = 7
NDA_IFINDEX = 8
NDA_MASTER = 9
NDA_SRC_VNI = 11
NDA_NH_ID = 13

NTF_SELF = 0x02
NTF_MASTER = 0x04
NTF_EXT_LEARNED = 0x10
NTF_STICKY = 0x40

NUD_REACHABLE = 0x02
NUD_NOARP = 0x40
NUD_PERMANENT = 0x80

NDMSG = Struct("=BxxxiHBB")
NDMSG_SIZE = NDMSG.size
_U16 = Struct("=H")
_S32 = Struct("=i")
_U32 = Struct("=I")

ZERO_MAC = bytes(6)


class FdbEntry(NamedTuple):
    """One half of an FDB entry; `master` is 0 in a VXLAN device's half, `dst` empty in a bridge's."""

    ifindex: int
    state: int
    flags: int
    mac: bytes
    master: int = 0
    vlan: int = 0
    dst: bytes = b""
    src_vni: int = 0
    nh_id: int = 0
    detour: bool = False  # the remote has a port, a VNI or a device of its own: not one of ours

    @property
    def is_dynamic(self) -> bool:
        """Learned from traffic: neither static nor permanent."""
        return not self.state & (NUD_NOARP | NUD_PERMANENT)


# The layouts that bridges and VXLAN devices use for the bulk of their entries, decoded in one unpack: the headers of
# the attributes are compared as one number each (length | type << 16).
#        ndmsg     LLADDR     MASTER FLAGS_EXT CACHEINFO(16)
_BRIDGE = "BxxxiHBB I6sxx      Ii      I4x       I16x"
_BRIDGE_HEADERS = (10 | NDA_LLADDR << 16, 8 | NDA_MASTER << 16, 8 | 15 << 16, 20 | 3 << 16)
#       ndmsg     LLADDR     DST    CACHEINFO(16)
_VXLAN = "BxxxiHBB I6sxx      I4s    I16x"
_VXLAN_HEADERS = (10 | NDA_LLADDR << 16, 8 | NDA_DST << 16, 20 | 3 << 16)
_BRIDGE_HALF, _VXLAN_HALF = Struct("=" + _BRIDGE), Struct("=" + _VXLAN)
# The same with the message's header, of which length and type count.
_BRIDGE_MESSAGE, _VXLAN_MESSAGE = Struct("=IH10x" + _BRIDGE), Struct("=IH10x" + _VXLAN)
_LENGTH_TYPE = Struct("=IH")


def decode_fdb(body: bytes) -> FdbEntry | None:
    """The entry in a neighbour message's body; None for other families and entries without a MAC."""
    size = len(body)
    if size == _BRIDGE_HALF.size:
        family, ifindex, state, flags, _, h1, mac, h2, master, h3, h4 = _BRIDGE_HALF.unpack(body)
        if family == AF_BRIDGE and (h1, h2, h3, h4) == _BRIDGE_HEADERS:
            return FdbEntry(ifindex, state, flags, mac, master)
    elif size == _VXLAN_HALF.size:
        family, ifindex, state, flags, _, h1, mac, h2, dst, h3 = _VXLAN_HALF.unpack(body)
        if family == AF_BRIDGE and (h1, h2, h3) == _VXLAN_HEADERS:
            return FdbEntry(ifindex, state, flags, mac, 0, 0, dst)
    return _decode_any(body)


def decode_fdb_dump(data: bytes) -> tuple[list[FdbEntry], bool]:
    """The entries in one datagram of a dump, and whether the dump ends with it."""
    entries: list[FdbEntry] = []
    offset, end = 0, len(data)
    read_bridge, read_vxlan, peek = _BRIDGE_MESSAGE.unpack_from, _VXLAN_MESSAGE.unpack_from, _LENGTH_TYPE.unpack_from
    while offset < end:
        room = end - offset
        length, message_type = peek(data, offset) if room >= netlink.HEADER_SIZE else (0, 0)
        if length == _BRIDGE_MESSAGE.size <= room and message_type == RTM_NEWNEIGH:
            _, _, family, ifindex, state, flags, _, h1, mac, h2, master, h3, h4 = read_bridge(data, offset)
            if family == AF_BRIDGE and (h1, h2, h3, h4) == _BRIDGE_HEADERS:
                entries.append(FdbEntry(ifindex, state, flags, mac, master))
                offset += length
                continue
        elif length == _VXLAN_MESSAGE.size <= room and message_type == RTM_NEWNEIGH:
            _, _, family, ifindex, state, flags, _, h1, mac, h2, dst, h3 = read_vxlan(data, offset)
            if family == AF_BRIDGE and (h1, h2, h3) == _VXLAN_HEADERS:
                entries.append(FdbEntry(ifindex, state, flags, mac, 0, 0, dst))
                offset += length
                continue
        message, offset = netlink.message_at(data, offset)
        if netlink.ends_dump(message):
            return entries, True
        entry = decode_fdb(message.body) if message.type == RTM_NEWNEIGH else None
        if entry is not None:
            entries.append(entry)
    return entries, False


def _decode_any(body: bytes) -> FdbEntry | None:
    if len(body) < NDMSG_SIZE:
        raise NetlinkError(errno.EBADMSG, f"neighbour message of {len(body)} octets")
    family, ifindex, state, flags, _ = NDMSG.unpack_from(body)
    if family != AF_BRIDGE:
        return None
    attributes = decode_attributes(body, NDMSG_SIZE)
    mac = attributes.get(NDA_LLADDR)
    if mac is None or len(mac) != 6:
        return None
    try:
        return FdbEntry(
            ifindex,
            state,
            flags,
            mac,
            _S32.unpack(attributes[NDA_MASTER])[0] if NDA_MASTER in attributes else 0,
            _U16.unpack(attributes[NDA_VLAN])[0] if NDA_VLAN in attributes else 0,
            attributes.get(NDA_DST, b""),
            _U32.unpack(attributes[NDA_SRC_VNI])[0] if NDA_SRC_VNI in attributes else 0,
            _U32.unpack(attributes[NDA_NH_ID])[0] if NDA_NH_ID in attributes else 0,
            NDA_PORT in attributes or NDA_VNI in attributes or NDA_IFINDEX in attributes,
        )
    except StructError:
        raise NetlinkError(errno.EBADMSG, "neighbour attribute of a wrong length") from None


def encode_fdb(entry: FdbEntry, message_type: int, flags: int, sequence: int = 0) -> bytes:
    """A whole request; attributes in the kernel's numeric order."""
    return netlink.encode_message(message_type, flags, encode_fdb_body(entry), sequence)


def encode_fdb_body(entry: FdbEntry) -> bytes:
    parts = [NDMSG.pack(AF_BRIDGE, entry.ifindex, entry.state, entry.flags, 0)]
    if entry.mac:
        parts.append(encode_attribute(NDA_LLADDR, entry.mac))
    if entry.dst:
        parts.append(encode_attribute(NDA_DST, entry.dst))
    if entry.vlan:
        parts.append(encode_attribute(NDA_VLAN, _U16.pack(entry.vlan)))
    if entry.master:
        parts.append(encode_attribute(NDA_MASTER, _S32.pack(entry.master)))
    if entry.src_vni:
        parts.append(encode_attribute(NDA_SRC_VNI, _U32.pack(entry.src_vni)))
    if entry.nh_id:
        parts.append(encode_attribute(NDA_NH_ID, _U32.pack(entry.nh_id)))
    return b"".join(parts)


def encode_fdb_dump(ifindex: int = 0, sequence: int = 0) -> bytes:
    """Ask for all FDB entries (of one device)."""
    return encode_fdb(FdbEntry(ifindex, 0, 0, b""), RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, sequence)


def encode_fdb_get(bridge: int, vlan: int, mac: bytes, sequence: int = 0) -> bytes:
    """Ask a bridge where one MAC is."""
    entry = FdbEntry(0, 0, NTF_MASTER, mac, bridge, vlan)
    return encode_fdb(entry, RTM_GETNEIGH, NLM_F_REQUEST, sequence)

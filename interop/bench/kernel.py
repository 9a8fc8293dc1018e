"""The target's kernel: devices to make, FDB dumps that confirm, and how fast the kernel is when nothing else is.

It encodes and reads netlink itself, apart from evpnd's codec, so that neither can hide the other's errors.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

from interop.bench.namespace import BenchError, Namespace

_AF_BRIDGE = 7
_NEW, _DEL, _GET = 28, 29, 30
_ERROR, _DONE = 2, 3
_NTF_SELF, _NTF_MASTER, _NTF_EXT_LEARNED = 2, 4, 0x10
_BATCH = 100
_HEADER = struct.Struct("=IHHII")
_NEIGHBOUR = struct.Struct("=BxxxiHBB")


class Fdb(NamedTuple):
    """What a dump found: on bridges (device, MAC), on VXLAN devices (device, MAC) to addresses."""

    bridge: set[tuple[int, bytes]]
    vxlan: dict[tuple[int, bytes], set[bytes]]

    def macs(self, prefix: bytes) -> int:
        """How many MACs that begin so are both in a bridge and, with an address, in its VXLAN device."""
        return sum(1 for key, to in self.vxlan.items() if to and key[1].startswith(prefix) and key in self.bridge)

    def floods(self) -> int:
        """How many flood entries there are, all VXLAN devices together."""
        return sum(len(to) for (_, mac), to in self.vxlan.items() if mac == bytes(6))


def make_devices(namespace: Namespace, vnis: range, vtep: str) -> None:
    """A bridge and a VXLAN device a VNI (brN, vxN), and on the first bridge a port whose other end (pod) stays free."""
    lines = []
    for vni in vnis:
        lines += [
            f"link add br{vni} type bridge",
            f"link add vx{vni} type vxlan id {vni} local {vtep} dstport 4789 nolearning",
            f"link set vx{vni} master br{vni} addrgenmode none up",
            f"link set vx{vni} type bridge_slave learning off",
            f"link set br{vni} addrgenmode none up",
        ]
    lines += [
        "link add port0 type veth peer name pod",
        f"link set port0 master br{vnis[0]} addrgenmode none up",
        "link set pod addrgenmode none up",
    ]
    namespace.run("ip", "-batch", "-", text="\n".join(lines))


def dump(namespace: Namespace) -> Fdb:
    """The whole FDB, of bridges and devices."""
    found = Fdb(set(), {})
    with namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as query:
        query.settimeout(60)
        query.send(_HEADER.pack(28, _GET, 0x301, 1, 0) + _NEIGHBOUR.pack(_AF_BRIDGE, 0, 0, 0, 0))
        while True:
            data = query.recv(1 << 20)
            offset = 0
            while offset < len(data):
                length, kind = struct.unpack_from("=IH", data, offset)
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    raise BenchError("the kernel refused an FDB dump")
                _add_entry(found, data, offset, length)
                offset += length + 3 & ~3


def holds(namespace: Namespace, ifindex: int, macs: Iterable[bytes]) -> int:
    """How many of these MACs a VXLAN device and its bridge both have, asked one by one.

    For tables too big to dump: the kernel begins each 32 KiB of an FDB dump at the list's head again, so that a dump
    of 100,000 entries takes it a second, and one of 1,000,000 minutes.
    """
    found = 0
    with namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as query:
        query.settimeout(60)
        for mac in macs:
            found += all(_ask(query, ifindex, mac, flag) for flag in (_NTF_SELF, _NTF_MASTER))
    return found


def _ask(query: socket.socket, ifindex: int, mac: bytes, flag: int) -> bool:
    lladdr = struct.pack("=HH", 10, 2) + mac + b"\0\0"
    query.send(_HEADER.pack(40, _GET, 1, 1, 0) + _NEIGHBOUR.pack(_AF_BRIDGE, ifindex, 0, flag, 0) + lladdr)
    (kind,) = struct.unpack_from("=H", query.recv(65536), 4)
    return bool(kind == _NEW)


def _add_entry(found: Fdb, data: bytes, offset: int, length: int) -> None:
    _, ifindex, _, flags, _ = _NEIGHBOUR.unpack_from(data, offset + 16)
    mac, address = b"", b""
    position, end = offset + 28, offset + length
    while position < end:
        size, code = struct.unpack_from("=HH", data, position)
        if code == 2:
            mac = data[position + 4 : position + size]
        elif code == 1:
            address = data[position + 4 : position + size]
        position += size + 3 & ~3
    if not flags & _NTF_SELF:
        found.bridge.add((ifindex, mac))
    elif address:
        found.vxlan.setdefault((ifindex, mac), set()).add(address)


def fdb_batches(ifindex: int, macs: list[bytes], address: bytes, *, gone: bool = False) -> list[bytes]:
    """Netlink batches that add (or delete) MACs on the VXLAN device and its bridge, without acknowledgements.

    A hundred a batch is what the kernel likes best: past a few hundred its hash tables cannot grow in between.
    """
    flags = _NTF_SELF | _NTF_MASTER | _NTF_EXT_LEARNED
    head = _HEADER.pack(48, _DEL if gone else _NEW, 1 if gone else 0x501, 0, 0)
    head += _NEIGHBOUR.pack(_AF_BRIDGE, ifindex, 2, flags, 0) + struct.pack("=HH", 10, 2)
    tail = b"\0\0" + struct.pack("=HH", 8, 1) + address
    messages = [head + mac + tail for mac in macs]
    return [b"".join(messages[start : start + _BATCH]) for start in range(0, len(messages), _BATCH)]


def hardware_address(namespace: Namespace, name: str) -> bytes:
    return bytes.fromhex(namespace.run("ip", "-o", "link", "show", name).split("link/ether ")[1][:17].replace(":", ""))


def interface_index(namespace: Namespace, name: str) -> int:
    return int(namespace.run("ip", "-o", "link", "show", name).split(":", 1)[0])

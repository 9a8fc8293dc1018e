"""A clock in the kernel: when did each FDB entry come or go?

Owns a netlink socket in the target's namespace that hears every neighbour event and reads none. An eBPF filter on it
counts the events by kind and notes the time of each in a map that this process sees as memory, then drops them: the
count costs the target's kernel tens of nanoseconds an event, and no process is woken. The times are CLOCK_MONOTONIC,
as `time.monotonic_ns` gives them, so they compare with those of the load program.

It must know nothing of BGP or of the target.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import socket
import struct
from enum import IntEnum

from interop.bench.namespace import BenchError, Namespace

_LIBC = ctypes.CDLL(None, use_errno=True)
_SYS_BPF = {"x86_64": 321, "aarch64": 280}
_MAP_CREATE, _PROG_LOAD = 0, 5
_MAP_TYPE_ARRAY, _F_MMAPABLE = 2, 1 << 10
_PROG_TYPE_SOCKET_FILTER = 1
_SO_ATTACH_BPF = 50
_RTNLGRP_NEIGH = 3
_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP = 270, 1


class Kind(IntEnum):
    """What an event says; the filter computes this number: DELNEIGH adds 1, NTF_SELF (the VXLAN device's own) 2."""

    BRIDGE_NEW = 0
    BRIDGE_DEL = 1
    VXLAN_NEW = 2
    VXLAN_DEL = 3


def _bpf(command: int, attributes: bytes) -> int:
    number = _SYS_BPF.get(platform.machine())
    if number is None:
        raise BenchError(f"no bpf system call number known for {platform.machine()}")
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result: int = _LIBC.syscall(number, command, buffer, len(attributes))
    if result < 0:
        code = ctypes.get_errno()
        raise BenchError(f"bpf: {os.strerror(code)} (the benchmarks need root and CONFIG_BPF_SYSCALL)")
    return result


def _op(code: int, dst: int = 0, src: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, src << 4 | dst, offset, value)


def _load_map(register: int, descriptor: int) -> bytes:
    return _op(0x18, register, 1, 0, descriptor) + _op(0)  # BPF_PSEUDO_MAP_FD: a double instruction


def _program(counters: int, stamps: int, shift: int) -> bytes:
    """The filter: r6 the packet, r7 the kind of event, r8 its number, r9 where its time goes."""
    new, old, bridge_family, self_flag = 0x1C00, 0x1D00, 7, 2  # types as a big-endian load sees host order
    lookup, ktime, drop = 1, 5, -1
    steps: list[tuple[bytes, int | None]] = [  # (instruction, or a jump whose target is the label)
        (_op(0xBF, 6, 1), None),
        (_op(0xB7, 7, 0, 0, 0), None),
        (_op(0x28, 0, 0, 0, 4), None),  # r0 = nlmsg_type
        (_op(0x15, 0, 0, 2, new), None),
        (_op(0x55, 0, 0, 0, old), drop),
        (_op(0xB7, 7, 0, 0, 1), None),
        (_op(0x30, 0, 0, 0, 16), None),  # r0 = ndm_family
        (_op(0x55, 0, 0, 0, bridge_family), drop),
        (_op(0x30, 0, 0, 0, 26), None),  # r0 = ndm_flags
        (_op(0x57, 0, 0, 0, self_flag), None),
        (_op(0x0F, 7, 0), None),
        (_op(0x63, 10, 7, -4), None),
        (_load_map(1, counters), None),
        (_op(0xBF, 2, 10) + _op(0x07, 2, 0, 0, -4), None),
        (_op(0x85, 0, 0, 0, lookup), None),
        (_op(0x15, 0, 0, 0, 0), drop),
        (_op(0xB7, 8, 0, 0, 1), None),
        (_op(0xDB, 0, 8, 0, 0x01), None),  # r8 = fetch and add 1
        (_op(0x57, 8, 0, 0, (1 << shift) - 1), None),
        (_op(0x67, 7, 0, 0, shift), None),
        (_op(0x4F, 8, 7), None),
        (_op(0x63, 10, 8, -8), None),
        (_load_map(1, stamps), None),
        (_op(0xBF, 2, 10) + _op(0x07, 2, 0, 0, -8), None),
        (_op(0x85, 0, 0, 0, lookup), None),
        (_op(0x15, 0, 0, 0, 0), drop),
        (_op(0xBF, 9, 0), None),
        (_op(0x85, 0, 0, 0, ktime), None),
        (_op(0x7B, 9, 0, 0), None),
    ]
    end = sum(len(code) for code, _ in steps) // 8
    out = b""
    for code, label in steps:
        if label is not None:  # every jump to a label leads to the end, where the event is dropped
            here = len(out) // 8
            code = code[:2] + struct.pack("=h", end - here - 1) + code[4:]
        out += code
    return out + _op(0xB7, 0, 0, 0, 0) + _op(0x95)


class EventClock:
    """Counts of FDB events since it was made, and the time of each (the last 2**shift of a kind)."""

    def __init__(self, namespace: Namespace, shift: int = 18) -> None:
        self._shift = shift
        self._mask = (1 << shift) - 1
        counters, self._counters = self._map(len(Kind))
        stamps, self._stamps = self._map(len(Kind) << shift)
        self._socket = namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._attach(_program(counters, stamps, shift))
        os.close(counters)
        os.close(stamps)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _RTNLGRP_NEIGH)

    @staticmethod
    def _map(entries: int) -> tuple[int, memoryview]:
        descriptor = _bpf(_MAP_CREATE, struct.pack("=IIIII", _MAP_TYPE_ARRAY, 4, 8, entries, _F_MMAPABLE))
        return descriptor, memoryview(mmap.mmap(descriptor, entries * 8, prot=mmap.PROT_READ)).cast("Q")

    def _attach(self, program: bytes) -> None:
        code = ctypes.create_string_buffer(program, len(program))
        licence = ctypes.create_string_buffer(b"GPL")
        where = (len(program) // 8, ctypes.addressof(code), ctypes.addressof(licence))
        descriptor = _bpf(_PROG_LOAD, struct.pack("=IIQQIIQII", _PROG_TYPE_SOCKET_FILTER, *where, 0, 0, 0, 0, 0))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_BPF, descriptor)
        os.close(descriptor)

    def count(self, kind: Kind) -> int:
        return self._counters[kind]

    def time_ns(self, kind: Kind, number: int) -> int:
        """When event `number` (from 0) of that kind happened."""
        return self._stamps[kind << self._shift | number & self._mask]

    def counts(self) -> dict[Kind, int]:
        return {kind: self._counters[kind] for kind in Kind}

    def close(self) -> None:
        self._socket.close()
        self._counters.release()
        self._stamps.release()

"""A socket filter, run by the kernel, that keeps what evpnd does itself out of its monitor socket.

The kernel's FDB messages name no originator (port id 0), so echoes are known by content: an entry that is EXT_LEARNED
and merely reachable is one that a control plane wrote; people's entries are static or permanent, learned ones lack
EXT_LEARNED. On ports that are not VXLAN devices such entries are not ours: drivers of switches report so what their
hardware learned. Neighbours of other families are dropped too. Pure: makes the program's bytes.
Instructions: linux/filter.h (classic BPF); loads are big-endian, fields of netlink are not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from struct import pack

from evpnd.fib.neighbour import AF_BRIDGE, NTF_EXT_LEARNED, NTF_SELF, NUD_REACHABLE
from evpnd.fib.netlink import HEADER_SIZE, RTM_DELNEIGH, RTM_NEWNEIGH

PORTS = 1000  # VXLAN devices at most that the filter tells from other ports: it looks at them one by one

_LOAD_WORD = 0x20
_LOAD_HALF = 0x28
_LOAD_BYTE = 0x30
_JUMP = 0x05
_JUMP_EQUAL = 0x15
_JUMP_BITS = 0x45
_RETURN = 0x06

_TYPE_AT = 4
_FAMILY_AT = HEADER_SIZE
_IFINDEX_AT = HEADER_SIZE + 4
_STATE_AT = HEADER_SIZE + 8
_FLAGS_AT = HEADER_SIZE + 10

_ACCEPT = 0xFFFFFFFF
_BLOCK = 200  # a jump on a condition goes 255 instructions at most

Instruction = tuple[int, int, int, int]


def echo_filter(deaf: bool = False, vxlan: Sequence[int] | None = None) -> bytes:
    """The program as an array of struct sock_filter; `deaf` drops the deletion of such entries as well.

    `vxlan`: the devices on which a bridge's entries may be ours; None when that is any.
    """
    accept, drop = 12, 11
    program: list[Instruction] = [
        (_LOAD_HALF, 0, 0, _TYPE_AT),
        (_JUMP_EQUAL, 1, 0, _swapped(RTM_NEWNEIGH)),
        (_JUMP_EQUAL, 0, accept - 3, _swapped(RTM_DELNEIGH)),
        (_LOAD_BYTE, 0, 0, _FAMILY_AT),
        (_JUMP_EQUAL, 0, drop - 5, AF_BRIDGE),
        (_LOAD_HALF, 0, 0, _TYPE_AT),
        (_JUMP_EQUAL, 0 if deaf else accept - 7, 0, _swapped(RTM_DELNEIGH)),
        (_LOAD_BYTE, 0, 0, _FLAGS_AT),
        (_JUMP_BITS, 0, accept - 9, NTF_EXT_LEARNED),
        (_LOAD_HALF, 0, 0, _STATE_AT),
        (_JUMP_EQUAL, drop - 11 if vxlan is None else accept - 10, accept - 11, _swapped(NUD_REACHABLE)),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, _ACCEPT),
    ]
    if vxlan is not None:
        program += _drop_on(vxlan)
    return b"".join(pack("=HBBI", *instruction) for instruction in program)


def _drop_on(vxlan: Sequence[int]) -> list[Instruction]:
    """Drop a VXLAN device's own entries, and a bridge's on these ports."""
    program: list[Instruction] = [
        (_LOAD_BYTE, 0, 0, _FLAGS_AT),
        (_JUMP_BITS, 0, 1, NTF_SELF),
        (_RETURN, 0, 0, 0),
        (_LOAD_WORD, 0, 0, _IFINDEX_AT),
    ]
    for start in range(0, len(vxlan), _BLOCK):
        block = vxlan[start : start + _BLOCK]
        program += [(_JUMP_EQUAL, len(block) - at, 0, _swapped(port, 4)) for at, port in enumerate(block)]
        program += [(_JUMP, 0, 0, 1), (_RETURN, 0, 0, 0)]
    return [*program, (_RETURN, 0, 0, _ACCEPT)]


def _swapped(value: int, size: int = 2) -> int:
    """A field in host order as a big-endian load sees it."""
    return int.from_bytes(value.to_bytes(size, sys.byteorder), "big")

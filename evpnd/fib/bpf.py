"""A socket filter, run by the kernel, that keeps what evpnd does itself out of its monitor socket.

The kernel's FDB messages name no originator (port id 0), so echoes are known by content: an entry that is EXT_LEARNED
and merely reachable is one that a control plane wrote; people's entries are static or permanent, learned ones lack
EXT_LEARNED. Neighbours of other families are dropped too. Pure: makes the program's bytes.
Instructions: linux/filter.h (classic BPF); loads are big-endian, fields of netlink are not.
"""

from __future__ import annotations

import sys
from struct import pack

from evpnd.fib.neighbour import AF_BRIDGE, NTF_EXT_LEARNED, NUD_REACHABLE
from evpnd.fib.netlink import HEADER_SIZE, RTM_DELNEIGH, RTM_NEWNEIGH

_LOAD_HALF = 0x28
_LOAD_BYTE = 0x30
_JUMP_EQUAL = 0x15
_JUMP_BITS = 0x45
_RETURN = 0x06

_TYPE_AT = 4
_FAMILY_AT = HEADER_SIZE
_STATE_AT = HEADER_SIZE + 8
_FLAGS_AT = HEADER_SIZE + 10

_ACCEPT = 0xFFFFFFFF

Instruction = tuple[int, int, int, int]


def echo_filter(deaf: bool = False) -> bytes:
    """The program as an array of struct sock_filter; `deaf` drops the deletion of such entries as well."""
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
        (_JUMP_EQUAL, drop - 11, accept - 11, _swapped(NUD_REACHABLE)),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, _ACCEPT),
    ]
    return b"".join(pack("=HBBI", *instruction) for instruction in program)


def _swapped(value: int) -> int:
    """A 16-bit field in host order as a big-endian load sees it."""
    return int.from_bytes(value.to_bytes(2, sys.byteorder), "big")

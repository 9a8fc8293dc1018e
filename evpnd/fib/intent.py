"""Intents: what the kernel should hold, as pairs of bytes, and the requests that make it so.

Owns the forms of keys and values and the table KINDS, the one place to touch for a further kind of object (neighbours,
next hops, routes). A key is `scope + rest`: the scope (first octet: the kind, next four: the device) is shared by many
keys, so a request is a template made once a (scope, value), joined by the key's rest: `rest.join(template)`.
Must not know what is in the kernel, nor do I/O. FDB entries of EVPN: RFC 7432 sections 9 and 11, RFC 8365 section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from evpnd.fib.neighbour import (
    NTF_EXT_LEARNED,
    NTF_MASTER,
    NTF_SELF,
    NTF_STICKY,
    NUD_NOARP,
    NUD_PERMANENT,
    NUD_REACHABLE,
    ZERO_MAC,
    FdbEntry,
    decode_fdb,
    encode_fdb,
)
from evpnd.fib.netlink import (
    HEADER_SIZE,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
    RTM_DELNEIGH,
    RTM_NEWNEIGH,
    Refusal,
)

FDB = 1
FLOOD = 2

# The kernel keeps one set of marks for a whole flood list, and a list of which a user wrote a part is not externally
# learned. So what is ours in such a list stands a second time under this group address, to which nobody sends ("evpnd"
# in ASCII, locally administered): there an earlier run's entries are told from others'.
FLOOD_REGISTER = bytes.fromhex("036576706e64")

# Values that no intent has, for what the kernel holds of a key when that is not a whole entry.
LOST = b""  # one of an entry's two halves is missing
STICKY_LOST = b"\x01"  # the same of a sticky one: its mark may be left
ALTERED = b"\xfe"  # the entry has marks that a replace alone doesn't undo
_REMAINS = frozenset((LOST, STICKY_LOST, ALTERED))

_STICKY = 0x01
_SCOPE = Struct("=BiH")
_VALUE = Struct("=BII")
_DEVICE = Struct("=xi")
_U32 = Struct("=I")
_MAC_AT = 32  # nlmsghdr 16, ndmsg 12, attribute header 4
_DST_AT = 44  # the same, a zero MAC with its padding, attribute header 4

Template = tuple[bytes, ...]


def fdb_prefix(ifindex: int, vlan: int) -> bytes:
    """Scope of the MACs behind one VXLAN port: `fdb_prefix(...) + mac` is a key."""
    return _SCOPE.pack(FDB, ifindex, vlan)


def fdb_key(ifindex: int, vlan: int, mac: bytes) -> bytes:
    return _SCOPE.pack(FDB, ifindex, vlan) + mac


@lru_cache(maxsize=65536)
def fdb_value(dst: bytes, *, sticky: bool = False, src_vni: int = 0, nh_id: int = 0) -> bytes:
    """Where a MAC is: behind VTEP `dst` (4 or 16 octets), or behind next-hop group `nh_id`."""
    return _VALUE.pack(_STICKY if sticky else 0, src_vni, nh_id) + dst


def flood_key(ifindex: int, src_vni: int, dst: bytes) -> bytes:
    """A VTEP to which broadcast, unknown unicast and multicast are sent."""
    return _SCOPE.pack(FLOOD, ifindex, 0) + _U32.pack(src_vni) + dst


def flood_value() -> bytes:
    return b"\x00"


def is_sticky(held: bytes) -> bool:
    return bool(held) and bool(held[0] & _STICKY)


def is_whole(held: bytes) -> bool:
    """A value, not what is left of one."""
    return held not in _REMAINS


def remains_of(held: bytes) -> bytes:
    """What the kernel may hold of an entry when one half of it is gone."""
    return ALTERED if held == ALTERED else STICKY_LOST if is_sticky(held) else LOST


def device_of(key: bytes) -> int:
    """The device a key (or scope) belongs to."""
    return int(_DEVICE.unpack_from(key)[0])


class Kind(NamedTuple):
    """How one kind of object is written; `order` ranks adds (next hops before users), deletes go the other way."""

    name: str
    order: int
    scope_size: int
    add: Callable[[bytes, int, bytes, bool], Template]  # (scope, size of the rest, value, shared)
    replace_altered: Callable[[bytes, int, bytes, bool], Template]
    delete: Callable[[bytes, int, bytes, bool], Template]  # (scope, size of the rest, what the kernel holds, shared)
    describe: Callable[[bytes], str]


def describe(key: bytes) -> str:
    """A key in words for logs and tables."""
    return KINDS[key[0]].describe(key)


@lru_cache(maxsize=4096)
def _fdb_add(scope: bytes, _size: int, value: bytes, _shared: bool) -> Template:
    _, ifindex, vlan = _SCOPE.unpack(scope)
    flags, src_vni, nh_id = _VALUE.unpack_from(value)
    dst = b"" if nh_id else value[_VALUE.size :]
    both = NTF_SELF | NTF_MASTER | NTF_EXT_LEARNED
    entry = FdbEntry(ifindex, NUD_REACHABLE, both, ZERO_MAC, 0, vlan, dst, src_vni, nh_id)
    message = encode_fdb(entry, RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE)
    if not flags & _STICKY:
        return _cut(message, _MAC_AT, 6)
    # A bridge ignores NTF_STICKY beside NTF_EXT_LEARNED: make the entry sticky first, then claim it. It must be static
    # or the kernel refuses it on a port that does not forward at the moment.
    sticky = FdbEntry(ifindex, NUD_NOARP, NTF_MASTER | NTF_STICKY, ZERO_MAC, 0, vlan)
    first = encode_fdb(sticky, RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE)
    return _chain(_cut(first, _MAC_AT, 6), _cut(message, _MAC_AT, 6))


@lru_cache(maxsize=4096)
def _fdb_replace_altered(scope: bytes, size: int, value: bytes, shared: bool) -> Template:
    """A bridge keeps an entry's static and sticky marks through a replace, a VXLAN device a user's: delete first."""
    return _chain(_fdb_delete(scope, size, ALTERED, shared), _fdb_add(scope, size, value, shared))


@lru_cache(maxsize=4096)
def _fdb_delete(scope: bytes, _size: int, held: bytes, _shared: bool) -> Template:
    """One request for both halves, unless one may be missing: the kernel stops at the first half that is not there."""
    if not is_whole(held):
        return _chain(_fdb_delete_half(scope, NTF_MASTER), _fdb_delete_half(scope, NTF_SELF))
    return _fdb_delete_half(scope, NTF_SELF | NTF_MASTER)


def _fdb_delete_half(scope: bytes, flags: int) -> Template:
    """Without NDA_DST: with one, the kernel says yes and removes nothing when the VTEP is another."""
    _, ifindex, vlan = _SCOPE.unpack(scope)
    entry = FdbEntry(ifindex, NUD_REACHABLE, flags | NTF_EXT_LEARNED, ZERO_MAC, 0, vlan)
    return _cut(encode_fdb(entry, RTM_DELNEIGH, NLM_F_REQUEST), _MAC_AT, 6)


def _describe_fdb(key: bytes) -> str:
    _, ifindex, vlan = _SCOPE.unpack_from(key)
    return f"MAC {key[_SCOPE.size :].hex(':')}" + (f" VLAN {vlan}" if vlan else "") + f" on device {ifindex}"


@lru_cache(maxsize=4096)
def _flood_add(scope: bytes, size: int, _value: bytes, shared: bool) -> Template:
    """The flags of a flood list are those of its last writer: where others have entries too, claim none of it, and
    register what is ours. Of the two, a run that ends between them must not leave the unregistered one."""
    flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND
    if not shared:
        return _flood(scope, size, NTF_SELF | NTF_EXT_LEARNED, RTM_NEWNEIGH, flags)
    register = _flood(scope, size, NTF_SELF | NTF_EXT_LEARNED, RTM_NEWNEIGH, flags, FLOOD_REGISTER)
    return _chain(register, _flood(scope, size, NTF_SELF, RTM_NEWNEIGH, flags))


@lru_cache(maxsize=4096)
def _flood_delete(scope: bytes, size: int, _held: bytes, shared: bool) -> Template:
    flags = NTF_SELF | NTF_EXT_LEARNED
    entry = _flood(scope, size, flags, RTM_DELNEIGH, NLM_F_REQUEST)
    return _chain(entry, _flood(scope, size, flags, RTM_DELNEIGH, NLM_F_REQUEST, FLOOD_REGISTER)) if shared else entry


def _flood(
    scope: bytes, size: int, flags: int, message_type: int, message_flags: int, mac: bytes = ZERO_MAC
) -> Template:
    _, ifindex, _ = _SCOPE.unpack_from(scope)
    src_vni = int(_U32.unpack_from(scope, _SCOPE.size)[0])
    state = NUD_NOARP | NUD_PERMANENT
    entry = FdbEntry(ifindex, state, flags, mac, 0, 0, bytes(size), src_vni)
    return _cut(encode_fdb(entry, message_type, message_flags), _DST_AT, size)


def vtep_of(key: bytes) -> bytes:
    """The VTEP that a flood entry's key names."""
    return key[_FLOOD_SCOPE_SIZE:]


def _describe_flood(key: bytes) -> str:
    _, ifindex, _ = _SCOPE.unpack_from(key)
    dst = vtep_of(key)
    return f"flooding to {'.'.join(map(str, dst)) if len(dst) == 4 else dst.hex(':', 2)} on device {ifindex}"


def _cut(message: bytes, offset: int, size: int) -> Template:
    return (message[:offset], message[offset + size :])


def _chain(first: Template, second: Template) -> Template:
    """One template for two requests about the same key."""
    return (*first[:-1], first[-1] + second[0], *second[1:])


_FLOOD_SCOPE_SIZE = _SCOPE.size + _U32.size

KINDS: dict[int, Kind] = {
    FDB: Kind("fdb", 1, _SCOPE.size, _fdb_add, _fdb_replace_altered, _fdb_delete, _describe_fdb),
    FLOOD: Kind("flood", 1, _FLOOD_SCOPE_SIZE, _flood_add, _flood_add, _flood_delete, _describe_flood),
}


def fdb_key_of(entry: FdbEntry, vlan: int) -> bytes | None:
    """The key that an entry on a VXLAN port has; None for what evpnd never writes, such as a bridge's flood entry."""
    if entry.mac in (ZERO_MAC, FLOOD_REGISTER):
        if entry.master or len(entry.dst) not in (4, 16):
            return None
        return flood_key(entry.ifindex, entry.src_vni, entry.dst)
    return _SCOPE.pack(FDB, entry.ifindex, vlan) + entry.mac


def refused_keys(refusals: Iterable[Refusal]) -> list[tuple[bytes, int, str, bool]]:
    """(key, errno, text, was it about both halves) of each: the kernel sends requests back whole."""
    found = []
    for refusal in refusals:
        entry = decode_fdb(refusal.request[HEADER_SIZE:])
        key = fdb_key_of(entry, entry.vlan) if entry is not None else None
        if entry is not None and key is not None:
            both = entry.flags & (NTF_SELF | NTF_MASTER) == NTF_SELF | NTF_MASTER
            found.append((key, refusal.errno, refusal.text, both))
    return found

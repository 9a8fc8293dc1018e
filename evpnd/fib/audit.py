"""Compares what the kernel's FDB holds with the mirror: all of it at start, after an overrun, and now and then, or what
it says of some keys.

Fed one entry at a time while the daemon goes on working: whatever changes meanwhile is in `mirror.witness` and is left
to the messages that told of it. Entries of ours that nobody desires are adopted (RFC 4724: kept until swept). Must not
do I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

from evpnd.fib.intent import (
    ALTERED,
    FDB,
    FLOOD,
    FLOOD_REGISTER,
    KINDS,
    LOST,
    STICKY_LOST,
    device_of,
    fdb_key_of,
    fdb_value,
)
from evpnd.fib.mirror import BRIDGE_HALF, DEVICE_HALF, LocalEntry, is_foreign, local_entry, local_key, split_local_key
from evpnd.fib.neighbour import NTF_EXT_LEARNED, NTF_MASTER, NTF_SELF, NTF_STICKY, ZERO_MAC, FdbEntry, encode_fdb
from evpnd.fib.netlink import NLM_F_REQUEST, RTM_GETNEIGH
from evpnd.fib.reconcile import Reconciler

_STEP = 2000
_DATAGRAM = 64  # keys a datagram: their answers fit into a socket's buffer of the usual size
_SCOPE_SIZE = KINDS[FDB].scope_size
_MAC_AT = 32  # nlmsghdr 16, ndmsg 12, attribute header 4

_PLAIN, _STICKY, _ALTERED = 0, 1, 2
_MARKS = (LOST, STICKY_LOST, ALTERED)  # what is left of an entry when only the bridge's half is there


class Audit:
    """One comparison: `feed` every entry that was read, then exhaust `finish`."""

    __slots__ = (
        "_bridge_halves",
        "_device_halves",
        "_floods",
        "_foreign",
        "_keys",
        "_local",
        "_mirror",
        "_reconciler",
        "_registered",
        "cut",
        "left",
    )

    def __init__(
        self, reconciler: Reconciler, in_flight: Iterable[bytes] = (), keys: Sequence[bytes] | None = None
    ) -> None:
        """`in_flight`: keys about which requests are on their way. `keys`: the kernel was asked for these alone."""
        self.cut: set[int] = set()  # VXLAN devices that were left out
        self.left: list[bytes] = []  # keys that may be there, and are still to be compared
        self._keys = keys
        self._reconciler = reconciler
        self._mirror = reconciler.mirror
        self._mirror.witness = set(in_flight)
        self._bridge_halves: dict[bytes, int] = {}
        self._device_halves: dict[bytes, bytes] = {}
        self._floods: dict[bytes, FdbEntry] = {}
        self._registered: set[bytes] = set()
        self._foreign: dict[bytes, int] = {}
        self._local: dict[int, dict[bytes, LocalEntry]] = {}

    def feed(self, entries: Iterable[FdbEntry]) -> None:
        """Some of the dump's entries."""
        vxlan = {ifindex for ifindex, link in self._mirror.links.items() if link.vxlan is not None}
        for entry in entries:
            if self._mirror.is_unused(entry):
                continue
            if entry.ifindex in vxlan:
                self._feed_remote(entry)
            elif entry.master:
                macs = self._local.setdefault(entry.master, {})
                macs[local_key(entry.vlan, entry.mac)] = local_entry(entry.ifindex, entry.state, entry.flags)

    def _feed_remote(self, entry: FdbEntry) -> None:
        key = fdb_key_of(entry, entry.vlan)
        if key is None:
            return
        if entry.mac == FLOOD_REGISTER:
            self._registered.add(key)
        elif key[0] == FLOOD:
            self._floods[key] = entry
        elif key not in self._mirror.owned and is_foreign(entry):
            half = BRIDGE_HALF if entry.master else DEVICE_HALF
            self._foreign[key] = self._foreign.get(key, 0) | half
        elif entry.master:
            self._feed_bridge_half(entry, key)
        else:
            self._feed_device_half(entry, key)

    def _sort_floods(self) -> None:
        """Whose they are, now that the register is read."""
        mirror = self._mirror
        for key, entry in self._floods.items():
            others = self._is_others(entry, key)
            if others or is_foreign(entry):
                mirror.share(entry.ifindex)
            if key not in mirror.owned and others:
                self._foreign[key] = DEVICE_HALF
                continue
            registered = entry.ifindex not in mirror.shared_floods or key in self._registered
            self._device_halves[key] = b"\x00" if registered else LOST
            if key in mirror.foreign and not self._is_fresher(key):
                mirror.forget_foreign(key, 0)
        for key in self._registered - self._floods.keys():
            self._device_halves[key] = LOST

    def _is_others(self, entry: FdbEntry, key: bytes) -> bool:
        """By its marks. (What we wrote and somebody changed stays ours, to be restored.)"""
        # The remote that the device was made with gets our mark with the first entry that we append beside it.
        link = self._mirror.links.get(entry.ifindex)
        if link is not None and link.vxlan is not None and link.vxlan.remote == entry.dst:
            return True
        return is_foreign(entry) and key not in self._registered

    def _feed_bridge_half(self, entry: FdbEntry, key: bytes) -> None:
        if entry.flags & NTF_STICKY:
            self._bridge_halves[key] = _STICKY
        elif entry.flags & NTF_EXT_LEARNED:
            self._bridge_halves[key] = _PLAIN if entry.is_dynamic else _ALTERED

    def _feed_device_half(self, entry: FdbEntry, key: bytes) -> None:
        if entry.flags & NTF_EXT_LEARNED:
            odd = entry.detour or not (entry.dst or entry.nh_id)
            value = ALTERED if odd else fdb_value(entry.dst, src_vni=entry.src_vni, nh_id=entry.nh_id)
            self._device_halves[key] = value

    def finish(self) -> Iterator[None]:
        """Bring the mirror to what the dump said, in steps: the daemon may do other things between two of them."""
        self._sort_floods()
        last = (
            (self._settle_gone(), self._settle_lacking()) if self._keys is None else (self._settle_asked(self._keys),)
        )
        for work in (self._settle_local(), self._settle_foreign(), self._settle_owned(), *last):
            for count, _ in enumerate(work, 1):
                if count % _STEP == 0:
                    yield
            yield

    def close(self) -> None:
        self._mirror.witness = None

    def _is_fresher(self, key: bytes | tuple[int, bytes]) -> bool:
        return self._mirror.witness is not None and key in self._mirror.witness

    @contextmanager
    def _by_itself(self) -> Iterator[None]:
        """What the audit changes is no news to it."""
        witness, self._mirror.witness = self._mirror.witness, None
        yield
        self._mirror.witness = witness

    def _settle_local(self) -> Iterator[None]:
        mirror = self._mirror
        for bridge, macs in self._local.items():
            for key, entry in macs.items() if bridge in mirror.links else ():
                # (Of a device that was not known yet its own messages tell the rest.)
                known = entry.port in mirror.links and not mirror.is_vxlan(entry.port)
                if known and mirror.occupied.get(bridge, {}).get(key) != entry and not self._is_fresher((bridge, key)):
                    with self._by_itself():
                        mirror.occupy(bridge, key, entry)
                if self.cut:  # remains of our own entries tell that the MAC was remote
                    self.left += (
                        k for k in mirror.rivals(bridge, key) if k not in mirror.owned and device_of(k) in self.cut
                    )
                yield
        for bridge in list(mirror.occupied) if self._keys is None else ():
            for key in mirror.occupied.get(bridge, {}).keys() - self._local.get(bridge, {}).keys():
                if not self._is_fresher((bridge, key)):
                    with self._by_itself():
                        mirror.vacate(bridge, key)
                yield

    def _settle_foreign(self) -> Iterator[None]:
        mirror = self._mirror
        for key in list(mirror.foreign) if self._keys is None else self._keys:
            gone = key in mirror.foreign and key not in self._foreign and self._covers(key)
            if gone and not self._is_fresher(key):
                mirror.forget_foreign(key, 0)
            elif self._keys is None and not self._covers(key):
                self.left.append(key)
            yield
        for key, halves in self._foreign.items():
            if not self._is_fresher(key) and key not in mirror.owned:
                mirror.note_foreign(key, halves)
            yield

    def _settle_owned(self) -> Iterator[None]:
        owned = self._mirror.owned
        for key, value in self._found():
            if owned.get(key) != value and not self._is_fresher(key):
                owned[key] = value
                self._judge(key, value)
            yield

    def _found(self) -> Iterator[tuple[bytes, bytes]]:
        """What the two halves make together."""
        halves = self._bridge_halves
        for key, value in self._device_halves.items():
            if key[0] == FLOOD:
                yield key, value
                continue
            mark = halves.pop(key, None)
            if mark == _STICKY and value != ALTERED:
                value = self._as_sticky(value)
            elif mark == _ALTERED:
                value = ALTERED
            yield key, LOST if mark is None else value
        for key, mark in halves.items():
            yield key, _MARKS[mark]

    @staticmethod
    def _as_sticky(value: bytes) -> bytes:
        return b"\x01" + value[1:]

    def _judge(self, key: bytes, value: bytes) -> None:
        """A difference was found: is there something to do about it?"""
        reconciler = self._reconciler
        wanted = reconciler.desired.get(key)
        if wanted is None:
            if reconciler.swept:
                reconciler.dirty[key] = None
        elif wanted != value and not self._waits(key):
            reconciler.dirty[key] = None

    def _covers(self, key: bytes) -> bool:
        """Would it have been told if it were there? (A device asked for its flood list tells the first of it only.)"""
        if self._keys is not None:
            return key[0] != FLOOD
        return not self.cut or device_of(key) not in self.cut

    def _is_missing(self, key: bytes) -> bool:
        return key not in self._device_halves and key not in self._bridge_halves and not self._is_fresher(key)

    def _settle_gone(self) -> Iterator[None]:
        owned, desired = self._mirror.owned, self._reconciler.desired
        for key in list(owned):
            if self._covers(key):
                if self._is_missing(key):
                    owned.pop(key, None)
            elif key[0] != FLOOD or key in desired:
                self.left.append(key)
            yield

    def _settle_lacking(self) -> Iterator[None]:
        owned, reconciler = self._mirror.owned, self._reconciler
        for key in list(reconciler.desired):
            if key not in owned:
                if not self._covers(key):
                    self.left.append(key)
                elif not self._waits(key):
                    reconciler.dirty[key] = None
            yield

    def _settle_asked(self, keys: Sequence[bytes]) -> Iterator[None]:
        """What is not there may be written now. (To write a flood entry again that is there does no harm.)"""
        mirror, reconciler = self._mirror, self._reconciler
        for key in keys:
            wanted = reconciler.desired.get(key)
            if self._is_missing(key):
                if wanted is not None and key not in mirror.foreign:
                    mirror.owned[key] = LOST
                elif self._covers(key):
                    mirror.owned.pop(key, None)
            if wanted is not None and mirror.owned.get(key) != wanted:
                reconciler.dirty[key] = None
            yield

    def _waits(self, key: bytes) -> bool:
        """Is it known why this is not in the kernel?"""
        reconciler = self._reconciler
        return key in reconciler.failures or key in reconciler.yielded or key in reconciler.held.get(device_of(key), ())


def questions(keys: Iterable[bytes]) -> list[bytes]:
    """Datagrams that ask for both halves of each of these, or for the head of the flood list."""
    asked = [_question(key) for key in keys]
    return [b"".join(asked[i : i + _DATAGRAM]) for i in range(0, len(asked), _DATAGRAM)]


def _question(key: bytes) -> bytes:
    template = _question_template(key[:_SCOPE_SIZE])
    return (ZERO_MAC if key[0] == FLOOD else key[_SCOPE_SIZE:]).join(template)


@lru_cache(maxsize=4096)
def _question_template(scope: bytes) -> tuple[bytes, ...]:
    ifindex = device_of(scope)
    head, tail = _ask(FdbEntry(ifindex, 0, NTF_SELF, ZERO_MAC))
    if scope[0] == FLOOD:
        return head, tail
    vlan, _ = split_local_key(scope[-2:])
    first, between = _ask(FdbEntry(ifindex, 0, NTF_MASTER, ZERO_MAC, 0, vlan))
    return first, between + head, tail


def _ask(entry: FdbEntry) -> tuple[bytes, bytes]:
    message = encode_fdb(entry, RTM_GETNEIGH, NLM_F_REQUEST)
    return message[:_MAC_AT], message[_MAC_AT + len(ZERO_MAC) :]

"""Compares a whole dump of the kernel's FDB with the mirror: at start, after an overrun, and now and then.

Fed one entry at a time while the daemon goes on working: whatever changes meanwhile is in `mirror.witness` and is left
to the messages that told of it. Entries of ours that nobody desires are adopted (RFC 4724: kept until swept). Must not
do I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from evpnd.fib.intent import ALTERED, FLOOD, LOST, STICKY_LOST, device_of, fdb_key_of, fdb_value
from evpnd.fib.mirror import BRIDGE_HALF, DEVICE_HALF, LocalEntry, is_foreign, local_entry, local_key
from evpnd.fib.neighbour import NTF_EXT_LEARNED, NTF_STICKY, ZERO_MAC, FdbEntry
from evpnd.fib.reconcile import Reconciler

_STEP = 2000

_PLAIN, _STICKY, _ALTERED = 0, 1, 2
_MARKS = (LOST, STICKY_LOST, ALTERED)  # what is left of an entry when only the bridge's half is there


class Audit:
    """One comparison: `feed` every entry of the dump, then exhaust `finish`."""

    __slots__ = ("_bridge_halves", "_device_halves", "_foreign", "_local", "_mirror", "_reconciler")

    def __init__(self, reconciler: Reconciler, in_flight: Iterable[bytes] = ()) -> None:
        """`in_flight`: keys about which requests are on their way."""
        self._reconciler = reconciler
        self._mirror = reconciler.mirror
        self._mirror.witness = set(in_flight)
        self._bridge_halves: dict[bytes, int] = {}
        self._device_halves: dict[bytes, bytes] = {}
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
        if key not in self._mirror.owned and self._is_others(entry):
            half = BRIDGE_HALF if entry.master else DEVICE_HALF
            self._foreign[key] = self._foreign.get(key, 0) | half
        elif entry.master:
            self._feed_bridge_half(entry, key)
        else:
            self._feed_device_half(entry, key)

    def _is_others(self, entry: FdbEntry) -> bool:
        """By its marks. (What we wrote and somebody changed stays ours, to be restored.)"""
        if entry.mac == ZERO_MAC:
            # The remote that the device was made with gets our mark with the first entry that we append beside it.
            link = self._mirror.links[entry.ifindex]
            if link.vxlan is not None and link.vxlan.remote == entry.dst:
                return True
        return is_foreign(entry)

    def _feed_bridge_half(self, entry: FdbEntry, key: bytes) -> None:
        if entry.flags & NTF_STICKY:
            self._bridge_halves[key] = _STICKY
        elif entry.flags & NTF_EXT_LEARNED:
            self._bridge_halves[key] = _PLAIN if entry.is_dynamic else _ALTERED

    def _feed_device_half(self, entry: FdbEntry, key: bytes) -> None:
        if key[0] == FLOOD:
            self._device_halves[key] = b"\x00"
        elif entry.flags & NTF_EXT_LEARNED:
            odd = entry.detour or not (entry.dst or entry.nh_id)
            value = ALTERED if odd else fdb_value(entry.dst, src_vni=entry.src_vni, nh_id=entry.nh_id)
            self._device_halves[key] = value

    def finish(self) -> Iterator[None]:
        """Bring the mirror to what the dump said, in steps: the daemon may do other things between two of them."""
        for work in (self._settle_local(), self._settle_foreign(), self._settle_owned(), self._settle_missing()):
            for count, _ in enumerate(work, 1):
                if count % _STEP == 0:
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
                yield
        for bridge in list(mirror.occupied):
            for key in mirror.occupied.get(bridge, {}).keys() - self._local.get(bridge, {}).keys():
                if not self._is_fresher((bridge, key)):
                    with self._by_itself():
                        mirror.vacate(bridge, key)
                yield

    def _settle_foreign(self) -> Iterator[None]:
        mirror = self._mirror
        for key in mirror.foreign.keys() - self._foreign.keys():
            if not self._is_fresher(key) and key in mirror.foreign:
                mirror.forget_foreign(key, 0)
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

    def _settle_missing(self) -> Iterator[None]:
        owned, reconciler = self._mirror.owned, self._reconciler
        for key in owned.keys() - self._device_halves.keys() - self._bridge_halves.keys():
            if key in owned and not self._is_fresher(key):
                del owned[key]
            yield
        for key in reconciler.desired.keys() - owned.keys():
            if not self._waits(key):
                reconciler.dirty[key] = None
            yield

    def _waits(self, key: bytes) -> bool:
        """Is it known why this is not in the kernel?"""
        reconciler = self._reconciler
        return key in reconciler.failures or key in reconciler.yielded or key in reconciler.held.get(device_of(key), ())

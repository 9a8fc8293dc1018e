"""Reads the kernel beside everything else: devices, and the FDB's small tables, whole, large tables key by key.

The kernel begins each piece (32 KiB) of a dump at the list's head again, the bridge's before the VXLAN device's, and
lets no request through meanwhile: a bridge of 100,000 MACs takes a second, one of 1,000,000 minutes. A question about
one key takes 4 us whatever the size. So of a large bridge only the other ports are dumped; of its VXLAN devices the
keys that evpnd knows are asked for. What it does not know there it finds by `search`, slowly, or by asking before it
writes. Knows how to read, not when; what is found goes to Audit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from evpnd.fib.address import Addresses
from evpnd.fib.audit import Audit, questions
from evpnd.fib.channel import Channel
from evpnd.fib.intent import FLOOD_REGISTER, fdb_key_of
from evpnd.fib.inventory import Inventory
from evpnd.fib.neighbour import ZERO_MAC, FdbEntry, decode_fdb, decode_fdb_dump, encode_fdb_dump
from evpnd.fib.reconcile import Reconciler

LARGE = 1 << 15  # entries of one bridge (a MAC has two) from which on asking is quicker than dumping
WHOLE_DUMPS = 3  # how often devices and addresses are read anew at once when they change meanwhile
_FLOODS = (ZERO_MAC, FLOOD_REGISTER)
SLICE = 256  # keys asked for at once: some 2 ms of the event loop's time


class Survey:
    """One at a time, as the mirror has one witness of what changes meanwhile."""

    __slots__ = ("_channel", "_in_flight", "_lock", "_mirror", "_reconciler")

    def __init__(self, channel: Channel, reconciler: Reconciler, in_flight: Callable[[], Iterable[bytes]]) -> None:
        """`in_flight`: keys about which requests are on their way."""
        self._channel = channel
        self._reconciler = reconciler
        self._mirror = reconciler.mirror
        self._in_flight = in_flight
        self._lock = asyncio.Lock()

    async def read(self, request: bytes, reader: Inventory | Addresses) -> bool:
        """Read all there are of a kind, again when they changed meanwhile; False when some may be missing yet."""
        for _ in range(WHOLE_DUMPS):
            reader.begin()
            await self._channel.dump(request, reader.feed)
            if not reader.torn:
                break
        return reader.finish()

    async def compare(self) -> Audit:
        """Compare all that dumps tell in good time. The audit says what was left out: `compare_left`."""
        async with self._lock:
            audit = Audit(self._reconciler, self._in_flight())
            try:
                if not await self._feed_all(audit):
                    audit = Audit(self._reconciler, self._in_flight())
                    await self._feed_by_device(audit)
                for _ in audit.finish():
                    await asyncio.sleep(0)
            finally:
                audit.close()
        return audit

    async def compare_left(self, keys: list[bytes]) -> None:
        """Compare what the audit left, but for what will be written anyhow."""
        for i in range(0, len(keys), SLICE):
            await self.ask([key for key in keys[i : i + SLICE] if key not in self._reconciler.dirty])

    async def ask(self, keys: list[bytes]) -> None:
        """Compare these keys; those that are not in the kernel may be written then."""
        async with self._lock:
            audit = Audit(self._reconciler, self._in_flight(), keys)
            try:
                found = map(decode_fdb, await self._channel.inquire(questions(keys)))
                audit.feed(entry for entry in found if entry is not None)
                _exhaust(audit)
            finally:
                audit.close()

    async def search(self, devices: Iterable[int], report: Callable[[list[bytes]], None]) -> None:
        """Read large tables after all, slowly, and report the keys in them that nobody knows of.

        They are to be asked about: the dump may be older than what else was heard of them.
        """
        for ifindex in devices:
            floods: list[FdbEntry] = []

            def feed(data: bytes, floods: list[FdbEntry] = floods) -> bool:
                entries, ended = decode_fdb_dump(data)
                report(list(self._unknown(entries)))
                floods += (entry for entry in entries if entry.mac in _FLOODS and not entry.master)
                return ended

            await self._channel.dump(encode_fdb_dump(ifindex), feed, gently=True)
            async with self._lock:  # (An inquiry can't ask for all of a flood list.)
                audit = Audit(self._reconciler, self._in_flight(), ())
                audit.feed(floods)
                _exhaust(audit)

    # Dumps

    async def _feed_all(self, audit: Audit) -> bool:
        """One dump of everything; False when one bridge is too large for it."""
        sizes: Counter[int] = Counter()

        def feed(data: bytes) -> bool:
            entries, ended = decode_fdb_dump(data)
            audit.feed(entries)
            return ended or self._grows_large(sizes, entries)

        await self._channel.dump(encode_fdb_dump(), feed)
        return max(sizes.values(), default=0) <= LARGE

    async def _feed_by_device(self, audit: Audit) -> None:
        """A dump of each bridge and each of its ports; of VXLAN devices as long as their bridge is not too large."""

        def feed(data: bytes) -> bool:
            entries, ended = decode_fdb_dump(data)
            audit.feed(entries)
            return ended

        links = self._mirror.links
        for link in list(links.values()):
            if link.vxlan is None and (link.kind == "bridge" or self._mirror.bridge_of(link.index) is not None):
                await self._channel.dump(encode_fdb_dump(link.index), feed)
        sizes: Counter[int] = Counter()
        for ifindex in [link.index for link in links.values() if link.vxlan is not None]:
            pieces = await self._read_unless_large(ifindex, sizes)
            if pieces is None:
                audit.cut.add(ifindex)
            for entries in pieces or ():
                audit.feed(entries)
                await asyncio.sleep(0)

    async def _read_unless_large(self, ifindex: int, sizes: Counter[int]) -> list[list[FdbEntry]] | None:
        link = self._mirror.links.get(ifindex)
        if link is not None and sizes[link.master] > LARGE:
            return None
        pieces: list[list[FdbEntry]] = []
        large = False

        def feed(data: bytes) -> bool:
            nonlocal large
            entries, ended = decode_fdb_dump(data)
            pieces.append(entries)
            large = self._grows_large(sizes, entries)
            return ended or large

        await self._channel.dump(encode_fdb_dump(ifindex), feed)
        return None if large else pieces

    def _grows_large(self, sizes: Counter[int], entries: list[FdbEntry]) -> bool:
        """Count a piece for the bridge it (or its last entry) is about."""
        if not entries:
            return False
        bridge = entries[-1].master
        if not bridge:
            link = self._mirror.links.get(entries[-1].ifindex)
            bridge = link.master if link is not None else 0
        sizes[bridge] += len(entries)
        return sizes[bridge] > LARGE

    def _unknown(self, entries: list[FdbEntry]) -> Iterator[bytes]:
        mirror = self._mirror
        for entry in entries:
            if entry.mac not in _FLOODS and mirror.is_vxlan(entry.ifindex) and not mirror.is_unused(entry):
                key = fdb_key_of(entry, entry.vlan)
                if key is not None and key not in mirror.owned and key not in mirror.foreign:
                    yield key


def _exhaust(audit: Audit) -> None:
    for _ in audit.finish():
        pass
    audit.close()

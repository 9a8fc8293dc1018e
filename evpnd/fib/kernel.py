"""The kernel as the daemon sees it: desired entries in, devices and local MACs out.

A facade over channel, mirror, reconciler and audit: it moves messages between them, keeps their timers, and calls the
owner. It holds no state of its own about what is in the kernel. Everything runs on the event loop; the owner's calls
of set and unset cost a dict operation each, flush sends what has changed.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol

from evpnd.errors import NetlinkError
from evpnd.fib import netlink
from evpnd.fib.address import Addresses, encode_address_dump, taken
from evpnd.fib.channel import Channel, Overrun
from evpnd.fib.discovery import Known, VniDevice, discover, unusable
from evpnd.fib.intent import fdb_key_of
from evpnd.fib.inventory import Inventory
from evpnd.fib.link import Link, encode_link_dump
from evpnd.fib.mirror import LocalEntry, Mirror, split_local_key
from evpnd.fib.neighbour import NTF_MASTER, NTF_SELF, decode_fdb
from evpnd.fib.netlink import Message, Refusal, split_messages
from evpnd.fib.reconcile import Batch, Failure, Reconciler, take
from evpnd.fib.survey import SLICE, Survey

BATCH = 4096  # keys in a batch at most: how long a change may wait for those before it
INLINE = 64  # batches up to this size are sent at once, bigger ones by the worker thread
PIPELINE = 2  # batches with the worker: one being sent, one ready
DEAF_FROM = 512  # deletes in a batch from which their echoes are not worth reading
EVENTS_A_TURN = 1024
WHOLE_DUMPS = 3  # how often devices and addresses are read anew at once when they change meanwhile
WHOLE_SEARCHES = 3  # the same of large tables that shrink meanwhile: the kernel skips some then
AUDIT_DUTY = 50  # an audit is as long ago as this many times its length, at least, before the next one for no reason
RECENT = 256  # batches after which the monitor is read although it has not said anything

_log = logging.getLogger(__name__)

LocalChange = tuple[int, int, bytes, LocalEntry | None]


class KernelOwner(Protocol):
    """Who is told what happens in the kernel; it may call set and unset from within."""

    def vnis_changed(self, vnis: dict[int, VniDevice]) -> None:
        """The VNIs this host has, all of them, after one of them changed."""

    def addresses_changed(self, taken: dict[bytes, str]) -> None:
        """The addresses at which no other host can be, all of them, with the reason in words."""

    def local_macs_changed(self, changes: list[LocalChange]) -> None:
        """(bridge, VLAN, MAC, where): a MAC appeared or moved on a port that is not VXLAN, or is no longer there."""

    def resynced(self) -> None:
        """Mirror and kernel have been compared in full."""


class Kernel:
    """Programs and watches the kernel of the network namespace it is made in."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, owner: KernelOwner, *, resync_interval_s: float = 300.0
    ) -> None:
        self._loop = loop
        self._owner = owner
        self._resync_interval_s = resync_interval_s
        self._mirror = Mirror()
        self._inventory = Inventory(self._mirror)
        self._addresses = Addresses()
        self._reconciler = Reconciler(self._mirror)
        self._channel: Channel | None = None
        self._in_flight: deque[Batch] = deque()
        self._deaf = False
        self._survey: Survey | None = None
        self._missed = True  # something may have happened in the kernel that nobody has told and nobody has looked for
        self._search: asyncio.Task[None] | None = None
        self._proof: asyncio.Task[None] | None = None
        self._sweep_waits = False
        self._deletes = 0
        self._audit_task: asyncio.Task[None] | None = None
        self._audit_timer: asyncio.TimerHandle | None = None
        self._retry_timer: asyncio.TimerHandle | None = None
        self._problem: str | None = None
        self._counters = dict.fromkeys(("requests", "batches", "refused", "events", "overruns", "resyncs"), 0)
        self._resync_took_s = 0.0
        self._known: Known = {}
        self.vnis: dict[int, VniDevice] = {}
        self.taken: dict[bytes, str] = {}  # addresses at which no other host can be, with the reason
        self.unusable: dict[str, str] = {}  # VXLAN devices that evpnd can't use, by name, with the reason
        # Bound methods of the reconciler: the hot path has no layer in between.
        self.set = self._reconciler.set
        self.unset = self._reconciler.unset
        self.adopted = self._reconciler.adopted

    # Life

    async def start(self) -> None:
        """Open the sockets, read devices and FDB, adopt what an earlier run left, and tell the owner of it all."""
        try:
            self._channel = Channel(self._loop)
        except OSError as error:
            raise NetlinkError(error.errno or 0, f"netlink socket: {error.strerror}") from error
        if not self._channel.may_write():
            self._channel.close()
            self._channel = None
            raise NetlinkError(
                errno.EPERM, "the kernel's tables can't be written: CAP_NET_ADMIN is missing; run as root"
            )
        self._channel.listen(self._on_events)
        self._survey = Survey(self._channel, self._reconciler, self._sent_keys)
        self._audit_task = self._loop.create_task(self._audit())  # so that no other one begins beside it
        try:
            await self._audit_task
        finally:
            self._audit_task = None
        self._schedule_audit(self._resync_interval_s)
        if self._mirror.unread:
            self._search = self._loop.create_task(self._search_unread(self._survey))

    async def close(self) -> None:
        """Stop; what is in the kernel stays there."""
        for timer in (self._audit_timer, self._retry_timer):
            if timer is not None:
                timer.cancel()
        tasks = [task for task in (self._audit_task, self._search, self._proof) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        channel, self._channel = self._channel, None
        if channel is not None:
            while self._in_flight:
                await asyncio.sleep(0.001)
            channel.close()

    # What is known

    @property
    def links(self) -> dict[int, Link]:
        return self._mirror.links

    @property
    def failures(self) -> dict[bytes, Failure]:
        """Intents that are desired and not in the kernel, with the reason."""
        return self._reconciler.failures

    @property
    def desired(self) -> dict[bytes, bytes]:
        return self._reconciler.desired

    @property
    def owned(self) -> dict[bytes, bytes]:
        return self._mirror.owned

    @property
    def settled(self) -> bool:
        """Nothing is waiting to be sent, and nothing is on its way."""
        reconciler = self._reconciler
        return not (reconciler.dirty or reconciler.unproven or self._in_flight or self._proof or self._reads)

    @property
    def _reads(self) -> bool:
        """Tables are being read, which may hold up requests."""
        return self._audit_task is not None or self._search is not None

    def local_macs(self, bridge: int) -> list[tuple[int, bytes, LocalEntry]]:
        """(VLAN, MAC, where) of the MACs to advertise of one bridge."""
        macs = self._mirror.occupied.get(bridge, {})
        return [(*split_local_key(key), entry) for key, entry in macs.items() if entry.state != "permanent"]

    def local_mac(self, bridge: int, vlan: int, mac: bytes) -> LocalEntry | None:
        """Where a bridge has one MAC, the host's own included; None when on no local port."""
        return self._mirror.find_local(bridge, vlan, mac)

    @property
    def stats(self) -> dict[str, Any]:
        reconciler = self._reconciler
        return {
            "links": len(self._mirror.links),
            "vnis": len(self.vnis),
            "desired": len(reconciler.desired),
            "installed": len(self._mirror.owned),
            "dirty": len(reconciler.dirty),
            "failures": len(reconciler.failures),
            "waiting": sum(map(len, reconciler.held.values())),
            "yielded": len(reconciler.yielded),
            "stale": reconciler.stale,
            "unread": len(self._mirror.unread),
            "foreign": len(self._mirror.foreign),
            "local": sum(map(len, self._mirror.occupied.values())),
            **self._counters,
            "resync_took_s": round(self._resync_took_s, 3),
            "problem": self._problem,
        }

    # Desired state

    def flush(self) -> None:
        """Send what changed; while the worker is busy enough, leave it to the moment when it is not."""
        while self._channel is not None and self._reconciler.dirty and len(self._in_flight) < PIPELINE:
            batch = self._reconciler.plan(BATCH, self._loop.time())
            if self._mirror.notes.local:
                self._loop.call_soon(self._tell_owner)
            if batch is not None:
                self._send(self._channel, batch)
        if len(self._reconciler.recent) > RECENT:
            self._loop.call_soon(self._on_events)
        if self._reconciler.unproven and self._proof is None and self._survey is not None:
            self._proof = self._loop.create_task(self._prove(self._survey))
        if self._reconciler.failures and self._retry_timer is None:
            self._retry_timer = self._loop.call_later(1.0, self._retry)

    def sweep(self, keep: Iterable[int] = ()) -> int:
        """Remove adopted entries that nobody desired since; `keep`: devices whose entries stay. How many they are.

        While they are still being searched for this waits: a table that shrinks meanwhile hides some.
        """
        if self._search is not None:
            self._sweep_waits = True
            return 0
        count = self._reconciler.sweep(keep)
        self.flush()
        return count

    def resync(self, delay_s: float = 0.0) -> None:
        """Compare with the kernel in full, soon."""
        self._schedule_audit(delay_s)

    # Batches

    def _send(self, channel: Channel, batch: Batch) -> None:
        self._counters["batches"] += 1
        self._counters["requests"] += len(batch)
        self._deletes += batch.deletes
        if len(batch) <= INLINE and not self._in_flight and not self._reads:
            try:
                self._settle(batch, channel.send(batch.datagrams))
            except (OSError, NetlinkError) as error:
                self._lost_track(batch, error)
            return
        if batch.deletes >= DEAF_FROM and not self._deaf:
            channel.set_deaf(True)
            self._deaf = True
        self._in_flight.append(batch)
        channel.submit(batch.datagrams).add_done_callback(self._on_sent)

    def _on_sent(self, done: asyncio.Future[list[Refusal]]) -> None:
        batch = self._in_flight.popleft()
        try:
            self._settle(batch, done.result())
        except (OSError, NetlinkError) as error:
            self._lost_track(batch, error)
        self.flush()
        if self._deaf and not self._in_flight and self._channel is not None:
            # What others deleted meanwhile went unheard: look.
            self._channel.set_deaf(False)
            self._deaf = False
            self.resync(2.0 + AUDIT_DUTY * self._resync_took_s)

    def _settle(self, batch: Batch, refusals: list[Refusal]) -> None:
        if refusals or self._reconciler.failures:
            self._counters["refused"] += len(refusals)
            self._reconciler.settle(batch.keys, _attribute(refusals), self._loop.time())

    def _lost_track(self, batch: Batch, error: OSError | NetlinkError) -> None:
        """The kernel did not say what became of a batch: find out, and do the rest again."""
        _log.warning("netlink batch of %d: %s", len(batch), error)
        self._reconciler.lose(batch.keys)
        self.resync(1.0 if isinstance(error, OSError) and error.errno == errno.ENOBUFS else 0.1)

    def _retry(self) -> None:
        self._retry_timer = None
        self._reconciler.retry(self._loop.time())
        self.flush()

    # Events

    def _on_events(self) -> None:
        channel = self._channel
        if channel is None:
            return
        count = 0
        try:
            for datagram in channel.events(EVENTS_A_TURN):
                count += 1
                for message in split_messages(datagram):
                    self._on_message(channel, message)
        except Overrun:
            self._counters["overruns"] += 1
            self._missed = True
            self.resync(self._resync_took_s)  # at most half of the time, should this go on
        except NetlinkError as error:
            _log.warning("netlink event: %s", error)
            self._missed = True
            self.resync(1.0)
        self._counters["events"] += count
        self._digest(caught_up=count < EVENTS_A_TURN)

    def _on_message(self, channel: Channel, message: Message) -> None:
        if message.type in (netlink.RTM_NEWNEIGH, netlink.RTM_DELNEIGH):
            self._on_fdb(channel, message)
        elif message.type in (netlink.RTM_NEWLINK, netlink.RTM_DELLINK):
            self._inventory.hear(message)
        elif message.type in (netlink.RTM_NEWADDR, netlink.RTM_DELADDR):
            self._addresses.hear(message)

    def _on_fdb(self, channel: Channel, message: Message) -> None:
        entry = decode_fdb(message.body)
        if entry is None:
            return
        new = message.type == netlink.RTM_NEWNEIGH
        if new and self._mirror.is_contested(entry):
            # The message may be older than our entry, and our entry's own message is filtered: ask.
            self._mirror.arbitrate(entry, channel.where_is(entry.master, entry.vlan, entry.mac))
        else:
            self._mirror.apply(entry, new)

    def _digest(self, caught_up: bool = False) -> None:
        """Draw the consequences of what was read; `caught_up`: that was all there is at the moment."""
        devices_changed = bool(self._mirror.notes.links)
        self._reconciler.absorb()
        if caught_up:
            self._reconciler.caught_up(batch.keys for batch in self._in_flight)
        if devices_changed or self._addresses.changed:
            self._addresses.changed = False
            here = taken(self._mirror.links, self._addresses.known)
            if here != self.taken:
                self.taken = here
                self._owner.addresses_changed(here)
        if devices_changed:
            self._mirror.notes.links = {}
            self._tell_unusable()
            vnis = discover(self._mirror.links, self._known)
            if vnis != self.vnis:
                self.vnis = vnis
                self._owner.vnis_changed(vnis)
        self._tell_owner()
        self.flush()

    def _tell_unusable(self) -> None:
        """Log each device that can't be used once, as long as the reason is the same."""
        before, self.unusable = self.unusable, unusable(self._mirror.links)
        for name, reason in self.unusable.items():
            if before.get(name) != reason:
                _log.warning("%s", reason, extra={"device": name})

    def _tell_owner(self) -> None:
        local, self._mirror.notes.local = self._mirror.notes.local, {}
        if local:
            self._owner.local_macs_changed([(bridge, *split_local_key(key), e) for (bridge, key), e in local.items()])

    # Audits

    def _schedule_audit(self, delay_s: float) -> None:
        """The earliest wins."""
        if delay_s == math.inf:
            return
        when = self._loop.time() + delay_s
        if self._audit_timer is not None:
            if self._audit_timer.when() <= when:
                return
            self._audit_timer.cancel()
        self._audit_timer = self._loop.call_at(when, self._begin_audit)

    def _begin_audit(self) -> None:
        self._audit_timer = None
        if self._audit_task is not None:
            self._schedule_audit(0.1)
            return
        self._audit_task = self._loop.create_task(self._audit_safely())

    async def _audit_safely(self) -> None:
        try:
            await self._audit()
            self._problem = None
        except (NetlinkError, OSError) as error:
            self._problem = f"the kernel can't be read: {error}"
            _log.warning("%s", self._problem)
            self._schedule_audit(5.0)
        finally:
            self._audit_task = None
            self._schedule_audit(max(self._resync_interval_s, AUDIT_DUTY * self._resync_took_s))

    async def _audit(self) -> None:
        channel, survey = self._channel, self._survey
        if channel is None or survey is None:
            return
        began = time.monotonic()
        await self._read(channel, encode_link_dump(), self._inventory)
        await self._read(channel, encode_address_dump(), self._addresses)
        self._reconciler.absorb()
        missed, self._missed = self._missed, False
        try:
            audit = await survey.compare()
            self._mirror.unread &= audit.cut
            if missed:
                self._mirror.unread |= audit.cut
            await survey.compare_left(audit.left)
        except BaseException:
            self._missed |= missed
            raise
        self._counters["resyncs"] += 1
        self._resync_took_s = time.monotonic() - began
        self._digest()
        self._owner.resynced()
        self.flush()

    async def _prove(self, survey: Survey) -> None:
        """Ask about what is to be written to tables that were not read."""
        try:
            while self._reconciler.unproven:
                keys = take(self._reconciler.unproven, SLICE)
                try:
                    await survey.ask(keys)
                except (NetlinkError, OSError) as error:
                    _log.warning("the kernel does not answer: %s", error)
                    self._reconciler.unproven.update(dict.fromkeys(keys))
                    await asyncio.sleep(1.0)
                self._digest()
        finally:
            self._proof = None

    async def _search_unread(self, survey: Survey) -> None:
        """Find what an earlier run left in tables that were too large to be read at start."""
        devices = set(self._mirror.unread)
        try:
            for _ in range(WHOLE_SEARCHES):
                overruns, deletes = self._counters["overruns"], self._deletes
                await survey.search(devices, self._on_unknown)
                if deletes == self._deletes:
                    break
            if not self._missed and overruns == self._counters["overruns"]:
                self._mirror.unread -= devices
        except (NetlinkError, OSError) as error:
            _log.warning("what an earlier run left can't be searched for: %s", error)
        finally:
            self._search = None
        self._digest()
        if self._sweep_waits:
            _log.info("removing %d kernel entries of an earlier run that no peer confirmed", self.sweep())

    def _on_unknown(self, keys: list[bytes]) -> None:
        self._reconciler.unproven.update(dict.fromkeys(keys))
        self.flush()

    async def _read(self, channel: Channel, request: bytes, reader: Inventory | Addresses) -> None:
        """Read all there are of a kind, again when they changed meanwhile so that some may be missing."""
        for _ in range(WHOLE_DUMPS):
            reader.begin()
            await channel.dump(request, reader.feed)
            if not reader.torn:
                break
        if not reader.finish():
            self.resync(1.0)

    def _sent_keys(self) -> list[bytes]:
        return [key for batch in self._in_flight for key in batch.keys]


def _attribute(refusals: list[Refusal]) -> list[tuple[bytes, int, str, bool]]:
    """Which keys the refused requests are about: the kernel sends each back whole."""
    found = []
    for refusal in refusals:
        entry = decode_fdb(refusal.request[netlink.HEADER_SIZE :])
        key = fdb_key_of(entry, entry.vlan) if entry is not None else None
        if entry is not None and key is not None:
            whole = entry.flags & (NTF_SELF | NTF_MASTER) == NTF_SELF | NTF_MASTER
            found.append((key, refusal.errno, refusal.text, whole))
    return found

"""The kernel as the daemon sees it: desired entries in, devices and local MACs out.

A facade over channel, mirror, reconciler and comparisons: it moves messages and batches between them, and calls the
owner. It holds no state of its own about what is in the kernel. Everything runs on the event loop; the owner's calls
of set and unset cost a dict operation each, flush sends what has changed.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import deque
from typing import Any, Protocol

from evpnd.errors import NetlinkError
from evpnd.fib import netlink
from evpnd.fib.address import Addresses, taken
from evpnd.fib.channel import Channel, Overrun
from evpnd.fib.comparison import Comparisons
from evpnd.fib.discovery import Known, VniDevice, discover, unusable
from evpnd.fib.intent import FLOOD, device_of, refused_keys, vtep_of
from evpnd.fib.inventory import Inventory
from evpnd.fib.link import Link
from evpnd.fib.mirror import LocalEntry, Mirror, split_local_key
from evpnd.fib.neighbour import decode_fdb
from evpnd.fib.netlink import Message, Refusal, split_messages
from evpnd.fib.reconcile import Batch, Failure, Reconciler

BATCH = 4096  # keys in a batch at most: how long a change may wait for those before it
INLINE = 64  # batches up to this size are sent at once, bigger ones by the worker thread
PIPELINE = 2  # batches with the worker: one being sent, one ready
DEAF_FROM = 512  # deletes in a batch from which their echoes are not worth reading
EVENTS_A_TURN = 1024
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
        self._mirror = Mirror()
        self._inventory = Inventory(self._mirror)
        self._addresses = Addresses()
        self._reconciler = Reconciler(self._mirror)
        self._channel: Channel | None = None
        self._in_flight: deque[Batch] = deque()
        self._unheard = False  # messages that are yet to be read leave out deletes
        self._retry_timer: asyncio.TimerHandle | None = None
        self._counters = dict.fromkeys(("requests", "batches", "refused", "events", "overruns"), 0)
        self._known: Known = {}
        self.vnis: dict[int, VniDevice] = {}
        self.taken: dict[bytes, str] = {}  # addresses at which no other host can be, with the reason
        self.unusable: dict[str, str] = {}  # VXLAN devices that evpnd can't use, by name, with the reason
        self._comparisons = Comparisons(
            loop,
            self._reconciler,
            self._inventory,
            self._addresses,
            interval_s=resync_interval_s,
            in_flight=self._sent_keys,
            digest=self._digest,
            compared=owner.resynced,
        )
        # Bound methods: the hot path has no layer in between.
        self.set = self._reconciler.set
        self.unset = self._reconciler.unset
        self.adopted = self._reconciler.adopted
        self.resync = self._comparisons.soon

    # Life

    async def start(self) -> None:
        """Open the sockets, read devices and FDB, adopt what an earlier run left, and tell the owner of it all."""
        try:
            channel = Channel(self._loop)
        except OSError as error:
            raise NetlinkError(error.errno or 0, f"netlink socket: {error.strerror}") from error
        if not channel.may_write():
            channel.close()
            reason = "the kernel's tables can't be written: CAP_NET_ADMIN is missing; run as root"
            raise NetlinkError(errno.EPERM, reason)
        self._channel = channel
        channel.listen(self._on_events)
        await self._comparisons.start(channel)

    async def close(self) -> None:
        """Stop; what is in the kernel stays there."""
        if self._retry_timer is not None:
            self._retry_timer.cancel()
        await self._comparisons.close()
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

    def foreign_floods(self) -> dict[int, list[bytes]]:
        """VXLAN devices with entries in their flood lists that are not evpnd's, and those VTEPs."""
        found: dict[int, list[bytes]] = {}
        for key in self._mirror.foreign:
            if key[0] == FLOOD:
                found.setdefault(device_of(key), []).append(vtep_of(key))
        return found

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
        return not (reconciler.dirty or reconciler.unproven or self._in_flight) and self._comparisons.idle

    def local_macs(self, bridge: int) -> list[tuple[int, bytes, LocalEntry]]:
        """(VLAN, MAC, where) of the MACs to advertise of one bridge."""
        macs = self._mirror.occupied.get(bridge, {})
        return [(*split_local_key(key), entry) for key, entry in macs.items() if entry.state != "permanent"]

    def local_mac(self, bridge: int, vlan: int, mac: bytes) -> LocalEntry | None:
        """Where a bridge has one MAC, the host's own included; None when on no local port."""
        return self._mirror.find_local(bridge, vlan, mac)

    @property
    def stats(self) -> dict[str, Any]:
        reconciler, comparisons = self._reconciler, self._comparisons
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
            "resyncs": comparisons.count,
            "resync_took_s": round(comparisons.took_s, 3),
            "problem": comparisons.problem,
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
        if self._reconciler.unproven:
            self._comparisons.prove()
        if self._reconciler.failures and self._retry_timer is None:
            self._retry_timer = self._loop.call_later(1.0, self._retry)

    def sweep(self) -> int:
        """Remove adopted entries that nobody desired since, how many they are; later, while they are searched for."""
        count = self._comparisons.sweep()
        self.flush()
        return count

    # Batches

    def _send(self, channel: Channel, batch: Batch) -> None:
        self._counters["batches"] += 1
        self._counters["requests"] += len(batch)
        if len(batch) <= INLINE and not self._in_flight and not self._comparisons.reading:
            try:
                self._settle(batch, channel.send(batch.datagrams))
            except (OSError, NetlinkError) as error:
                self._lost_track(batch, error)
            return
        if batch.deletes >= DEAF_FROM and not channel.deaf:
            channel.set_deaf(True)
            self._unheard = True
        self._in_flight.append(batch)
        channel.submit(batch.datagrams).add_done_callback(self._on_sent)

    def _on_sent(self, done: asyncio.Future[list[Refusal]]) -> None:
        batch = self._in_flight.popleft()
        try:
            self._settle(batch, done.result())
        except (OSError, NetlinkError) as error:
            self._lost_track(batch, error)
        self.flush()
        if self._channel is not None and self._channel.deaf and not self._in_flight:
            # What others deleted meanwhile went unheard: look.
            self._channel.set_deaf(False)
            self.resync(2.0 + self._comparisons.pause_s)

    def _settle(self, batch: Batch, refusals: list[Refusal]) -> None:
        if refusals or self._reconciler.failures:
            self._counters["refused"] += len(refusals)
            self._reconciler.settle(batch.keys, refused_keys(refusals), self._loop.time())

    def _lost_track(self, batch: Batch, error: OSError | NetlinkError) -> None:
        """The kernel did not say what became of a batch: find out, and do the rest again."""
        _log.warning("netlink batch of %d: %s", len(batch), error)
        self._reconciler.lose(batch.keys)
        self.resync(1.0 if isinstance(error, OSError) and error.errno == errno.ENOBUFS else 0.1)

    def _sent_keys(self) -> list[bytes]:
        return [key for batch in self._in_flight for key in batch.keys]

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
            self._comparisons.lost(self._comparisons.took_s)  # at most half of the time, should this go on
        except NetlinkError as error:
            _log.warning("netlink event: %s", error)
            self._comparisons.lost(1.0)
        self._counters["events"] += count
        caught_up = count < EVENTS_A_TURN
        self._digest(caught_up)
        if caught_up:
            self._unheard = channel.deaf

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
        devices = self._mirror.notes.links
        self._reconciler.absorb()
        if caught_up:
            self._reconciler.caught_up(batch.keys for batch in self._in_flight)
        if devices or self._addresses.changed:
            self._addresses.changed = False
            here = taken(self._mirror.links, self._addresses.known)
            if here != self.taken:
                self.taken = here
                self._owner.addresses_changed(here)
        if devices:
            self._mirror.notes.links = {}
            self._tell_unusable()
            if self._channel is not None:
                self._channel.set_vxlan(sorted(index for index, link in self.links.items() if link.vxlan is not None))
            vnis = discover(self._mirror.links, self._known)
            if vnis != self.vnis:
                self.vnis = vnis
                self._owner.vnis_changed(vnis)
            if self._unheard and any(map(self._mirror.holds_ours, devices)):
                self.resync(self._comparisons.took_s)  # entries may have gone when the device went down
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

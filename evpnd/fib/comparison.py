"""When the kernel is read: all of it at start, after lost messages, and now and then; keys before they are written.

Owns the tasks and the timer of that, and which losses of messages have been made good. How to read is the survey's
business. What is found goes to mirror and reconciler; the facade is told, and draws the consequences. Must not write to
the kernel.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable

from evpnd.errors import NetlinkError
from evpnd.fib.address import Addresses, encode_address_dump
from evpnd.fib.channel import Channel
from evpnd.fib.inventory import Inventory
from evpnd.fib.link import encode_link_dump
from evpnd.fib.reconcile import Reconciler, take
from evpnd.fib.survey import SLICE, Survey

WHOLE_SEARCHES = 3  # how often large tables are searched at once when they shrink meanwhile: the kernel skips some then
AGAIN_S = 5.0  # after which what could not be read is tried again
DUTY = 50  # a comparison is as long ago as this many times its length, at least, before the next one for no reason

_log = logging.getLogger(__name__)


class Comparisons:
    """Full comparisons, questions about single keys, and the search for what an earlier run left in large tables."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reconciler: Reconciler,
        inventory: Inventory,
        addresses: Addresses,
        *,
        interval_s: float,
        in_flight: Callable[[], Iterable[bytes]],
        digest: Callable[[], None],
        compared: Callable[[], None],
    ) -> None:
        """`in_flight`: keys about which requests are on their way. `digest` draws the consequences of what was read;
        `compared` is told that all was."""
        self._loop = loop
        self._reconciler = reconciler
        self._mirror = reconciler.mirror
        self._inventory = inventory
        self._addresses = addresses
        self._interval_s = interval_s
        self._in_flight = in_flight
        self._digest = digest
        self._compared = compared
        self._survey: Survey | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._audit: asyncio.Task[None] | None = None
        self._proof: asyncio.Task[None] | None = None
        self._search: asyncio.Task[None] | None = None
        self._sweep_waits = False
        self._losses = 1  # how often messages were lost; all those from before the start are one
        self._made_good = 0  # how many of these a full comparison came after
        self.count = 0  # full comparisons
        self.took_s = 0.0  # the last of them
        self.problem: str | None = None

    async def start(self, channel: Channel) -> None:
        """Compare for the first time, which adopts what an earlier run left."""
        self._survey = survey = Survey(channel, self._reconciler, self._in_flight)
        self._audit = self._loop.create_task(self._compare(survey))  # so that no other one begins beside it
        try:
            await self._audit
        finally:
            self._audit = None
        self.soon(self._interval_s)
        if self._mirror.unread:
            self._search = self._loop.create_task(self._search_unread(survey))

    async def close(self) -> None:
        self._survey = None
        if self._timer is not None:
            self._timer.cancel()
        tasks = [task for task in (self._audit, self._proof, self._search) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What goes on

    @property
    def reading(self) -> bool:
        """Tables are being read, which may hold up requests."""
        return self._audit is not None or self._search is not None

    @property
    def idle(self) -> bool:
        return not (self.reading or self._proof)

    @property
    def pause_s(self) -> float:
        """How long a comparison that nothing urges is to wait."""
        return DUTY * self.took_s

    # Full comparisons

    def soon(self, delay_s: float = 0.0) -> None:
        """Compare in full then; the earliest wins."""
        if self._survey is None or delay_s == math.inf:
            return
        when = self._loop.time() + delay_s
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._begin, self._survey)

    def lost(self, delay_s: float) -> None:
        """Messages were lost, so anything may have happened: compare then."""
        self._losses += 1
        self.soon(delay_s)

    def _begin(self, survey: Survey) -> None:
        self._timer = None
        if self._audit is not None:
            self.soon(0.1)
            return
        self._audit = self._loop.create_task(self._compare_safely(survey))

    async def _compare_safely(self, survey: Survey) -> None:
        try:
            await self._compare(survey)
            self.problem = None
        except (NetlinkError, OSError) as error:
            self.problem = f"the kernel can't be read: {error}"
            _log.warning("%s", self.problem)
            self.soon(AGAIN_S)
        finally:
            self._audit = None
            self.soon(max(self._interval_s, self.pause_s))

    async def _compare(self, survey: Survey) -> None:
        began = time.monotonic()
        for request, reader in ((encode_link_dump(), self._inventory), (encode_address_dump(), self._addresses)):
            if not await survey.read(request, reader):
                self.soon(1.0)
        self._reconciler.absorb()
        losses = self._losses
        audit = await survey.compare()
        self._mirror.unread &= audit.cut
        if self._made_good < losses:
            self._mirror.unread |= audit.cut
        await survey.compare_left(audit.left)
        self._made_good = losses
        self.count += 1
        self.took_s = time.monotonic() - began
        self._digest()
        self._compared()
        self._digest()

    # Tables that were not read

    def prove(self) -> None:
        """Ask about what is to be written to them."""
        if self._proof is None and self._survey is not None:
            self._proof = self._loop.create_task(self._prove(self._survey))

    async def _prove(self, survey: Survey) -> None:
        unproven = self._reconciler.unproven
        try:
            while unproven:
                keys = take(unproven, SLICE)
                try:
                    await survey.ask(keys)
                except (NetlinkError, OSError) as error:
                    _log.warning("the kernel does not answer: %s", error)
                    unproven.update(dict.fromkeys(keys))
                    await asyncio.sleep(1.0)
                self._digest()
        finally:
            self._proof = None

    async def _search_unread(self, survey: Survey) -> None:
        """Find what an earlier run left in tables that were too large to be read at start, however long it takes."""
        try:
            while not await self._search_safely(survey):
                await asyncio.sleep(AGAIN_S)
        finally:
            self._search = None
        if self._sweep_waits:
            count = self._reconciler.sweep()
            _log.info("removing %d kernel entries of an earlier run that no peer confirmed", count)
        self._digest()

    async def _search_safely(self, survey: Survey) -> bool:
        devices = set(self._mirror.unread)
        try:
            for _ in range(WHOLE_SEARCHES):
                losses, deletes = self._losses, self._reconciler.deletes
                await survey.search(devices, self._on_unknown)
                if deletes == self._reconciler.deletes:
                    break
        except (NetlinkError, OSError) as error:
            _log.warning("what an earlier run left can't be searched for: %s", error)
            return False
        if losses == self._losses == self._made_good:
            self._mirror.unread -= devices
        return True

    def sweep(self) -> int:
        """Remove what an earlier run left and nobody desired since: how many entries, as far as they are known.

        While they are searched for this waits: a table that shrinks meanwhile hides some.
        """
        if self._search is not None:
            self._sweep_waits = True
            return 0
        return self._reconciler.sweep()

    def _on_unknown(self, keys: list[bytes]) -> None:
        self._reconciler.unproven.update(dict.fromkeys(keys))
        if keys:
            self.prove()

"""evpnd.fib.survey on the real kernel: tables too large for dumps are compared key by key, and searched meanwhile."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from evpnd.fib import intent, survey
from evpnd.fib.neighbour import FdbEntry, decode_fdb_dump
from tests import netns
from tests.fib import test_random_orders
from tests.fib.watching import VTEP2, VTEP3, flood, lose_messages, settle, want, watching
from tests.netns import fdb, run

A, B, C, D = (f"02:00:00:00:00:0{digit}" for digit in "abcd")
ZERO = "00:00:00:00:00:00"

pytestmark = pytest.mark.usefixtures("namespace", "large")


async def test_what_changed_without_a_word_is_restored() -> None:
    netns.make_vni(100, beside=False)
    async with watching() as (kernel, _):
        for address in (A, B, C):
            want(kernel, netns.index("vx100"), address)
        flood(kernel)
        flood(kernel, VTEP3)
        kernel.flush()
        everything = fdb("vx100")
        for command in (
            f"bridge fdb replace {A} dev vx100 dst 10.0.0.9 self extern_learn dynamic",
            f"bridge fdb del {A} dev vx100 master",
            f"bridge fdb del {B} dev vx100 self",
            f"bridge fdb del {C} dev vx100 self master",
        ):
            kernel._channel.set_deaf(True)  # type: ignore[union-attr]
            run(command)
            assert fdb("vx100") != everything
            await asyncio.sleep(0.05)
            assert kernel.stats["dirty"] == 0, "nobody has told"
            kernel.resync()
            await settle(kernel, lambda: fdb("vx100") == everything, command)
        requests = kernel.stats["requests"]
        kernel.resync()
        await settle(kernel, lambda: True, "one more comparison")
        assert kernel.stats["requests"] <= requests + 2, "what is right is not written again, but the flood list may be"


async def test_lost_flood_entries_are_restored_after_an_overrun() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, _):
        flood(kernel)
        flood(kernel, VTEP3)
        kernel.flush()
        everything = fdb("vx100")
        await lose_messages(kernel, f"bridge fdb del {ZERO} dev vx100 dst 10.0.0.2")
        await settle(kernel, lambda: fdb("vx100") == everything, "the flood list is whole again")


@pytest.mark.parametrize("seed", range(20, 30))
async def test_any_order_of_events_ends_as_desired(seed: int) -> None:
    await test_random_orders.test_the_end_is_as_desired(seed)


async def test_others_flood_entries_stay_others() -> None:
    """A device that is asked for its flood list tells the first of it only."""
    netns.make_vni(100)
    run(*(f"bridge fdb append {ZERO} dev vx100 dst 10.0.0.{n} self permanent" for n in (2, 3)))
    before = fdb("vx100")
    async with watching() as (kernel, _):
        for vtep in (VTEP2, VTEP3):
            flood(kernel, vtep)
        kernel.flush()
        kernel.resync()
        await settle(kernel, lambda: kernel.stats["resyncs"] == 2, "a comparison")
        assert len(kernel.failures) == 2
        for key in list(kernel.desired):
            kernel.unset(key)
        kernel.flush()
        await settle(kernel, lambda: not kernel.failures, "nothing is wanted")
        assert fdb("vx100") == before


async def test_a_mac_that_came_here_meanwhile_is_known_to_have_been_remote_before_anybody_is_told() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, _):
        key = want(kernel, netns.index("vx100"), A)
        kernel.flush()
    netns.send_frame("h100", A)
    netns.until(lambda: (A, "bridge") in fdb("p100"), "A is learned")
    async with watching(searched=False) as (kernel, watcher):
        assert kernel.stats["unread"] == 1
        assert [address.hex(":") for _, _, address in watcher.local] == [A]
        assert kernel.adopted(key)


async def test_a_large_table_is_not_dumped_for_a_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "LARGE", 1000)
    read: list[int] = []

    def count(data: bytes) -> tuple[list[FdbEntry], bool]:
        entries, ended = decode_fdb_dump(data)
        read.append(len(entries))
        return entries, ended

    netns.make_vni(100)
    async with watching() as (kernel, watcher):
        prefix = intent.fdb_prefix(netns.index("vx100"), 0)
        for number in range(10_000):
            kernel.set(prefix + (0x020100000000 + number).to_bytes(6, "big"), intent.fdb_value(VTEP2))
        kernel.flush()
        await settle(kernel, lambda: len(kernel.owned) == 10_000, "all are sent")
        monkeypatch.setattr(survey, "decode_fdb_dump", count)
        requests = kernel.stats["requests"]
        kernel.resync()
        await settle(kernel, lambda: watcher.resyncs == 2, "a comparison")
        assert sum(read) < 4000
        assert len(kernel.owned) == 10_000
        assert kernel.stats["requests"] == requests, "all were found right"


async def test_the_loop_does_not_wait_for_a_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for the request, with which the kernel walks a whole table already, nor for the answers."""
    threads: set[str] = set()

    class Watched(socket.socket):
        def send(self, *arguments: Any) -> int:
            threads.add(threading.current_thread().name)
            return super().send(*arguments)

        def recv(self, *arguments: Any) -> bytes:
            threads.add(threading.current_thread().name)
            return super().recv(*arguments)

    netns.make_vni(100)
    async with watching() as (kernel, watcher):
        monkeypatch.setattr(socket, "socket", Watched)  # each dump opens one of its own
        kernel.resync()
        await settle(kernel, lambda: watcher.resyncs == 2, "a comparison")
    assert {name.rpartition("_")[0] for name in threads} == {"evpnd-dump"}


async def test_a_small_table_beside_a_large_one_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    netns.make_vni(100)
    netns.make_vni(200)
    async with watching() as (kernel, _):
        prefix = intent.fdb_prefix(netns.index("vx100"), 0)
        for number in range(1000):
            kernel.set(prefix + (0x020100000000 + number).to_bytes(6, "big"), intent.fdb_value(VTEP2))
        want(kernel, netns.index("vx200"), A)
        kernel.flush()
        await settle(kernel, lambda: len(kernel.owned) == 1001, "all are sent")
    netns.send_frame("h200", B)
    monkeypatch.setattr(survey, "LARGE", 1000)
    async with watching(searched=False) as (kernel, watcher):
        assert kernel.stats["unread"] == 1
        assert [key[-6:].hex(":") for key in kernel.owned] == [A]
        assert [mac.hex(":") for _, _, mac in watcher.local] == [B]

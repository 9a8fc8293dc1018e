"""evpnd.fib.comparison on the real kernel: comparisons, questions before writing, and the search for leftovers.

All tables are taken for large ones, that are not read whole; tests/fib/test_kernel.py has small ones as well.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from evpnd.fib import comparison, intent, survey
from tests import netns
from tests.fib.watching import VTEP2, VTEP3, flood, lose_messages, settle, want, watching
from tests.netns import fdb, registered, remote, run

A, B, C, D = (f"02:00:00:00:00:0{digit}" for digit in "abcd")
ZERO = "00:00:00:00:00:00"

pytestmark = pytest.mark.usefixtures("namespace", "large")


async def test_after_a_restart_keys_are_asked_for_before_they_are_written() -> None:
    netns.make_vni(100, beside=False)
    device = netns.index("vx100")
    async with watching() as (kernel, _):
        want(kernel, device, A)
        want(kernel, device, B)
        kernel.flush()
    run(f"bridge fdb add {C} dev vx100 dst 10.0.0.9 self static")
    run(f"bridge fdb append {ZERO} dev vx100 dst 10.0.0.9 self permanent")
    async with watching(searched=False) as (kernel, _):
        assert kernel.stats["unread"] == 1
        assert kernel.stats["installed"] == 0
        want(kernel, device, A)
        want(kernel, device, B, VTEP3)
        key = want(kernel, device, C)
        want(kernel, device, D)
        flood(kernel)
        kernel.flush()
        assert kernel.stats["requests"] == 0
        await settle(kernel, lambda: kernel.stats["unread"] == 0, "the search is over")
        assert kernel.failures[key].text == "somebody else's entry is there"
        assert fdb("vx100") == {
            *remote(A, "10.0.0.2"),
            *remote(B, "10.0.0.3"),
            *remote(D, "10.0.0.2"),
            (C, "10.0.0.9", "static"),
            (ZERO, "10.0.0.9", "permanent"),
            (ZERO, "10.0.0.2", "permanent"),
            registered("10.0.0.2"),
        }
        assert kernel.stats["requests"] == 3, "what was right is not written again"


async def test_others_entries_of_which_the_message_was_lost_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    netns.make_vni(100, beside=False)
    async with watching() as (kernel, _):
        want(kernel, netns.index("vx100"), A)
        kernel.flush()
        await lose_messages(kernel, f"bridge fdb add {B} dev vx100 dst 10.0.0.9 self static")
        await settle(kernel, lambda: kernel.stats["resyncs"] > 1, "a comparison")
        key = want(kernel, netns.index("vx100"), B)
        want(kernel, netns.index("vx100"), C)
        kernel.flush()
        await settle(kernel, lambda: key in kernel.failures, "the entry is seen")
        expected = remote(A, "10.0.0.2") | {(B, "10.0.0.9", "static")} | remote(C, "10.0.0.2")
        assert fdb("vx100") == expected
        run(f"bridge fdb del {B} dev vx100 self")
        await settle(kernel, lambda: fdb("vx100") > remote(B, "10.0.0.2"), "ours is installed")
        assert kernel.stats["unread"] == 1
        monkeypatch.setattr(survey, "LARGE", 1000)
        kernel.resync()
        await settle(kernel, lambda: kernel.stats["unread"] == 0, "the table is read whole, now that it is not large")


async def test_a_sweep_waits_for_the_search_and_spares_what_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Swept at once, the table would shrink under the search, which would miss some."""
    monkeypatch.setattr(comparison, "WHOLE_SEARCHES", 1)
    netns.make_vni(100, beside=False)
    device = netns.index("vx100")
    async with watching() as (kernel, _):
        for number in range(8000):
            want(kernel, device, f"02:01:00:00:{number >> 8:02x}:{number & 255:02x}")
        want(kernel, device, A)
        flood(kernel)
        flood(kernel, VTEP3)
        kernel.flush()
        await settle(kernel, lambda: True, "all are installed")
    run(f"bridge fdb add {B} dev vx100 dst 10.0.0.9 self static", f"bridge fdb add {C} dev p100 master static")
    async with watching(searched=False) as (kernel, _):
        want(kernel, device, A)
        flood(kernel)
        kernel.flush()
        assert kernel.sweep() == 0
        await settle(kernel, lambda: kernel.stats["unread"] == 0, "the search is over")
        ours = remote(A, "10.0.0.2") | {(ZERO, "10.0.0.2", "extern_learn", "permanent")}
        assert fdb("vx100") == ours | {(B, "10.0.0.9", "static")}
        assert (C, "bridge", "static") in fdb("p100")
        assert kernel.stats["stale"] == 0


async def test_a_search_that_failed_is_made_again_and_a_sweep_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(comparison, "AGAIN_S", 0.2)
    netns.make_vni(100)
    async with watching() as (kernel, _):
        want(kernel, netns.index("vx100"), A)
        flood(kernel)
        kernel.flush()
    async with watching(searched=False) as (kernel, _):
        async with asyncio.timeout(5):
            with no_more_descriptors():
                while not caplog.messages:
                    await asyncio.sleep(0.001)
        assert caplog.messages == ["what an earlier run left can't be searched for: [Errno 24] Too many open files"]
        assert kernel.sweep() == 0
        await settle(kernel, lambda: fdb("vx100") == set(), "all are gone")
        assert kernel.stats["unread"] == 0


async def test_a_table_that_shrinks_while_it_is_searched_is_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel counts the entries that it has told, and begins at that number again."""
    netns.make_vni(100)
    prefix = intent.fdb_prefix(netns.index("vx100"), 0)
    keys = [prefix + (0x020100000000 + number).to_bytes(6, "big") for number in range(8000)]
    async with watching() as (kernel, _):
        for key in keys:
            kernel.set(key, intent.fdb_value(VTEP2))
        kernel.flush()
        await settle(kernel, lambda: len(kernel.owned) == len(keys), "all are installed")
    async with watching(searched=False) as (kernel, _):
        report, confirmed = kernel._comparisons._on_unknown, keys[-4000:]

        def withdraw(found: list[bytes]) -> None:
            report(found)
            if len(kernel.owned) > 1000:
                for key in confirmed:
                    kernel.unset(key)
                kernel.flush()

        monkeypatch.setattr(kernel._comparisons, "_on_unknown", withdraw)
        for key in confirmed:
            kernel.set(key, intent.fdb_value(VTEP2))
        kernel.flush()
        await settle(kernel, lambda: kernel.stats["unread"] == 0, "the search is over")
        assert len(kernel.owned) + kernel.stats["requests"] == len(keys)
        kernel.sweep()
        await settle(kernel, lambda: not kernel.owned, "all are gone")
        assert fdb("vx100") == set()


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """The process may open no further socket, and each dump needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

"""Flood lists in which others have entries too, on the real kernel: after a restart evpnd knows which are its own.

The kernel keeps one set of marks for the whole list, so evpnd's stand a second time in a register of their own.
"""

from __future__ import annotations

import pytest

from evpnd.fib import intent, reconcile
from tests import netns
from tests.fib.watching import VTEP2, VTEP3, flood, settle, watching
from tests.netns import fdb, registered, run

ZERO = "00:00:00:00:00:00"
FOREIGN = (ZERO, "10.0.0.9", "permanent")
APPEND = f"bridge fdb append {ZERO} dev vx100 dst 10.0.0.9 self permanent"

pytestmark = pytest.mark.usefixtures("namespace", "size")


def make_vni(remote: str = "") -> None:
    run("ip link add br100 type bridge", "ip link set br100 up")
    run(f"ip link add vx100 type vxlan id 100 local 10.0.0.1 {remote} dstport 4789 nolearning")
    run("ip link set vx100 master br100", "ip link set vx100 up")


def ours(*vteps: str) -> set[tuple[str, ...]]:
    return {(ZERO, vtep, "permanent") for vtep in vteps} | {registered(vtep) for vtep in vteps}


@pytest.mark.parametrize("how", ["the device's own remote", "made by hand"])
async def test_after_a_restart_a_vtep_that_left_goes_and_the_others_entry_stays(how: str) -> None:
    make_vni("remote 10.0.0.9" if how == "the device's own remote" else "")
    if how == "made by hand":
        run(APPEND)
    async with watching() as (kernel, _):
        for vtep in (VTEP2, VTEP3):
            flood(kernel, vtep)
        kernel.flush()
        await settle(kernel, lambda: fdb("vx100") == {FOREIGN} | ours("10.0.0.2", "10.0.0.3"), "both are there")
    async with watching() as (kernel, _):
        assert kernel.foreign_floods() == {netns.index("vx100"): [bytes([10, 0, 0, 9])]}
        flood(kernel)
        kernel.flush()
        await settle(kernel, lambda: True, "the route is confirmed")
        assert not kernel.failures
        assert kernel.sweep() == 1
        await settle(kernel, lambda: fdb("vx100") == {FOREIGN} | ours("10.0.0.2"), "one is gone")
        kernel.unset(intent.flood_key(netns.index("vx100"), 0, VTEP2))
        kernel.flush()
        await settle(kernel, lambda: fdb("vx100") == {FOREIGN}, "the other one is gone when its route is withdrawn")


async def test_entries_that_were_there_before_the_others_are_registered_then() -> None:
    make_vni()
    async with watching() as (kernel, _):
        flood(kernel)
        kernel.flush()
        await settle(kernel, lambda: fdb("vx100") == {(ZERO, "10.0.0.2", "extern_learn", "permanent")}, "it is alone")
        run(APPEND)
        await settle(kernel, lambda: fdb("vx100") == {FOREIGN} | ours("10.0.0.2"), "ours is registered")
    async with watching() as (kernel, _):
        assert kernel.sweep() == 1
        await settle(kernel, lambda: fdb("vx100") == {FOREIGN}, "ours is gone")


async def test_a_list_keeps_its_marks_when_the_others_entry_goes() -> None:
    make_vni()
    run(APPEND)
    async with watching() as (kernel, _):
        flood(kernel)
        kernel.flush()
        await settle(kernel, lambda: fdb("vx100") == {FOREIGN} | ours("10.0.0.2"), "both are there")
        run(APPEND.replace("append", "del"))
        flood(kernel, VTEP3)
        kernel.flush()
        await settle(kernel, lambda: fdb("vx100") == ours("10.0.0.2", "10.0.0.3"), "another one of ours")
    async with watching() as (kernel, _):
        flood(kernel)
        kernel.flush()
        await settle(kernel, lambda: True, "the route is confirmed")
        assert kernel.sweep() == 1
        await settle(kernel, lambda: fdb("vx100") == ours("10.0.0.2"), "one is gone")
        flood(kernel, VTEP3)
        kernel.flush()
        await settle(kernel, lambda: fdb("vx100") == ours("10.0.0.2", "10.0.0.3"), "and is back, registered")


async def test_the_register_is_restored() -> None:
    make_vni()
    run(APPEND)
    async with watching() as (kernel, _):
        flood(kernel)
        kernel.flush()
        await settle(kernel, lambda: fdb("vx100") == {FOREIGN} | ours("10.0.0.2"), "ours is there")
        for command in (
            "bridge fdb del 03:65:76:70:6e:64 dev vx100 dst 10.0.0.2 self",
            f"bridge fdb del {ZERO} dev vx100 dst 10.0.0.2 self",
            "bridge fdb del 03:65:76:70:6e:64 dev vx100 self",
        ):
            run(command)
            await settle(kernel, lambda: fdb("vx100") == {FOREIGN} | ours("10.0.0.2"), command)
    run(f"bridge fdb del {ZERO} dev vx100 dst 10.0.0.2 self")
    async with watching() as (kernel, _):
        kernel.sweep()
        await settle(kernel, lambda: fdb("vx100") == {FOREIGN}, "what is registered alone goes")


async def test_what_cant_be_told_from_others_entries_stays_and_the_failure_says_so() -> None:
    """While evpnd was away others wrote to a list that was evpnd's alone: the mark is lost."""
    make_vni()
    async with watching() as (kernel, _):
        flood(kernel)
        kernel.flush()
        await settle(kernel, lambda: fdb("vx100"), "it is there")
    run(APPEND)
    left = {FOREIGN, (ZERO, "10.0.0.2", "permanent")}
    assert fdb("vx100") == left
    async with watching() as (kernel, _):
        flood(kernel)
        kernel.flush()
        await settle(kernel, lambda: kernel.failures, "the entry is seen")
        assert [failure.text for failure in kernel.failures.values()] == [reconcile.IN_LIST]
        kernel.unset(intent.flood_key(netns.index("vx100"), 0, VTEP2))
        kernel.flush()
        kernel.sweep()
        await settle(kernel, lambda: not kernel.failures, "nothing is wanted")
        assert fdb("vx100") == left

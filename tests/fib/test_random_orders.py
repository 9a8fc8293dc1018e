"""Random events in random order on the real kernel: its FDB ends as the desired state says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from evpnd.fib import intent
from evpnd.fib.kernel import Kernel
from tests import netns
from tests.fib.watching import VTEP2, VTEP3, Watcher, mac, settle, watching
from tests.netns import fdb, run

MACS = [f"02:00:00:00:00:0{n}" for n in "abc"]
VTEPS = [VTEP2, VTEP3]
ZERO = "00:00:00:00:00:00"

pytestmark = pytest.mark.usefixtures("namespace")


class Daemon:
    """Desires MACs of VNI 100, whatever index its device has at the moment."""

    def __init__(self, kernel: Kernel, watcher: Watcher) -> None:
        self.kernel, self.watcher = kernel, watcher
        self.macs: dict[str, tuple[bytes, bool]] = {}
        self.floods: set[bytes] = set()

    def carry(self) -> None:
        """The desired state as a function of MACs and device."""
        wanted: dict[bytes, bytes] = {}
        device = self.watcher.vnis.get(100)
        if device is not None:
            for address, (vtep, sticky) in self.macs.items():
                key = intent.fdb_key(device.ifindex, 0, mac(address))
                wanted[key] = intent.fdb_value(vtep, sticky=sticky)
            for vtep in self.floods:
                wanted[intent.flood_key(device.ifindex, 0, vtep)] = intent.flood_value()
        for key in self.kernel.desired.keys() - wanted.keys():
            self.kernel.unset(key)
        for key, value in wanted.items():
            if self.kernel.desired.get(key) != value:
                self.kernel.set(key, value)
        self.kernel.flush()

    def differences(self) -> set[tuple[str, ...]]:
        """Where fdb() is not as it must be. (Of a MAC that a local port has, the device's half may be there or not.)"""
        rows: set[tuple[str, ...]] = set()
        optional: set[tuple[str, ...]] = set()
        here: set[tuple[str, ...]] = set()
        for vtep in self.floods:
            rows.add((ZERO, ".".join(map(str, vtep)), "extern_learn", "permanent"))
        bridge = netns.index("br100")
        for address, (vtep, sticky) in self.macs.items():
            behind = (address, ".".join(map(str, vtep)), "extern_learn")
            if self.kernel.local_mac(bridge, 0, mac(address)) is None:
                rows |= {(address, "bridge", "extern_learn", *(("sticky", "static") if sticky else ())), behind}
            else:
                here.add((address, "bridge"))
                optional.add(behind)
        return (fdb("vx100") ^ rows) - optional | here - fdb("p100")


def exists() -> bool:
    return "vx100" in run("ip -o link")


def create() -> None:
    run(
        "ip link add vx100 type vxlan id 100 local 10.0.0.1 dstport 4789 nolearning",
        "ip link set vx100 master br100",
        "bridge link set dev vx100 learning off",
        "ip link set vx100 up",
    )


def actions(daemon: Daemon, dice: random.Random) -> list[Callable[[], Awaitable[None] | None]]:
    def want() -> None:
        daemon.macs[dice.choice(MACS)] = (dice.choice(VTEPS), dice.random() < 0.2)
        daemon.carry()

    def unwant() -> None:
        daemon.macs.pop(dice.choice(MACS), None)
        daemon.carry()

    def flood() -> None:
        daemon.floods ^= {dice.choice(VTEPS)}
        daemon.carry()

    def learn() -> None:
        netns.send_frame("h100", dice.choice(MACS))

    def remove_or_create() -> None:
        if exists():
            run("ip link del vx100")
        else:
            create()

    def call(*commands: str) -> None:
        run(*commands)

    def on_device(*commands: str) -> Callable[[], None]:
        return lambda: call(*commands) if exists() else None

    def drop() -> None:
        if not exists():
            return
        address = dice.choice(MACS)
        for half in ("master", "self"):
            if any(row[0] == address and (row[1] == "bridge") == (half == "master") for row in fdb("vx100")):
                run(f"bridge fdb del {address} dev vx100 {half}")

    async def turn() -> None:
        await asyncio.sleep(dice.choice([0, 0, 0.002, 0.02]))

    return [
        want,
        want,
        unwant,
        flood,
        learn,
        turn,
        turn,
        remove_or_create,
        on_device("ip link set vx100 down"),
        on_device("ip link set vx100 up"),
        on_device("ip link set vx100 nomaster"),
        on_device("ip link set vx100 master br100"),
        on_device("bridge fdb flush dev vx100 self"),
        drop,
        lambda: call("bridge fdb flush dev br100"),
        lambda: call("ip link set p100 down", "ip link set p100 up"),
        daemon.kernel.resync,
    ]


@pytest.mark.parametrize("seed", range(20))
async def test_the_end_is_as_desired(seed: int) -> None:
    dice = random.Random(seed)
    netns.make_vni(100)
    async with watching() as (kernel, watcher):
        daemon = Daemon(kernel, watcher)
        watcher.on_vnis = daemon.carry
        choices = actions(daemon, dice)
        for _ in range(40):
            waiting = dice.choice(choices)()
            if waiting is not None:
                await waiting
        if not exists():
            create()
        run("ip link set vx100 master br100", "ip link set vx100 up")
        await settle(kernel, lambda: 100 in watcher.vnis and watcher.vnis[100].problem is None, "the device works")
        daemon.carry()
        await settle(kernel, lambda: not daemon.differences(), "no differences")
        assert not kernel.failures
        kernel.resync()
        resyncs = watcher.resyncs
        await settle(kernel, lambda: watcher.resyncs > resyncs, "a full comparison")
        requests = kernel.stats["requests"]
        assert not daemon.differences()
        assert kernel.stats["requests"] == requests, "it finds nothing to do"

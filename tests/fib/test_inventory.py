"""evpnd.fib.inventory on the real kernel: whatever changes while a dump is read, the mirror ends as the kernel is."""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from evpnd.fib.audit import Audit
from evpnd.fib.channel import Channel, _open
from evpnd.fib.inventory import Inventory
from evpnd.fib.kernel import Kernel
from evpnd.fib.link import Link, Vxlan, encode_link_dump
from evpnd.fib.mirror import Mirror
from evpnd.fib.neighbour import NUD_REACHABLE, FdbEntry
from evpnd.fib.netlink import RTM_DELLINK, RTM_NEWLINK, split_messages
from evpnd.fib.reconcile import Reconciler
from tests import netns
from tests.fib.watching import Watcher, settle, watching
from tests.netns import run

pytestmark = pytest.mark.usefixtures("namespace")


class Reader:
    """A mirror's devices, with the turns of the event loop in the test's hands."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.mirror = Mirror()
        self.devices = Inventory(self.mirror)
        self.dump = _open(0, 1 << 20)

    def hear(self, limit: int = 10_000) -> None:
        """Read what the kernel told unasked."""
        for datagram in self.channel.events(limit):
            for message in split_messages(datagram):
                if message.type in (RTM_NEWLINK, RTM_DELLINK):
                    self.devices.hear(message)

    def ask(self) -> None:
        self.devices.begin()
        self.dump.send(encode_link_dump())

    def read(self) -> bool:
        """One part of the dump; whether it was the last."""
        return self.devices.feed(self.dump.recv(1 << 18))

    def read_all(self) -> bool:
        """A whole dump, with nothing between its parts."""
        self.ask()
        while not self.read():
            pass
        return self.devices.finish()

    def is_right(self) -> bool:
        """Whether it knows what the kernel says now. (Some changes come by themselves, a little later.)"""
        self.hear()
        return self.mirror.links == truth()


@contextmanager
def reading() -> Iterator[Reader]:
    loop = asyncio.new_event_loop()
    channel = Channel(loop)
    reader = Reader(channel)
    try:
        yield reader
    finally:
        reader.dump.close()
        channel.close()
        loop.close()


def truth() -> dict[int, Link]:
    with reading() as reader:
        assert reader.read_all()
        return reader.mirror.links


def batch(*commands: str) -> None:
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_port_s_message_is_not_taken_for_all_there_is_to_know_of_a_device() -> None:
    """Its bridge tells of a new port, and the device itself is known from the dump only."""
    netns.make_vni(100)
    with reading() as reader:
        reader.ask()
        run("bridge link set dev vx100 neigh_suppress on")
        reader.hear()
        while not reader.read():
            pass
        assert reader.devices.finish()
        reader.hear()
        assert reader.mirror.links == truth()
        port = reader.mirror.links[netns.index("vx100")].port
        assert port is not None
        assert port.neigh_suppress


def test_a_device_that_comes_or_goes_after_its_part_of_the_dump() -> None:
    run("ip link add old type bridge")
    with reading() as reader:
        reader.ask()
        while not reader.read():
            pass
        run("ip link add new type bridge", "ip link del old")
        reader.hear()
        reader.devices.finish()
        assert {link.name for link in reader.mirror.links.values()} == {"lo", "new"}


def test_nothing_is_removed_because_a_torn_dump_lacks_it() -> None:
    batch(*(f"link add b{n} type bridge" for n in range(60)))
    with reading() as reader:
        reader.read_all()
        reader.hear()
        reader.ask()
        assert not reader.read(), "more devices than fit in one part"
        run("ip link del b0")
        while not reader.read():
            pass
        assert reader.devices.torn
        reader.mirror.set_link(Link(999, "left out"))
        assert not reader.devices.finish()
        assert 999 in reader.mirror.links
        assert reader.read_all(), "the next one is whole"
        assert 999 not in reader.mirror.links


@pytest.mark.parametrize("told", [True, False])
def test_a_vxlan_device_that_the_fdb_s_dump_names_first_has_no_local_macs(told: bool) -> None:
    mirror = Mirror()
    mirror.set_link(Link(2, "br", True, kind="bridge"))
    audit = Audit(Reconciler(mirror))
    audit.feed([FdbEntry(3, NUD_REACHABLE, 0, bytes((2, 0, 0, 0, 0, 1)), 2)])
    if told:
        mirror.set_link(Link(3, "vx", True, 2, kind="vxlan", vxlan=Vxlan(100)))
    for _ in audit.finish():
        pass
    audit.close()
    assert not any(mirror.occupied.values())


COMMANDS = (
    "link add br{n} type bridge",
    "link add vx{n} type vxlan id {n} local 10.0.0.1 dstport 4789 nolearning",
    "link add vx{n} type vxlan id {n} local 10.0.0.1 dstport 4789 nolearning master br{n}",
    "link set vx{n} master br{n}",
    "link set vx{n} master br{n} up",
    "link set vx{n} nomaster",
    "link set vx{n} type bridge_slave learning off",
    "link set vx{n} type bridge_slave learning on",
    "link set br{n} up",
    "link set vx{n} up",
    "link set vx{n} down",
    "link set vx{n} name old{n}",
    "link set old{n} name vx{n}",
    "link set vx{n} address 02:00:00:00:00:{n}",
    "link del vx{n}",
    "link del br{n}",
)


@pytest.mark.parametrize("seed", range(10))
def test_any_order_of_changes_messages_and_parts_of_dumps(seed: int) -> None:
    dice = random.Random(seed)
    batch(*(f"link add b{n} type bridge" for n in range(dice.choice([0, 20, 60]))))
    with reading() as reader:
        whole: bool | None = None
        asked = False
        for _ in range(80):
            step = dice.random()
            if step < 0.5:
                command = dice.choice(COMMANDS).format(n=dice.randrange(10, 13))
                subprocess.run(["ip", *command.split()], capture_output=True, check=False)  # some are impossible
            elif step < 0.75:
                reader.hear(dice.choice([1, 3, 1000]))
            elif not asked:
                reader.ask()
                asked = True
            elif reader.read():
                whole = reader.devices.finish()
                asked = False
        while asked:
            if reader.read():
                whole = reader.devices.finish()
                asked = False
        if not whole:
            assert reader.read_all()
        netns.until(reader.is_right, "the mirror is as the kernel is")


@pytest.mark.parametrize("seed", range(8))
async def test_a_start_while_devices_are_made(seed: int) -> None:
    dice = random.Random(seed)
    batch(*(f"link add b{n} type bridge" for n in range(dice.choice([0, 30]))))
    lines = [
        [f"link add br{n} type bridge", f"link add vx{n} type vxlan id {n} local 10.0.0.1 dstport 4789 nolearning"]
        + [f"link set vx{n} master br{n}", *dice.sample([f"link set br{n} up", f"link set vx{n} up"], 2)]
        + [f"link set vx{n} name wx{n}"] * (dice.random() < 0.3)
        for n in range(100, 120)
    ]
    commands = []
    while lines:
        line = dice.choice(lines)
        commands.append(line.pop(0))
        lines = [line for line in lines if line]
    making = asyncio.create_task(asyncio.to_thread(batch, *commands))
    await asyncio.sleep(dice.choice([0, 0.002, 0.005, 0.01, 0.02]))
    async with watching() as (kernel, watcher):
        await making

        def done() -> bool:
            return len(watcher.vnis) == 20 and all(device.problem is None for device in watcher.vnis.values())

        await settle(kernel, lambda: done() and kernel.links == truth(), "all VNIs work")
        assert watcher.resyncs == 1, "without another look at it all"


async def test_one_comparison_at_a_time_from_the_start_on() -> None:
    watcher = Watcher()
    kernel = Kernel(asyncio.get_running_loop(), watcher)
    starting = asyncio.create_task(kernel.start())
    await asyncio.sleep(0)
    assert not kernel.settled
    kernel.resync()  # as after an overrun
    await starting
    assert watcher.resyncs == 1
    await settle(kernel, lambda: watcher.resyncs == 2, "the second comparison, after the first")
    await kernel.close()

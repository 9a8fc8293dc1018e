"""evpnd.fib.reconcile, mirror and audit: whatever happens in whatever order, the end is what is desired."""

from __future__ import annotations

import math
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from evpnd.fib import intent
from evpnd.fib.audit import Audit
from evpnd.fib.mirror import Mirror
from evpnd.fib.neighbour import NTF_EXT_LEARNED, NTF_STICKY, NUD_NOARP
from evpnd.fib.reconcile import Reconciler
from tests.fib.simulated import DEVICE, PORT_A, PORT_B, Host, Row, deliver

MACS = [bytes([2, 0, 0, 0, 0, n]) for n in range(1, 4)]
VTEPS = [bytes([10, 0, 0, n]) for n in (2, 3)]
FOREIGN_VTEP = bytes([10, 0, 0, 9])
KEYS_OF = {mac: intent.fdb_key(DEVICE, 0, mac) for mac in MACS}
KEYS_OF |= {vtep: intent.flood_key(DEVICE, 0, vtep) for vtep in VTEPS}


class World:
    """Reconciler and simulated kernel, joined."""

    def __init__(self) -> None:
        self.host = Host()
        self.mirror = Mirror()
        self.reconciler = Reconciler(self.mirror)
        self.now = 0.0
        for link in self.host.links():
            self.mirror.set_link(link)
        self.reconciler.absorb()
        self.reconciler.swept = True

    def flush(self, limit: int = 100) -> None:
        while self.reconciler.dirty:
            batch = self.reconciler.plan(limit, self.now)
            if batch is not None:
                refused = self.host.take(batch.datagrams, KEYS_OF)
                self.reconciler.settle(batch.keys, refused, self.now)

    def read(self, count: int = 1000) -> None:
        events, self.host.events = self.host.events[:count], self.host.events[count:]
        for event in events:
            deliver(self.mirror, event, self.host)
        self.reconciler.absorb()
        if not self.host.events:
            self.reconciler.caught_up([])

    def lose_events(self) -> None:
        """An overrun: what was not read is lost, and everything is compared."""
        self.host.events.clear()
        self.audit()

    def audit(self) -> None:
        present = {link.index for link in self.host.links()}
        for ifindex in self.mirror.links.keys() - present:
            self.mirror.remove_link(ifindex)
        for link in self.host.links():
            self.mirror.set_link(link)
        self.reconciler.absorb()
        audit = Audit(self.reconciler)
        audit.feed(self.host.dump())
        for _ in audit.finish():
            pass
        audit.close()
        self.reconciler.absorb()

    def come_to_rest(self) -> None:
        """Time passes, with two more tries of what failed, and all is read and sent."""
        for _ in range(2):
            self.now += 1000
            self.reconciler.retry(self.now)
            for _ in range(6):
                self.flush()
                self.read()
                if not self.host.events and not self.reconciler.dirty:
                    break
            else:
                raise AssertionError("evpnd and the kernel never come to rest")


def check(world: World) -> None:
    """The kernel's table is what desired state and the others' entries make it, and the mirror knows."""
    host, reconciler = world.host, world.reconciler
    for mac in MACS:
        key = KEYS_OF[mac]
        value, row, remote = reconciler.desired.get(key), host.bridge.get(mac), host.device.get(mac)
        is_local = row is not None and row.port != DEVICE
        if not host.present:
            assert remote is None
        elif value is None or not host.bridged:
            if value is None:
                assert row is None or row.port != DEVICE or not row.flags & NTF_EXT_LEARNED, "nothing of ours is left"
                assert remote is None or not remote[2] & NTF_EXT_LEARNED
        elif is_local:
            assert key in reconciler.yielded or key in reconciler.failures, "it is known why it is not there"
        elif key in reconciler.failures:
            assert mac in host.full or key in world.mirror.foreign
        else:
            sticky = intent.is_sticky(value)
            state = NUD_NOARP if sticky else 2
            assert row == Row(DEVICE, state, NTF_EXT_LEARNED | (NTF_STICKY if sticky else 0))
            assert remote == (value[9:], 2, NTF_EXT_LEARNED)
            assert world.mirror.owned[key] == value
    if host.present and host.bridged:
        for vtep in VTEPS:
            wanted = KEYS_OF[vtep] in reconciler.desired
            assert (vtep in host.flood) == wanted


Step = Callable[[World], None]


def step(name: str, function: Step) -> Step:
    """A step with a name for the report of a failing example."""
    function.__name__ = function.__qualname__ = name
    return function


def change(key: bytes, value: bytes | None) -> Step:
    def act(world: World) -> None:
        if value is None:
            world.reconciler.unset(key)
        else:
            world.reconciler.set(key, value)

    return step(f"{intent.describe(key)} := {value!r}", act)


def on_host(name: str, act: Callable[[Host], None]) -> Step:
    return step(name, lambda world: act(world.host))


def by_hand(name: str, act: Callable[[Host], None]) -> Step:
    """What people do is seen before evpnd writes again: the kernel has no way to write an entry only if it is free."""

    def do(world: World) -> None:
        world.read()
        world.flush()
        act(world.host)
        world.read()

    return step(name, do)


VALUES = [None, *(intent.fdb_value(v, sticky=s) for v in VTEPS for s in (False, True))]
STEPS = st.one_of(
    st.builds(change, st.sampled_from([KEYS_OF[m] for m in MACS]), st.sampled_from(VALUES)),
    st.builds(change, st.sampled_from([KEYS_OF[v] for v in VTEPS]), st.sampled_from([None, b"\0"])),
    st.sampled_from(
        [
            step("flush", lambda world: world.flush()),
            step("flush one", lambda world: world.flush(1)),
            step("read", lambda world: world.read()),
            step("read one", lambda world: world.read(1)),
            step("overrun", lambda world: world.lose_events()),
            step("audit", lambda world: world.audit()),
            on_host("down", lambda host: host.set_up(False)),
            on_host("up", lambda host: host.set_up(True)),
            on_host("leave", lambda host: host.set_bridged(False)),
            on_host("join", lambda host: host.set_bridged(True)),
            by_hand("remove", lambda host: host.remove()),
            by_hand("create", lambda host: host.create()),
            on_host("full", lambda host: host.full.add(MACS[0])),
            on_host("room", lambda host: host.full.clear()),
        ]
    ),
    st.builds(
        lambda mac, port: on_host(f"learn {mac.hex()} {port}", lambda host: host.learn(mac, port)),
        st.sampled_from(MACS),
        st.sampled_from([PORT_A, PORT_B]),
    ),
    st.builds(lambda mac: on_host(f"flush {mac.hex()}", lambda host: host.forget(mac)), st.sampled_from(MACS)),
    st.builds(lambda mac: on_host(f"drop {mac.hex()}", lambda host: host.forget_remote(mac)), st.sampled_from(MACS)),
    st.builds(
        lambda mac: by_hand(f"static {mac.hex()}", lambda host: host.make_static(mac, PORT_A)), st.sampled_from(MACS)
    ),
    st.builds(lambda mac: by_hand(f"redirect {mac.hex()}", lambda host: host.redirect(mac)), st.sampled_from(MACS)),
)


@settings(max_examples=400)
@given(st.lists(STEPS, max_size=40))
def test_any_order_of_events_ends_as_desired(steps: list[Step]) -> None:
    world = World()
    for act in steps:
        act(world)
    world.come_to_rest()
    check(world)
    world.audit()
    assert not world.reconciler.dirty, "a full comparison finds nothing to do"
    check(world)


@settings(max_examples=100)
@given(st.lists(STEPS, max_size=30))
def test_a_restart_ends_in_the_same_state(steps: list[Step]) -> None:
    """A new process with the same desired state, on the kernel that the old one left."""
    world = World()
    for act in steps:
        act(world)
    world.come_to_rest()
    successor = World()
    successor.host = world.host
    successor.host.events.clear()
    successor.mirror.links.clear()
    successor.mirror.vxlan_ports.clear()
    successor.reconciler.swept = False
    successor.audit()
    for key, value in world.reconciler.desired.items():
        if key not in world.reconciler.yielded:
            successor.reconciler.set(key, value)
    successor.flush()
    successor.reconciler.sweep()
    successor.come_to_rest()
    for key in world.reconciler.yielded:
        successor.reconciler.desired[key] = world.reconciler.desired[key]
        successor.reconciler.yielded.add(key)
    check(successor)


def test_failures_are_retried_less_and_less_often() -> None:
    world = World()
    world.host.full.add(MACS[0])
    key = KEYS_OF[MACS[0]]
    world.reconciler.set(key, intent.fdb_value(VTEPS[0]))
    waits = []
    for _ in range(9):
        world.flush()
        waits.append(world.reconciler.failures[key].retry_at - world.now)
        world.reconciler.retry(world.now)
        assert not world.reconciler.dirty, "not before its time"
        world.now = world.reconciler.failures[key].retry_at
        world.reconciler.retry(world.now)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_flap_between_two_flushes_is_one_request_or_none() -> None:
    world = World()
    key = KEYS_OF[MACS[0]]
    for vtep in (*VTEPS, VTEPS[0]):
        world.reconciler.set(key, intent.fdb_value(vtep))
    batch = world.reconciler.plan(100, 0.0)
    assert batch is not None
    assert len(batch) == 1
    world.reconciler.unset(key)
    world.reconciler.set(key, intent.fdb_value(VTEPS[0]))
    assert world.reconciler.plan(100, 0.0) is None


def test_a_plan_takes_no_more_than_its_limit_and_loses_nothing() -> None:
    world = World()
    for n in range(250):
        world.reconciler.set(intent.fdb_key(DEVICE, 0, bytes([2, 0, 0, 0, 1, n])), intent.fdb_value(VTEPS[0]))
    sizes = []
    while world.reconciler.dirty:
        batch = world.reconciler.plan(100, 0.0)
        assert batch is not None
        assert all(len(datagram) < 16384 for datagram in batch.datagrams)
        sizes.append(len(batch))
    assert sizes == [100, 100, 50]


def test_what_is_in_the_way_is_told_and_waited_for() -> None:
    world = World()
    world.host.make_static(MACS[0], PORT_A)
    world.read()
    world.reconciler.set(KEYS_OF[MACS[0]], intent.fdb_value(VTEPS[0]))
    world.flush()
    failure = world.reconciler.failures[KEYS_OF[MACS[0]]]
    assert (failure.text, failure.retry_at) == (f"the MAC is static on p{PORT_A}", math.inf)
    world.host.forget(MACS[0])
    world.come_to_rest()
    check(world)
    assert not world.reconciler.failures

"""What the kernel does with FDB entries, as far as evpnd.fib rests on it: each habit tried on the kernel at hand.

When one of these fails on another kernel, the module named in the test is what to look at.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from evpnd.fib import bpf, intent, netlink
from evpnd.fib.channel import RTMGRP_LINK, RTMGRP_NEIGH, Channel, _open
from evpnd.fib.neighbour import FdbEntry, decode_fdb, encode_fdb
from tests import netns
from tests.fib.watching import VTEP2, VTEP3, mac
from tests.netns import fdb, remote, run

A = "02:00:00:00:00:0a"
BOTH, SELF, MASTER = 0x16, 0x12, 0x14
CREATE_REPLACE = 1 | 0x400 | 0x100

pytestmark = pytest.mark.usefixtures("namespace")


class Wire:
    """A socket to ask with and one that hears everything."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.channel = Channel(self.loop)
        self.ear = _open(RTMGRP_LINK | RTMGRP_NEIGH, 1 << 20)
        self.ear.bind((0, RTMGRP_LINK | RTMGRP_NEIGH))
        self.ear.setblocking(False)

    def ask(self, entry: FdbEntry, message_type: int = 28, flags: int = CREATE_REPLACE) -> list[int]:
        """Errors that the kernel answers with."""
        return [refusal.errno for refusal in self.channel.send([encode_fdb(entry, message_type, flags)])]

    def heard(self, sock: socket.socket | None = None) -> list[tuple[str, FdbEntry]]:
        """FDB messages since the last call."""
        messages: list[tuple[str, FdbEntry]] = []
        time.sleep(0.02)
        while True:
            try:
                data = (sock or self.ear).recv(65536)
            except BlockingIOError:
                return messages
            for message in netlink.split_messages(data):
                entry = decode_fdb(message.body) if message.type in (28, 29) else None
                if entry is not None and entry.mac == mac(A):
                    messages.append(("new" if message.type == 28 else "del", entry))

    def close(self) -> None:
        self.channel.close()
        self.ear.close()
        self.loop.close()


@contextmanager
def wired() -> Iterator[Wire]:
    wire = Wire()
    try:
        yield wire
    finally:
        wire.close()


def ours(dst: bytes = VTEP2, flags: int = BOTH, state: int = 2) -> FdbEntry:
    return FdbEntry(netns.index("vx100"), state, flags, mac(A), dst=dst)


def bridge_half(port: str = "vx100", state: int = 2, flags: int = 0x10) -> FdbEntry:
    return FdbEntry(netns.index(port), state, flags, mac(A), netns.index("br100"))


def device_half(dst: bytes = VTEP2, state: int = 2, flags: int = SELF) -> FdbEntry:
    return FdbEntry(netns.index("vx100"), state, flags, mac(A), dst=dst)


def test_one_request_makes_two_halves_each_told_of_by_itself() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        assert wire.ask(ours()) == []
        assert wire.heard() == [("new", bridge_half()), ("new", device_half())]


def test_writing_the_same_again_says_nothing_and_another_vtep_tells_the_device_half_only() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        wire.ask(ours())
        wire.heard()
        wire.ask(ours())
        assert wire.heard() == []
        wire.ask(ours(VTEP3))
        assert wire.heard() == [("new", device_half(VTEP3))]


def test_without_replace_the_vtep_is_not_changed_and_nobody_says_so() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        wire.ask(ours())
        assert wire.ask(ours(VTEP3), flags=1 | 0x400) == []
        assert fdb("vx100") == remote(A, "10.0.0.2")


def test_a_delete_that_names_another_vtep_succeeds_and_removes_nothing() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        wire.ask(ours())
        assert wire.ask(ours(VTEP3), 29, 1) == []
        assert (A, "10.0.0.2", "extern_learn") in fdb("vx100")


def test_a_delete_of_both_halves_stops_at_a_missing_first() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        wire.ask(ours())
        wire.ask(ours(b"", MASTER), 29, 1)
        assert wire.ask(ours(b""), 29, 1) == [2]
        assert fdb("vx100") == {(A, "10.0.0.2", "extern_learn")}


def test_sticky_beside_ext_learned_is_ignored_and_before_it_is_kept() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        wire.ask(ours(flags=BOTH | 0x40))
        assert (A, "bridge", "extern_learn") in fdb("vx100")
        wire.ask(ours(b"", 0x44, 0x40))
        wire.ask(ours())
        assert (A, "bridge", "extern_learn", "sticky", "static") in fdb("vx100")


def test_a_local_port_takes_the_bridges_half_and_only_the_new_place_is_told() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        wire.ask(ours())
        wire.heard()
        netns.send_frame("h100", A)
        assert wire.heard() == [("new", bridge_half("p100", flags=0))]
        assert fdb("vx100") == {(A, "10.0.0.2", "extern_learn")}
        found = wire.channel.where_is(netns.index("br100"), 0, mac(A))
        assert found is not None
        assert found.ifindex == netns.index("p100")
        wire.ask(ours())
        assert wire.heard() == [("new", bridge_half())], "and back, again without a word about the port"


def test_our_write_displaces_even_a_static_entry_of_a_local_port() -> None:
    """Hence the mirror knows those, and the reconciler does not write where one is."""
    netns.make_vni(100, beside=False)
    run(f"bridge fdb add {A} dev p100 master static")
    with wired() as wire:
        assert wire.ask(ours()) == []
        assert (A, "bridge", "static") not in fdb("p100")


def test_a_device_that_goes_down_loses_its_half_and_its_flood_list_stays() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        wire.ask(ours())
        flood = FdbEntry(netns.index("vx100"), 0xC0, SELF, bytes(6), dst=VTEP2)
        wire.ask(flood, flags=1 | 0x400 | 0x800)
        wire.heard()
        run("ip link set vx100 down")
        assert wire.heard() == [("del", device_half())]
        assert fdb("vx100") == {
            (A, "bridge", "extern_learn"),
            ("00:00:00:00:00:00", "10.0.0.2", "extern_learn", "permanent"),
        }
        assert wire.ask(ours()) == [], "it can be written again while the device is down"
        run("ip link set vx100 up")
        assert remote(A, "10.0.0.2") <= fdb("vx100")


def test_a_device_that_leaves_its_bridge_loses_the_bridges_half() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        wire.ask(ours())
        wire.heard()
        run("ip link set vx100 nomaster")
        assert wire.heard() == [("del", bridge_half())]
        assert wire.ask(ours(VTEP3)) == [], "a write for both halves is no error then"
        assert {row[1] for row in fdb("vx100")} == {"10.0.0.3"}


def test_a_device_that_is_deleted_takes_leave_of_every_entry() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        wire.ask(ours())
        wire.heard()
        gone = [("del", device_half()), ("del", bridge_half())]
        run("ip link del vx100")
        assert wire.heard() == gone


def test_flushing_the_bridge_spares_the_devices_half_and_the_other_way_round() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        wire.ask(ours())
        wire.heard()
        run("bridge fdb flush dev br100")
        assert wire.heard() == [("del", bridge_half())]
        wire.ask(ours())
        wire.heard()
        run("bridge fdb flush dev vx100 self")
        assert wire.heard() == [("del", device_half())]


def test_what_a_user_wrote_keeps_its_marks_when_it_is_replaced() -> None:
    netns.make_vni(100, beside=False)
    run(f"bridge fdb add {A} dev vx100 dst 10.0.0.9 self static")
    with wired() as wire:
        wire.ask(ours())
        assert (A, "10.0.0.2", "static") in fdb("vx100")
        for half in (MASTER, SELF):
            wire.ask(ours(b"", half), 29, 1)
        wire.ask(ours())
        assert fdb("vx100") == remote(A, "10.0.0.2")


def test_the_marks_of_a_flood_list_are_those_of_its_last_writer() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        wire.ask(FdbEntry(netns.index("vx100"), 0xC0, SELF, bytes(6), dst=VTEP2), flags=1 | 0x400 | 0x800)
        run("bridge fdb append 00:00:00:00:00:00 dev vx100 dst 10.0.0.9 self permanent")
        assert {row[2] for row in fdb("vx100")} == {"permanent"}


def test_an_empty_message_with_the_acknowledgement_flag_is_acknowledged() -> None:
    """So a batch needs one answer, and its bad requests are named nonetheless."""
    netns.make_vni(100, beside=False)
    with wired() as wire:
        bad = encode_fdb(ours(b""), netlink.RTM_DELNEIGH, 1)
        good = encode_fdb(ours(), netlink.RTM_NEWNEIGH, CREATE_REPLACE)
        (refusal,) = wire.channel.send([bad + good])
        assert refusal.errno == 2
        assert refusal.request == bad, "the kernel sends the refused request back"
        assert fdb("vx100") == remote(A, "10.0.0.2")


def vxlan_and(others: int) -> list[int]:
    """The VXLAN device, and more than there are, before it and after."""
    device = netns.index("vx100")
    return [*range(device + 1000, device + 1000 + others), device, *range(device + 5000, device + 5000 + others)]


@pytest.mark.parametrize("others", [0, 99, 199, 200, 499, 600])  # the last are too many
@pytest.mark.parametrize("deaf", [False, True])
def test_the_filter_drops_our_echoes_and_nothing_else(deaf: bool, others: int) -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        ear = wire.channel._monitor
        wire.channel.set_deaf(deaf)
        wire.channel.set_vxlan(vxlan_and(others))
        wire.ask(ours())
        assert wire.heard(ear) == []
        wire.ask(ours(VTEP3))
        assert wire.heard(ear) == []
        wire.ask(ours(b""), 29, 1)
        echoes = [] if deaf else [("del", bridge_half()), ("del", device_half(VTEP3))]
        assert wire.heard(ear) == echoes
        netns.send_frame("h100", A)
        assert wire.heard(ear) == [("new", bridge_half("p100", flags=0))]
        run("ip link set p100 down")
        assert wire.heard(ear) == [("del", bridge_half("p100", flags=0))]
        run(f"bridge fdb add {A} dev vx100 dst 10.0.0.9 self master static")
        assert [what for what, _ in wire.heard(ear)] == ["new", "new"]


@pytest.mark.parametrize("others", [0, 99, 199, 200, 499])
def test_the_filter_passes_what_a_switch_learned(others: int) -> None:
    """Marked as ours are, on a port that is not a VXLAN device: drivers write it so."""
    netns.make_vni(100, beside=False)
    with wired() as wire:
        ear = wire.channel._monitor
        wire.channel.set_vxlan(vxlan_and(others))
        run(f"bridge fdb add {A} dev p100 master extern_learn")
        assert wire.heard(ear) == [("new", bridge_half("p100"))]
        wire.ask(ours())
        assert wire.heard(ear) == []
        run(f"bridge fdb replace {A} dev p100 master dynamic")
        assert wire.heard(ear) == [("new", bridge_half("p100"))]


def test_the_filter_drops_other_families_neighbours() -> None:
    netns.make_vni(100, beside=False)
    with wired() as wire:
        ear = wire.channel._monitor
        wire.heard(ear)
        run("ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev h100", "ip neigh del 192.0.2.1 dev h100")
        with pytest.raises(BlockingIOError):
            ear.recv(65536)


def test_the_filters_program_is_whole() -> None:
    for deaf, ports in itertools.product(
        (False, True), (None, *(range(count) for count in (0, 1, 199, 200, 201, 999)))
    ):
        program = bpf.echo_filter(deaf, ports)
        assert len(program) % 8 == 0
        for position in range(0, len(program), 8):
            code, true, false = program[position], program[position + 2], program[position + 3]
            if code & 7 == 5:  # a jump: both targets are inside
                assert position // 8 + 1 + max(true, false) < len(program) // 8


def test_all_intents_are_written_in_the_kernels_own_words() -> None:
    """What evpnd writes is what a dump shows: adopting it leaves nothing to do."""
    netns.make_vni(100, beside=False)
    device = netns.index("vx100")
    intents = {
        intent.fdb_key(device, 0, mac(A)): intent.fdb_value(VTEP2),
        intent.fdb_key(device, 0, mac("02:00:00:00:00:0b")): intent.fdb_value(VTEP3, sticky=True),
        intent.flood_key(device, 0, VTEP2): intent.flood_value(),
    }
    with wired() as wire:
        for key, value in intents.items():
            kind = intent.KINDS[key[0]]
            rest = key[kind.scope_size :]
            template = kind.add(key[: kind.scope_size], len(rest), value, False)
            assert wire.channel.send([rest.join(template)]) == []
    assert fdb("vx100") == {
        *remote(A, "10.0.0.2"),
        ("02:00:00:00:00:0b", "bridge", "extern_learn", "sticky", "static"),
        ("02:00:00:00:00:0b", "10.0.0.3", "extern_learn"),
        ("00:00:00:00:00:00", "10.0.0.2", "extern_learn", "permanent"),
    }


def test_a_port_s_own_address_becomes_the_bridge_s_without_a_word() -> None:
    netns.make_vni(100, beside=False)
    run(f"ip link add p200 type veth peer name h200 address {A}", "ip link set h200 master br100")
    own = FdbEntry(netns.index("h200"), 0x80, 0, mac(A), netns.index("br100"))
    with wired() as wire:
        assert wire.channel.where_is(netns.index("br100"), 0, mac(A)) == own
        assert f"link/ether {A}" in run("ip link show br100"), "the lowest of its ports' addresses"
        run("ip link set h200 nomaster")
        assert wire.heard() == [("del", own._replace(ifindex=netns.index("br100")))]

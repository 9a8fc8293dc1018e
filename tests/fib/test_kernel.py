"""evpnd.fib.kernel on the real kernel: it ends as desired whatever happens to devices and entries."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from evpnd.fib import comparison, intent, reconcile
from evpnd.fib.kernel import Kernel
from evpnd.fib.mirror import LocalEntry
from tests import netns
from tests.fib.watching import VTEP2, VTEP3, Watcher, mac, settle, want, watching
from tests.netns import fdb, registered, remote, run

A, B, C = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"
ZERO = "00:00:00:00:00:00"

pytestmark = pytest.mark.usefixtures("namespace", "size")


async def test_installs_changes_and_removes_a_remote_mac() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, _):
        key = want(kernel, netns.index("vx100"), A)
        kernel.flush()
        assert fdb("vx100") == remote(A, "10.0.0.2")
        kernel.set(key, intent.fdb_value(VTEP3))
        kernel.flush()
        assert fdb("vx100") == remote(A, "10.0.0.3")
        kernel.unset(key)
        kernel.flush()
        assert fdb("vx100") == set()


async def test_a_vtep_may_be_ipv6() -> None:
    netns.make_vni(100, local="2001:db8::1")
    async with watching() as (kernel, watcher):
        assert watcher.vnis[100].vtep == bytes.fromhex("20010db8" + "00" * 11 + "01")
        want(kernel, netns.index("vx100"), A, bytes.fromhex("20010db8" + "00" * 11 + "02"))
        kernel.set(intent.flood_key(netns.index("vx100"), 0, bytes.fromhex("20010db8" + "00" * 11 + "02")), b"\0")
        kernel.flush()
        assert fdb("vx100") == remote(A, "2001:db8::2") | {(ZERO, "2001:db8::2", "extern_learn", "permanent")}


async def test_a_sticky_mac_stays_when_a_local_port_sends_from_it() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, watcher):
        key = want(kernel, netns.index("vx100"), A, sticky=True)
        kernel.flush()
        sticky = {(A, "bridge", "extern_learn", "sticky", "static"), (A, "10.0.0.2", "extern_learn")}
        assert fdb("vx100") == sticky
        netns.send_frame("h100", A)
        await settle(kernel, lambda: True, "nothing happens")
        assert fdb("vx100") == sticky
        assert not watcher.local
        kernel.set(key, intent.fdb_value(VTEP2))
        kernel.flush()
        assert fdb("vx100") == remote(A, "10.0.0.2")
        kernel.set(key, intent.fdb_value(VTEP2, sticky=True))
        kernel.flush()
        assert fdb("vx100") == sticky
        kernel.unset(key)
        kernel.flush()
        assert fdb("vx100") == set()
        assert not kernel.failures


async def test_flood_list() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, _):
        keys = [intent.flood_key(netns.index("vx100"), 0, vtep) for vtep in (VTEP2, VTEP3)]
        for key in keys:
            kernel.set(key, intent.flood_value())
        kernel.flush()
        assert fdb("vx100") == {(ZERO, f"10.0.0.{n}", "extern_learn", "permanent") for n in (2, 3)}
        kernel.unset(keys[0])
        kernel.flush()
        assert fdb("vx100") == {(ZERO, "10.0.0.3", "extern_learn", "permanent")}


async def test_local_macs_come_move_and_go() -> None:
    netns.make_vni(100)
    run("ip link add q100 type veth peer name g100", "ip link set q100 master br100", "ip link set q100 up")
    run("ip link set g100 up", f"bridge fdb add {B} dev p100 master static", f"bridge fdb add {C} dev p100 master")
    netns.until(lambda: netns.port_state("q100") == "forwarding", "q100 forwards")
    async with watching() as (kernel, watcher):
        bridge, port, other = (netns.index(name) for name in ("br100", "p100", "q100"))
        a = bridge, 0, mac(A)
        assert watcher.local[bridge, 0, mac(B)] == LocalEntry(port, "static")
        assert (bridge, 0, mac(C)) not in watcher.local, "a permanent entry is the host's own"
        netns.send_frame("h100", A)
        await settle(kernel, lambda: watcher.local.get(a) == LocalEntry(port, "dynamic"), "A is learned")
        netns.send_frame("g100", A)
        await settle(kernel, lambda: watcher.local.get(a) == LocalEntry(other, "dynamic"), "A has moved")
        assert (0, mac(A), LocalEntry(other, "dynamic")) in kernel.local_macs(bridge)
        run("ip link set q100 down")
        await settle(kernel, lambda: (bridge, 0, mac(A)) not in watcher.local, "A is gone with its port")
        run("ip link del p100")
        await settle(kernel, lambda: not watcher.local, "B is gone with its port")


async def test_entries_deleted_flushed_or_changed_by_others_are_restored() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, _):
        for address in (A, B, C):
            want(kernel, netns.index("vx100"), address)
        kernel.set(intent.flood_key(netns.index("vx100"), 0, VTEP2), intent.flood_value())
        kernel.flush()
        everything = fdb("vx100")
        assert len(everything) == 7
        for command in (
            f"bridge fdb del {A} dev vx100 master",
            f"bridge fdb del {A} dev vx100 self",
            f"bridge fdb replace {B} dev vx100 dst 10.0.0.9 self static",
            f"bridge fdb replace {B} dev vx100 master static",
            f"bridge fdb del {ZERO} dev vx100 dst 10.0.0.2",
            "bridge fdb flush dev br100",
            "bridge fdb flush dev vx100 self",
        ):
            run(command)
            await settle(kernel, lambda: fdb("vx100") == everything, command)
        assert not kernel.failures


async def test_entries_return_after_the_device_was_down() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, watcher):
        for address in (A, B):
            want(kernel, netns.index("vx100"), address)
        kernel.flush()
        for device in ("vx100", "br100"):
            run(f"ip link set {device} down")
            await settle(kernel, lambda: watcher.vnis[100].problem is not None, f"{device} is seen down")
            assert watcher.vnis[100].problem == f"{device} is down"
            run(f"ip link set {device} up")
            await settle(kernel, lambda: watcher.vnis[100].problem is None, f"{device} is seen up")
            assert fdb("vx100") == remote(A, "10.0.0.2") | remote(B, "10.0.0.2")


async def test_entries_wait_for_the_device_to_be_in_a_bridge() -> None:
    netns.make_vni(100)
    run("ip link set vx100 nomaster")
    async with watching() as (kernel, watcher):
        assert watcher.vnis[100].problem == "vx100 is not in a bridge"
        want(kernel, netns.index("vx100"), A)
        kernel.flush()
        assert fdb("vx100") == set()
        assert kernel.stats["waiting"] == 1
        for _ in range(2):
            run("ip link set vx100 master br100")
            await settle(kernel, lambda: watcher.vnis[100].problem is None, "the device is seen in its bridge")
            assert fdb("vx100") == remote(A, "10.0.0.2")
            run("ip link set vx100 nomaster")
            await settle(kernel, lambda: kernel.stats["waiting"] == 1, "the entry waits again")


async def test_a_device_that_returns_has_another_index() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, watcher):
        first = watcher.vnis[100].ifindex
        old = want(kernel, first, A)
        kernel.flush()
        run("ip link del vx100")
        await settle(kernel, lambda: 100 not in watcher.vnis, "the VNI is gone")
        assert not kernel.owned
        run("ip link add vx100 type vxlan id 100 local 10.0.0.1 dstport 4789 nolearning")
        run("ip link set vx100 master br100", "ip link set vx100 up")
        await settle(kernel, lambda: 100 in watcher.vnis and watcher.vnis[100].problem is None, "the VNI is back")
        assert watcher.vnis[100].ifindex != first
        kernel.unset(old)
        want(kernel, watcher.vnis[100].ifindex, A)
        kernel.flush()
        assert fdb("vx100") == remote(A, "10.0.0.2")
        assert not kernel.failures


async def test_a_mac_that_a_local_port_learned_is_reported_and_not_fought_over() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, watcher):
        bridge, device = netns.index("br100"), netns.index("vx100")
        key = want(kernel, device, A)
        kernel.flush()
        netns.send_frame("h100", A)
        await settle(kernel, lambda: (bridge, 0, mac(A)) in watcher.local, "A is local")
        kernel.flush()
        assert (A, "bridge") in fdb("p100"), "the bridge's entry was left to the local port"
        # The remote route wins after all: the daemon sets it again.
        kernel.set(key, intent.fdb_value(VTEP2))
        kernel.flush()
        assert fdb("vx100") == remote(A, "10.0.0.2")
        await settle(kernel, lambda: (bridge, 0, mac(A)) not in watcher.local, "A is no longer local")
        # And once more; now the local MAC ages out.
        netns.send_frame("h100", A)
        await settle(kernel, lambda: (bridge, 0, mac(A)) in watcher.local, "A is local again")
        run("ip link set p100 down")
        await settle(kernel, lambda: fdb("vx100") == remote(A, "10.0.0.2"), "A is remote when it is local no more")


async def test_what_a_switch_learned_is_local_at_once() -> None:
    """Its driver marks it as evpnd marks its own, on a port that is not VXLAN."""
    netns.make_vni(100)
    async with watching() as (kernel, watcher):
        place = LocalEntry(netns.index("p100"), "dynamic")
        a, b = ((netns.index("br100"), 0, mac(address)) for address in (A, B))
        run(f"bridge fdb add {A} dev p100 master extern_learn")
        await settle(kernel, lambda: watcher.local.get(a) == place, "A is local")
        want(kernel, netns.index("vx100"), B)
        kernel.flush()
        run(f"bridge fdb replace {B} dev p100 master dynamic")
        assert (B, "bridge", "extern_learn") in fdb("p100"), "the bridge keeps the mark of our own entry"
        await settle(kernel, lambda: watcher.local.get(b) == place, "B is local")
        run(f"bridge fdb del {A} dev p100 master", f"bridge fdb del {B} dev p100 master")
        await settle(kernel, lambda: not watcher.local, "neither is there any more")
        await settle(kernel, lambda: fdb("vx100") == remote(B, "10.0.0.2"), "B is where its route says")
        assert kernel.stats["resyncs"] == 1, "no comparison told"


async def test_a_remote_mac_that_became_local_leaves_nothing_behind() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, watcher):
        bridge = netns.index("br100")
        key = want(kernel, netns.index("vx100"), A)
        kernel.flush()
        netns.send_frame("h100", A)
        await settle(kernel, lambda: (bridge, 0, mac(A)) in watcher.local, "A is local")
        kernel.unset(key)
        kernel.flush()
        assert fdb("vx100") == set()
        assert (A, "bridge") in fdb("p100")


async def test_an_old_message_about_a_local_mac_is_not_believed() -> None:
    """A local port learns, and evpnd installs the remote one before it reads of that: the kernel's last word counts."""
    netns.make_vni(100)
    async with watching() as (kernel, watcher):
        bridge = netns.index("br100")
        netns.send_frame("h100", A)  # not read yet: no turn of the event loop
        netns.until(lambda: (A, "bridge") in fdb("p100"), "A is learned")
        want(kernel, netns.index("vx100"), A)
        kernel.flush()
        await settle(kernel, lambda: kernel.stats["events"] > 0, "the old message is read")
        assert (bridge, 0, mac(A)) not in watcher.local
        assert fdb("vx100") == remote(A, "10.0.0.2")


async def test_others_entries_are_neither_changed_nor_removed() -> None:
    netns.make_vni(100)
    run(
        f"bridge fdb add {A} dev p100 master static",
        f"bridge fdb add {B} dev vx100 dst 10.0.0.9 self master static",
        f"bridge fdb add {C} dev p100 master permanent",
        "bridge fdb append 00:00:00:00:00:00 dev vx100 dst 10.0.0.9 self permanent",
    )
    port, device = fdb("p100"), fdb("vx100")
    async with watching() as (kernel, _):
        ifindex = netns.index("vx100")
        keys = [want(kernel, ifindex, address) for address in (A, B, C)]
        floods = [intent.flood_key(ifindex, 0, vtep) for vtep in (VTEP2, bytes([10, 0, 0, 9]))]
        for flood in floods:
            kernel.set(flood, intent.flood_value())
        kernel.flush()
        kernel.sweep()
        ours = {(ZERO, "10.0.0.2", "permanent"), registered("10.0.0.2")}
        assert (fdb("p100"), fdb("vx100")) == (port, device | ours)
        assert {intent.describe(k): f.text for k, f in kernel.failures.items()} == {
            f"MAC {A} on device {ifindex}": "the MAC is static on p100",
            f"MAC {B} on device {ifindex}": "somebody else's entry is there",
            f"MAC {C} on device {ifindex}": "the MAC is permanent on p100",
            f"flooding to 10.0.0.9 on device {ifindex}": reconcile.IN_LIST,
        }
        for key in (*keys, *floods):
            kernel.unset(key)
        kernel.flush()
        assert (fdb("p100"), fdb("vx100")) == (port, device)
        assert not kernel.failures


async def test_an_entry_goes_in_when_what_was_in_its_way_is_gone() -> None:
    netns.make_vni(100)
    run(f"bridge fdb add {A} dev p100 master static", f"bridge fdb add {B} dev vx100 dst 10.0.0.9 self static")
    async with watching() as (kernel, _):
        for address in (A, B):
            want(kernel, netns.index("vx100"), address)
        kernel.flush()
        assert len(kernel.failures) == 2
        run(f"bridge fdb del {A} dev p100 master", f"bridge fdb del {B} dev vx100 self")
        wanted = remote(A, "10.0.0.2") | remote(B, "10.0.0.2")
        await settle(kernel, lambda: fdb("vx100") == wanted, "both are installed")
        assert not kernel.failures


async def test_a_static_entry_made_over_ours_is_local_and_stays() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, watcher):
        bridge = netns.index("br100")
        want(kernel, netns.index("vx100"), A)
        kernel.flush()
        run(f"bridge fdb replace {A} dev p100 master static")
        await settle(kernel, lambda: watcher.local.get((bridge, 0, mac(A))) is not None, "A is local")
        assert watcher.local[bridge, 0, mac(A)].state == "static"
        want(kernel, netns.index("vx100"), A, VTEP3)
        kernel.flush()
        assert {row[:2] for row in fdb("p100")} >= {(A, "bridge")}
        assert [f.text for f in kernel.failures.values()] == ["the MAC is static on p100"]


@pytest.mark.parametrize(
    ("name", "take", "give_back"),
    [
        ("br100", "ip link set br100 address {}", "ip link set br100 address 02:00:00:00:00:bb"),
        ("h200", "ip link set h200 master br100", "ip link set h200 nomaster"),
    ],
)
async def test_a_remote_mac_that_a_device_here_takes_for_its_own_is_a_failure(
    name: str, take: str, give_back: str
) -> None:
    """As a bridge without an address of its own does, with the lowest of its ports'."""
    netns.make_vni(100)
    run(f"ip link add p200 type veth peer name h200 address {A}")
    async with watching() as (kernel, _):
        key = want(kernel, netns.index("vx100"), A)
        kernel.flush()
        run(take.format(A))
        await settle(kernel, lambda: kernel.failures, "it is seen")
        assert kernel.failures[key].text == f"{name} has the MAC for its own address"
        assert (A, "bridge", "extern_learn") not in fdb("vx100")
        run(give_back)
        await settle(kernel, lambda: fdb("vx100") == remote(A, "10.0.0.2"), "it is installed again")
        assert not kernel.failures


async def test_what_the_kernel_refuses_is_tried_again() -> None:
    netns.make_vni(100)
    run("ip link add vx200 type vxlan id 200 local 10.0.0.1 dstport 4789 nolearning maxaddress 1")
    run("ip link set vx200 master br100", "ip link set vx200 up")
    async with watching() as (kernel, _):
        first = want(kernel, netns.index("vx200"), A)
        kernel.flush()
        second = want(kernel, netns.index("vx200"), B)
        kernel.flush()
        assert kernel.failures[second].count == 1
        assert kernel.failures[second].errno == 28, kernel.failures
        assert fdb("vx200") >= remote(A, "10.0.0.2")
        await settle(kernel, lambda: kernel.failures[second].count >= 2, "a second try")
        kernel.unset(first)
        kernel.flush()
        await settle(kernel, lambda: fdb("vx200") == remote(B, "10.0.0.2"), "the third try succeeds")
        kernel.set(second, intent.fdb_value(VTEP3))
        kernel.flush()
        assert not kernel.failures


async def test_a_restart_adopts_and_sweeps_only_what_was_not_confirmed() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, _):
        device = netns.index("vx100")
        for address in (A, B):
            want(kernel, device, address)
        want(kernel, device, C, sticky=True)
        for vtep in (VTEP2, VTEP3):
            kernel.set(intent.flood_key(device, 0, vtep), intent.flood_value())
        kernel.flush()
        everything = fdb("vx100")
    assert fdb("vx100") == everything, "close leaves forwarding in place"
    async with watching() as (kernel, _):
        await settle(kernel, lambda: kernel.stats["stale"] == 5, "all five are adopted")
        want(kernel, device, A)
        want(kernel, device, C, sticky=True)
        kernel.set(intent.flood_key(device, 0, VTEP2), intent.flood_value())
        kernel.flush()
        assert kernel.stats["requests"] == 0, "what is there already is not written again"
        assert fdb("vx100") == everything
        assert kernel.sweep() == 2
        assert fdb("vx100") == everything - remote(B, "10.0.0.2") - {(ZERO, "10.0.0.3", "extern_learn", "permanent")}


async def test_a_default_remote_is_not_adopted() -> None:
    run("ip link add br100 type bridge", "ip link set br100 up")
    run("ip link add vx100 type vxlan id 100 local 10.0.0.1 remote 10.0.0.9 dstport 4789 nolearning")
    run("ip link set vx100 master br100", "ip link set vx100 up")
    for _ in range(2):
        async with watching() as (kernel, _):
            kernel.set(intent.flood_key(netns.index("vx100"), 0, VTEP2), intent.flood_value())
            kernel.flush()
            kernel.sweep()
            assert {row[:2] for row in fdb("vx100") - {registered("10.0.0.2")}} == {
                (ZERO, "10.0.0.9"),
                (ZERO, "10.0.0.2"),
            }


async def test_an_overrun_ends_in_a_full_comparison() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, watcher):
        bridge, device = netns.index("br100"), netns.index("vx100")
        want(kernel, device, A)
        kernel.flush()
        shrink_monitor(kernel)
        addresses = [(0x02AA00000000 + i).to_bytes(6, "big") for i in range(3000)]
        netns.send_frames("h100", addresses)
        run("bridge fdb flush dev vx100 self")
        await settle(kernel, lambda: kernel.stats["overruns"] > 0, "an overrun")
        await settle(kernel, lambda: len(watcher.local) >= 3000, "all local MACs are known", 20)
        assert {(bridge, 0, address) for address in addresses} <= watcher.local.keys()
        await settle(kernel, lambda: fdb("vx100") == remote(A, "10.0.0.2"), "the flushed entry is back")


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_the_kernel_is_heard_after_an_overrun(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """uvloop looks no more after a socket that had an error."""
    netns.make_vni(100)

    async def overrun(kernel: Kernel, watcher: Watcher, number: int) -> None:
        netns.send_frames("h100", [(0x02AA00000000 + i).to_bytes(6, "big") for i in range(300 * number)])
        await settle(kernel, lambda: kernel.stats["overruns"] >= number, "an overrun")
        await settle(kernel, lambda: watcher.resyncs > number, "a full comparison")
        run(f"ip link set {watcher.vnis[100].name} name other{number}")
        await settle(kernel, lambda: watcher.vnis[100].name == f"other{number}", "the new name")

    async def work() -> None:
        async with watching() as (kernel, watcher):
            shrink_monitor(kernel)
            await overrun(kernel, watcher, 1)
            await overrun(kernel, watcher, 2)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(work())


async def test_periodic_comparison_finds_what_no_message_told() -> None:
    netns.make_vni(100)
    async with watching(resync_interval_s=0.3) as (kernel, _):
        want(kernel, netns.index("vx100"), A)
        kernel.flush()
        # Marked like an entry of ours, so that the socket's filter drops the message about it.
        run(f"bridge fdb replace {A} dev vx100 dst 10.0.0.9 self extern_learn dynamic")
        await settle(kernel, lambda: fdb("vx100") == remote(A, "10.0.0.2"), "the change is undone")


async def test_one_hundred_thousand_entries_come_and_go() -> None:
    netns.make_vni(100)
    async with watching() as (kernel, _):
        prefix = intent.fdb_prefix(netns.index("vx100"), 0)
        keys = [prefix + (0x020100000000 + i).to_bytes(6, "big") for i in range(100_000)]
        value = intent.fdb_value(VTEP2)
        for key in keys:
            kernel.set(key, value)
        kernel.flush()
        await settle(kernel, lambda: len(kernel.owned) == 100_000, "all are sent", 60)
        lines = netns.run("bridge fdb show dev vx100").splitlines()
        assert sum("extern_learn" in line and " vlan " not in line for line in lines) == 200_000
        assert kernel.stats["events"] < 100, "the filter drops the echoes"
        for key in keys:
            kernel.unset(key)
        kernel.flush()
        await settle(kernel, lambda: not kernel.owned, "all are gone", 60)
        assert fdb("vx100") == set()
        assert kernel.stats["events"] < 100


async def delete_many_beside_a(kernel: Kernel) -> None:
    """Begin with a big delete, and leave the event loop no turn to learn that it is done."""
    want(kernel, netns.index("vx100"), A)
    prefix = intent.fdb_prefix(netns.index("vx100"), 0)
    keys = [prefix + (0x020100000000 + i).to_bytes(6, "big") for i in range(2000)]
    for key in keys:
        kernel.set(key, intent.fdb_value(VTEP2))
    kernel.flush()
    await settle(kernel, lambda: True, "all are sent")
    netns.send_frame("h100", B)
    await settle(kernel, lambda: kernel.local_macs(netns.index("br100")), "the kernel's messages are read up to here")
    for key in keys:
        kernel.unset(key)
    kernel.flush()


async def test_what_others_delete_during_a_big_delete_is_found_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile the socket's filter drops the messages about deleted entries."""
    monkeypatch.setattr(comparison, "DUTY", 1)  # 50 times the first comparison is more than 10 s on a busy machine
    netns.make_vni(100)
    async with watching() as (kernel, _):
        await delete_many_beside_a(kernel)
        run(f"bridge fdb del {A} dev vx100 self")
        await settle(kernel, lambda: fdb("vx100") == remote(A, "10.0.0.2"), "A is back")


@pytest.mark.parametrize(
    "commands",
    [
        ("ip link set vx100 down", "ip link set vx100 up"),
        ("ip link set vx100 nomaster", "ip link set vx100 master br100"),
    ],
    ids=["down", "nomaster"],
)
async def test_what_a_device_loses_during_a_big_delete_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, commands: tuple[str, ...]
) -> None:
    """The device's own messages are heard, those about its entries are not."""
    monkeypatch.setattr(comparison, "DUTY", 1_000_000)  # as if comparisons were long
    netns.make_vni(100)
    async with watching() as (kernel, _):
        await delete_many_beside_a(kernel)
        run(*commands)
        assert fdb("vx100") != remote(A, "10.0.0.2")
        await settle(kernel, lambda: fdb("vx100") == remote(A, "10.0.0.2"), "A is back")


async def test_close_gives_everything_back() -> None:
    before = netns.open_descriptors()
    for _ in range(3):
        async with watching():
            await asyncio.sleep(0)
    assert netns.open_descriptors() == before


def shrink_monitor(kernel: Kernel) -> None:
    """Leave the kernel next to no room for its messages."""
    assert kernel._channel is not None
    kernel._channel._monitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

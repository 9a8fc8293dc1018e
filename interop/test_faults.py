"""Two hosts with evpnd, and what goes wrong on hosts: kills, flaps, others' hands on the FDB, peers that don't read.

Each test counts what its users would: packets lost in the data plane, entries in the kernel, answers of the daemon.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from interop import checks, fabric
from interop.fabric import pod_address, pod_mac, vtep_address
from interop.kinds import ZERO_MAC, Evpnd
from interop.lab import Lab

KILLS = 50
FLAPS = 1000
MACS = 20_000


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(fabric.pair("evpnd", "evpnd")) as lab:
        checks.joined(lab)
        yield lab


def evpnd(lab: Lab, number: int) -> Evpnd:
    node = lab[f"host{number}"]
    assert isinstance(node, Evpnd)
    return node


def lost(report: str) -> tuple[int, int]:
    """(sent, lost) of what ping printed in the end."""
    found = re.search(r"(\d+) packets transmitted, (\d+) received", report)
    assert found, report
    sent, received = map(int, found.groups())
    return sent, sent - received


def test_fifty_kills_under_traffic_lose_no_packet(lab: Lab) -> None:
    """RFC 4724: the killed host's kernel forwards on, and its peer keeps the routes until it is back."""
    pod = lab["pod1"]
    pod.background("ping", f"ping -n -q -i 0.01 {pod_address(2)}")
    for kill in range(KILLS):
        victim = evpnd(lab, 1 + kill % 2)
        victim.kill()
        victim.start()
        checks.sessions(lab)
    pod.end("ping", "INT")
    report = pod.read("/tmp/ping.log")
    sent, missing = lost(report)
    assert sent > KILLS * 10, report
    assert missing == 0, report
    checks.joined(lab)


def test_a_mac_that_moves_while_evpnd_is_away_is_told_of_by_the_next_start(lab: Lab) -> None:
    for to in (2, 1):  # so that its sequence is higher than that of a MAC that was never heard of
        checks.roams(lab, to)
    there = lab.vtep(2)
    there.kill()
    lab["roamer"].run(fabric.roam(2))
    lab.wait(lambda: fabric.ROAMER_MAC not in there.bridge_macs(checks.DEVICE), 10, "host2's bridge has the roamer")
    there.start()
    checks.remote_mac(lab, 1, fabric.ROAMER_MAC, 2)
    checks.no_remote_mac(lab, 2, fabric.ROAMER_MAC)
    checks.roams(lab, 1)


def test_a_peer_that_never_comes_back_is_forgotten_after_the_restart_time() -> None:
    quick = "restart_time = 3"
    topology = fabric.pair("evpnd", "evpnd")
    for name in ("host1", "host2"):
        files = topology.nodes[name].files
        files["/etc/evpnd/evpnd.toml"] = files["/etc/evpnd/evpnd.toml"].replace("[bgp]", f"[bgp]\n{quick}", 1)
    with Lab(topology) as lab:
        checks.joined(lab)
        evpnd(lab, 2).kill()
        time.sleep(1)
        assert evpnd(lab, 1).kernel_macs(checks.DEVICE)[pod_mac(2)] == vtep_address(2)
        lab.wait(lambda: not evpnd(lab, 1).kernel_macs(checks.DEVICE), 5, "the peer's MACs are gone")
        checks.no_floods(lab, 1)


@pytest.mark.parametrize("device", ["vx100", "br100", "eth1"])
def test_a_thousand_link_flaps_end_as_desired(lab: Lab, device: str) -> None:
    host = evpnd(lab, 1)
    before = host.kernel_macs(checks.DEVICE), host.kernel_floods(checks.DEVICE)
    assert before[0] and before[1]
    address = f"ip address replace {vtep_address(1)}/24 dev eth1" if device == "eth1" else ":"
    number = host.process("evpnd")
    host.run(
        f"yes 'link set {device} down\nlink set {device} up' | head -n {2 * FLAPS} | ip -batch -\n{address}",
        timeout=120,
    )
    checks.joined(lab)
    assert host.process("evpnd") == number
    lab.wait(lambda: (host.kernel_macs(checks.DEVICE), host.kernel_floods(checks.DEVICE)) == before, 15, "the FDB")
    assert host.show("fib failures") == []


@pytest.mark.parametrize(
    "command",
    [
        "bridge fdb flush dev vx100",
        "bridge fdb flush dev vx100 self",
        f"bridge fdb del {pod_mac(2)} dev vx100 master",
        f"bridge fdb del {pod_mac(2)} dev vx100 self",
        f"bridge fdb replace {pod_mac(2)} dev vx100 dst 10.0.0.77 self",
        f"bridge fdb del {ZERO_MAC} dev vx100 dst {vtep_address(2)} self",
    ],
)
def test_others_hands_on_the_fdb_are_undone(lab: Lab, command: str) -> None:
    host = evpnd(lab, 1)
    checks.joined(lab)
    before = host.kernel_macs(checks.DEVICE), host.kernel_floods(checks.DEVICE)
    written = host.show("fib")["written"]
    host.run(command)
    lab.wait(lambda: host.show("fib")["written"] > written, 5, "evpnd writes again")
    lab.wait(
        lambda: (
            (host.kernel_macs(checks.DEVICE), host.kernel_floods(checks.DEVICE)) == before
            and pod_mac(2) in host.bridge_macs(checks.DEVICE)
        ),
        5,
        f"as before: {before}",
    )
    checks.joined(lab)


def test_others_entries_are_left_alone(lab: Lab) -> None:
    host = evpnd(lab, 1)
    mac = "02:00:00:00:0f:0f"
    entries = f"{mac} dev vx100 dst 10.0.0.88 self", f"{ZERO_MAC} dev vx100 dst 10.0.0.88 self"
    host.run(f"bridge fdb add {entries[0]} static; bridge fdb append {entries[1]}")
    host.kill()
    host.start()
    checks.sessions(lab)
    checks.macs(lab)
    checks.pings(lab)
    assert host.kernel_macs(checks.DEVICE)[mac] == "10.0.0.88"
    assert "10.0.0.88" in host.kernel_floods(checks.DEVICE)
    host.run(f"bridge fdb del {entries[0]}; bridge fdb del {entries[1]}")
    checks.joined(lab)


def test_an_earlier_runs_entries_that_nobody_confirms_are_swept(lab: Lab) -> None:
    host = evpnd(lab, 1)
    mac = "02:00:00:00:0e:0e"
    host.kill()
    host.run(f"bridge fdb add {mac} dev vx100 dst {vtep_address(2)} self master extern_learn dynamic")
    assert mac in host.kernel_macs(checks.DEVICE)
    host.start()
    lab.wait(lambda: mac not in host.kernel_macs(checks.DEVICE), 10, "the entry is swept after End-of-RIB")
    checks.joined(lab)


def test_a_peer_that_does_not_read_holds_nobody_up(lab: Lab) -> None:
    """While it hangs, 20,000 MACs come and half of them go: afterwards it knows those that are left."""
    talker, hung = evpnd(lab, 1), evpnd(lab, 2)
    for host, what in ((talker, "wmem"), (hung, "rmem")):
        host.run(f"echo 4096 8192 16384 >/proc/sys/net/ipv4/tcp_{what}")
    talker.run(f"evpnctl clear peer {vtep_address(2)}")
    checks.sessions(lab)
    number = hung.process("evpnd")
    hung.run(f"kill -STOP {number}")
    macs = [f"02:00:01:00:{n >> 8:02x}:{n & 255:02x}" for n in range(MACS)]
    add = "\n".join(f"fdb add {mac} dev eth2 master static" for mac in macs)
    talker.run(["bridge", "-batch", "-"], stdin=add, timeout=60)
    delete = "\n".join(f"fdb del {mac} dev eth2 master" for mac in macs[::2])
    talker.run(["bridge", "-batch", "-"], stdin=delete, timeout=60)
    assert int(talker.run("ss -Htn state established '( sport = 179 or dport = 179 )'").split()[1]) > 8192
    began = time.monotonic()
    assert talker.show("version")["version"]
    assert time.monotonic() - began < 2
    hung.run(f"kill -CONT {number}")
    checks.sessions(lab)
    expected = set(macs[1::2])
    lab.wait(lambda: expected <= hung.kernel_macs(checks.DEVICE).keys(), 30, "the MACs that are left")
    assert not set(macs[::2]) & hung.kernel_macs(checks.DEVICE).keys()
    talker.run(
        ["bridge", "-batch", "-"], stdin="\n".join(f"fdb del {mac} dev eth2 master" for mac in expected), timeout=60
    )
    lab.wait(lambda: not expected & hung.kernel_macs(checks.DEVICE).keys(), 30, "they are gone")
    checks.joined(lab)

"""A real evpnd and a peer that says what no honest one would; devices in any order; hands that only take.

Each test looks at what is left: the kernel's FDB, what the daemon reports, and that it still answers in time.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator

import pytest

from evpnd.bgp.family import L2VPN_EVPN
from evpnd.bgp.message import RouteRefresh, encode_route_refresh
from evpnd.bgp.update import pack_updates
from interop import fabric
from interop.fabric import ASN, Neighbor, Speaker
from interop.kinds import Evpnd
from interop.lab import Lab
from interop.stranger import Stranger, attributes, mac_nlri
from interop.topology import Node

US, THEM, ALSO = "10.0.0.1", "10.0.0.9", "10.0.0.8"
TARGET = f"{ASN}:100"
PASSIVE = ("passive = true",)
OPERATIONS = 120
VNIS = (100, 200, 70000, 65535)
SLOW = "02:dd:00:00:01:00"
HOLD_TIMER_EXPIRED = 4  # RFC 4271 section 4.5


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    peers = tuple(Neighbor(address, ASN, client=True, settings=PASSIVE) for address in (THEM, ALSO))
    stranger = Node("linux", tuple(f"ip address add {address}/24 dev eth1" for address in (THEM, ALSO)))
    host = fabric.vtep("evpnd", Speaker(US, ASN, peers))
    with Lab(fabric.segment("hostile", [("host1", host)], [("out", stranger)])) as lab:
        lab.wait(lambda: evpnd(lab).show("version"))
        yield lab


def evpnd(lab: Lab) -> Evpnd:
    node = lab["host1"]
    assert isinstance(node, Evpnd)
    return node


def joined(lab: Lab, address: str = THEM) -> Stranger:
    # Right after a session has ended evpnd takes no new one for a moment.
    stranger = lab.wait(lambda: Stranger(lab["out"], address, US, asn=ASN), 20, "a session")
    lab.wait(lambda: stranger.end_of_rib, 10, "End-of-RIB")
    return stranger


def answers_at_once(host: Evpnd) -> None:
    began = time.monotonic()
    assert host.show("version")
    assert time.monotonic() - began < 2


def test_routes_that_no_host_can_have_stay_out_of_the_kernel(lab: Lab) -> None:
    host = evpnd(lab)
    with joined(lab) as stranger:
        for mac in ("00:00:00:00:00:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff"):
            stranger.mac(mac, 100, TARGET)
        for number, next_hop in enumerate(("0.0.0.0", "224.1.1.1", "127.0.0.1", "255.255.255.255", US)):
            stranger.mac(f"02:00:00:00:01:{number:02x}", 100, TARGET, next_hop=next_hop)
        stranger.flood(100, TARGET, endpoint="224.1.1.1")
        stranger.mac("02:00:00:00:00:77", 100, TARGET)
        lab.wait(lambda: host.kernel_macs("vx100") == {"02:00:00:00:00:77": THEM}, 5, "the one good MAC, no other")
        assert not host.kernel_floods("vx100")
        told = [row for row in host.show(f"routes --peer {THEM}") if row["why"] is None]
        assert [row["mac"] for row in told] == ["02:00:00:00:00:77"]


def test_the_host_s_own_macs_are_not_taken_from_it(lab: Lab) -> None:
    host = evpnd(lab)
    own = {json.loads(host.run(f"ip -j link show {device}"))[0]["address"] for device in ("br100", "vx100", "eth2")}
    before = host.run("bridge fdb show | grep permanent | sort")
    with joined(lab) as stranger:
        for mac in own:
            stranger.mac(mac, 100, TARGET, mobility=(100, True))
        lab.wait(lambda: len(host.show("fib failures")) == len(own), 5, "each is refused, with the reason")
        assert not own & host.kernel_macs("vx100").keys()
        assert host.run("bridge fdb show | grep permanent | sort") == before


def test_two_vnis_in_one_bridge_leak_nothing(lab: Lab) -> None:
    host = evpnd(lab)
    with joined(lab) as stranger:
        for vni in (100, 200):
            stranger.flood(vni, f"{ASN}:{vni}")
            stranger.mac(f"02:00:00:00:02:{vni & 255:02x}", vni, f"{ASN}:{vni}")
        lab.wait(lambda: host.kernel_macs("vx100"), 5, "VNI 100 works")
        host.run(
            f"ip link add vx200 type vxlan id 200 local {US} dstport 4789 nolearning; ip link set vx200 master br100 up"
        )
        try:
            lab.wait(lambda: not host.kernel_macs("vx100") and not host.kernel_floods("vx100"), 5, "VNI 100 is empty")
            assert not host.kernel_macs("vx200") and not host.kernel_floods("vx200")
            assert all("several VNIs" in row["problem"] for row in host.show("vni"))
            lab.wait(lambda: not stranger.routes, 5, "nothing is advertised")
        finally:
            host.run("ip link del vx200")
        lab.wait(lambda: host.kernel_macs("vx100"), 5, "VNI 100 works again")


def test_a_local_address_that_changes_in_place_keeps_the_remote_macs(lab: Lab) -> None:
    host = evpnd(lab)
    with joined(lab) as stranger:
        stranger.flood(100, TARGET)
        stranger.mac("02:00:00:00:00:77", 100, TARGET)
        lab.wait(lambda: host.kernel_macs("vx100") and host.kernel_floods("vx100"), 5, "both are there")
        for local in ("10.0.0.3", US):
            host.run(f"ip link set vx100 type vxlan id 100 local {local}")
            lab.wait(lambda local=local: host.show("vni 100")[0]["vtep"] == local, 5, local)  # type: ignore[misc]
            lab.wait(lambda: host.show("fib")["pending"] == 0, 5, "all is written")
            assert host.kernel_macs("vx100") == {"02:00:00:00:00:77": THEM}
            assert host.kernel_floods("vx100") == {THEM}


def test_a_peer_that_asks_for_the_table_and_does_not_read_costs_no_memory(lab: Lab) -> None:
    host = evpnd(lab)
    status = host.path(f"/proc/{host.process('evpnd')}/status")

    def resident_kb() -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS"))

    with joined(lab) as talker, joined(lab, ALSO) as greedy:
        nlris = [mac_nlri(f"{THEM}:100", f"02:bb:00:00:{n >> 8:02x}:{n & 255:02x}", 100) for n in range(10_000)]
        talker.announce(attributes(TARGET), THEM, nlris)
        lab.wait(lambda: len(greedy.routes) >= len(nlris), 15, "the table")
        greedy.mac("02:00:00:00:00:78", 100, TARGET)  # a route of its own: its table is encoded for it alone
        before = resident_kb()
        greedy.reading.clear()
        greedy.raw(encode_route_refresh(RouteRefresh(L2VPN_EVPN, 0)) * 300)
        for _ in range(5):
            answers_at_once(host)
            time.sleep(0.2)
        assert resident_kb() - before < 40_000
        greedy.reading.set()
        lab.wait(lambda: len(greedy.routes) >= len(nlris), 15, "the table once more")


def test_a_peer_that_sends_an_octet_a_second_delays_nobody_and_runs_out_of_hold_time(lab: Lab) -> None:
    host = evpnd(lab)
    with joined(lab) as honest, joined(lab, ALSO) as slow:
        message = pack_updates(
            attributes(TARGET), L2VPN_EVPN, bytes((10, 0, 0, 8)), [mac_nlri(f"{ALSO}:100", SLOW, 100)]
        )
        began = time.monotonic()
        with slow.writing():  # without its KEEPALIVEs: octets that make no message do not count (RFC 4271 section 8)
            for count, octet in enumerate(message[0]):
                if slow.closed.wait(1):
                    break
                slow.socket.sendall(bytes((octet,)))
                mac = f"02:dd:00:00:00:{count:02x}"
                honest.mac(mac, 100, TARGET)
                lab.wait(lambda mac=mac: host.kernel_macs("vx100").get(mac) == THEM, 1, f"{mac} in the kernel")  # type: ignore[misc]
                answers_at_once(host)
        assert slow.notification is not None and slow.notification.code == HOLD_TIMER_EXPIRED
        assert 8 <= time.monotonic() - began <= 14  # the hold time is 9 s
        assert SLOW not in host.kernel_macs("vx100")
        assert not honest.closed.is_set()


def test_devices_in_any_order_end_like_a_fresh_start(lab: Lab) -> None:
    """RFC 4724 helps to see it: what the new process does not want is swept, what it wants is written."""
    host, dice = evpnd(lab), random.Random(7)
    host.run("for n in 1 2; do ip link add br$n type bridge; ip link set br$n up addrgenmode none; done")

    def change() -> str:
        vni, bridge = dice.choice(VNIS), dice.choice(("br100", "br1", "br2"))
        device = f"vx{vni}"
        local = dice.choice((US, "10.0.0.3"))
        made = f"ip link add {device} type vxlan id {vni} local {local} dstport 4789 nolearning"
        return dice.choice(
            (
                f"{made} && ip link set {device} master {bridge} addrgenmode none up",
                f"{made} && ip link set {device} master {bridge} addrgenmode none up",
                f"ip link del {device}",
                f"ip link set {device} {dice.choice(('up', 'down'))}",
                f"ip link set {device} master {bridge}",
                f"ip link set {device} nomaster",
                f"ip link set {bridge} {dice.choice(('up', 'down'))}",
            )
        )

    def say(stranger: Stranger) -> None:
        for vni in VNIS:
            stranger.flood(vni, f"{ASN}:{vni}")
            for number in range(4):
                stranger.mac(f"02:00:00:{vni & 255:02x}:00:{number:02x}", vni, f"{ASN}:{vni}", mobility=(number, False))
        stranger.finish()

    def state() -> dict[int, object]:
        return {vni: (host.kernel_macs(f"vx{vni}"), host.kernel_floods(f"vx{vni}")) for vni in VNIS if has(vni)}

    def has(vni: int) -> bool:
        return host.path(f"/sys/class/net/vx{vni}").exists() or f"vx{vni}:" in host.run("ip -o link")

    with joined(lab) as stranger:
        say(stranger)
        for _ in range(OPERATIONS // 20):
            host.run("\n".join(f"{change()} 2>/dev/null || :" for _ in range(20)))
        host.run(
            f"ip link add vx100 type vxlan id 100 local {US} dstport 4789 nolearning 2>/dev/null || :\n"
            "for vx in vx200 vx70000 vx65535; do ip link set $vx nomaster 2>/dev/null || :; done\n"
            "ip link set br100 up\n"
            "ip link set vx100 master br100; ip link set vx100 up"
        )
        lab.wait(lambda: host.kernel_macs("vx100"), 10, "VNI 100 works in the end")
        lab.wait(lambda: host.show("fib")["pending"] == 0, 5, "all is written")
        before, heard = state(), set(stranger.routes)
        assert host.show("fib failures") == []
    host.kill()
    host.start()
    lab.wait(lambda: host.show("version"), 10, "it is back")
    with joined(lab) as stranger:
        say(stranger)
        lab.wait(lambda: state() == before, 10, f"as before: {before}")
        assert set(stranger.routes) == heard
    assert "Traceback" not in host.read("/tmp/evpnd.log")

"""evpnd with OpenBGPD 9.3: the session in all its forms, and what its decoder reads of evpnd's routes.

OpenBGPD reads EVPN and has no data plane for it; on Linux an EVPN route that it selects ends it, so that it can neither
reflect nor send any.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from interop import capture, fabric, matrix
from interop.fabric import ASN, Neighbor, Speaker, pod_mac, vtep_address
from interop.kinds import Openbgpd
from interop.lab import Lab
from interop.topology import Topology
from interop.vtep_tests import HERE, evpnd_of

pytestmark = pytest.mark.peers("openbgpd")

OPENBGPD = vtep_address(9)


def topology(asns: tuple[int, int], evpnd_settings: tuple[str, ...] = (), settings: tuple[str, ...] = ()) -> Topology:
    here = Speaker(HERE, asns[0], (Neighbor(OPENBGPD, asns[1], settings=evpnd_settings),))
    there = Speaker(OPENBGPD, asns[1], (Neighbor(HERE, asns[0], settings=settings),), vnis=())
    peer = fabric.speaker_only("openbgpd", there)
    return fabric.segment("openbgpd", [("host1", fabric.vtep("evpnd", here))], [("openbgpd", peer)])


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(topology((ASN, ASN))) as lab:
        capture.record(lab["switch"], "eth1")
        yield lab


def peer_of(lab: Lab) -> Openbgpd:
    node = lab["openbgpd"]
    assert isinstance(node, Openbgpd)
    return node


def session(lab: Lab) -> None:
    lab.wait(lambda: evpnd_of(lab).established(OPENBGPD), 20, "evpnd: session with OpenBGPD")
    lab.wait(lambda: peer_of(lab).established(HERE), 20, "OpenBGPD: session with evpnd")


def read(lab: Lab) -> str:
    """What it has read from evpnd."""
    return peer_of(lab).run("bgpctl show rib in detail")


def uptime(lab: Lab) -> float:
    row: dict[str, Any] = evpnd_of(lab).show("peers")[0]
    return float(row["uptime_s"])


def test_the_session_comes_up(lab: Lab) -> None:
    session(lab)


@pytest.mark.feature(matrix.SENT)
def test_openbgpd_reads_types_2_and_3(lab: Lab) -> None:
    session(lab)
    lab["pod1"].run("ping -c 1 -W 1 192.168.100.200 || :")
    lab.wait(lambda: f"[{pod_mac(1)}]" in read(lab), 10, "type 2 in OpenBGPD")
    text = read(lab)
    assert f"[3]:[rd {HERE}:" in text and f"[32]:[{HERE}]" in text, text
    assert f"encap 0x8 rt {ASN}:100" in text, text


@pytest.mark.feature(matrix.WITHDRAWAL)
def test_openbgpd_reads_a_withdrawal(lab: Lab) -> None:
    evpnd = evpnd_of(lab)
    evpnd.run("ip link set eth2 down")
    lab.wait(lambda: f"[{pod_mac(1)}]" not in read(lab), 10, "the withdrawal in OpenBGPD")
    evpnd.run("ip link set eth2 up")


@pytest.mark.feature(matrix.SESSION)
def test_both_reset_the_session(lab: Lab) -> None:
    session(lab)
    evpnd_of(lab).run(f"evpnctl clear peer {OPENBGPD}")
    session(lab)
    peer_of(lab).run(f"bgpctl neighbor {HERE} clear")
    lab.wait(lambda: "administrative reset" in str(evpnd_of(lab).show(f"peer {OPENBGPD}")), 10, "its reset in evpnd")
    session(lab)
    lab.wait(lambda: f"[32]:[{HERE}]" in read(lab), 10, "evpnd's routes again")


def test_route_refresh_both_ways(lab: Lab) -> None:
    session(lab)
    up = uptime(lab)
    peer_of(lab).run(f"bgpctl neighbor {HERE} refresh")
    evpnd_of(lab).run(f"evpnctl clear peer {OPENBGPD} soft")
    lab.wait(lambda: "route_refresh" in str(peer_of(lab).json(f"bgpctl -j show neighbor {HERE}")), 5, "its counters")

    def refreshes() -> set[int]:
        rows = peer_of(lab).json(f"bgpctl -j show neighbor {HERE}")["neighbors"]
        counted = rows[0]["stats"]["message"]
        return {counted["sent"]["route_refresh"], counted["received"]["route_refresh"]}

    lab.wait(lambda: refreshes() == {1}, 5, "one ROUTE-REFRESH each way")
    assert uptime(lab) >= up  # the session was not reset


def test_each_hears_why_the_other_ends_the_session(lab: Lab) -> None:
    # RFC 9003: the text is for the other side's operator.
    session(lab)
    evpnd, peer = evpnd_of(lab), peer_of(lab)
    evpnd.run(f"evpnctl clear peer {OPENBGPD}")
    lab.wait(lambda: "cleared by the operator" in peer.read("/tmp/openbgpd.log"), 10, "evpnd's reason in its log")
    peer.run(f"bgpctl neighbor {HERE} clear")  # it waits twice as long after each NOTIFICATION, unless told not to
    session(lab)
    peer.run(f"bgpctl neighbor {HERE} down 'gone fishing'")
    lab.wait(lambda: "gone fishing" in str(evpnd.show(f"peer {OPENBGPD}")), 10, "its reason in evpnd")
    peer.run(f"bgpctl neighbor {HERE} up")
    session(lab)


def test_openbgpd_restarts(lab: Lab) -> None:
    peer = peer_of(lab)
    for end in (peer.stop, peer.kill):
        end()
        lab.wait(lambda: not evpnd_of(lab).established(OPENBGPD), 20, "no session")
        peer.run("pkill -KILL bgpd || :")  # its children outlive a killed parent for a moment
        peer.start()
        session(lab)
        lab.wait(lambda: f"[32]:[{HERE}]" in read(lab), 10, "evpnd's routes again")


def test_z_tshark_finds_nothing_malformed(lab: Lab) -> None:
    test_openbgpd_reads_types_2_and_3(lab)  # so that enough is said when alone
    test_openbgpd_reads_a_withdrawal(lab)
    assert capture.updates(lab["switch"], HERE) >= 3
    assert capture.faults(lab["switch"], HERE) == []


def test_external_session_with_password_and_ttl_security() -> None:
    ours = ('password = "a-secret"', "ttl_security = 1")
    theirs = ('tcp md5sig password "a-secret"', "ttl-security yes")
    with Lab(topology((65001, 65002), ours, theirs)) as lab:
        session(lab)
        lab.wait(lambda: f"[32]:[{HERE}]" in read(lab), 10, "evpnd's routes")
        assert lab["openbgpd"].json(f"bgpctl -j show neighbor {HERE}")["neighbors"][0]["config"]["ttl_security"]


def test_four_octet_asns() -> None:
    with Lab(topology((4200000001, 4200000002))) as lab:
        session(lab)
        lab.wait(lambda: f"[32]:[{HERE}]" in read(lab), 10, "evpnd's routes")
        assert evpnd_of(lab).show(f"peer {OPENBGPD}")

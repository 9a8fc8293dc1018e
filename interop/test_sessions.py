"""The session with each peer in its hardest form: eBGP of 4-octet AS numbers, with password and TTL security.

What holds here for all of them is written once; what each does with routes has modules of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from interop import capture, fabric, matrix
from interop.fabric import Neighbor, Speaker, vtep_address
from interop.lab import Lab
from interop.test_exabgp import announcements
from interop.topology import Topology
from interop.vtep_tests import HERE, evpnd_of

THERE = vtep_address(9)
ASNS = (4200000001, 4200000002)
PASSWORD = "a-secret"


@dataclass(frozen=True, slots=True)
class Words:
    """What one daemon says differently: its settings for password and TTL security, its log, how it resets a session,
    how it comes to have routes, how it asks for all routes again, and what it tells of why a session ended."""

    settings: tuple[str, ...]
    log: str
    reset: str
    routes: str = ""  # a command; the VTEPs have pods, and ExaBGP its configuration
    ask: str = ""  # GoBGP has no command for it: its soft resets send its own routes, and apply its policy again
    reason: str = "cleared by the operator"


_FRR = Words(
    (f"password {PASSWORD}", "ttl-security hops 1"),
    "/tmp/frr.log",
    f"vtysh -c 'clear bgp {HERE}'",
    ask=f"vtysh -c 'clear bgp l2vpn evpn {HERE} soft in'",
)
_GOBGP = Words(
    (
        f'auth-password = "{PASSWORD}"',
        "[neighbors.ttl-security.config]",
        "enabled = true",
        "ttl-min = 255",
    ),
    "/tmp/gobgpd.log",
    f"gobgp neighbor {HERE} disable; sleep 0.5; gobgp neighbor {HERE} enable",  # after `reset` it waits half a minute
    f"gobgp global rib add -a evpn multicast {THERE} etag 0 rd {THERE}:100 rt 65000:100 encap vxlan"
    f" pmsi ingress-repl 100 {THERE}",
)
KINDS: dict[str, Words] = {
    "frr8": _FRR,
    "frr": _FRR,
    "gobgp3": _GOBGP,
    "gobgp": _GOBGP,
    "bird": Words(
        (f'password "{PASSWORD}";', "ttl security yes;"),
        "/tmp/bird.log",
        "birdc -s /run/bird.ctl restart peer0",
        ask="birdc -s /run/bird.ctl reload bgp peer0",
    ),
    "exabgp": Words(
        (f'md5-password "{PASSWORD}";', "outgoing-ttl 255;", "incoming-ttl 255;", "capability { route-refresh; }"),
        "/tmp/heard.json",
        f"echo 'neighbor {HERE} teardown 4' >>/tmp/orders",
        ask=f"echo 'neighbor {HERE} announce route-refresh l2vpn evpn' >>/tmp/orders",
        reason="notification received (6,4)",  # not the text
    ),
    "openbgpd": Words(
        (f'tcp md5sig password "{PASSWORD}"', "ttl-security yes"),
        "/tmp/openbgpd.log",
        f"bgpctl neighbor {HERE} clear",
        ask=f"bgpctl neighbor {HERE} refresh",
    ),
}
VTEPS = ("frr8", "frr", "bird")
SILENT = ("openbgpd",)  # a route of its own would end it
NOT_AGAIN = (*SILENT, "exabgp")  # ExaBGP's EVPN routes are attributes of IPv4 ones: a request for EVPN passes them by


@pytest.fixture(scope="module", params=KINDS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab(topology(request.param)) as lab:
        capture.record(lab["switch"], "eth1")
        yield lab


def topology(kind: str) -> Topology:
    ours = [f'password = "{PASSWORD}"', "ttl_security = 1"]
    if kind == "exabgp":  # its EVPN routes go with IPv4 ones
        ours.append('families = ["l2vpn-evpn", "ipv4-unicast"]')
    here = Speaker(HERE, ASNS[0], (Neighbor(THERE, ASNS[1], settings=tuple(ours)),))
    host = ("host1", fabric.vtep("evpnd", here))
    neighbors = (Neighbor(HERE, ASNS[0], settings=KINDS[kind].settings),)
    if kind in VTEPS:
        peer = ("peer", fabric.vtep(kind, Speaker(THERE, ASNS[1], neighbors)))
        return fabric.segment(f"session-{kind}", [host, peer])
    more = announcements() if kind == "exabgp" else ""
    peer = ("peer", fabric.speaker_only(kind, Speaker(THERE, ASNS[1], neighbors, vnis=(), extra=more)))
    return fabric.segment(f"session-{kind}", [host], [peer])


def kind_of(lab: Lab) -> str:
    return lab.topology.nodes["peer"].kind


def words(lab: Lab) -> Words:
    return KINDS[kind_of(lab)]


def peer(lab: Lab) -> dict[str, Any]:
    row: dict[str, Any] = evpnd_of(lab).show(f"peer {THERE}")
    return row


def messages(lab: Lab, direction: str) -> dict[str, int]:
    """How many of each type, "in" or "out"."""
    return {row["type"]: row[direction] for row in peer(lab)["messages"]}


def session(lab: Lab) -> None:
    node = evpnd_of(lab)
    told = "evpnd: session with the peer"
    lab.wait(lambda: node.established(THERE), 40, told, seen=lambda: node.session(THERE))


def routes_are_there(lab: Lab) -> None:
    """Each has said its routes: whatever either then does, it does it to a session in use."""
    if words(lab).routes:
        lab["peer"].run(words(lab).routes)
    wanted = 0 if kind_of(lab) in SILENT else 1
    lab.wait(lambda: peer(lab)["routes_out"] > 0, 10, "evpnd's routes sent")
    lab.wait(lambda: sum(peer(lab)["routes_by_type"].values()) >= wanted, 10, "the peer's routes")


def up_again(lab: Lab, before: int, told: str) -> None:
    lab.wait(lambda: peer(lab)["established_count"] > before, 40, f"another session after {told}")
    session(lab)
    routes_are_there(lab)


@pytest.mark.feature(matrix.EXTERNAL, matrix.ASN4, matrix.SECURITY)
def test_the_session_comes_up(lab: Lab) -> None:
    session(lab)
    routes_are_there(lab)
    row = peer(lab)
    assert (row["asn"], row["kind"], row["md5"], row["ttl_security"]) == (ASNS[1], "external", True, 1), row


@pytest.mark.feature(matrix.SESSION)
def test_the_session_comes_up_again_after_each_resets_it(lab: Lab) -> None:
    session(lab)
    for told, node, command in (
        ("evpnd's reset", evpnd_of(lab), f"evpnctl clear peer {THERE}"),
        ("the peer's reset", lab["peer"], words(lab).reset),
    ):
        before = peer(lab)["established_count"]
        node.run(command)
        up_again(lab, before, told)


@pytest.mark.feature(matrix.REFRESH)
def test_both_tables_are_sent_again_without_a_reset(lab: Lab) -> None:
    session(lab)
    routes_are_there(lab)
    count = peer(lab)["established_count"]
    known = sum(peer(lab)["routes_by_type"].values())
    heard, said, asked = on_the_wire(lab, THERE), on_the_wire(lab, HERE), messages(lab, "out")["route-refresh"]
    evpnd_of(lab).run(f"evpnctl clear peer {THERE} soft")
    own = own_routes(lab)
    lab.wait(lambda: on_the_wire(lab, HERE) >= said + own, 20, "evpnd's routes again")
    assert messages(lab, "out")["route-refresh"] > asked
    if kind_of(lab) not in NOT_AGAIN:
        lab.wait(lambda: on_the_wire(lab, THERE) >= heard + known, 20, "the peer's routes again")
    if words(lab).ask:
        said, asks = on_the_wire(lab, HERE), messages(lab, "in")["route-refresh"]
        lab["peer"].run(words(lab).ask)
        lab.wait(lambda: messages(lab, "in")["route-refresh"] > asks, 20, "the peer asks")
        lab.wait(lambda: on_the_wire(lab, HERE) >= said + own, 20, "evpnd's routes once more")
    assert peer(lab)["established_count"] == count


def own_routes(lab: Lab) -> int:
    return sum(row["rd"].startswith(HERE) for row in evpnd_of(lab).show("routes"))


def on_the_wire(lab: Lab, address: str) -> int:
    """How many EVPN routes of its own `address` has said so far, each as often as it was said."""
    return capture.routes(lab["switch"], address)


@pytest.mark.feature(matrix.SHUTDOWN)
def test_the_peer_hears_why_the_session_ends(lab: Lab) -> None:
    session(lab)
    node = lab["peer"]
    evpnd_of(lab).run(f"evpnctl clear peer {THERE}")
    said = words(lab)
    lab.wait(lambda: said.reason in node.read(said.log), 10, "evpnd's reason in the peer's log")


@pytest.mark.feature(matrix.RESTART)
def test_the_peer_restarts(lab: Lab) -> None:
    node = lab["peer"]
    for end in (node.stop, node.kill):
        end()
        lab.wait(lambda: not evpnd_of(lab).established(THERE), 20, "no session")
        node.start()
        session(lab)
        routes_are_there(lab)


@pytest.mark.feature(matrix.CLEAN)
def test_z_tshark_finds_nothing_malformed(lab: Lab) -> None:
    """Last: the recording has all that was said in the tests above; alone, what is said here."""
    session(lab)
    routes_are_there(lab)
    count = peer(lab)["established_count"]
    evpnd_of(lab).run(f"evpnctl clear peer {THERE} soft")
    evpnd_of(lab).run(f"evpnctl clear peer {THERE}")
    up_again(lab, count, "evpnd's reset")
    lab.wait(lambda: capture.updates(lab["switch"], HERE) >= 3, 10, "three of evpnd's UPDATEs in the recording")
    assert capture.faults(lab["switch"], HERE) == []

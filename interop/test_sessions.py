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
from interop.vtep_tests import HERE, evpnd_of

THERE = vtep_address(9)
ASNS = (4200000001, 4200000002)
PASSWORD = "a-secret"


@dataclass(frozen=True, slots=True)
class Words:
    """What one daemon says differently: its settings for password and TTL security, its log, how it asks
    for all routes again, and what it tells of why a session ended."""

    settings: tuple[str, ...]
    log: str
    ask: str = ""
    reason: str = "cleared by the operator"


_FRR = Words(
    (f"password {PASSWORD}", "ttl-security hops 1"), "/tmp/frr.log", f"vtysh -c 'clear bgp l2vpn evpn {HERE} soft in'"
)
_GOBGP = Words(
    (
        f'auth-password = "{PASSWORD}"',
        "[neighbors.ttl-security.config]",
        "enabled = true",
        "ttl-min = 255",
    ),
    "/tmp/gobgpd.log",
)
KINDS: dict[str, Words] = {
    "frr8": _FRR,
    "frr": _FRR,
    "gobgp3": _GOBGP,
    "gobgp": _GOBGP,
    "bird": Words(
        (f'password "{PASSWORD}";', "ttl security yes;"), "/tmp/bird.log", "birdc -s /run/bird.ctl reload bgp peer0"
    ),
    "exabgp": Words(
        (f'md5-password "{PASSWORD}";', "outgoing-ttl 255;", "incoming-ttl 255;", "capability { route-refresh; }"),
        "/tmp/heard.json",
        reason="notification received (6,4)",  # not the text
    ),
    "openbgpd": Words(
        (f'tcp md5sig password "{PASSWORD}"', "ttl-security yes"),
        "/tmp/openbgpd.log",
        f"bgpctl neighbor {HERE} refresh",
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    kind: str = request.param
    ours = (f'password = "{PASSWORD}"', "ttl_security = 1")
    here = Speaker(HERE, ASNS[0], (Neighbor(THERE, ASNS[1], settings=ours),))
    there = Speaker(THERE, ASNS[1], (Neighbor(HERE, ASNS[0], settings=KINDS[kind].settings),), vnis=())
    nodes = [("host1", fabric.vtep("evpnd", here))], [("peer", fabric.speaker_only(kind, there))]
    with Lab(fabric.segment(f"session-{kind}", *nodes)) as lab:
        capture.record(lab["switch"], "eth1")
        yield lab


def words(lab: Lab) -> Words:
    return KINDS[lab.topology.nodes["peer"].kind]


def peer(lab: Lab) -> dict[str, Any]:
    row: dict[str, Any] = evpnd_of(lab).show(f"peer {THERE}")
    return row


def messages(lab: Lab, direction: str) -> dict[str, int]:
    """How many of each type, "in" or "out"."""
    return {row["type"]: row[direction] for row in peer(lab)["messages"]}


def session(lab: Lab) -> None:
    lab.wait(lambda: evpnd_of(lab).established(THERE), 40, "evpnd: session with the peer")


def routes_are_there(lab: Lab) -> None:
    """evpnd has sent its routes: whatever the peer then does, it does it to a session in use."""
    lab.wait(lambda: evpnd_of(lab).show("peers")[0]["routes_out"] > 0, 10, "routes sent")


@pytest.mark.feature(matrix.SESSION, matrix.EXTERNAL, matrix.ASN4, matrix.SECURITY)
def test_the_session_comes_up(lab: Lab) -> None:
    session(lab)
    routes_are_there(lab)
    row = peer(lab)
    assert (row["asn"], row["kind"], row["md5"], row["ttl_security"]) == (ASNS[1], "external", True, 1), row


@pytest.mark.feature(matrix.REFRESH)
def test_both_tables_are_sent_again_without_a_reset(lab: Lab) -> None:
    session(lab)
    routes_are_there(lab)
    before, sent = peer(lab), messages(lab, "out")
    evpnd_of(lab).run(f"evpnctl clear peer {THERE} soft")
    lab.wait(lambda: messages(lab, "out")["update"] > sent["update"], 10, "evpnd's routes again")
    assert messages(lab, "out")["route-refresh"] > sent["route-refresh"]
    if words(lab).ask:
        sent = messages(lab, "out")
        lab["peer"].run(words(lab).ask)
        lab.wait(lambda: messages(lab, "in")["route-refresh"] > 0, 10, "the peer asks")
        lab.wait(lambda: messages(lab, "out")["update"] > sent["update"], 10, "evpnd's routes once more")
    assert peer(lab)["established_count"] == before["established_count"]


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
    assert capture.faults(lab["switch"], HERE) == []

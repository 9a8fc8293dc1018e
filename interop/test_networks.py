"""What the sequences of interop.networks say when what they wait for does not come."""

from __future__ import annotations

import re

import pytest

from interop import fabric, networks
from interop.fabric import ASN, Neighbor, Speaker
from interop.lab import Lab, LabError
from interop.topology import Node, Topology

HERE, NOBODY = "10.0.0.1", "10.0.0.77"
SEEN = {  # the state, and what there is of a reason
    "evpnd": r"(connect|active|idle); connect to 10\.0\.0\.77: no route to host",
    "frr": r"(Idle|Connect|Active); last reset: .+",
    "bird": r"(Idle|Connect|Active); last error: Socket: No route to host",
    "gobgp": r"BGP state = \w*(?i:idle|connect|active)",
    "openbgpd": r"(Idle|Connect|Active); last error: .+",
}


@pytest.mark.parametrize("kind", SEEN)
def test_a_session_that_does_not_come_up_is_told_with_its_state_and_reason(kind: str) -> None:
    speaker = fabric.speaker_only(kind, Speaker(HERE, ASN, (Neighbor(NOBODY, ASN),), vnis=()))
    alone = Topology("alone", {"host1": speaker, "host2": Node("linux")}, (("host1:eth1", "host2:eth1"),))
    with Lab(alone) as lab, pytest.raises(LabError) as failed:
        networks.session(lab, "host1", NOBODY, timeout=6)
    said = str(failed.value)
    assert said.startswith(f"not within 6 s: host1: session with {NOBODY}\nlast seen: ")
    assert re.match(SEEN[kind], said.partition("last seen: ")[2]), said

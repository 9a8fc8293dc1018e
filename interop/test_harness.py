"""The labs themselves: peers that are known to work with each other do so here, before evpnd comes into it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from interop import checks, fabric
from interop.container import REPOSITORY
from interop.lab import Lab, LabError, wait_until
from interop.topology import Node, Topology


@pytest.mark.parametrize(("left", "right"), [("frr8", "frr"), ("frr", "bird")])
def test_known_peers_exchange_types_2_and_3_and_pods_ping(left: str, right: str) -> None:
    with Lab(fabric.pair(left, right)) as lab:
        checks.sessions(lab)
        checks.joined(lab)


def test_a_move_is_followed_between_two_frrs() -> None:
    with Lab(fabric.pair("frr8", "frr")) as lab:
        checks.sessions(lab)
        checks.joined(lab)
        checks.roams(lab, 2)
        checks.roams(lab, 1)


def test_a_lab_leaves_nothing_behind() -> None:
    with Lab(fabric.pair("linux", "linux")) as lab:
        holders = [node.pid for node in lab]
        node = lab["host1"]
        node.background("sleeper", "sleep 1000")
        assert node.process("sleeper")
        node.write("/etc/only-in-the-node", "x")
        assert not Path("/etc/only-in-the-node").exists()
    assert not [pid for pid in holders if Path(f"/proc/{pid}").exists()]
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    assert "vx100" not in links and "br100" not in links


def test_a_killed_test_run_leaves_nothing_behind() -> None:
    program = (
        "import time\nfrom interop import fabric\nfrom interop.lab import Lab\n"
        "with Lab(fabric.pair('linux', 'linux')) as lab:\n"
        "    lab['host1'].background('sleeper', 'sleep 1000')\n"
        "    print(*(node.pid for node in lab), flush=True)\n    time.sleep(1000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as run:
        assert run.stdout is not None
        holders = [int(pid) for pid in run.stdout.readline().split()]
        assert len(holders) == 6
        run.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in holders), 5, "the end of all nodes")


def test_a_wait_that_fails_says_what_was_seen_and_what_the_nodes_logged() -> None:
    with (
        pytest.raises(LabError, match=r"not within 0\.1 s: the moon\nlast seen: 0") as failed,
        Lab(Topology("alone", {"host": Node("linux")})) as lab,
    ):
        lab.wait(lambda: 0, 0.1, "the moon")
    assert any("----- host" in note for note in failed.value.__notes__)


def test_a_check_that_raises_is_tried_again() -> None:
    tries = iter([OSError("not yet"), OSError("still not"), None])

    def check() -> bool:
        error = next(tries)
        if error:
            raise error
        return True

    assert wait_until(check, 5, "third time")


def test_a_link_to_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="'b:eth1'"):
        Topology("broken", {"a": Node("linux")}, (("a:eth1", "b:eth1"),))

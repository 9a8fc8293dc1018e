"""README's quick start, to the letter: its commands and its two configurations, and what it says is then to be seen."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from interop import checks
from interop.container import REPOSITORY
from interop.kinds import Evpnd
from interop.lab import Lab
from interop.topology import Node, Topology

TEXT = (REPOSITORY / "README.md").read_text()


def block(info: str) -> str:
    """The one fenced block of this kind in the quick start."""
    section = TEXT.partition("\n## Quick start")[2].partition("\n## ")[0]
    [found] = re.findall(rf"^```{info}\n(.*?)^```", section, re.M | re.S)
    return str(found)


def second(text: str) -> str:
    """As README says it: with the second host's addresses."""
    return text.replace("10.0.0.1", "10.0.0.2").replace("192.168.100.1", "192.168.100.2")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    commands = block("sh host1"), block("sh pod1")
    nodes = {
        "host1": Node("evpnd", commands, {"/etc/evpnd/evpnd.toml": block("toml")}),
        "host2": Node("frr8", tuple(map(second, commands)), {"/etc/frr/frr.conf": block("frr")}),
    }
    with Lab(Topology("readme", nodes, (("host1:eth1", "host2:eth1"),))) as lab:
        yield lab


def evpnd_of(lab: Lab) -> Evpnd:
    node = lab["host1"]
    assert isinstance(node, Evpnd)
    return node


def talk(lab: Lab) -> None:
    """The pods ping each other, and so both kernels know both MACs."""
    one = evpnd_of(lab)
    checks.sessions(lab)
    lab.wait(lambda: "3 received" in one.run("ip netns exec pod ping -c 3 -i 0.1 192.168.100.2", check=False), 20)
    other = lab["host2"].run("ip netns exec pod cat /sys/class/net/eth0/address").strip()
    lab.wait(lambda: one.kernel_macs("vx100") == {other: "10.0.0.2"}, 10, f"{other} behind 10.0.0.2")
    assert one.kernel_floods("vx100") == {"10.0.0.2"}


def test_the_pods_talk_and_all_looks_as_readme_shows_it(lab: Lab) -> None:
    talk(lab)
    for command in ("evpnctl show peers", "evpnctl show routes", "evpnctl show mac", "bridge fdb show dev vx100"):
        seen = sorted(map(form, evpnd_of(lab).run(command).splitlines()))
        assert seen == sorted(map(form, shown(command))), command


def test_forwarding_outlives_the_daemon(lab: Lab) -> None:
    talk(lab)
    one = evpnd_of(lab)
    before = one.kernel_macs("vx100"), one.kernel_floods("vx100")
    for end in (one.stop, one.kill):
        end()
        time.sleep(0.5)
        assert (one.kernel_macs("vx100"), one.kernel_floods("vx100")) == before
        one.start()
        talk(lab)


def test_a_broken_vni_says_what_readme_says(lab: Lab) -> None:
    checks.sessions(lab)
    one = evpnd_of(lab)
    one.run("ip link set vx100 nomaster")
    lab.wait(lambda: one.show("vni")[0].get("problem"), 5)
    assert one.run("evpnctl show vni").split() == "\n".join(shown("evpnctl show vni")).split()


def shown(command: str) -> list[str]:
    """What README prints below a command."""
    for transcript in re.findall(r"^```console\n(.*?)^```", TEXT, re.M | re.S):
        for part in re.split(r"^# ", transcript, flags=re.M):
            if part.startswith((command, f".venv/bin/{command}")):
                return [line for line in part.splitlines()[1:] if line]
    raise LookupError(command)


def form(line: str) -> list[str]:
    """A line without what differs from run to run: MACs, numbers, durations."""
    line = re.sub(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC", line)
    return re.sub(r"\b\d+(s|m)?\b", "N", line).split()

"""What the running kernel can do that a topology may need: asked by making such a device in a namespace of its own.

`python -m interop.abilities` lists them. A topology names what a node needs by a label (`needs: vlan-filtering,vrf`);
where the machine's kernel lacks it, the lab runs in the one of `interop/uml`.

Must not know: topologies.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterable, Sequence

from interop.container import REPOSITORY

UML = REPOSITORY / "interop/uml"
UML_DOCKER = REPOSITORY / "interop/uml-docker"

_PROBES = {
    "vrf": "ip link add probe type vrf table 10",
    "vlan-filtering": "ip link add probe type bridge vlan_filtering 1",
    "bond": "ip link add probe type bond",
    "dummy": "ip link add probe type dummy",
    "vxlan": "ip link add probe type vxlan external vnifilter",
}
ABILITIES = tuple(_PROBES)


@functools.cache
def has(ability: str) -> bool:
    """Whether this kernel has it; KeyError for one that nobody knows."""
    command = ["unshare", "--net", "sh", "-c", _PROBES[ability]]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


def lacking(needs: Iterable[str]) -> list[str]:
    """Which of these this kernel has not."""
    return [ability for ability in sorted(set(needs)) if not has(ability)]


def elsewhere(command: Sequence[str]) -> list[str]:
    """The command that runs `command` in a kernel with all of them."""
    return [str(UML), *command]


if __name__ == "__main__":
    for ability in ABILITIES:
        print(f"{ability:16}{'yes' if has(ability) else 'no'}")

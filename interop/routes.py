"""The EVPN routes that a daemon holds, in one form for all daemons: so that two tables can be compared.

Owns reading each daemon's own listing. A route is known by its type, its RD (whose first part is the router id of the
VTEP that made it) and what it is about: a MAC, an originator or a prefix.

Must not know: topologies, what is expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from interop.kinds import Bird, Evpnd, Frr, Gobgp, LabNode


class Route(NamedTuple):
    type: int
    rd: str
    about: str


def routes(node: LabNode) -> set[Route]:
    """All EVPN routes of types 2 and 3 in the node's daemon, its own and its peers'."""
    for kind, read in _READERS.items():
        if isinstance(node, kind):
            return read(node)
    raise TypeError(f"{node.name}: {type(node).__name__} has no EVPN routes")


def _evpnd(node: Evpnd) -> set[Route]:
    return {
        Route(row["route_type"], row["rd"], row.get("mac") or row["originator_ip"])
        for row in node.show("routes")
        if row["route_type"] in (2, 3)
    }


def _frr(node: Frr) -> set[Route]:
    # {RD: {"[2]:[0]:[48]:[02:00:00:00:00:01]": ..., "[3]:[0]:[32]:[10.0.0.1]": ...}}
    found = set()
    for rd, table in node.vtysh("show bgp l2vpn evpn route").items():
        for prefix in table if isinstance(table, dict) else ():
            parts = re.findall(r"\[([^]]*)]", prefix)
            if parts and parts[0] in ("2", "3"):
                found.add(Route(int(parts[0]), rd, parts[3]))
    return found


def _bird(node: Bird) -> set[Route]:
    # evpn mac 10.0.0.1:100 0 02:00:00:00:00:01 * unicast [...
    # evpn imet 10.0.0.1:100 0 10.0.0.1 unicast [...
    rows = re.findall(r"^evpn (mac|imet) (\S+) \d+ (\S+)", node.birdc("show route table evpntab"), re.MULTILINE)
    return {Route({"mac": 2, "imet": 3}[kind], rd, about) for kind, rd, about in rows}


def _gobgp(node: Gobgp) -> set[Route]:
    found = set()
    for path in node.routes():
        number, value = path["nlri"]["type"], path["nlri"]["value"]
        if number in (2, 3):
            rd = f"{value['rd']['admin']}:{value['rd']['assigned']}"
            found.add(Route(number, rd, value["mac"] if number == 2 else value["ip"]))
    return found


_READERS: dict[type[LabNode], Callable[[Any], set[Route]]] = {Evpnd: _evpnd, Frr: _frr, Bird: _bird, Gobgp: _gobgp}

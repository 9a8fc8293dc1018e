"""How the values of the daemon's rows read in a table's cell: one function a kind of value, or a row's several keys.

Must not know: which column shows what (evpnd.views).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evpnd.evpn.labels import MAX_VNI
from evpnd.evpn.targets import RFC8365_VXLAN
from evpnd.requests import ROUTE_TYPES
from evpnd.tables import Row, duration, plain

_TYPE_NAMES = {number: name for name, number in ROUTE_TYPES.items()}
ZERO_ESI = "00:" * 9 + "00"
ROUTE_KEYS = ("source", "group", "originator_ip")  # what tells other types' routes apart


def route_type(value: object) -> str:
    return f"{value} {_TYPE_NAMES.get(value, '')}".rstrip() if isinstance(value, int) else plain(value)


def unless(nothing: object) -> Any:
    return lambda value: "" if value == nothing else plain(value)


def place(row: Row) -> str:
    """What a route is about besides a MAC: an IP address, a prefix, an originator, or whatever there is."""
    for key in ("ip", "prefix"):
        if row.get(key):
            return plain(row[key])
    return " ".join(plain(row[key]) for key in ROUTE_KEYS if row.get(key)) or plain(row.get("raw"))


def labels(row: Row) -> str:
    return "/".join(plain(row[key]) for key in ("label1", "label2") if row.get(key) is not None)


def attributes(value: object) -> str:
    """The attributes that tell routes apart; `--json` has them all."""
    if not isinstance(value, Mapping):
        return plain(value)
    parts = []
    if path := plain(value.get("as_path")):
        parts.append(f"path {path}")
    if (preference := value.get("local_pref")) is not None:
        parts.append(f"preference {preference}")
    if communities := value.get("extended_communities"):
        parts.append(plain([c for c in communities if c != "encapsulation:vxlan"]))
    return ", ".join(part for part in parts if part)


def targets(value: object) -> str:
    """Route targets; one in the form of RFC 8365 by the VNI in it: `*:100(rfc8365)` is `*:268435556`."""
    return plain([_target(text) for text in value]) if isinstance(value, list) else plain(value)


def _target(value: object) -> object:
    administrator, _, number = str(value).rpartition(":")
    vni = int(number) ^ RFC8365_VXLAN if number.isascii() and number.isdigit() and len(number) < 11 else 0
    return f"{administrator}:{vni}(rfc8365)" if 0 < vni <= MAX_VNI else value


def sentences(value: object) -> str:
    return "; ".join(map(plain, value)) if isinstance(value, list) else plain(value)


def seconds(value: object) -> str:
    return f"{value:.3f} s" if isinstance(value, int | float) else ""


def searched(value: object) -> str:
    """How many devices' tables are still to be gone through; nothing when none is, as on most hosts."""
    if not isinstance(value, int) or not value:
        return "" if value in (None, 0) else plain(value)
    devices = "1 device: its table was" if value == 1 else f"{value} devices: their tables were"
    return f"{devices} too large to be read at start, and may hold more entries of an earlier run"


def failed(value: object) -> str:
    return f"{plain(value)}: `evpnctl show fib failures` lists them" if value else plain(value)


def ago(value: object) -> str:
    return f"{text} ago" if (text := duration(value)) else ""


def kind(row: Row) -> str:
    return plain(row.get("kind")) + (" sticky" if row.get("sticky") else "")


def by_type(value: object) -> str:
    if not isinstance(value, Mapping):
        return plain(value)
    return ", ".join(f"type {number}: {count}" for number, count in value.items())


def mark(row: Row) -> str:
    return ("*" if row.get("best") else "") + ("s" if row.get("stale") else "")

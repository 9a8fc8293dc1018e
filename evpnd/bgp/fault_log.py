"""What the log says of UPDATEs that cost routes or attributes and not the session (RFC 7606 section 8).

Owns the words, and that a peer that sends many of them does not fill the log. Sans I/O: the session writes the line.
"""

from __future__ import annotations

import math

from evpnd.bgp.family import IPV4_UNICAST, Family
from evpnd.bgp.prefix import Prefix
from evpnd.bgp.update import Update
from evpnd.errors import Action
from evpnd.evpn.routes import Route

PAUSE_S = 1.0  # between two lines about one peer
NAMED = 3  # routes named in a line
KEY_FIELDS = ("route_type", "rd", "ethernet_tag", "mac", "ip", "originator_ip", "prefix", "prefix_length")


class FaultLog:
    """One peer's lines."""

    def __init__(self) -> None:
        self._last = -math.inf
        self._left_out = 0

    def line(self, update: Update, now: float) -> str | None:
        """What to say of an UPDATE with errors; None when a line was written less than `PAUSE_S` ago."""
        if now - self._last < PAUSE_S:
            self._left_out += 1
            return None
        more = f"; {self._left_out} other UPDATEs had errors since the last such line" if self._left_out else ""
        self._last, self._left_out = now, 0
        return f"{'; '.join(map(str, update.errors))}; {_cost(update)}{more}"


def _cost(update: Update) -> str:
    """What an UPDATE's errors cost, with the first of its routes in words."""
    withdrawn = max(error.action for error in update.errors) is Action.WITHDRAW
    parts = update.unreach if withdrawn else update.reach
    routes = [(part.family, route) for part in parts for route in part.routes]
    listed = ", ".join(_words(*named) for named in routes[:NAMED]) or "none"
    more = f" and {len(routes) - NAMED} more" if len(routes) > NAMED else ""
    return f"{'treated as withdrawn' if withdrawn else 'the routes stay without the attribute'}: {listed}{more}"


def _words(family: Family, route: Prefix | Route) -> str:
    """A route by the fields of its key."""
    if isinstance(route, Prefix):
        return route.text(4 if family == IPV4_UNICAST else 16)
    fields = route.to_json()
    return " ".join(f"{name} {fields[name]}" for name in KEY_FIELDS if fields.get(name) is not None)

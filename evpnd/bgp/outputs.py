"""What the sans-IO Peer asks of its surroundings, in the order in which it is to be done.

Plain values: requests to the transport (Connect, Write, Close) and news for the session's owner (Up, Down, Refresh,
Disabled, Faulty; a decoded Update stands for itself). `link` numbers a TCP connection of this peer, made or about to be
made.
"""

from __future__ import annotations

from typing import NamedTuple

from evpnd.bgp.capability import GracefulRestart
from evpnd.bgp.family import Family
from evpnd.bgp.negotiation import Negotiated
from evpnd.bgp.update import Update
from evpnd.errors import ProtocolError


class Connect(NamedTuple):
    """Open a TCP connection; answer with `Peer.connected` or `Peer.failed`."""

    link: int


class Write(NamedTuple):
    link: int
    data: bytes


class Close(NamedTuple):
    """Close the connection, or give the attempt up, when what was written has gone out. No answer is expected."""

    link: int


class Up(NamedTuple):
    """The session is established; what is written to `link` by the owner goes to the peer."""

    link: int
    negotiated: Negotiated


class Down(NamedTuple):
    """The established session has ended, for this reason.

    `restart` is what the peer said of restarts, when the connection was lost without a NOTIFICATION: its routes may be
    kept meanwhile (RFC 4724 section 4.2). `calm` when nobody needs to look: we were asked to, or it was one of two
    connections just made (RFC 4271 section 6.8).
    """

    reason: str
    restart: GracefulRestart | None = None
    calm: bool = False


class Refresh(NamedTuple):
    """A ROUTE-REFRESH: subtype 0 asks for all routes, 1 and 2 begin and end a refresh (RFC 7313)."""

    family: Family
    subtype: int


class Disabled(NamedTuple):
    """The family is no longer used on this session: its routes go, more of them are ignored (RFC 4760 section 7)."""

    family: Family
    error: ProtocolError


class Faulty(NamedTuple):
    """An UPDATE with errors that the session survives, and its whole body. The Update itself comes next."""

    update: Update
    body: bytes


Output = Connect | Write | Close | Up | Down | Refresh | Disabled | Faulty | Update

"""What `evpnctl show` and `clear` are answered: rows made from the running state, in the form evpnd.views names.

One module for each thing that is asked about: peers, routes, VNIs, and the daemon itself. They read everything and own
nothing; each command is a method that takes checked filters. Must not know sockets or tables.
"""

from __future__ import annotations

from evpnd.requests import Handler
from evpnd.show.itself import Itself
from evpnd.show.peers import Peers
from evpnd.show.routes import Routes
from evpnd.show.running import Running
from evpnd.show.vnis import Vnis


def handlers(daemon: Running) -> dict[str, Handler]:
    """The control socket's commands."""
    peers, routes, vnis, itself = Peers(daemon), Routes(daemon), Vnis(daemon), Itself(daemon)
    return {
        "show.peers": peers.peers,
        "show.peer": peers.peer,
        "show.routes": routes.routes,
        "show.vni": vnis.vnis,
        "show.mac": vnis.macs,
        "show.vteps": vnis.vteps,
        "show.fib": itself.fib,
        "show.fib.failures": itself.fib_failures,
        "show.version": itself.version,
        "clear.peer": peers.clear_peer,
    }

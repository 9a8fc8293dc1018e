"""A peer on real sockets: carries the outputs of `evpnd.bgp.peer` out, and gives it octets, news and time.

Owns which TCP connections (`evpnd.bgp.wire`) one peer has, its timer on the event loop and its log lines. Must not know
what the routes are good for: decoded UPDATEs go to the SessionOwner.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from evpnd.bgp import outputs as out
from evpnd.bgp.attributes import AttributeCache
from evpnd.bgp.capability import GracefulRestart
from evpnd.bgp.counters import Counters
from evpnd.bgp.family import Family
from evpnd.bgp.fault_log import FaultLog
from evpnd.bgp.framing import HEADER_SIZE, ROUTE_REFRESH
from evpnd.bgp.fsm import State
from evpnd.bgp.message import RouteRefresh, encode_route_refresh
from evpnd.bgp.negotiation import Negotiated
from evpnd.bgp.peer import Peer
from evpnd.bgp.peer_config import PeerConfig
from evpnd.bgp.tcp import session_options
from evpnd.bgp.update import Update
from evpnd.bgp.wire import Wire, adopt, connect, set_options, words
from evpnd.errors import ProtocolError
from evpnd.logs import bound

PATIENCE_S = 3.0  # two that start together miss each other at first: so long the log doesn't complain
REASONS_KEPT = 8  # reasons that stand in the log already: they may alternate

CEASE, OUT_OF_RESOURCES = 6, 8

_log = logging.getLogger(__name__)


class SessionOwner(Protocol):
    """Who is told what happens on a session. It may call the session from here; what follows comes afterwards."""

    def established(self, peer: Session, negotiated: Negotiated) -> None: ...

    def down(self, peer: Session, reason: str, restart: GracefulRestart | None) -> None:
        """The session ended; `restart` is there when the peer may come back with its forwarding state kept."""

    def update(self, peer: Session, update: Update) -> None: ...

    def refresh(self, peer: Session, family: Family, subtype: int) -> None: ...

    def disabled(self, peer: Session, family: Family) -> None:
        """All routes of the family go; no more of them come on this session (RFC 4760 section 7)."""

    def ready_to_write(self, peer: Session) -> None: ...


class Session:
    """One configured peer. Nothing happens until `start`."""

    def __init__(
        self,
        config: PeerConfig,
        owner: SessionOwner,
        cache: AttributeCache,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.config = config
        self.owner = owner
        self._peer = Peer(config, cache, uniform=uniform)
        self._loop = asyncio.get_running_loop()
        self._wires: dict[int, Wire] = {}
        self._attempts: dict[int, asyncio.Task[None]] = {}
        self._adopting: set[asyncio.Task[None]] = set()
        self._closing: set[Wire] = set()
        self._up: Wire | None = None
        self._timer: asyncio.Handle | None = None
        self._timer_at = math.inf
        self._draining = False
        self._told: deque[str] = deque(maxlen=REASONS_KEPT)  # why there is no session, as it stands in the log already
        self._complaint: asyncio.TimerHandle | None = None
        self._log = bound(_log, peer=config.address)
        self._faults = FaultLog()

    # What can be asked

    @property
    def state(self) -> State:
        return self._peer.state

    @property
    def negotiated(self) -> Negotiated | None:
        """What holds on the established session; None when there is none."""
        return self._peer.negotiated

    @property
    def counters(self) -> Counters:
        return self._peer.counters

    @property
    def problem(self) -> str | None:
        """Why the session isn't established, in words; None when it is."""
        return self._peer.problem

    @property
    def last_error(self) -> str:
        return self._peer.last_error

    @property
    def last_error_age(self) -> float | None:
        """Seconds since the last error; None when there was none."""
        return self._loop.time() - self._peer.last_error_at if self._peer.last_error else None

    @property
    def uptime(self) -> float | None:
        """Seconds since the session was established; None when it isn't."""
        return self._loop.time() - self._peer.established_at if self._up is not None else None

    @property
    def ports(self) -> tuple[int | None, int | None]:
        """The TCP ports of the established session, ours and the peer's."""
        return self._up.ports if self._up is not None else (None, None)

    @property
    def writable(self) -> bool:
        """Whether the session takes more; when it does again, the owner's `ready_to_write` is called."""
        return self._up is not None and not self._up.paused

    def accepts(self, local_address: str) -> bool:
        """Whether the peer may connect to this address of ours."""
        return self.config.local_address in (None, local_address)

    # What can be told

    def start(self) -> None:
        self._peer.start(self._loop.time())
        self._drain()

    async def stop(self, text: str = "") -> None:
        """End the session, tell the peer why (RFC 9003), and return when its connections are closed."""
        self._peer.stop(self._loop.time(), text)
        await self._end()

    async def abandon(self) -> None:
        """End the session without a word, so that the peer keeps our routes while we restart (RFC 4724)."""
        self._peer.abandon(self._loop.time())
        await self._end()

    async def _end(self) -> None:
        self._drain()
        tasks = [*self._attempts.values(), *self._adopting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(wire.closed for wire in self._closing))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def reset(self, text: str = "") -> None:
        """End the session and begin again at once."""
        self._peer.reset(self._loop.time(), text)
        self._drain()

    def shutdown(self, code: int, subcode: int, text: str = "", *, restart_s: float | None = None) -> None:
        """End the session with this NOTIFICATION; begin again after `restart_s` (None: back-off, inf: never)."""
        self._peer.shutdown(self._loop.time(), ProtocolError(code, subcode, message=text), restart_s)
        self._drain()

    def send(self, data: bytes, messages: int = 1) -> None:
        """Write so many whole messages of one type; what is written while the session is down is lost."""
        if self._up is not None:
            self._peer.counters.sent[data[HEADER_SIZE - 1]] += messages
            self._put(self._up, data)

    def send_refresh(self, family: Family, subtype: int = 0) -> bool:
        """Send a ROUTE-REFRESH if the peer understands it: 0 asks for all routes, 1 and 2 frame ours (RFC 7313)."""
        negotiated = self._peer.negotiated
        if self._up is None or negotiated is None or family not in negotiated.families:
            return False
        if not (negotiated.enhanced_refresh if subtype else negotiated.route_refresh):
            return False
        self._peer.counters.sent[ROUTE_REFRESH] += 1
        self._put(self._up, encode_route_refresh(RouteRefresh(family, subtype)))
        return True

    def _put(self, wire: Wire, data: bytes) -> None:
        self._peer.counters.octets_sent += len(data)
        wire.write(data)

    def accept(self, sock: socket.socket) -> None:
        """Take over a connection that the peer has made to our listener."""
        try:
            set_options(sock, session_options(self.config))
        except OSError as error:
            sock.close()
            self._log.warning("connection refused: %s", words(error))
            return
        task = self._loop.create_task(self._adopt(sock))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    # Outputs

    def _drain(self) -> None:
        """Carry the peer's outputs out, in order; what the owner causes meanwhile comes behind them."""
        peer = self._peer
        if not self._draining:
            self._draining = True
            try:
                while peer.outputs:
                    batch, peer.outputs = peer.outputs, []
                    for output in batch:
                        self._perform(output)
            finally:
                self._draining = False
            self._tell()
            self._arm()

    @property
    def _untold(self) -> str:
        """Why no session comes up, where the log doesn't say so yet."""
        peer = self._peer
        waits = peer.enabled and peer.state is not State.ESTABLISHED and peer.reason not in self._told
        return peer.reason if waits else ""

    def _tell(self) -> None:
        """Log why no session comes up, when none has come up for a while; once, not at every attempt."""
        if not self._untold:
            if self._complaint is not None:
                self._complaint.cancel()
                self._complaint = None
        elif self._complaint is None:
            self._complaint = self._loop.call_later(PATIENCE_S, self._complain)

    def _complain(self) -> None:
        self._complaint = None
        reason = self._untold
        self._told.append(reason)
        self._log.warning("no session: %s", reason)

    def _perform(self, output: out.Output) -> None:
        try:
            if type(output) is Update:
                if self._peer.primary.state is State.ESTABLISHED:  # else the owner has just ended the session
                    self.owner.update(self, output)
            else:
                _PERFORM[type(output)](self, output)
        except Exception:
            # The owner's fault, and its picture of this session may be wrong now: begin again with a clean one.
            self._log.exception("internal error, the session is reset")
            error = ProtocolError(CEASE, OUT_OF_RESOURCES, message="internal error")
            self._peer.shutdown(self._loop.time(), error)

    def _connect(self, output: out.Connect) -> None:
        task = self._loop.create_task(self._open(output.link))
        self._attempts[output.link] = task
        task.add_done_callback(lambda _: self._attempts.pop(output.link))

    def _write(self, output: out.Write) -> None:
        wire = self._wires.get(output.link)
        if wire is not None:
            self._put(wire, output.data)

    def _close(self, output: out.Close) -> None:
        wire = self._wires.pop(output.link, None)
        if wire is not None:
            self._closing.add(wire)
            wire.finish()
        elif output.link in self._attempts:
            self._attempts[output.link].cancel()

    def _established(self, output: out.Up) -> None:
        self._up = self._wires[output.link]
        self._told.clear()
        self._log.info("established, AS %d", output.negotiated.peer_asn)
        self.owner.established(self, output.negotiated)

    def _down(self, output: out.Down) -> None:
        self._up = None
        if output.calm:
            self._log.info("down: %s", output.reason)
        else:
            self._told.append(output.reason)
            self._log.warning("down: %s", output.reason)
        self.owner.down(self, output.reason, output.restart)

    def _refresh(self, output: out.Refresh) -> None:
        self.owner.refresh(self, output.family, output.subtype)

    def _disabled(self, output: out.Disabled) -> None:
        self._log.error("%s is no longer used on this session: %s", output.family.name, output.error)
        self.owner.disabled(self, output.family)

    def _faulty(self, output: out.Faulty) -> None:
        """RFC 7606 section 8: an operator must be able to see what was wrong, and the whole message."""
        if self._log.isEnabledFor(logging.DEBUG):
            self._log.debug("UPDATE with errors, behind the header: %s", output.body.hex())
        line = self._faults.line(output.update, self._loop.time())
        if line is not None:
            self._log.warning("UPDATE with errors: %s", line)

    # Connections

    async def _open(self, link: int) -> None:
        """One attempt to connect; how it ends is told to the peer."""
        try:
            await connect(self.config, self, link)
        except OSError as error:
            text = f"connect to {self.config.address}: {words(error)}"
            self._peer.failed(link, text, self._loop.time())
            self._drain()

    async def _adopt(self, sock: socket.socket) -> None:
        try:
            await adopt(sock, self)
        except OSError as error:
            self._log.info("connection from the peer lost: %s", words(error))

    # What the connections tell (evpnd.bgp.wire.WireOwner)

    def opened(self, wire: Wire, local: bytes, remote: bytes) -> None:
        """A TCP connection is up: ours that Connect asked for, or the peer's, which has no number yet."""
        now = self._loop.time()
        if wire.link:
            self._wires[wire.link] = wire
            self._peer.connected(wire.link, local, remote, now)
        else:
            wire.link = self._peer.accepted(local, remote, now)
            self._wires[wire.link] = wire
        self._drain()

    def received(self, wire: Wire, data: bytes) -> None:
        self._peer.received(wire.link, data, self._loop.time())
        self._drain()

    def lost(self, wire: Wire, text: str, closed: bool) -> None:
        """The connection has ended, on its own or as we asked."""
        self._closing.discard(wire)
        if self._wires.pop(wire.link, None) is not None:
            self._peer.failed(wire.link, text, self._loop.time(), closed=closed)
            self._drain()

    def resumed(self, wire: Wire) -> None:
        if wire is self._up:
            self.owner.ready_to_write(self)

    # Time

    def _arm(self) -> None:
        """Keep one timer on the loop, at the earliest deadline or before it."""
        deadline = self._peer.deadline
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline < math.inf:
            self._timer, self._timer_at = self._loop.call_at(deadline, self._tick), deadline

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        for wire in self._wires.values():
            self._peer.flow(wire.link, *wire.flow(), now)
        self._peer.tick(now)
        self._drain()


_PERFORM: dict[type, Callable[[Session, Any], None]] = {
    out.Connect: Session._connect,
    out.Write: Session._write,
    out.Close: Session._close,
    out.Up: Session._established,
    out.Down: Session._down,
    out.Refresh: Session._refresh,
    out.Disabled: Session._disabled,
    out.Faulty: Session._faulty,
}

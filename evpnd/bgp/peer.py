"""A BGP peer without its sockets: carries out the FSM's table, negotiates, resolves collisions, reads messages.

Owns one peer's FSMs, timers, back-off and counters. Inputs are methods that take `now`; what is to be done comes out in
`outputs` (`evpnd.bgp.outputs`), and `deadline` says when `tick` wants to be called. Must not know sockets, the event
loop, the RIB or logs. RFC 4271 sections 6 and 8, RFC 6286, RFC 7606, RFC 9003, RFC 9687.

There are at most two connections: `primary`, and beside it `second`, while a collision (RFC 4271 section 6.8) isn't
resolved. The further one is the primary, and the peer's state is its state.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from evpnd.bgp import outputs as out
from evpnd.bgp.connection import Connection, Timer
from evpnd.bgp.framing import KEEPALIVE, NOTIFICATION, OPEN, ROUTE_REFRESH, UPDATE, split_messages
from evpnd.bgp.fsm import Event, State
from evpnd.bgp.machine import (
    ADMINISTRATIVE_RESET,
    ADMINISTRATIVE_SHUTDOWN,
    CEASE,
    COLLISION_RESOLUTION,
    STABLE_S,
    Cause,
    Machine,
    cease,
)
from evpnd.bgp.message import decode_notification, decode_open, decode_route_refresh
from evpnd.bgp.negotiation import Negotiated, negotiate
from evpnd.bgp.peer_config import SEND_HOLD_MIN_S
from evpnd.bgp.update import families_of
from evpnd.errors import Action, ProtocolError
from evpnd.evpn.values import ip_text

LATE_S = 1.0  # a timer that comes so late means that the loop was busy, not that the peer was silent

HOLD_TIMER_EXPIRED = 4
OPEN_ERROR, UNSUPPORTED_VERSION = 2, 1


class Peer(Machine):
    """See the module. Nothing happens until `start`."""

    enabled = False

    # What can be asked

    @property
    def state(self) -> State:
        return self.primary.state

    @property
    def negotiated(self) -> Negotiated | None:
        """What holds on the established session; None when there is none."""
        return self.primary.negotiated if self.primary.state is State.ESTABLISHED else None

    @property
    def problem(self) -> str | None:
        """The first condition that keeps the session from being of use, in words; None when all is well."""
        state, address = self.primary.state, self.config.address
        if state is State.ESTABLISHED:
            return next((f"{family.name} is no longer used: {text}" for family, text in self.disabled.items()), None)
        if self.reason:
            return self.reason
        if not self.enabled:
            return "not started"
        if state is State.OPEN_SENT:
            return f"{address} has accepted the connection, but no OPEN came yet"
        if state is State.OPEN_CONFIRM:
            return f"the OPEN of {address} was accepted, but no KEEPALIVE came yet"
        return f"waiting for {address} to connect" if self.config.passive else f"connecting to {address}"

    @property
    def deadline(self) -> float:
        """When `tick` is to be called; infinity when no timer runs."""
        first = min(self.primary.deadlines.values(), default=math.inf)
        return first if self.second is None else min(first, min(self.second.deadlines.values(), default=math.inf))

    # Administration

    def start(self, now: float) -> None:
        self.enabled = True
        self.reason = self._verdict = ""
        self._attempts = 0
        event = Event.MANUAL_START_PASSIVE if self.config.passive else Event.MANUAL_START
        self.fire(self.primary, event, Cause(now))

    def stop(self, now: float, text: str = "", subcode: int = ADMINISTRATIVE_SHUTDOWN) -> None:
        """End the session and stay down; `text` goes to the peer (RFC 9003)."""
        self.enabled = False
        self._end(Event.MANUAL_STOP, Cause(now, "administratively down", cease(subcode, text), calm=True))

    def abandon(self, now: float) -> None:
        """End the session and stay down, without a NOTIFICATION: the peer keeps our routes (RFC 4724 section 4.1)."""
        self.enabled = False
        self._end(Event.MANUAL_STOP, Cause(now, "stopped", calm=True))

    def reset(self, now: float, text: str = "") -> None:
        """End the session and begin again at once."""
        error = cease(ADMINISTRATIVE_RESET, text)
        self._end(Event.MANUAL_STOP, Cause(now, "administratively reset", error, calm=True))
        if self.enabled:
            self.start(now)

    def shutdown(self, now: float, error: ProtocolError, restart_s: float | None = None) -> None:
        """End the session for a reason of the owner's; begin again after `restart_s` (None: the back-off time)."""
        self._end(Event.AUTOMATIC_STOP, Cause(now, error.message, error))
        if restart_s is not None and self.primary.state is State.IDLE:
            self.primary.deadlines[Timer.IDLE_HOLD] = now + restart_s

    def _end(self, event: Event, cause: Cause) -> None:
        if self.second is not None:
            self.fire(self.second, event, cause)
        self.fire(self.primary, event, cause)

    # The transport's news

    def accepted(self, local_address: bytes, peer_address: bytes, now: float) -> int:
        """The peer has connected to us: the number of that connection, which `outputs` may ask to close at once."""
        incoming = Connection(State.ACTIVE)
        addresses = {"local_address": local_address, "peer_address": peer_address}
        incoming.attach(self.new_link(), outgoing=False, **addresses)
        if self.primary.state is State.ACTIVE:
            self.primary.attach(incoming.link, outgoing=False, **addresses)
        self.fire(self.primary, Event.TCP_CONFIRMED, Cause(now, incoming=incoming))
        return incoming.link

    def connected(self, link: int, local_address: bytes, peer_address: bytes, now: float) -> None:
        """The connection that Connect asked for is there."""
        conn = self.connection(link)
        if conn is not None:
            conn.local_address, conn.peer_address = local_address, peer_address
            self.fire(conn, Event.TCP_ACKED, Cause(now))

    def failed(self, link: int, text: str, now: float, *, closed: bool = False) -> None:
        """The connection couldn't be made, or has ended; `closed` when the peer did it."""
        conn = self.connection(link)
        if conn is not None:
            if closed and conn.state is State.OPEN_SENT:  # all that comes from one that has no such peer
                ours = ip_text(conn.local_address) or "this host"
                hint = f"is {ours} a peer there, and enabled?"
                text = f"{self.config.address} closed the connection before its OPEN ({hint})"
            self.fire(conn, Event.TCP_FAILS, Cause(now, text, lost=True))

    def flow(self, link: int, sent: int, backlog: int, now: float) -> None:
        """How many octets the transport has sent in all, and how many wait: the SendHoldTimer's food (RFC 9687)."""
        conn = self.connection(link)
        if conn is None or conn.state < State.OPEN_CONFIRM:
            return
        if not backlog:
            conn.deadlines.pop(Timer.SEND_HOLD, None)
        elif sent > conn.sent or Timer.SEND_HOLD not in conn.deadlines:
            conn.deadlines[Timer.SEND_HOLD] = now + self._send_hold_s(conn)
        conn.sent = sent

    def received(self, link: int, data: bytes, now: float) -> None:
        """Octets from the peer: all whole messages are read at once."""
        conn = self.connection(link)
        if conn is None:
            return
        self.counters.octets_received += len(data)
        data = conn.take(data)
        while data:
            try:
                messages, used = split_messages(data, conn.limit)
            except ProtocolError as error:
                self.fire(conn, Event.HEADER_ERROR, Cause(now, error.message, error))
                return
            if not messages:
                conn.keep(data)
                return
            self._read(conn, messages, now)
            if conn.link != link:
                return
            data = data[used:]

    def tick(self, now: float) -> None:
        """Carry out the timers that are due."""
        for conn in (self.primary, self.second):
            if conn is not None:
                for timer in list(conn.deadlines):
                    at = conn.deadlines.get(timer, math.inf)  # an earlier timer's action may have stopped this one
                    if at <= now:
                        del conn.deadlines[timer]
                        self._expired(conn, timer, at, now)

    # Reading

    def _read(self, conn: Connection, messages: list[tuple[int, bytes]], now: float) -> None:
        link, decode, append = conn.link, conn.decode, self.outputs.append
        updates = 0
        for kind, body in messages:
            if kind == UPDATE and decode is not None:
                # The hot path. Its row in the table, HoldTimer restarted, is done once below.
                updates += 1
                try:
                    update = decode(body)
                except ProtocolError as error:
                    self._update_error(conn, body, error, now)
                else:
                    if update.errors:
                        self.counters.fault(now, update.errors, body)
                        append(out.Faulty(update, body))
                    append(update)
                    continue
            else:
                self.counters.received[kind] += 1
                _READERS[kind](self, conn, body, now)
            if conn.link != link:
                break
            decode = conn.decode
        if updates:
            self.counters.received[UPDATE] += updates
            conn.heard = now

    def _update_error(self, conn: Connection, body: bytes, error: ProtocolError, now: float) -> None:
        """RFC 7606 section 2: an UPDATE that costs its family, or the session."""
        self.counters.fault(now, (error,), body)
        families = families_of(body) if error.action is Action.DISABLE else frozenset()
        if not families or conn.negotiated is None:
            self.fire(conn, Event.UPDATE_ERROR, Cause(now, error.message, error))
            return
        for family in (families & conn.negotiated.families).difference(self.disabled):
            self.disabled[family] = error.message
            self.outputs.append(out.Disabled(family, error))
        self.begin_reading(conn, conn.negotiated)

    def _read_open(self, conn: Connection, body: bytes, now: float) -> None:
        negotiated = None
        if conn.state is State.OPEN_SENT:
            try:
                received = decode_open(body)
                negotiated = negotiate(self.config, received, conn.local_address, conn.peer_address)
            except ProtocolError as error:
                self.fire(conn, Event.OPEN_ERROR, Cause(now, error.message, error))
                return
            if not self._resolve_collision(conn, negotiated, now):
                return
        self.fire(conn, Event.OPEN, Cause(now, "OPEN out of turn", negotiated=negotiated))

    def _read_update(self, conn: Connection, body: bytes, now: float) -> None:
        self.fire(conn, Event.UPDATE, Cause(now, "UPDATE before the session was established"))

    def _read_notification(self, conn: Connection, body: bytes, now: float) -> None:
        notification = decode_notification(body)
        event = _NOTIFICATIONS.get((notification.code, notification.subcode), Event.NOTIFICATION)
        calm = event is Event.COLLISION_LOST and now - self.established_at < STABLE_S
        self.fire(conn, event, Cause(now, f"the peer sent: {notification.text()}", calm=calm))

    def _read_keepalive(self, conn: Connection, body: bytes, now: float) -> None:
        self.fire(conn, Event.KEEPALIVE, Cause(now, "KEEPALIVE out of turn"))

    def _read_route_refresh(self, conn: Connection, body: bytes, now: float) -> None:
        negotiated = self.negotiated
        if conn.state is State.ESTABLISHED and negotiated is not None:
            try:
                refresh = decode_route_refresh(body)
            except ProtocolError as error:
                self.fire(conn, Event.HEADER_ERROR, Cause(now, error.message, error))
                return
            # RFC 2918 section 4, RFC 7313 section 5: what wasn't agreed on is ignored.
            if refresh.family in negotiated.families and refresh.subtype <= (2 if negotiated.enhanced_refresh else 0):
                self.outputs.append(out.Refresh(refresh.family, refresh.subtype))
        self.fire(conn, Event.ROUTE_REFRESH, Cause(now, "ROUTE-REFRESH before the session was established"))

    # Collisions

    def _resolve_collision(self, conn: Connection, negotiated: Negotiated, now: float) -> bool:
        """RFC 4271 section 6.8, with `negotiated` from an OPEN just come on `conn`: whether `conn` stays.

        The choice is by the identifiers alone, even when the wrong one has just been established (which the RFC leaves
        to us). A connection goes only for one that is known to live: the peer's OPEN has come on it, or we made it. So
        two speakers that do so can't drop one connection each, in whatever order they hear things.
        """
        other = self.other(conn)
        if other is None:
            return True
        loser, text = other, "the peer has connected in the meantime"
        if other.state is State.ESTABLISHED and (conn.late or conn.outgoing == other.outgoing):
            loser, text = conn, "a session with this peer is established already"
        elif other.state >= State.OPEN_SENT and conn.outgoing != other.outgoing:
            # RFC 6286 section 2.3: the higher identifier's connection stays; the AS number decides between equals.
            ours = (negotiated.local_router_id, negotiated.local_asn)
            we_win = ours > (negotiated.peer_router_id, negotiated.peer_asn)
            loser, text = (other if conn.outgoing == we_win else conn), "collision with another connection"
            if loser is conn and other.state is State.OPEN_SENT and not other.outgoing:
                self.primary, self.second = conn, other  # its OPEN may still come
                return True
        self.fire(loser, Event.COLLISION_DUMP, Cause(now, text, cease(COLLISION_RESOLUTION), calm=True))
        return loser is not conn

    # Timers

    def _expired(self, conn: Connection, timer: Timer, at: float, now: float) -> None:
        if timer is Timer.HOLD:
            self._hold_expired(conn, at, now)
        elif timer is Timer.KEEPALIVE:
            self.fire(conn, Event.KEEPALIVE_EXPIRES, Cause(now))
        elif timer is Timer.SEND_HOLD:
            self.fire(conn, Event.SEND_HOLD_EXPIRES, Cause(now, "send hold timer expired: the peer doesn't read"))
        elif timer is Timer.CONNECT_RETRY:
            text = self._no_answer() if conn.state is State.CONNECT else ""
            self.fire(conn, Event.CONNECT_RETRY_EXPIRES, Cause(now, text))
        else:
            event = Event.AUTOMATIC_START_PASSIVE if self.config.passive else Event.AUTOMATIC_START
            self.fire(conn, event, Cause(now))

    def _no_answer(self) -> str:
        """An attempt to connect has timed out; what else than the way there keeps a peer from answering?"""
        if self.config.password is not None:
            hint = "is the TCP MD5 password the same on both sides?"
        else:
            way = "is it more than one hop away (multihop)" if self.config.ttl == 1 else "does a firewall drop it"
            hint = f"{way}, or does it want a TCP MD5 password?"
        return f"connect to {self.config.address}: timed out ({hint})"

    def _hold_expired(self, conn: Connection, at: float, now: float) -> None:
        """The timer isn't moved with each message: only now is it seen when the last one came."""
        due = conn.heard + conn.hold_s
        if due <= now and now - at > LATE_S and conn.reprieved != conn.heard:
            conn.reprieved, due = conn.heard, now + LATE_S  # what the peer sent may still wait to be read
        if due > now:
            conn.deadlines[Timer.HOLD] = due
            return
        opening = conn.state is State.OPEN_SENT
        text = "no OPEN came from the peer" if opening else f"hold timer expired: nothing heard for {conn.hold_s:.0f} s"
        self.fire(conn, Event.HOLD_EXPIRES, Cause(now, text, ProtocolError(HOLD_TIMER_EXPIRED, 0, message=text)))

    def _send_hold_s(self, conn: Connection) -> float:
        configured = self.config.send_hold_s
        return max(SEND_HOLD_MIN_S, 2 * conn.hold_s) if configured is None else configured


_NOTIFICATIONS = {
    (OPEN_ERROR, UNSUPPORTED_VERSION): Event.NOTIFICATION_VERSION,
    (CEASE, COLLISION_RESOLUTION): Event.COLLISION_LOST,
}

_READERS: dict[int, Callable[[Peer, Connection, bytes, float], None]] = {
    OPEN: Peer._read_open,
    UPDATE: Peer._read_update,
    NOTIFICATION: Peer._read_notification,
    KEEPALIVE: Peer._read_keepalive,
    ROUTE_REFRESH: Peer._read_route_refresh,
}

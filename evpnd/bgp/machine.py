"""Carries out the FSM's table for one peer: its connections, its timers' lengths, its back-off, what it sends.

Owns the state that the table's actions change. What is to be done outside comes out in `outputs`. Must not know how
messages are read (`evpnd.bgp.peer` does), sockets or clocks. RFC 4271 sections 8 and 10, RFC 9003.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from evpnd.bgp import outputs as out
from evpnd.bgp.attributes import AttributeCache
from evpnd.bgp.connection import Connection, Timer
from evpnd.bgp.counters import Counters
from evpnd.bgp.family import Family
from evpnd.bgp.framing import KEEPALIVE, NOTIFICATION, OPEN, frame
from evpnd.bgp.fsm import FSM_ERROR_SUBCODES, TABLE, Act, Event, State
from evpnd.bgp.message import Notification, encode_notification, encode_open
from evpnd.bgp.negotiation import Negotiated, make_open
from evpnd.bgp.peer_config import PeerConfig
from evpnd.bgp.update import UpdateDecoder
from evpnd.errors import ProtocolError

OPEN_HOLD_S = 240.0  # RFC 4271 section 8.2.2: "a large value", four minutes suggested
CONNECT_TIMEOUT_S = 10.0  # how long one attempt may take: three SYNs and a little
BACKOFF_FIRST_S = 1.0
IDLE_HOLD_MAX_S = 10.0  # while it runs we refuse connections, so it stays short
STABLE_S = 10.0  # after so long a session's start is over: nothing that happens now comes from it

# RFC 4271 section 4.5, RFC 4486
CEASE = 6
ADMINISTRATIVE_SHUTDOWN, ADMINISTRATIVE_RESET, COLLISION_RESOLUTION = 2, 4, 7
FSM_ERROR = 5

_KEEPALIVE = frame(KEEPALIVE, b"")


class Cause(NamedTuple):
    """Why and when an event happens, for the actions that follow from it."""

    now: float
    text: str = ""
    error: ProtocolError | None = None  # what NOTIFY sends
    incoming: Connection | None = None
    negotiated: Negotiated | None = None
    lost: bool = False  # the connection ended, and no NOTIFICATION said why
    calm: bool = False  # asked for, or the end of a collision


class Machine:
    """One peer's FSMs: `primary`, and `second` while there are two connections."""

    def __init__(
        self, config: PeerConfig, cache: AttributeCache, *, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self.config = config
        self.counters = Counters()
        self.outputs: list[out.Output] = []
        self.reason = ""  # what went wrong since the session was last established
        self.last_error = ""  # what went wrong last
        self.last_error_at = math.nan
        self._verdict = ""  # why the last session or OPEN failed, when it wasn't the connection
        self.established_at = math.nan
        self.restarted = config.restart_time_s > 0  # not established since the daemon started (RFC 4724 section 4.1)
        self.disabled: dict[Family, str] = {}  # families given up on this session, and why
        self.primary = Connection(State.IDLE)
        self.second: Connection | None = None
        self._cache = cache
        self._uniform = uniform
        self._links = 0
        self._attempts = 0  # connections in a row on which no OPEN came
        self._failures = 0  # RFC 4271's ConnectRetryCounter, but a stable session clears it

    def fire(self, conn: Connection, event: Event, cause: Cause) -> None:
        """One step of the table; afterwards a connection that has ended makes room for the other one."""
        before = conn.state
        actions, conn.state = TABLE[before, event]
        for action in actions:
            _ACTS[action](self, conn, before, cause)
        if conn.state >= State.OPEN_SENT:
            return
        if cause.text and event is not Event.COLLISION_DUMP:
            self._blame(conn, event in _TRANSPORT, cause)
        if self.second is not None and conn.state is not State.CONNECT:
            if conn is self.primary:
                self.primary = self.second
            self.second = None

    def _blame(self, conn: Connection, transport: bool, cause: Cause) -> None:
        """Remember what went wrong; the last thing that BGP itself said isn't hidden by a connection that fails.

        Nothing has gone wrong when the other one of two connections goes on.
        """
        text, other = cause.text, self.other(conn)
        if other is not None and other.state >= (State.OPEN_SENT if transport else State.ESTABLISHED):
            return
        if not transport:
            self._verdict = text
        elif self._verdict:
            text = f"{text} (before that: {self._verdict})"
        self.reason = self.last_error = text
        self.last_error_at = cause.now

    def other(self, conn: Connection) -> Connection | None:
        """The other one of two connections."""
        return self.second if conn is self.primary else self.primary

    def connection(self, link: int) -> Connection | None:
        if self.primary.link == link:
            return self.primary
        return self.second if self.second is not None and self.second.link == link else None

    def new_link(self) -> int:
        self._links += 1
        return self._links

    def begin_reading(self, conn: Connection, negotiated: Negotiated) -> None:
        """Read UPDATEs of the families that are in use."""
        context = negotiated.context
        if self.disabled:
            context = replace(context, families=negotiated.families.difference(self.disabled))
        conn.decode = UpdateDecoder(context, self._cache).decode

    def _backoff_s(self, tries: int, longest_s: float) -> float:
        """Doubling from one second, less up to a quarter (RFC 4271 section 10)."""
        return min(longest_s, BACKOFF_FIRST_S * 2.0 ** min(tries, 16)) * self._uniform(0.75, 1.0)

    def _connect(self, conn: Connection, before: State, cause: Cause) -> None:
        conn.attach(self.new_link(), outgoing=True)
        conn.deadlines[Timer.CONNECT_RETRY] = cause.now + CONNECT_TIMEOUT_S
        self.outputs.append(out.Connect(conn.link))

    def _retry(self, conn: Connection, before: State, cause: Cause) -> None:
        if not self.config.passive:
            wait = self._backoff_s(self._attempts, self.config.connect_retry_s)
            conn.deadlines[Timer.CONNECT_RETRY] = cause.now + wait
            self._attempts += 1

    def _stop_retry(self, conn: Connection, before: State, cause: Cause) -> None:
        conn.deadlines.pop(Timer.CONNECT_RETRY, None)

    def _refuse(self, conn: Connection, before: State, cause: Cause) -> None:
        self.counters.refused += 1
        if cause.incoming is not None:
            self.outputs.append(out.Close(cause.incoming.link))

    def _track(self, conn: Connection, before: State, cause: Cause) -> None:
        incoming, second = cause.incoming, self.second
        if incoming is None or (second is not None and second.outgoing):
            self._refuse(conn, before, cause)
            return
        if second is not None:  # the peer has given that one up, or it wouldn't connect again
            self.fire(second, Event.COLLISION_DUMP, Cause(cause.now, error=cease(COLLISION_RESOLUTION)))
        incoming.late = before is State.ESTABLISHED and cause.now - self.established_at > STABLE_S
        self.second = incoming
        self.fire(incoming, Event.TCP_CONFIRMED, Cause(cause.now))

    def _send_open(self, conn: Connection, before: State, cause: Cause) -> None:
        self._write(conn, OPEN, encode_open(make_open(self.config, restarted=self.restarted)))

    def _send_keepalive(self, conn: Connection, before: State, cause: Cause) -> None:
        self._write(conn, KEEPALIVE, _KEEPALIVE)

    def _notify(self, conn: Connection, before: State, cause: Cause) -> None:
        error = cause.error
        if error is not None:
            notification = Notification(error.code, error.subcode, error.data)
            self._write(conn, NOTIFICATION, encode_notification(notification))

    def _notify_fsm_error(self, conn: Connection, before: State, cause: Cause) -> None:
        error = ProtocolError(FSM_ERROR, FSM_ERROR_SUBCODES[before])
        self._notify(conn, before, cause._replace(error=error))

    def _write(self, conn: Connection, kind: int, message: bytes) -> None:
        self.counters.sent[kind] += 1
        self.outputs.append(out.Write(conn.link, message))

    def _hold_open(self, conn: Connection, before: State, cause: Cause) -> None:
        self._start_hold(conn, OPEN_HOLD_S, cause.now)

    def _start_hold(self, conn: Connection, hold_s: float, now: float) -> None:
        conn.hold_s = hold_s
        conn.heard = now
        conn.deadlines.pop(Timer.HOLD, None)
        if hold_s:  # RFC 4271 section 4.2: zero means that neither timer runs
            conn.deadlines[Timer.HOLD] = now + hold_s

    def _negotiate(self, conn: Connection, before: State, cause: Cause) -> None:
        negotiated = cause.negotiated
        if negotiated is not None:
            self._attempts = 0
            conn.negotiated = negotiated
            conn.limit = negotiated.limit
            self._start_hold(conn, negotiated.hold_time_s, cause.now)
            self._keepalive_timer(conn, before, cause)

    def _hold(self, conn: Connection, before: State, cause: Cause) -> None:
        conn.heard = cause.now

    def _keepalive_timer(self, conn: Connection, before: State, cause: Cause) -> None:
        if conn.hold_s:
            # RFC 4271 section 10: a third of the hold time, with jitter
            conn.deadlines[Timer.KEEPALIVE] = cause.now + conn.hold_s / 3 * self._uniform(0.75, 1.0)

    def _establish(self, conn: Connection, before: State, cause: Cause) -> None:
        negotiated = conn.negotiated
        if negotiated is not None:
            self.disabled.clear()
            self.restarted = False
            self.begin_reading(conn, negotiated)
            self.reason = self._verdict = ""
            self.established_at = cause.now
            self.counters.established += 1
            self.outputs.append(out.Up(conn.link, negotiated))

    def _count(self, conn: Connection, before: State, cause: Cause) -> None:
        self._failures += 1

    def _reset_count(self, conn: Connection, before: State, cause: Cause) -> None:
        self._failures = self._attempts = 0

    def _drop(self, conn: Connection, before: State, cause: Cause) -> None:
        if conn.link:
            self.outputs.append(out.Close(conn.link))
        if before is State.ESTABLISHED:
            if cause.now - self.established_at >= STABLE_S:
                self._failures = 0
            restart = conn.negotiated.graceful_restart if conn.negotiated is not None and cause.lost else None
            self.outputs.append(out.Down(cause.text, restart, cause.calm))
        conn.attach(0, outgoing=False)
        conn.deadlines.clear()

    def _idle_hold(self, conn: Connection, before: State, cause: Cause) -> None:
        """The first failure after a stable session costs nearly nothing, the next ones more and more."""
        tries = self._failures
        wait = self._backoff_s(tries - 1, IDLE_HOLD_MAX_S) if tries else self._uniform(0.0, 0.1)
        conn.deadlines[Timer.IDLE_HOLD] = cause.now + wait

    def _stop_idle_hold(self, conn: Connection, before: State, cause: Cause) -> None:
        conn.deadlines.pop(Timer.IDLE_HOLD, None)


_ACTS: dict[Act, Callable[[Machine, Connection, State, Cause], None]] = {
    Act.CONNECT: Machine._connect,
    Act.RETRY: Machine._retry,
    Act.STOP_RETRY: Machine._stop_retry,
    Act.REFUSE: Machine._refuse,
    Act.TRACK: Machine._track,
    Act.SEND_OPEN: Machine._send_open,
    Act.SEND_KEEPALIVE: Machine._send_keepalive,
    Act.NOTIFY: Machine._notify,
    Act.NOTIFY_FSM_ERROR: Machine._notify_fsm_error,
    Act.HOLD_OPEN: Machine._hold_open,
    Act.NEGOTIATE: Machine._negotiate,
    Act.HOLD: Machine._hold,
    Act.KEEPALIVE_TIMER: Machine._keepalive_timer,
    Act.ESTABLISH: Machine._establish,
    Act.COUNT: Machine._count,
    Act.RESET_COUNT: Machine._reset_count,
    Act.DROP: Machine._drop,
    Act.IDLE_HOLD: Machine._idle_hold,
    Act.STOP_IDLE_HOLD: Machine._stop_idle_hold,
}


# How a connection ends without a word about the session.
_TRANSPORT = (Event.TCP_FAILS, Event.CONNECT_RETRY_EXPIRES, Event.COLLISION_LOST)


def cease(subcode: int, text: str = "") -> ProtocolError:
    """A Cease; the subcodes that RFC 9003 names carry the text, cut to what its length octet can say."""
    data = b""
    if text and subcode in (ADMINISTRATIVE_SHUTDOWN, ADMINISTRATIVE_RESET):
        octets = text.encode()[:255].decode(errors="ignore").encode()
        data = bytes((len(octets),)) + octets
    return ProtocolError(CEASE, subcode, data, text)

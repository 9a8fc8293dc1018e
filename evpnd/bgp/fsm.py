"""The BGP finite state machine as data: TABLE maps (state, event) to (actions, next state); RFC 4271 section 8.2.2.

Owns which transition follows from what, for one transport connection. Must not know how an action is carried out
(`evpnd.bgp.peer` does that), timers' lengths, bytes or sockets. The table is total: "any other event" of each state
is written out by `_rows`.

Where it differs from RFC 4271, on purpose:
- A connection that can't be made leaves the FSM in Active, listening, with the retry timer running, as the RFC has it
  only while the DelayOpenTimer runs. In Idle, incoming connections are refused, and two speakers that start together
  would refuse each other. DelayOpen itself is not implemented, so events 12 and 20 don't exist here.
- The FSM of a passive peer never connects by itself: its ConnectRetryTimer isn't started.
- A second connection (event 17 in Connect and later) is tracked by a second FSM, which begins in Active; so the two
  events 14 and 15 need no row.
- A NOTIFICATION is never answered with one, in OpenSent neither (RFC 4271 section 6.4).
- A wrong message is answered with the subcode that RFC 6608 gives to the state.
- Event 29 is RFC 9687's, event 30 is ours, for ROUTE-REFRESH (RFC 2918), and event 31 for the NOTIFICATION by which a
  peer ends a collision: the connection that it keeps may be about to come in, so the FSM listens, which Idle doesn't.
- The IdleHoldTimer (event 13) ends in event 3 or 5. Losing a collision isn't counted as a failure, a peer that speaks
  another version is.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class State(IntEnum):
    """Numbered as bgpPeerState is (RFC 4273)."""

    IDLE = 1
    CONNECT = 2
    ACTIVE = 3
    OPEN_SENT = 4
    OPEN_CONFIRM = 5
    ESTABLISHED = 6

    @property
    def text(self) -> str:
        """As people write it: OpenConfirm."""
        return self.name.title().replace("_", "")


class Event(IntEnum):
    """Numbered as RFC 4271 section 8.1 numbers them, where it does."""

    MANUAL_START = 1
    MANUAL_STOP = 2
    AUTOMATIC_START = 3  # also when the IdleHoldTimer expires
    MANUAL_START_PASSIVE = 4
    AUTOMATIC_START_PASSIVE = 5
    AUTOMATIC_STOP = 8
    CONNECT_RETRY_EXPIRES = 9
    HOLD_EXPIRES = 10
    KEEPALIVE_EXPIRES = 11
    TCP_ACKED = 16  # the connection we asked for is up
    TCP_CONFIRMED = 17  # the peer connected to us
    TCP_FAILS = 18
    OPEN = 19
    HEADER_ERROR = 21
    OPEN_ERROR = 22
    COLLISION_DUMP = 23
    NOTIFICATION_VERSION = 24
    NOTIFICATION = 25
    KEEPALIVE = 26
    UPDATE = 27
    UPDATE_ERROR = 28
    SEND_HOLD_EXPIRES = 29
    ROUTE_REFRESH = 30
    COLLISION_LOST = 31  # the peer has closed this connection for another one (Cease/7)


class Act(IntEnum):
    """What a transition does, in the table's order; carried out by `evpnd.bgp.peer`."""

    CONNECT = 1  # open a TCP connection; ConnectRetryTimer set to the longest an attempt may take
    RETRY = 2  # ConnectRetryTimer set to the back-off time (not for a passive peer)
    STOP_RETRY = 3
    REFUSE = 4  # close the connection that the peer has just made
    TRACK = 5  # let a second FSM have the connection that the peer has just made
    SEND_OPEN = 6
    SEND_KEEPALIVE = 7
    NOTIFY = 8  # send the NOTIFICATION that the event carries
    NOTIFY_FSM_ERROR = 9  # send NOTIFICATION 5 with the state's subcode
    HOLD_OPEN = 10  # HoldTimer set to four minutes
    NEGOTIATE = 11  # take over what the OPEN says: timers, families, sizes; HoldTimer and KeepaliveTimer started
    HOLD = 12  # HoldTimer restarted
    KEEPALIVE_TIMER = 13  # KeepaliveTimer restarted
    ESTABLISH = 14  # tell the owner that the session is up
    COUNT = 15  # ConnectRetryCounter + 1
    RESET_COUNT = 16  # ConnectRetryCounter = 0
    DROP = 17  # close the TCP connection, stop this connection's timers, tell the owner if the session was up
    IDLE_HOLD = 18  # IdleHoldTimer started, to start again by itself (DampPeerOscillations)
    STOP_IDLE_HOLD = 19


class Transition(NamedTuple):
    actions: tuple[Act, ...]
    state: State


# RFC 6608: the subcode of a Finite State Machine Error.
FSM_ERROR_SUBCODES = {State.OPEN_SENT: 1, State.OPEN_CONFIRM: 2, State.ESTABLISHED: 3}

Rows = dict[tuple[State, Event], Transition]

_STARTS = (
    Event.MANUAL_START,
    Event.AUTOMATIC_START,
    Event.MANUAL_START_PASSIVE,
    Event.AUTOMATIC_START_PASSIVE,
)


def _to(state: State, *actions: Act) -> Transition:
    return Transition(actions, state)


def _rows(state: State, otherwise: Transition, rows: dict[Event, Transition]) -> Rows:
    """All rows of one state; `otherwise` is for the events that the RFC calls "any other"."""
    return {(state, event): rows.get(event, otherwise) for event in Event}


def _idle() -> Rows:
    ignore = _to(State.IDLE)
    connect = _to(State.CONNECT, Act.STOP_IDLE_HOLD, Act.CONNECT)
    listen = _to(State.ACTIVE, Act.STOP_IDLE_HOLD)
    manual = Act.RESET_COUNT
    return _rows(
        State.IDLE,
        ignore,
        {
            Event.MANUAL_START: _to(State.CONNECT, manual, *connect.actions),
            Event.MANUAL_START_PASSIVE: _to(State.ACTIVE, manual, *listen.actions),
            Event.AUTOMATIC_START: connect,
            Event.AUTOMATIC_START_PASSIVE: listen,
            Event.MANUAL_STOP: _to(State.IDLE, manual, Act.STOP_IDLE_HOLD),
            Event.TCP_CONFIRMED: _to(State.IDLE, Act.REFUSE),
        },
    )


def _connect() -> Rows:
    stay = _to(State.CONNECT)
    return _rows(
        State.CONNECT,
        _to(State.IDLE, Act.STOP_RETRY, Act.COUNT, Act.DROP, Act.IDLE_HOLD),
        {
            **dict.fromkeys(_STARTS, stay),
            Event.MANUAL_STOP: _to(State.IDLE, Act.RESET_COUNT, Act.STOP_RETRY, Act.DROP),
            Event.CONNECT_RETRY_EXPIRES: _to(State.CONNECT, Act.DROP, Act.CONNECT),
            Event.TCP_ACKED: _to(State.OPEN_SENT, Act.STOP_RETRY, Act.SEND_OPEN, Act.HOLD_OPEN),
            Event.TCP_CONFIRMED: _to(State.CONNECT, Act.TRACK),
            Event.COLLISION_DUMP: _to(State.IDLE, Act.STOP_RETRY, Act.DROP, Act.IDLE_HOLD),
            Event.TCP_FAILS: _to(State.ACTIVE, Act.DROP, Act.RETRY),
        },
    )


def _active() -> Rows:
    stay = _to(State.ACTIVE)
    opening = _to(State.OPEN_SENT, Act.STOP_RETRY, Act.SEND_OPEN, Act.HOLD_OPEN)
    return _rows(
        State.ACTIVE,
        _to(State.IDLE, Act.STOP_RETRY, Act.COUNT, Act.DROP, Act.IDLE_HOLD),
        {
            **dict.fromkeys(_STARTS, stay),
            Event.MANUAL_STOP: _to(State.IDLE, Act.RESET_COUNT, Act.STOP_RETRY, Act.DROP),
            Event.CONNECT_RETRY_EXPIRES: _to(State.CONNECT, Act.CONNECT),
            Event.TCP_ACKED: opening,
            Event.TCP_CONFIRMED: opening,
        },
    )


def _ending() -> dict[Event, Transition]:
    """The rows by which a connection that has an OPEN under way, or is up, comes to its end."""
    silent = _to(State.IDLE, Act.COUNT, Act.DROP, Act.IDLE_HOLD)
    noisy = _to(State.IDLE, Act.NOTIFY, Act.COUNT, Act.DROP, Act.IDLE_HOLD)
    return {
        Event.MANUAL_STOP: _to(State.IDLE, Act.NOTIFY, Act.RESET_COUNT, Act.DROP),
        Event.AUTOMATIC_STOP: noisy,
        Event.HOLD_EXPIRES: noisy,
        Event.HEADER_ERROR: noisy,
        Event.TCP_FAILS: silent,
        Event.NOTIFICATION: silent,
        Event.NOTIFICATION_VERSION: silent,
        # RFC 4271 section 6.8: Cease to the connection that loses. Not counted: the peer is well.
        Event.COLLISION_DUMP: _to(State.IDLE, Act.NOTIFY, Act.DROP, Act.IDLE_HOLD),
        Event.COLLISION_LOST: _to(State.ACTIVE, Act.DROP, Act.RETRY),
        # RFC 9687 section 3.2: the peer doesn't read, so a NOTIFICATION would not reach it.
        Event.SEND_HOLD_EXPIRES: silent,
    }


def _fsm_error() -> Transition:
    return _to(State.IDLE, Act.NOTIFY_FSM_ERROR, Act.COUNT, Act.DROP, Act.IDLE_HOLD)


def _open_sent() -> Rows:
    return _rows(
        State.OPEN_SENT,
        _fsm_error(),
        {
            **dict.fromkeys(_STARTS, _to(State.OPEN_SENT)),
            **_ending(),
            Event.TCP_CONFIRMED: _to(State.OPEN_SENT, Act.TRACK),
            Event.TCP_FAILS: _to(State.ACTIVE, Act.DROP, Act.RETRY),
            Event.OPEN: _to(State.OPEN_CONFIRM, Act.NEGOTIATE, Act.SEND_KEEPALIVE),
            Event.OPEN_ERROR: _to(State.IDLE, Act.NOTIFY, Act.COUNT, Act.DROP, Act.IDLE_HOLD),
        },
    )


def _open_confirm() -> Rows:
    return _rows(
        State.OPEN_CONFIRM,
        _fsm_error(),
        {
            **dict.fromkeys(_STARTS, _to(State.OPEN_CONFIRM)),
            **_ending(),
            Event.TCP_CONFIRMED: _to(State.OPEN_CONFIRM, Act.TRACK),
            Event.KEEPALIVE_EXPIRES: _to(State.OPEN_CONFIRM, Act.SEND_KEEPALIVE, Act.KEEPALIVE_TIMER),
            Event.KEEPALIVE: _to(State.ESTABLISHED, Act.HOLD, Act.ESTABLISH),
        },
    )


def _established() -> Rows:
    heard = _to(State.ESTABLISHED, Act.HOLD)
    return _rows(
        State.ESTABLISHED,
        _fsm_error(),
        {
            **dict.fromkeys(_STARTS, _to(State.ESTABLISHED)),
            **_ending(),
            # A peer that has lost this connection makes a new one: writing to the old one brings the reset to light.
            Event.TCP_CONFIRMED: _to(State.ESTABLISHED, Act.TRACK, Act.SEND_KEEPALIVE),
            Event.KEEPALIVE_EXPIRES: _to(State.ESTABLISHED, Act.SEND_KEEPALIVE, Act.KEEPALIVE_TIMER),
            Event.KEEPALIVE: heard,
            Event.UPDATE: heard,
            Event.ROUTE_REFRESH: heard,
            Event.UPDATE_ERROR: _to(State.IDLE, Act.NOTIFY, Act.COUNT, Act.DROP, Act.IDLE_HOLD),
        },
    )


TABLE: Rows = {**_idle(), **_connect(), **_active(), **_open_sent(), **_open_confirm(), **_established()}

"""evpnd.bgp.fsm's table, row by row, through the Peer that carries it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from evpnd.bgp import machine
from evpnd.bgp import outputs as out
from evpnd.bgp.connection import Connection
from evpnd.bgp.family import L2VPN_EVPN
from evpnd.bgp.framing import KEEPALIVE, NOTIFICATION, OPEN, ROUTE_REFRESH, frame
from evpnd.bgp.fsm import TABLE, Act, Event, State
from evpnd.bgp.machine import Cause, cease
from evpnd.bgp.update import end_of_rib
from evpnd.errors import ProtocolError
from tests.bgp.pair import HIGH, LOW
from tests.bgp.test_peer import ALIVE, HERE, THERE, Fed, their_open

ROWS = sorted(TABLE)


def in_state(state: State) -> Fed:
    """A peer that has come to this state by its own inputs."""
    fed = Fed(replace(LOW, send_hold_s=5.0), HIGH)
    if state >= State.CONNECT:
        fed.start()
    if state is State.ACTIVE:
        fed.peer.failed(1, "connection refused", fed.now)
    if state >= State.OPEN_SENT:
        fed.connect()
    if state >= State.OPEN_CONFIRM:
        fed.feed(their_open())
    if state >= State.ESTABLISHED:
        fed.feed(ALIVE)
    fed.take()
    assert fed.peer.state is state
    return fed


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0].name}-{row[1].name}")
def test_every_row_does_what_it_says(row: tuple[State, Event], monkeypatch: pytest.MonkeyPatch) -> None:
    state, event = row
    actions, after = TABLE[row]
    fed = in_state(state)
    peer, conn = fed.peer, fed.peer.primary
    done: list[Act] = []

    def watched(act: Act):  # type: ignore[no-untyped-def]
        action = machine._ACTS[act]

        def carry_out(self, connection, before, cause):  # type: ignore[no-untyped-def]
            if connection is conn:
                done.append(act)
            action(self, connection, before, cause)

        return carry_out

    monkeypatch.setattr(machine, "_ACTS", {act: watched(act) for act in Act})
    incoming = Connection(State.ACTIVE)
    incoming.attach(77, outgoing=False, local_address=HERE, peer_address=THERE)
    negotiated = in_state(State.OPEN_CONFIRM).peer.primary.negotiated
    if row == (State.ACTIVE, Event.TCP_CONFIRMED):
        conn.attach(77, outgoing=False)
    peer.fire(conn, event, Cause(fed.now, "because", cease(2), incoming, negotiated))
    assert tuple(done) == actions
    assert conn.state is after
    kinds = [output.data[18] for output in fed.take() if isinstance(output, out.Write) and output.link != 77]
    expected = {
        Act.SEND_OPEN: OPEN,
        Act.SEND_KEEPALIVE: KEEPALIVE,
        Act.NOTIFY: NOTIFICATION,
        Act.NOTIFY_FSM_ERROR: NOTIFICATION,
    }
    if row != (State.ACTIVE, Event.TCP_CONFIRMED):
        assert kinds == [expected[act] for act in actions if act in expected]
    assert (out.Down("because") in fed.seen) == (state is State.ESTABLISHED and after is not State.ESTABLISHED)
    if after is State.IDLE:
        assert not conn.link
        # A timer runs in Idle exactly when the peer is to begin again by itself.
        assert bool(conn.deadlines) == (Act.IDLE_HOLD in actions)


def test_inputs_reach_every_row_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a peer, its host and its owner can do leads to every row but those that are named here."""
    reached: set[tuple[State, Event]] = set()

    class Watched(dict):  # type: ignore[type-arg]
        def __getitem__(self, row):  # type: ignore[no-untyped-def]
            reached.add(row)
            return super().__getitem__(row)

    monkeypatch.setattr(machine, "TABLE", Watched(TABLE))
    for state in State:
        for poke in POKES:
            fed = in_state(state)
            poke(fed)
            fed.wait(1)
        for seconds in (9, 31, 300):
            in_state(state).wait(seconds)
    connected = (State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED)
    missing = {row for row in TABLE if row[0] in connected} - reached
    never = {
        # Timers that don't run in these states, and news of connections that are there already.
        *((state, Event.CONNECT_RETRY_EXPIRES) for state in connected),
        *((state, Event.TCP_ACKED) for state in connected),
        *((state, Event.AUTOMATIC_START) for state in connected),
        *((state, Event.AUTOMATIC_START_PASSIVE) for state in connected),
        *((state, Event.MANUAL_START_PASSIVE) for state in connected),
        (State.OPEN_SENT, Event.KEEPALIVE_EXPIRES),
        (State.OPEN_SENT, Event.SEND_HOLD_EXPIRES),
        # Only an UPDATE of an established session is decoded, only an OPEN in OpenSent.
        (State.OPEN_SENT, Event.UPDATE_ERROR),
        (State.OPEN_CONFIRM, Event.UPDATE_ERROR),
        (State.OPEN_CONFIRM, Event.OPEN_ERROR),
        (State.ESTABLISHED, Event.OPEN_ERROR),
        # The hot path does this row's one action itself, once a chunk.
        (State.ESTABLISHED, Event.UPDATE),
    }
    assert missing <= never, sorted(missing - never)


def _pokes() -> Iterator[Callable[[Fed], object]]:
    yield lambda fed: fed.peer.start(fed.now)
    yield lambda fed: fed.peer.stop(fed.now)
    yield lambda fed: fed.peer.reset(fed.now)
    yield lambda fed: fed.peer.shutdown(fed.now, ProtocolError(6, 1))
    yield lambda fed: fed.peer.accepted(HERE, THERE, fed.now)
    yield lambda fed: fed.peer.failed(fed.link or 1, "lost", fed.now)
    for data in (
        their_open(),
        their_open(version=3),
        ALIVE,
        ALIVE * 2,
        end_of_rib(L2VPN_EVPN),
        frame(2, b"\xff\xff\0\0"),
        frame(ROUTE_REFRESH, b"\0\x19\0\x46"),
        frame(NOTIFICATION, b"\2\1"),
        frame(NOTIFICATION, b"\6\2"),
        frame(NOTIFICATION, b"\6\7"),
        b"\0" * 19,
    ):
        yield partial(Fed.feed, data=data)
    yield _crawl
    yield _collide


def _crawl(fed: Fed) -> None:
    """The socket takes nothing for a while."""
    fed.peer.flow(fed.link, 10, 10, fed.now)
    fed.wait(6)


def _collide(fed: Fed) -> None:
    link = fed.peer.accepted(HERE, THERE, fed.now)
    fed.peer.received(link, their_open(), fed.now)


POKES = list(_pokes())

"""evpnd.bgp.fsm: the table is total, and its rows keep the promises that the speaker is built on."""

from __future__ import annotations

import pytest

from evpnd.bgp.fsm import FSM_ERROR_SUBCODES, TABLE, Act, Event, State

ROWS = sorted(TABLE.items())
OPEN_STATES = (State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED)
UNDER_WAY = (State.CONNECT, *OPEN_STATES)


def test_table_is_total() -> None:
    assert set(TABLE) == {(state, event) for state in State for event in Event}


@pytest.mark.parametrize(("row", "transition"), ROWS, ids=lambda value: None)
def test_row_invariants(row: tuple[State, Event], transition: tuple[tuple[Act, ...], State]) -> None:
    state, _ = row
    actions, after = transition
    assert len(set(actions)) == len(actions)
    # A connection exists from Connect on (except in Active): it is dropped exactly when the row leaves these states.
    if state in UNDER_WAY and after not in UNDER_WAY:
        assert Act.DROP in actions
    # A NOTIFICATION goes only where a connection is, is the last message sent, and ends it.
    for act in (Act.NOTIFY, Act.NOTIFY_FSM_ERROR):
        if act in actions:
            assert state in OPEN_STATES
            assert actions.index(act) < actions.index(Act.DROP)
            assert after is State.IDLE
    # Nothing leads into Established but a KEEPALIVE in OpenConfirm.
    if after is State.ESTABLISHED and state is not State.ESTABLISHED:
        assert row == (State.OPEN_CONFIRM, Event.KEEPALIVE)
        assert Act.ESTABLISH in actions
    else:
        assert Act.ESTABLISH not in actions
    # Whoever falls back to Idle starts again by itself, except after an operator's stop.
    if after is State.IDLE and state is not State.IDLE:
        assert (Act.IDLE_HOLD in actions) == (row[1] is not Event.MANUAL_STOP)
    # OpenSent is entered with an OPEN sent and a hold timer running.
    if after is State.OPEN_SENT and state is not State.OPEN_SENT:
        assert {Act.SEND_OPEN, Act.HOLD_OPEN, Act.STOP_RETRY} <= set(actions)


@pytest.mark.parametrize("state", State)
def test_manual_stop_always_ends_in_idle(state: State) -> None:
    actions, after = TABLE[state, Event.MANUAL_STOP]
    assert after is State.IDLE
    assert Act.RESET_COUNT in actions


@pytest.mark.parametrize("state", OPEN_STATES)
def test_notification_is_never_answered(state: State) -> None:
    for event in (Event.NOTIFICATION, Event.NOTIFICATION_VERSION, Event.SEND_HOLD_EXPIRES):
        actions, after = TABLE[state, event]
        assert after is State.IDLE
        assert Act.NOTIFY not in actions
        assert Act.NOTIFY_FSM_ERROR not in actions


def test_state_names_and_error_subcodes() -> None:
    assert [state.text for state in State] == ["Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"]
    assert set(FSM_ERROR_SUBCODES) == set(OPEN_STATES)  # RFC 6608 section 3

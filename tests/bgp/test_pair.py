"""Two peers joined in memory: every order of a collision's deliveries, and random lives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evpnd.bgp import outputs as out
from evpnd.bgp.fsm import State
from evpnd.bgp.message import encode_open
from evpnd.bgp.negotiation import make_open
from evpnd.bgp.peer_config import PeerConfig
from evpnd.errors import ProtocolError
from tests.bgp.pair import HIGH, LOW, Pair, passive

SAME_ID = replace(HIGH, router_id=LOW.router_id)


def test_two_that_start_together_agree() -> None:
    pair = Pair()
    pair.start()
    pair.flush()
    assert pair.established


@pytest.mark.parametrize("first", [0, 1])
def test_one_that_starts_later_is_waited_for(first: int) -> None:
    pair = Pair()
    early, late = pair.sides[first], pair.sides[1 - first]
    late.reachable = False
    early.peer.start(pair.now)
    pair.settle(early)
    pair.advance(1000)
    assert early.peer.problem == "connection refused"
    late.reachable = True
    late.peer.start(pair.now)
    pair.settle(late)
    pair.flush()
    assert pair.established  # at once: the early one listens while it waits


def test_passive_side_is_connected_to() -> None:
    pair = Pair(passive(LOW), HIGH)
    pair.start()
    pair.flush()
    assert pair.established
    assert not pair.left.peer.primary.outgoing


def test_shutdown_text_reaches_the_other_side() -> None:
    pair = Pair()
    pair.start()
    pair.advance(30)
    pair.left.peer.stop(pair.now, "see ticket 4711")
    pair.settle(pair.left)
    pair.flush()
    assert "see ticket 4711" in pair.right.peer.last_error
    assert pair.left.news[-1] == out.Down("administratively down", calm=True)  # nobody there needs to look
    assert isinstance(pair.right.news[-1], out.Down)
    assert not pair.right.news[-1].calm


def test_wrong_as_is_named_on_both_sides() -> None:
    pair = Pair(replace(LOW, asn=65009), HIGH)
    pair.start()
    pair.advance(60)
    assert pair.left.peer.problem == "the peer's AS is 65002, configured 65009"
    assert pair.right.peer.problem is not None
    assert not pair.established


# Collisions (RFC 4271 section 6.8)


def orders(left: PeerConfig, right: PeerConfig) -> Iterator[tuple[Pair, list[int]]]:
    """Every order in which what two peers that start at once send can arrive, each as the pair at its end.

    Orders that lead to the same situation are walked on from only once.
    """
    seen = set()
    todo: list[list[int]] = [[]]
    while todo:
        path = todo.pop()
        pair = Pair(left, right)
        pair.start()
        for choice in path:
            pair.deliver(*pair.pending()[choice])
        situation = fingerprint(pair)
        if situation in seen:
            continue
        seen.add(situation)
        assert all(side.peer.second is None or side.peer.second.state is State.OPEN_SENT for side in pair.sides), path
        count = len(pair.pending())
        if not count:
            yield pair, path
        todo += [[*path, choice] for choice in range(count)]


def fingerprint(pair: Pair) -> object:
    """All that decides what can still happen."""
    sides = tuple(
        tuple(
            (conn.state, conn.link, conn.outgoing) for conn in (side.peer.primary, side.peer.second) if conn is not None
        )
        for side in pair.sides
    )
    wires = tuple((tuple(tcp.links), tuple(map(tuple, tcp.toward)), tuple(tcp.closed)) for tcp in pair.tcps)
    return sides, wires


@pytest.mark.parametrize(
    ("left", "right"),
    [(LOW, HIGH), (replace(LOW, asn=65002), SAME_ID), (LOW, passive(HIGH))],
    ids=["by-identifier", "by-as-number", "one-passive"],
)
def test_every_order_of_a_collision_ends_in_one_session(left: PeerConfig, right: PeerConfig) -> None:
    """No timer runs here: whatever the order, both are established without a second try, on the same connection."""
    ends = 0
    for pair, path in orders(left, right):
        ends += 1
        assert pair.established, path
        alive = [tcp for tcp in pair.tcps if not any(tcp.closed)]
        assert len(alive) == 1, path
        assert [side.up for side in pair.sides] == [alive[0].links[alive[0].ends.index(side)] for side in pair.sides], (
            path
        )
        for side in pair.sides:
            assert side.peer.second is None, path
            assert len(side.news) == 1, path  # Up, and never Down
            assert not side.peer.reason and not side.peer.last_error, path  # nothing has gone wrong
    assert ends


def test_late_collision_keeps_the_connection_of_the_higher_identifier() -> None:
    """Both connections come so far that both OPENs cross: the one that the higher identifier made stays."""
    pair = Pair()
    pair.start()
    for _ in range(2):  # both handshakes first, on both sides
        for tcp in pair.tcps:
            for index in (0, 1):
                if len(tcp.toward[index]) and tcp.toward[index][0] == "opened":
                    pair.deliver(tcp, index)
    assert all(side.peer.second is not None for side in pair.sides)
    pair.flush()
    assert pair.established
    assert pair.right.peer.primary.outgoing
    assert not pair.left.peer.primary.outgoing


def test_connection_beside_an_old_session_is_turned_down() -> None:
    pair = Pair()
    pair.start()
    pair.advance(30)
    before = [side.up for side in pair.sides]
    right = pair.right.peer
    link = right.accepted(b"", b"", pair.now)
    # An OPEN to the new one, and a KEEPALIVE to the old one, which brings its end to light if the peer has lost it.
    assert [(write.link, write.data[18]) for write in right.outputs] == [(link, 1), (before[1], 4)]  # type: ignore[union-attr]
    right.outputs.clear()
    right.received(link, encode_open(make_open(LOW)), pair.now)
    notification, close = right.outputs
    assert isinstance(notification, out.Write)
    assert notification.data[18:] == bytes((3, 6, 7))
    assert close == out.Close(link)
    right.outputs.clear()
    pair.advance(1000)
    assert [side.up for side in pair.sides] == before


def test_peer_that_was_cut_off_unnoticed_comes_back_when_the_old_session_is_gone() -> None:
    pair = Pair()
    pair.start()
    pair.advance(30)
    (tcp,) = (tcp for tcp in pair.tcps if not any(tcp.closed))
    left = tcp.ends.index(pair.left)
    pair.left.peer.failed(tcp.links[left], "no route to host", pair.now)  # the right side doesn't hear of it
    pair.settle(pair.left)
    tcp.toward[1 - left].clear()
    pair.advance(100)
    assert pair.established


def test_newer_connection_of_a_restarted_peer_replaces_the_older() -> None:
    """A peer that connects again while its first connection waits for its OPEN has lost that one."""
    left = Pair(passive(LOW), HIGH).left.peer
    left.start(0.0)
    first, second, third = (left.accepted(b"", b"", 0.0) for _ in range(3))
    assert left.primary.link == first
    assert left.second is not None
    assert left.second.link == third
    assert out.Close(second) in left.outputs
    left.received(third, encode_open(make_open(HIGH)), 0.0)
    assert left.primary.link == third
    assert left.state is State.OPEN_CONFIRM
    assert out.Close(first) in left.outputs


# Random lives

steps = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.integers(0, 7)),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 5.0, 31.0, 95.0, 250.0])),
        st.tuples(st.just("stop"), st.integers(0, 1)),
        st.tuples(st.just("start"), st.integers(0, 1)),
        st.tuples(st.just("reset"), st.integers(0, 1)),
        st.tuples(st.just("shutdown"), st.integers(0, 1)),
        st.tuples(st.just("cut"), st.integers(0, 7)),
        st.tuples(st.just("garbage"), st.integers(0, 7), st.binary(max_size=40)),
        st.tuples(st.just("unreachable"), st.integers(0, 1)),
        st.tuples(st.just("reachable"), st.integers(0, 1)),
    ),
    max_size=60,
)


def take_step(pair: Pair, step: tuple) -> None:  # type: ignore[type-arg]
    name, argument = step[:2]
    pending = pair.pending()
    if name == "deliver":
        if pending:
            pair.deliver(*pending[argument % len(pending)])
    elif name == "wait":
        pair.advance(argument)
    elif name in ("cut", "garbage"):
        if pair.tcps:
            tcp = pair.tcps[argument % len(pair.tcps)]
            for index in (0, 1):
                if not tcp.closed[index] and tcp.links[index] and "opened" not in tcp.toward[index]:
                    tcp.toward[index].append("closed" if name == "cut" else step[2])
    else:
        side = pair.sides[argument]
        if name in ("unreachable", "reachable"):
            side.reachable = name == "reachable"
        elif name == "shutdown":
            side.peer.shutdown(pair.now, ProtocolError(6, 1, message="too many"))
        else:
            getattr(side.peer, name)(pair.now)
        pair.settle(side)


@settings(max_examples=500, deadline=None)
@given(steps, st.sampled_from([(LOW, HIGH), (passive(LOW), HIGH), (LOW, replace(HIGH, hold_time_s=0))]))
def test_random_lives(life: list[tuple], configs: tuple[PeerConfig, PeerConfig]) -> None:  # type: ignore[type-arg]
    """Whatever happens, nothing is raised, the invariants of Pair hold at each step, and in the end, left in peace,
    both are established within a minute and stay so."""
    pair = Pair(*configs)
    pair.start()
    for step in life:
        take_step(pair, step)
    for side in pair.sides:
        side.reachable = True
        if not side.peer.enabled:
            side.peer.start(pair.now)
            pair.settle(side)
    pair.advance(400)  # a connection that an ill-timed cut left waiting for an OPEN may take four minutes
    assert pair.established
    news = [len(side.news) for side in pair.sides]
    pair.advance(1000)
    assert pair.established
    assert [len(side.news) for side in pair.sides] == news

"""evpnd.bgp.peer and machine: one peer fed by hand, with the clock as an argument."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from evpnd.bgp import outputs as out
from evpnd.bgp.attributes import AttributeCache, build
from evpnd.bgp.capability import Capability
from evpnd.bgp.connection import Timer
from evpnd.bgp.family import IPV4_UNICAST, L2VPN_EVPN
from evpnd.bgp.framing import KEEPALIVE, NOTIFICATION, OPEN, ROUTE_REFRESH, UPDATE, frame
from evpnd.bgp.fsm import State
from evpnd.bgp.message import Notification, Open, decode_notification, decode_open, encode_open
from evpnd.bgp.negotiation import make_open
from evpnd.bgp.peer import Peer
from evpnd.bgp.peer_config import PeerConfig
from evpnd.bgp.update import Update, end_of_rib, pack_updates
from evpnd.errors import Action, ProtocolError
from tests.bgp.pair import HIGH, LOW, passive

TYPE3 = bytes.fromhex("0311 0001 0aff0001 0064 00000000 20 0aff0001".replace(" ", ""))
HERE, THERE = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))
ALIVE = frame(KEEPALIVE, b"")


class Fed:
    """A peer, its clock, and the answers of an imagined other side."""

    def __init__(self, config: PeerConfig = LOW, theirs: PeerConfig = HIGH) -> None:
        self.peer = Peer(config, AttributeCache(), uniform=lambda low, high: high)
        self.theirs = theirs
        self.now = 100.0
        self.link = 0
        self.seen: list[object] = []

    def take(self) -> list[object]:
        """The outputs since the last call."""
        outputs, self.peer.outputs = self.peer.outputs, []
        self.seen += outputs
        return list(outputs)

    def start(self) -> None:
        self.peer.start(self.now)

    def connect(self) -> None:
        """Answer the Connect under way."""
        (connect,) = (output for output in self.take() if isinstance(output, out.Connect))
        self.link = connect.link
        self.peer.connected(self.link, HERE, THERE, self.now)

    def feed(self, data: bytes) -> list[object]:
        self.peer.received(self.link, data, self.now)
        return self.take()

    def establish(self) -> None:
        self.start()
        self.connect()
        self.feed(encode_open(make_open(self.theirs)) + ALIVE)
        assert self.peer.state is State.ESTABLISHED

    def wait(self, seconds: float) -> list[object]:
        """Let time pass, timer by timer; what came out."""
        end = self.now + seconds
        self.take()
        start = len(self.seen)
        while self.peer.deadline <= end:
            self.now = max(self.now, self.peer.deadline)
            self.peer.tick(self.now)
            self.take()
        self.now = end
        return self.seen[start:]


def notifications(outputs: list[object]) -> list[Notification]:
    return [
        decode_notification(output.data[19:])
        for output in outputs
        if isinstance(output, out.Write) and output.data[18] == NOTIFICATION
    ]


def codes(outputs: list[object]) -> list[tuple[int, int]]:
    return [(message.code, message.subcode) for message in notifications(outputs)]


def their_open(**changes: object) -> bytes:
    return encode_open(replace(make_open(HIGH), **changes))  # type: ignore[arg-type]


# Coming up


def test_active_opening() -> None:
    fed = Fed()
    assert fed.peer.problem == "not started"
    fed.start()
    assert fed.peer.state is State.CONNECT
    assert fed.peer.problem == "connecting to 192.0.2.2"
    fed.connect()
    assert fed.peer.state is State.OPEN_SENT
    assert fed.peer.problem == "192.0.2.2 has accepted the connection, but no OPEN came yet"
    (write,) = fed.take()
    assert isinstance(write, out.Write)
    assert replace(decode_open(write.data[19:]), parameters=None) == make_open(LOW)
    outputs = fed.feed(their_open())
    assert outputs == [out.Write(fed.link, ALIVE)]
    assert fed.peer.state is State.OPEN_CONFIRM
    assert fed.peer.negotiated is None
    (up,) = fed.feed(ALIVE)
    assert isinstance(up, out.Up)
    assert fed.peer.state is State.ESTABLISHED
    assert up.negotiated == fed.peer.negotiated
    assert (up.negotiated.local_address, up.negotiated.peer_address) == (HERE, THERE)
    assert fed.peer.problem is None
    assert fed.peer.counters.sent == {OPEN: 1, KEEPALIVE: 1}
    assert fed.peer.counters.received == {OPEN: 1, KEEPALIVE: 1}


def test_passive_opening_never_connects() -> None:
    fed = Fed(passive(LOW))
    fed.start()
    assert fed.peer.state is State.ACTIVE
    assert fed.peer.problem == "waiting for 192.0.2.2 to connect"
    assert fed.peer.deadline == math.inf
    fed.link = fed.peer.accepted(HERE, THERE, fed.now)
    fed.feed(their_open() + ALIVE)
    assert fed.peer.state is State.ESTABLISHED


def test_idle_refuses_connections() -> None:
    fed = Fed()
    link = fed.peer.accepted(HERE, THERE, fed.now)
    assert fed.take() == [out.Close(link)]
    assert fed.peer.counters.refused == 1


def test_connect_retries_back_off() -> None:
    fed = Fed()
    fed.start()
    waits = []
    for _ in range(8):
        (connect,) = (output for output in fed.take() if isinstance(output, out.Connect))
        fed.peer.failed(connect.link, "connect to 192.0.2.2: connection refused", fed.now)
        assert fed.peer.state is State.ACTIVE
        assert fed.peer.problem == "connect to 192.0.2.2: connection refused"
        waits.append(fed.peer.deadline - fed.now)
        fed.now = fed.peer.deadline
        fed.peer.tick(fed.now)
    assert waits == pytest.approx([1, 2, 4, 8, 10, 10, 10, 10])


def test_back_off_has_jitter() -> None:
    waits = set()
    for _ in range(20):
        peer = Peer(LOW, AttributeCache())
        peer.start(0.0)
        peer.failed(1, "refused", 0.0)
        waits.add(peer.deadline)
    assert len(waits) > 10
    assert all(0.75 <= wait <= 1.0 for wait in waits)


def test_attempt_that_gets_no_answer_is_begun_again() -> None:
    fed = Fed()
    fed.start()
    outputs = fed.wait(25)
    assert [type(output) for output in outputs] == [out.Close, out.Connect, out.Close, out.Connect]
    links = [output.link for output in outputs]  # type: ignore[attr-defined]
    assert links == [1, 2, 2, 3]


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"password": "secret"}, "is the TCP MD5 password the same on both sides?"),
        ({}, "is it more than one hop away (multihop), or does it want a TCP MD5 password?"),
        ({"multihop": 2}, "does a firewall drop it, or does it want a TCP MD5 password?"),
        ({"asn": LOW.local_asn}, "does a firewall drop it, or does it want a TCP MD5 password?"),
    ],
)
def test_timeout_suggests_where_to_look(settings: dict[str, Any], hint: str) -> None:
    fed = Fed(replace(LOW, **settings))
    fed.start()
    fed.wait(11)
    assert fed.peer.problem == f"connect to 192.0.2.2: timed out ({hint})"


def test_what_the_peer_said_is_not_hidden_by_what_tcp_says_later() -> None:
    fed = Fed()
    fed.establish()
    fed.feed(frame(NOTIFICATION, bytes((6, 2, 2)) + b"hi"))
    said = fed.peer.problem
    assert said is not None
    fed.wait(1)
    fed.peer.failed(fed.seen[-1].link, "connection refused", fed.now)  # type: ignore[attr-defined]
    assert fed.peer.problem == f"connection refused (before that: {said})"
    fed.wait(1.5)
    fed.peer.failed(fed.seen[-1].link, "no route to host", fed.now)  # type: ignore[attr-defined]
    assert fed.peer.problem == f"no route to host (before that: {said})"


# OPENs that can't be accepted


@pytest.mark.parametrize(
    ("config", "changes", "expected", "text"),
    [
        (LOW, {"version": 3}, (2, 1), "version 3"),
        (replace(LOW, asn=65003), {}, (2, 2), "the peer's AS is 65002, configured 65003"),
        (replace(LOW, asn="internal"), {}, (2, 2), "configured internal"),
        (replace(LOW, asn="external", local_asn=65002), {}, (2, 2), "our own, 65002, configured external"),
        (replace(LOW, asn="external"), {"asn": 0, "capabilities": ()}, (2, 2), "reserved"),
        (LOW, {"router_id": b"\0\0\0\0"}, (2, 3), "router id"),
        (replace(LOW, asn=65002, local_asn=65002), {"router_id": LOW.router_id}, (2, 3), "our router id 10.0.0.1"),
        (LOW, {"hold_time_s": 2}, (2, 6), "hold time of 2 s"),
        (LOW, {"capabilities": (Capability.as4(65002),)}, (2, 7), "no address family in common"),
    ],
)
def test_open_errors(config: PeerConfig, changes: dict[str, object], expected: tuple[int, int], text: str) -> None:
    fed = Fed(config)
    fed.start()
    fed.connect()
    outputs = fed.feed(their_open(**changes))
    assert codes(outputs) == [expected]
    assert outputs[-1] == out.Close(fed.link)
    assert fed.peer.state is State.IDLE
    assert text in (fed.peer.problem or "")
    assert fed.peer.last_error == fed.peer.problem
    # It begins again by itself, later each time.
    assert Timer.IDLE_HOLD in fed.peer.primary.deadlines
    assert any(isinstance(output, out.Connect) for output in fed.wait(1.5))


def test_version_error_names_our_version() -> None:
    fed = Fed()
    fed.start()
    fed.connect()
    (notification,) = notifications(fed.feed(their_open(version=5)))
    assert notification.data == b"\0\4"  # RFC 4271 section 6.2


def test_missing_family_is_named_in_the_notification() -> None:
    fed = Fed()
    fed.start()
    fed.connect()
    capabilities = (Capability.multiprotocol(IPV4_UNICAST), Capability.as4(65002))
    (notification,) = notifications(fed.feed(their_open(capabilities=capabilities)))
    assert notification.data == Capability.multiprotocol(L2VPN_EVPN).encode()  # RFC 5492 section 5
    assert "the peer has ipv4-unicast, configured l2vpn-evpn" in (fed.peer.problem or "")


def test_garbage_in_an_open_is_an_open_error() -> None:
    fed = Fed()
    fed.start()
    fed.connect()
    body = bytearray(their_open()[19:])
    body[9] += 1  # the optional parameters run past the end
    ((code, _),) = codes(fed.feed(frame(OPEN, bytes(body))))
    assert code == 2


# Messages out of turn (RFC 6608)


@pytest.mark.parametrize(
    ("before", "message", "expected"),
    [
        (b"", ALIVE, (5, 1)),
        (b"", end_of_rib(L2VPN_EVPN), (5, 1)),
        (b"", frame(ROUTE_REFRESH, b"\0\x19\0\x46"), (5, 1)),
        (their_open(), their_open(), (5, 2)),
        (their_open(), end_of_rib(L2VPN_EVPN), (5, 2)),
        (their_open() + ALIVE, their_open(), (5, 3)),
    ],
)
def test_messages_out_of_turn(before: bytes, message: bytes, expected: tuple[int, int]) -> None:
    fed = Fed()
    fed.start()
    fed.connect()
    fed.feed(before)
    assert codes(fed.feed(message)) == [expected]
    assert fed.peer.state is State.IDLE


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\0" + ALIVE[1:], (1, 1)),
        (ALIVE[:17] + b"\x14" + ALIVE[18:] + b"\0", (1, 2)),
        (ALIVE[:18] + b"\x09", (1, 3)),
    ],
)
@pytest.mark.parametrize("state", [State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED])
def test_header_errors(state: State, data: bytes, expected: tuple[int, int]) -> None:
    fed = Fed()
    fed.start()
    fed.connect()
    fed.feed({State.OPEN_SENT: b"", State.OPEN_CONFIRM: their_open(), State.ESTABLISHED: their_open() + ALIVE}[state])
    assert fed.peer.state is state
    assert codes(fed.feed(data)) == [expected]
    assert fed.peer.state is State.IDLE


def test_octets_after_the_end_of_a_connection_are_ignored() -> None:
    fed = Fed()
    fed.establish()
    outputs = fed.feed(their_open() + end_of_rib(L2VPN_EVPN) * 3)
    assert [type(output) for output in outputs] == [out.Write, out.Close, out.Down]
    assert fed.feed(ALIVE) == []


# Timers


def test_keepalives_are_sent_at_a_third_of_the_hold_time() -> None:
    fed = Fed(LOW, replace(HIGH, hold_time_s=9))
    fed.establish()
    sent = 0
    for _ in range(10):
        sent += fed.wait(3.0).count(out.Write(fed.link, ALIVE))
        fed.feed(ALIVE)
    assert sent == 10
    assert fed.peer.state is State.ESTABLISHED


def test_hold_timer_expires_when_nothing_whole_comes() -> None:
    fed = Fed(LOW, replace(HIGH, hold_time_s=9))
    fed.establish()
    fed.wait(8.0)
    fed.feed(end_of_rib(L2VPN_EVPN))
    fed.wait(8.0)
    assert fed.peer.state is State.ESTABLISHED
    fed.feed(ALIVE[:18])  # octets alone don't count
    outputs = fed.wait(1.5)
    assert codes(outputs) == [(4, 0)]
    assert out.Down("hold timer expired: nothing heard for 9 s") in outputs
    assert fed.peer.problem == "hold timer expired: nothing heard for 9 s"


def test_hold_timer_that_comes_late_gives_the_peer_one_more_second() -> None:
    fed = Fed(LOW, replace(HIGH, hold_time_s=9))
    fed.establish()
    fed.now += 60  # the loop was busy for a minute
    fed.peer.tick(fed.now)
    fed.take()
    assert fed.peer.state is State.ESTABLISHED
    fed.feed(ALIVE)  # what had been waiting in the socket
    fed.wait(8.5)
    assert fed.peer.state is State.ESTABLISHED
    fed.now += 60
    fed.peer.tick(fed.now)
    fed.now += 60  # once is enough
    fed.peer.tick(fed.now)
    assert codes(fed.take()) == [(4, 0)]


def test_hold_time_zero_runs_no_timers() -> None:
    fed = Fed(LOW, replace(HIGH, hold_time_s=0))
    fed.establish()
    assert fed.peer.deadline == math.inf
    assert fed.wait(10_000) == []


def test_open_sent_has_a_hold_timer_of_four_minutes() -> None:
    fed = Fed()
    fed.start()
    fed.connect()
    assert codes(fed.wait(239)) == []
    assert codes(fed.wait(2)) == [(4, 0)]
    assert fed.peer.last_error == "no OPEN came from the peer"


def test_send_hold_timer() -> None:
    fed = Fed()
    fed.establish()
    sent = 10_000
    for _ in range(40):  # a slow reader is no dead reader
        sent += 1
        fed.peer.flow(fed.link, sent, 5000, fed.now)
        fed.wait(30)
        fed.feed(ALIVE)
    assert fed.peer.state is State.ESTABLISHED
    outputs = []
    for _ in range(17):
        fed.peer.flow(fed.link, sent, 5000, fed.now)
        outputs += fed.wait(30)
        fed.feed(ALIVE)
    assert codes(outputs) == []  # it would not be read
    assert [output for output in outputs if isinstance(output, out.Down)] == [
        out.Down("send hold timer expired: the peer doesn't read")
    ]


def test_send_hold_timer_stops_when_all_is_sent() -> None:
    fed = Fed(replace(LOW, send_hold_s=5.0))
    fed.establish()
    fed.peer.flow(fed.link, 100, 1, fed.now)
    assert Timer.SEND_HOLD in fed.peer.primary.deadlines
    fed.wait(4)
    fed.peer.flow(fed.link, 101, 0, fed.now)
    fed.wait(10)
    assert fed.peer.state is State.ESTABLISHED


# Ends


def test_stop_sends_the_reason_and_stays_down() -> None:
    fed = Fed()
    fed.establish()
    fed.peer.stop(fed.now, "upgrade of the ToR, back at 14:00 ✓")
    outputs = fed.take()
    (notification,) = notifications(outputs)
    assert (notification.code, notification.subcode) == (6, 2)
    assert notification.data[1:].decode() == "upgrade of the ToR, back at 14:00 ✓"  # RFC 9003 section 2
    assert notification.data[0] == len(notification.data) - 1
    assert outputs[-1] == out.Down("administratively down", calm=True)
    assert fed.wait(10_000) == []
    assert fed.peer.problem == "administratively down"


def test_shutdown_text_is_cut_between_characters() -> None:
    fed = Fed()
    fed.establish()
    fed.peer.stop(fed.now, "a" + "✓" * 100)
    (notification,) = notifications(fed.take())
    assert notification.data[0] == 253
    assert notification.data[1:].decode() == "a" + "✓" * 84


def test_reset_begins_again_at_once() -> None:
    fed = Fed()
    fed.establish()
    fed.peer.reset(fed.now)
    outputs = fed.take()
    assert codes(outputs) == [(6, 4)]
    assert [type(output) for output in outputs] == [out.Write, out.Close, out.Down, out.Connect]


def test_reset_of_a_stopped_peer_does_not_start_it() -> None:
    fed = Fed()
    fed.peer.reset(fed.now)
    assert fed.take() == []
    assert fed.peer.state is State.IDLE


def test_owner_may_end_the_session_for_good() -> None:
    fed = Fed()
    fed.establish()
    fed.peer.shutdown(fed.now, ProtocolError(6, 1, message="more than 100 routes"), math.inf)
    outputs = fed.take()
    assert codes(outputs) == [(6, 1)]
    assert outputs[-1] == out.Down("more than 100 routes")
    assert fed.wait(10_000) == []
    assert fed.peer.problem == "more than 100 routes"
    fed.peer.reset(fed.now)
    assert any(isinstance(output, out.Connect) for output in fed.take())


def test_owner_may_end_the_session_for_a_while() -> None:
    fed = Fed()
    fed.establish()
    fed.peer.shutdown(fed.now, ProtocolError(6, 1, message="more than 100 routes"), 300.0)
    assert not any(isinstance(output, out.Connect) for output in fed.wait(299))
    assert any(isinstance(output, out.Connect) for output in fed.wait(2))


def test_sessions_that_end_early_begin_again_later_each_time() -> None:
    fed = Fed()
    fed.start()
    waits = []
    for _ in range(6):
        fed.connect()
        fed.feed(their_open() + ALIVE)
        fed.feed(frame(NOTIFICATION, bytes((6, 4))))
        waits.append(round(fed.peer.deadline - fed.now, 3))
        fed.now = fed.peer.deadline
        fed.peer.tick(fed.now)
    assert waits == [1, 2, 4, 8, 10, 10]


def test_session_that_was_stable_begins_again_at_once() -> None:
    fed = Fed()
    fed.establish()
    fed.wait(60)
    fed.feed(ALIVE)
    fed.peer.failed(fed.link, "the peer closed the connection", fed.now)
    assert fed.peer.deadline - fed.now <= 0.1
    assert fed.peer.problem == "the peer closed the connection"


def test_notification_received_is_shown_and_not_answered() -> None:
    fed = Fed()
    fed.establish()
    text = "maintenance"
    outputs = fed.feed(frame(NOTIFICATION, bytes((6, 2, len(text))) + text.encode()))
    assert [type(output) for output in outputs] == [out.Close, out.Down]
    assert text in (fed.peer.problem or "")
    assert fed.peer.last_error.startswith("the peer sent: ")


@pytest.mark.parametrize("text", ["the peer closed the connection", "connection lost: connection reset by peer"])
def test_peer_that_knows_nothing_of_us_is_told_of_as_that(text: str) -> None:
    """FRR closes such connections now in one way, now in the other."""
    fed = Fed()
    fed.start()
    fed.connect()
    fed.peer.failed(fed.link, text, fed.now, closed=True)
    why = "192.0.2.2 closed the connection before its OPEN (is 192.0.2.1 a peer there, and enabled?)"
    assert fed.peer.problem == why
    fed.wait(3)
    (connect,) = (output for output in fed.seen if isinstance(output, out.Connect) and output.link > fed.link)
    fed.peer.connected(connect.link, HERE, THERE, fed.now)
    fed.peer.failed(connect.link, "connection lost: no route to host", fed.now)
    assert fed.peer.problem == "connection lost: no route to host"


@pytest.mark.parametrize(("age", "calm"), [(1, True), (20, False)])
def test_peer_that_prefers_another_connection_is_no_scare_at_the_beginning(age: float, calm: bool) -> None:
    """Later it is: the session that ends was no part of a collision."""
    fed = Fed()
    fed.establish()
    fed.wait(age)
    *_, down = fed.feed(frame(NOTIFICATION, bytes((6, 7))))
    assert isinstance(down, out.Down)
    assert down.calm == calm
    (connect,) = (output for output in fed.wait(1) if isinstance(output, out.Connect))
    fed.peer.failed(connect.link, "connection refused", fed.now)
    assert fed.peer.problem == "connection refused"  # the collision has nothing to do with it


def test_connection_that_ends_beside_one_that_goes_on_is_no_error() -> None:
    fed = Fed()
    fed.establish()
    second = fed.peer.accepted(HERE, THERE, fed.now)
    fed.peer.failed(second, "the peer closed the connection", fed.now)
    assert not fed.peer.reason
    assert not fed.peer.last_error
    second = fed.peer.accepted(HERE, THERE, fed.now)
    fed.peer.received(second, frame(NOTIFICATION, bytes((6, 7))), fed.now)
    assert not fed.peer.last_error
    assert fed.peer.state is State.ESTABLISHED


# UPDATEs


def routes() -> bytes:
    attributes = build(as_path=(65002,))
    return b"".join(pack_updates(attributes, L2VPN_EVPN, bytes((10, 255, 0, 1)), [TYPE3]))


def test_updates_come_out_decoded_and_in_order() -> None:
    fed = Fed()
    fed.establish()
    outputs = fed.feed(routes() + end_of_rib(L2VPN_EVPN))
    assert [type(output) for output in outputs] == [Update, Update]
    assert outputs[0].reach[0].nlri == TYPE3  # type: ignore[attr-defined]
    assert outputs[1].end_of_rib == L2VPN_EVPN  # type: ignore[attr-defined]
    assert fed.peer.counters.received[UPDATE] == 2


@pytest.mark.parametrize("size", [1, 2, 18, 19, 20, 64])
def test_pieces_are_put_together(size: int) -> None:
    whole = their_open() + ALIVE + routes() + ALIVE + end_of_rib(L2VPN_EVPN)
    fed = Fed()
    fed.start()
    fed.connect()
    for start in range(0, len(whole), size):
        fed.feed(whole[start : start + size])
    assert [type(output) for output in fed.seen if not isinstance(output, out.Write)] == [
        out.Connect,
        out.Up,
        Update,
        Update,
    ]


def test_extended_messages_may_follow_the_open_in_one_chunk() -> None:
    # RFC 8654: large UPDATEs are in order as soon as both OPENs have said so.
    keys = [TYPE3[:12] + index.to_bytes(2, "big") + TYPE3[14:] for index in range(400)]
    attributes = build(as_path=(65002,))
    (big,) = pack_updates(attributes, L2VPN_EVPN, bytes((10, 255, 0, 1)), keys, limit=65535)
    assert len(big) > 4096
    fed = Fed()
    fed.start()
    fed.connect()
    outputs = fed.feed(their_open() + ALIVE + big)
    assert type(outputs[-1]) is Update

    fed = Fed(replace(LOW, extended_message=False))
    fed.start()
    fed.connect()
    outputs = fed.feed(their_open() + ALIVE + big)
    assert codes(outputs) == [(1, 2)]


def test_update_error_costs_the_route_and_not_the_session() -> None:
    fed = Fed()
    fed.establish()
    message = bytearray(routes())
    origin = bytes((0x40, 1, 1, 0))
    at = message.index(origin)
    message[at + 3] = 7  # ORIGIN 7 doesn't exist: treat as withdraw (RFC 7606 section 7.1)
    faulty, update = fed.feed(bytes(message))
    assert isinstance(update, Update)
    assert faulty == out.Faulty(update, bytes(message[19:]))
    assert update.reach == ()
    assert [unreach.family for unreach in update.unreach] == [L2VPN_EVPN]
    assert fed.peer.state is State.ESTABLISHED
    assert set(fed.peer.counters.errors) == {Action.WITHDRAW}
    fault = fed.peer.counters.faults[0]
    assert fault.body == bytes(message[19:])
    assert fault.text


def test_nlri_that_cannot_be_parsed_costs_the_family() -> None:
    fed = Fed()
    fed.establish()
    message = bytearray(routes())
    at = message.index(TYPE3)
    message[at + 1] = 250  # the NLRI runs past the end of the attribute
    outputs = fed.feed(bytes(message) * 2 + routes() + ALIVE)
    # RFC 4760 section 7: more of the family is ignored, and it is given up only once.
    assert [output.family for output in outputs if isinstance(output, out.Disabled)] == [L2VPN_EVPN]
    assert not any(output.reach for output in outputs if isinstance(output, Update))
    assert fed.peer.state is State.ESTABLISHED
    assert (fed.peer.problem or "").startswith("l2vpn-evpn is no longer used: ")
    assert fed.peer.counters.errors[Action.DISABLE] >= 1
    # The next session begins with all families again.
    fed.peer.reset(fed.now)
    fed.connect()
    (_, *_, update) = fed.feed(their_open() + ALIVE + routes())
    assert isinstance(update, Update)
    assert update.reach
    assert fed.peer.problem is None


def test_update_whose_lengths_are_wrong_costs_the_session() -> None:
    fed = Fed()
    fed.establish()
    outputs = fed.feed(frame(UPDATE, b"\xff\xff\0\0"))
    assert codes(outputs) == [(3, 1)]
    assert isinstance(outputs[-1], out.Down)
    assert fed.peer.counters.errors == {Action.RESET: 1}


# Route refresh


def test_refresh_requests_come_out() -> None:
    fed = Fed()
    fed.establish()
    data = frame(ROUTE_REFRESH, b"\0\x19\0\x46") + frame(ROUTE_REFRESH, b"\0\x19\1\x46")
    assert fed.feed(data) == [out.Refresh(L2VPN_EVPN, 0), out.Refresh(L2VPN_EVPN, 1)]


def test_refresh_of_what_was_not_agreed_on_is_ignored() -> None:
    fed = Fed()
    fed.establish()
    # another family; a subtype that RFC 7313 doesn't have
    assert fed.feed(frame(ROUTE_REFRESH, b"\0\1\0\1") + frame(ROUTE_REFRESH, b"\0\x19\7\x46")) == []
    assert fed.peer.state is State.ESTABLISHED


def test_negotiated_values_are_those_of_both() -> None:
    fed = Fed(replace(LOW, families=(L2VPN_EVPN, IPV4_UNICAST), hold_time_s=30), replace(HIGH, hostname="tor-1"))
    fed.establish()
    negotiated = fed.peer.negotiated
    assert negotiated is not None
    assert negotiated.families == {L2VPN_EVPN}
    assert negotiated.hold_time_s == 30
    assert negotiated.is_ebgp
    assert negotiated.hostname == "tor-1"
    assert negotiated.limit == 65535
    assert negotiated.enhanced_refresh
    assert negotiated.graceful_restart is not None


def test_peer_with_two_octet_as_numbers() -> None:
    fed = Fed()
    fed.start()
    fed.connect()
    fed.feed(their_open(capabilities=(Capability.multiprotocol(L2VPN_EVPN),)) + ALIVE)
    negotiated = fed.peer.negotiated
    assert negotiated is not None
    assert not negotiated.as4
    assert not negotiated.context.as4
    assert negotiated.peer_asn == 65002
    assert not negotiated.route_refresh


def test_four_octet_as_is_as_trans_in_the_open() -> None:
    message: Open = make_open(replace(LOW, local_asn=4_200_000_001))
    assert message.asn == 23456
    assert Capability.as4(4_200_000_001) in message.capabilities

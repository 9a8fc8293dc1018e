"""evpnd.bgp.session and listener on real sockets, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import resource
import socket
import time
from dataclasses import replace
from typing import Any

import pytest

from evpnd.bgp import session as module
from evpnd.bgp.attributes import build
from evpnd.bgp.family import L2VPN_EVPN
from evpnd.bgp.framing import KEEPALIVE, NOTIFICATION, ROUTE_REFRESH, UPDATE, frame
from evpnd.bgp.fsm import State
from evpnd.bgp.listener import PAUSE_S, Listener
from evpnd.bgp.message import RouteRefresh, encode_route_refresh
from evpnd.bgp.peer_config import PeerConfig
from evpnd.bgp.update import end_of_rib, pack_updates
from tests.bgp.wires import LOOPS, OURS, THEIRS, THEM, US, Owner, Script, listening, run, session, until

pytestmark = pytest.mark.parametrize("loop", LOOPS)

MARK = end_of_rib(L2VPN_EVPN)
ALIVE = frame(KEEPALIVE, b"")
NEXT_HOP = bytes((10, 255, 0, 2))


def type3(tag: int) -> bytes:
    return bytes.fromhex("03110001 0aff0002 0064") + tag.to_bytes(4, "big") + b"\x20" + NEXT_HOP


def routes(count: int) -> list[bytes]:
    return pack_updates(build(as_path=(65002,)), L2VPN_EVPN, NEXT_HOP, [type3(tag) for tag in range(count)])


async def pair(ours: PeerConfig = OURS, theirs: PeerConfig = THEIRS) -> tuple[list[Any], Owner, Owner]:
    """Two sessions, each with its listener, established with each other or about to be; they wait for little."""
    probes = [socket.create_server((address, 0)) for address in (US, THEM)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    left, left_owner = session(replace(ours, port=ports[1]), uniform=lambda low, high: high / 10)
    right, right_owner = session(replace(theirs, port=ports[0]), uniform=lambda low, high: high / 10)
    listeners = []
    for address, port, one in ((US, ports[0], left), (THEM, ports[1], right)):
        listener = Listener([address], port)
        listener.add(one)
        listener.start()
        assert not listener.problems
        listeners.append(listener)
    left.start()
    right.start()
    return [left, right, *listeners], left_owner, right_owner


async def end(parts: list[Any]) -> None:
    left, right, *listeners = parts
    await asyncio.gather(left.stop("test over"), right.stop())
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize("password", [None, "s3cret"])
def test_two_sessions_exchange_updates(loop: str, password: str | None) -> None:
    async def work() -> None:
        parts, left_owner, right_owner = await pair(
            replace(OURS, password=password), replace(THEIRS, password=password)
        )
        left, right = parts[:2]
        await left_owner.wait("established")
        await right_owner.wait("established")
        assert left.state is right.state is State.ESTABLISHED
        assert left.problem is None
        assert left.negotiated.peer_router_id == THEIRS.router_id
        assert left.negotiated.local_address == bytes((127, 0, 0, 1))
        assert 0 <= left.uptime < 10
        assert left.writable
        for message in routes(1000):
            right.send(message)
        right.send(MARK)
        await until(lambda: any(news[1].end_of_rib for news in left_owner.heard("update")))
        got = [reach.nlri for news in left_owner.heard("update") for reach in news[1].reach]
        assert b"".join(got) == b"".join(type3(tag) for tag in range(1000))
        assert left.counters.received[UPDATE] == right.counters.sent[UPDATE]
        marks = [encode_route_refresh(RouteRefresh(L2VPN_EVPN, kind)) for kind in (1, 2)]
        right.send(b"".join(routes(1000)), len(routes(1000)))
        right.send(b"".join(marks), 2)
        await left_owner.wait("refresh", 2)
        for counted in (left.counters.received, right.counters.sent):
            assert (counted[UPDATE], counted[ROUTE_REFRESH]) == (2 * len(routes(1000)) + 1, 2)
        assert left.send_refresh(L2VPN_EVPN)
        assert await right_owner.wait("refresh") == ("refresh", L2VPN_EVPN, 0)
        await left.stop("see ticket 4711")
        assert left.problem == "administratively down"
        assert left.uptime is None
        assert not left.writable
        _, reason = await right_owner.wait("down")
        assert "see ticket 4711" in reason
        assert not left.send_refresh(L2VPN_EVPN)
        left.send(MARK)  # lost, and nothing breaks
        await end(parts)

    run(loop, work())


def test_session_reset_comes_back(loop: str) -> None:
    async def work() -> None:
        parts, left_owner, right_owner = await pair()
        await left_owner.wait("established")
        await right_owner.wait("established")
        for round_ in range(2, 5):
            parts[0].reset("clear")
            await left_owner.wait("established", round_)
            await right_owner.wait("established", round_)
        await until(lambda: left_owner.up == right_owner.up == 1)
        await end(parts)

    run(loop, work())


def test_wrong_password_never_connects(loop: str) -> None:
    async def work() -> None:
        parts, left_owner, right_owner = await pair(replace(OURS, password="one"), replace(THEIRS, password="another"))
        await asyncio.sleep(1.5)
        assert not left_owner.news
        assert not right_owner.news
        assert parts[0].problem == f"connecting to {THEM}"
        await end(parts)

    run(loop, work())


def test_missing_password_never_connects(loop: str) -> None:
    async def work() -> None:
        parts, left_owner, _ = await pair(replace(OURS, password="one"), THEIRS)
        await asyncio.sleep(1.5)
        assert not left_owner.news
        await end(parts)

    run(loop, work())


def test_key_goes_with_the_session(loop: str) -> None:
    """A removed peer's key is forgotten: its address may connect without one, and is told that it isn't known."""

    async def work() -> None:
        one, _ = session(replace(OURS, password="one", passive=True))
        async with listening(one) as listener:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await Script.connect(listener.port)
            listener.remove(one)
            script = await Script.connect(listener.port)
            assert await script.reader.read() == b""
            assert listener.strangers == 1
            script.abort()

    run(loop, work())


def test_gtsm_session_between_neighbours(loop: str) -> None:
    async def work() -> None:
        near = [replace(config, multihop=None, ttl_security=1) for config in (OURS, THEIRS)]
        parts, left_owner, right_owner = await pair(*near)
        await left_owner.wait("established")
        await right_owner.wait("established")
        await end(parts)

    run(loop, work())


def test_gtsm_ignores_packets_from_afar(loop: str) -> None:
    async def work() -> None:
        one, owner = session(replace(OURS, multihop=None, ttl_security=1, passive=True))
        async with listening(one) as listener:
            one.start()
            script = await Script.connect(listener.port)  # sends with the system's TTL of 64
            await until(lambda: one.state is State.OPEN_SENT)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.7):
                    await script.establish()
            assert one.state is State.OPEN_SENT
            assert one.counters.octets_received == 0
            assert not owner.news
            script.abort()

    run(loop, work())


def test_plain_external_session_is_for_the_link_only(loop: str) -> None:
    async def work() -> None:
        one, _ = session(replace(OURS, multihop=None, passive=True))
        async with listening(one) as listener:
            one.start()
            script = await Script.connect(listener.port)
            await script.establish()
            (wire,) = one._wires.values()
            assert wire._transport is not None
            sock = wire._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 1
            assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xC0
            script.abort()

    run(loop, work())


def test_refused_connection_is_named(
    loop: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)

    async def work() -> None:
        with socket.create_server((THEM, 0)) as probe:
            port = probe.getsockname()[1]
        one, _ = session(replace(OURS, port=port), uniform=lambda low, high: high / 10)
        one.start()
        await until(lambda: one.problem == f"connect to {THEM}: connection refused")
        assert one.state is State.ACTIVE
        await until(lambda: one._peer._attempts > 4)
        await one.stop()
        elsewhere, _ = session(replace(OURS, local_address="192.0.2.77"))
        elsewhere.start()
        await until(lambda: "cannot assign requested address" in (elsewhere.problem or ""))
        await asyncio.sleep(0.2)
        await elsewhere.stop()

    run(loop, work())
    logged = [record.getMessage() for record in caplog.records]
    assert logged.count(f"no session: connect to {THEM}: connection refused") == 1  # not at every attempt
    assert len(logged) == 2 and "cannot assign requested address" in logged[1]


def test_reasons_that_alternate_are_told_once(
    loop: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a session comes up: what keeps it away afterwards is news again."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)

    async def work() -> None:
        one, owner = session(replace(OURS, passive=True), uniform=lambda low, high: 0.0)
        async with listening(one) as listener:
            one.start()
            for _ in range(2):
                for _ in range(3):
                    for words in (b"closed for lunch", b"back soon"):
                        script = await Script.connect(listener.port)
                        script.writer.write(frame(NOTIFICATION, bytes((6, 2, len(words))) + words))
                        await until(lambda words=words: words.decode() in (one.problem or ""))  # type: ignore[misc]
                        await asyncio.sleep(0.05)
                        script.abort()
                count = len(owner.heard("established"))
                script = await Script.connect(listener.port)
                await script.establish()
                await owner.wait("established", count + 1)
                script.writer.write(frame(NOTIFICATION, bytes((6, 4))))
                await owner.wait("down", count + 1)
                script.abort()

    run(loop, work())
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text.rpartition(": ")[2] for text in logged] == [
        "closed for lunch",
        "back soon",
        "administrative reset",
    ] * 2


def test_a_session_that_comes_up_soon_has_been_no_problem(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    """Two that start together: the one that comes first is refused, and a restart is not asked about either."""
    caplog.set_level(logging.INFO)

    async def work() -> None:
        one, owner = session(replace(OURS, passive=True))
        async with listening(one) as listener:
            one.start()
            script = await Script.connect(listener.port)
            script.abort()
            await until(lambda: "closed the connection before its OPEN" in (one.problem or ""))
            script = await Script.connect(listener.port)
            await script.establish()
            await owner.wait("established")
            one.reset("cleared by the operator")
            script.abort()

    run(loop, work())
    logged = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert logged == [("INFO", "established, AS 65002"), ("INFO", "down: administratively reset")]


def test_listener_names_what_it_cannot_listen_on(loop: str) -> None:
    async def work() -> None:
        with socket.create_server((US, 0)) as taken:
            listener = Listener([US], taken.getsockname()[1])
            listener.start()
            assert "address already in use" in listener.problems[US]
        listener.start()  # free now
        assert not listener.problems
        listener.close()

    run(loop, work())


def test_strangers_are_turned_away(loop: str) -> None:
    async def work() -> None:
        one, owner = session(replace(OURS, passive=True))
        async with listening(one) as listener:
            one.start()
            script = await Script.connect(listener.port, config=replace(THEIRS, local_address="127.0.0.9"))
            assert await script.reader.read() == b""
            assert listener.strangers == 1
            assert not owner.news
            script.abort()

    run(loop, work())


def test_a_peer_that_comes_to_another_address(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        one, _ = session(replace(OURS, passive=True, local_address="127.0.0.9"))
        async with listening(one, address="0.0.0.0") as listener:
            one.start()
            script = await Script.connect(listener.port)
            assert await script.reader.read() == b""
            assert (
                f"connection from {THEM} refused: it came to {US}, the peer's local_address is 127.0.0.9" in caplog.text
            )
            script.abort()

    run(loop, work())


def test_listener_survives_a_lack_of_file_descriptors(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        one, owner = session(replace(OURS, passive=True))
        async with listening(one) as listener:
            one.start()
            sock = socket.socket()
            sock.setblocking(False)
            sock.bind((THEM, 0))
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            probe = os.dup(sock.fileno())  # the lowest number that is free
            os.close(probe)
            resource.setrlimit(resource.RLIMIT_NOFILE, (probe, limits[1]))
            try:
                with contextlib.suppress(BlockingIOError):
                    sock.connect((US, listener.port))
                await asyncio.sleep(2.5 * PAUSE_S)
                assert one.state is State.ACTIVE
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            (said,) = [text for text in caplog.messages if "accepted" in text]  # once, not at each of three attempts
            assert said.startswith("connections can't be accepted: too many open files (raise evpnd's limit")
            reader, writer = await asyncio.open_connection(sock=sock)
            script = Script(reader, writer)
            await script.establish()
            await owner.wait("established")
            script.abort()

    run(loop, work())


def test_ipv6_session(loop: str) -> None:
    async def work() -> None:
        ours = replace(OURS, address="::1", local_address="::1", password="six")
        one, owner = session(replace(ours, passive=True))
        async with listening(one, address="::1") as listener:
            one.start()
            two, other = session(
                replace(THEIRS, address="::1", local_address="::1", port=listener.port, password="six")
            )
            two.start()
            _, negotiated = await owner.wait("established")
            assert negotiated.peer_address == bytes(15) + b"\1"
            await other.wait("established")
            await two.stop()

    run(loop, work())


def test_byte_a_second_peer_ends_by_the_hold_timer(loop: str) -> None:
    """Octets that never make a message keep nothing alive, and cost the others nothing."""

    async def work() -> None:
        one, owner = session(replace(OURS, passive=True, hold_time_s=3))
        async with listening(one) as listener:
            one.start()
            script = await Script.connect(listener.port)
            await script.establish()
            started = time.monotonic()

            async def dribble() -> None:
                for octet in routes(100)[0]:
                    script.writer.write(bytes((octet,)))
                    await asyncio.sleep(0.1)

            task = asyncio.get_running_loop().create_task(dribble())
            notification = await script.notification()
            assert (notification.code, notification.subcode) == (4, 0)
            assert 2.5 < time.monotonic() - started < 4.5
            assert owner.heard("down")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            script.abort()

    run(loop, work())


def test_peer_that_never_reads(loop: str) -> None:
    """The owner is told to stop writing; the send hold timer ends the session (RFC 9687); nobody else waits."""

    async def work() -> None:
        lazy, lazy_owner = session(replace(OURS, passive=True, send_hold_s=1.0, hold_time_s=3))
        async with listening(lazy) as listener:
            lazy.start()
            script = await Script.connect(listener.port, receive_octets=4096)
            await script.establish()
            await lazy_owner.wait("established")
            messages = routes(300)
            written = 0
            slowest = 0.0
            while lazy.writable:
                before = time.perf_counter()
                for message in messages:
                    lazy.send(message)
                    written += len(message)
                slowest = max(slowest, time.perf_counter() - before)
                await asyncio.sleep(0)
            assert written < 20_000_000
            assert slowest < 0.5

            async def live() -> None:
                while True:
                    script.writer.write(ALIVE)
                    await asyncio.sleep(0.5)

            task = asyncio.get_running_loop().create_task(live())
            _, reason = await lazy_owner.wait("down")
            assert reason == "send hold timer expired: the peer doesn't read"
            assert not lazy_owner.heard("ready")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            script.abort()

    run(loop, work())


def test_slow_reader_is_waited_for(loop: str) -> None:
    async def work() -> None:
        one, owner = session(replace(OURS, passive=True))
        async with listening(one) as listener:
            one.start()
            script = await Script.connect(listener.port, receive_octets=4096)
            await script.establish()
            await owner.wait("established")
            message = routes(150)[0]
            sent = 0
            while one.writable:
                one.send(message)
                sent += 1
            for _ in range(sent):
                kind, body = await script.message()
                assert (kind, body) == (UPDATE, message[19:])
            await owner.wait("ready")
            assert one.writable
            script.abort()

    run(loop, work())


def test_session_survives_what_rfc_7606_lets_it_survive(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "evpnd.bgp.session")

    async def work() -> None:
        one, owner = session(replace(OURS, passive=True))
        async with listening(one) as listener:
            one.start()
            script = await Script.connect(listener.port)
            await script.establish()
            for message in routes(3):
                broken = bytearray(message)
                broken[broken.index(bytes((0x40, 1, 1, 0))) + 3] = 9
                script.writer.write(bytes(broken))
            script.writer.write(MARK)
            await until(lambda: any(news[1].end_of_rib for news in owner.heard("update")))
            assert one.state is State.ESTABLISHED
            assert sum(one.counters.errors.values()) == len(routes(3))
            assert one.counters.faults[0].body
            said = [record for record in caplog.records if record.message.startswith("UPDATE with errors")]
            (line,) = [record.message for record in said if record.levelno == logging.WARNING]  # not one for each
            assert "origin: value 9" in line and "treated as withdrawn: route_type 3 rd " in line, line
            whole = [record.message.rpartition(" ")[2] for record in said if record.levelno == logging.DEBUG]
            assert whole == [fault.body.hex() for fault in one.counters.faults]
            script.abort()

    run(loop, work())


def test_notification_is_delivered_before_the_close(loop: str) -> None:
    """Even with octets of ours unread at the far end, and with octets of its own on their way."""

    async def work() -> None:
        one, owner = session(replace(OURS, passive=True))
        async with listening(one) as listener:
            one.start()
            for round_ in range(1, 11):
                await until(lambda: one.state is State.ACTIVE)
                script = await Script.connect(listener.port)
                await script.establish()
                await owner.wait("established", round_)
                script.writer.write(b"".join(routes(2000)))
                one.shutdown(6, 1, "more than 100 routes", restart_s=0.0)
                notification = await script.notification()
                assert (notification.code, notification.subcode) == (6, 1)
                assert await script.reader.read() == b""
                script.writer.close()

    run(loop, work())


def test_shutdown_for_good(loop: str) -> None:
    async def work() -> None:
        one, owner = session(replace(OURS, passive=True))
        async with listening(one) as listener:
            one.start()
            script = await Script.connect(listener.port)
            await script.establish()
            await owner.wait("established")
            one.shutdown(6, 1, "more than 100 routes", restart_s=math.inf)
            await script.notification()
            script.abort()
            assert one.problem == "more than 100 routes"
            again = await Script.connect(listener.port)
            assert await again.reader.read() == b""
            again.abort()
            assert one.counters.refused == 1

    run(loop, work())


def test_owner_may_end_the_session_from_within_an_update(loop: str) -> None:
    """As a maximum-prefix limit does; the UPDATEs behind, read with the same chunk, are not handed over any more."""

    async def work() -> None:
        one, owner = session(replace(OURS, passive=True))
        told = owner.update

        def full(peer, update) -> None:  # type: ignore[no-untyped-def]
            told(peer, update)
            if len(owner.heard("update")) == 3:
                peer.shutdown(6, 1, "full", restart_s=math.inf)

        owner.update = full  # type: ignore[method-assign]
        async with listening(one) as listener:
            one.start()
            script = await Script.connect(listener.port)
            await script.establish()
            script.writer.write(MARK * 50)
            assert (await script.notification()).subcode == 1
            assert len(owner.heard("update")) == 3
            assert owner.news[-1] == ("down", "full")
            script.abort()

    run(loop, work())


def test_owner_that_fails_costs_one_session(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        one, owner = session(replace(OURS, passive=True))
        async with listening(one) as listener:
            one.start()
            script = await Script.connect(listener.port)
            await script.establish()
            await owner.wait("established")

            def broken(peer, update) -> None:  # type: ignore[no-untyped-def]
                raise KeyError("a bug")

            owner.update = broken  # type: ignore[method-assign]
            script.writer.write(MARK)
            notification = await script.notification()
            assert (notification.code, notification.subcode) == (6, 8)
            await owner.wait("down")
            script.abort()
            del owner.update
            await until(lambda: one.state is State.ACTIVE)
            script = await Script.connect(listener.port)
            await script.establish()
            await owner.wait("established", 2)
            script.abort()

    with caplog.at_level(logging.ERROR):
        run(loop, work())
    assert "a bug" in caplog.text

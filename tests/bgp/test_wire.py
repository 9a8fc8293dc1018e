"""evpnd.bgp.wire: one TCP connection of the loopback interface and who is told of it, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from evpnd.bgp import wire as module
from evpnd.bgp.wire import READ_PAUSE, WRITE_HIGH, Wire, adopt, connect, words
from tests.bgp.wires import LOOPS, OURS, THEM, US, run, until

pytestmark = pytest.mark.parametrize("loop", LOOPS)


class Owner:
    """Remembers what it is told, and how many turns of the loop lay between."""

    def __init__(self) -> None:
        self.news: list[tuple[Any, ...]] = []
        self.wire: Wire | None = None
        self.octets = 0

    def opened(self, wire: Wire, local: bytes, remote: bytes) -> None:
        self.wire = wire
        self.news.append(("opened", wire.link, str(ipaddress.ip_address(local)), str(ipaddress.ip_address(remote))))

    def received(self, wire: Wire, data: bytes) -> None:
        self.octets += len(data)
        self.news.append(("received", len(data)))
        asyncio.get_running_loop().call_soon(self.news.append, ("a turn",))

    def resumed(self, wire: Wire) -> None:
        self.news.append(("resumed",))

    def lost(self, wire: Wire, text: str, closed: bool) -> None:
        self.news.append(("lost", text, closed))


def reset(sock: socket.socket) -> None:
    """Close without a FIN, which leaves no TIME_WAIT behind."""
    if sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[Owner, Wire, socket.socket]]:
    """A connection we have made, its owner, and the far end's plain socket, which nobody reads."""
    owner = Owner()
    with socket.create_server((THEM, 0)) as server:
        await connect(replace(OURS, port=server.getsockname()[1]), owner, 7)
        far, _ = server.accept()
    far.setblocking(False)
    wire = owner.wire
    assert wire is not None
    with far:
        try:
            yield owner, wire, far
        finally:
            reset(far)
            wire.finish()
            await wire.closed


def test_the_owner_is_told_from_the_beginning_to_the_end(loop: str) -> None:
    async def work() -> None:
        async with connected() as (owner, wire, far):
            assert owner.news == [("opened", 7, US, THEM)]
            assert wire.ports == (far.getpeername()[1], far.getsockname()[1])
            far.send(b"hello")
            await until(lambda: owner.octets == 5)
            far.close()
            await wire.closed
            assert owner.news[-1] == ("lost", "the peer closed the connection", True)
            assert [news[0] for news in owner.news].count("lost") == 1

    run(loop, work())


def test_a_reset_is_named(loop: str) -> None:
    async def work() -> None:
        async with connected() as (owner, wire, far):
            reset(far)
            await wire.closed
            assert owner.news[-1] == ("lost", "connection lost: connection reset by peer", True)

    run(loop, work())


def test_a_connection_that_the_peer_has_just_reset_can_be_finished(loop: str) -> None:
    async def work() -> None:
        async with connected() as (owner, wire, far):
            reset(far)
            wire.finish()
            await wire.closed
            assert owner.news[-1][0] == "lost"

    run(loop, work())


def test_a_connection_that_nobody_closed_is_not_said_to_be(loop: str) -> None:
    """The kernel gives it up when the far end answers nothing any more."""

    async def work() -> None:
        async with connected() as (owner, wire, _):
            wire.connection_lost(TimeoutError(errno.ETIMEDOUT, ""))
            assert owner.news[-1] == ("lost", "connection lost: connection timed out", False)

    run(loop, work())


def test_an_attempt_that_fails_says_why_and_tells_nobody(loop: str) -> None:
    async def work() -> None:
        with socket.create_server((THEM, 0)) as server:
            port = server.getsockname()[1]
        owner = Owner()
        for config, reason in (
            (replace(OURS, port=port), "connection refused"),
            (replace(OURS, port=port, local_address="192.0.2.77"), "cannot assign requested address"),
        ):
            with pytest.raises(OSError) as raised:
                await connect(config, owner, 1)
            assert words(raised.value) == reason
        assert not owner.news

    run(loop, work())


def test_a_connection_of_the_peer_has_no_number_yet(loop: str) -> None:
    async def work() -> None:
        owner = Owner()
        with socket.create_server((US, 0)) as server, socket.create_connection(server.getsockname()) as far:
            sock, _ = server.accept()
            sock.setblocking(False)
            await adopt(sock, owner)
            wire = owner.wire
            assert wire is not None
            assert wire.link == 0
            wire.write(b"welcome")
            wire.finish()
            await asyncio.sleep(0.05)
            assert far.recv(100) == b"welcome"
        await wire.closed

    run(loop, work())


def test_the_last_words_arrive_though_octets_of_the_peer_are_unread(loop: str) -> None:
    """A close with octets unread makes a reset of it, which drops what the far end hasn't read yet."""

    async def work() -> None:
        async with connected() as (owner, wire, far):
            far.send(bytes(100_000))
            wire.write(b"last words")
            wire.finish()
            await asyncio.sleep(0.1)
            far.send(bytes(1000))
            assert far.recv(100) == b"last words"
            assert far.recv(100) == b""
            assert not owner.octets  # what comes after the end is nobody's
            far.close()
            await wire.closed

    run(loop, work())


def test_a_peer_that_does_not_close_is_not_waited_for(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER_S", 0.2)

    async def work() -> None:
        async with connected() as (owner, wire, _):
            started = time.monotonic()
            wire.finish()
            await wire.closed
            assert 0.15 < time.monotonic() - started < 2
            assert owner.news[-1][0] == "lost"

    run(loop, work())


def test_the_owner_hears_when_it_may_write_again(loop: str) -> None:
    async def work() -> None:
        async with connected() as (owner, wire, far):
            written = 0
            while not wire.paused:
                wire.write(bytes(65536))
                written += 65536
                await asyncio.sleep(0)
            sent, waiting = wire.flow()
            assert sent + waiting == written
            assert WRITE_HIGH < waiting <= WRITE_HIGH + 65536
            assert ("resumed",) not in owner.news
            while wire.flow() != (written, 0):
                with contextlib.suppress(BlockingIOError):
                    far.recv(1 << 16)
                await asyncio.sleep(0)
            assert owner.news[-1] == ("resumed",)
            assert not wire.paused

    run(loop, work())


def test_others_have_a_turn_between_large_pieces(loop: str) -> None:
    """uvloop alone would read on until the socket is empty."""

    async def work() -> None:
        async with connected() as (owner, _, far):
            total = 0
            with contextlib.suppress(BlockingIOError):
                while total < 4 << 20:
                    total += far.send(bytes(1 << 20))
            await until(lambda: owner.octets == total)
            pieces = [at for at, news in enumerate(owner.news) if news[0] == "received" and news[1] >= READ_PAUSE]
            assert len(pieces) > 1
            assert all(owner.news[at + 1] == ("a turn",) for at in pieces[:-1])

    run(loop, work())

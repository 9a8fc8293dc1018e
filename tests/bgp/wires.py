"""Sessions on real sockets of the loopback interface: an owner that remembers, and a peer made of octets."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import uvloop

from evpnd.bgp.attributes import AttributeCache
from evpnd.bgp.capability import GracefulRestart
from evpnd.bgp.framing import KEEPALIVE, NOTIFICATION, frame
from evpnd.bgp.listener import Listener
from evpnd.bgp.message import Notification, decode_notification, encode_open
from evpnd.bgp.negotiation import Negotiated, make_open
from evpnd.bgp.peer_config import PeerConfig
from evpnd.bgp.session import Session

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}

US, THEM = "127.0.0.1", "127.0.0.2"
OURS = PeerConfig(
    address=THEM, local_address=US, asn=65002, local_asn=65001, router_id=b"\n\0\0\1", connect_retry_s=1.0, multihop=2
)
THEIRS = PeerConfig(
    address=US, local_address=THEM, asn=65001, local_asn=65002, router_id=b"\n\0\0\2", connect_retry_s=1.0, multihop=2
)


def run(loop: str, work: Awaitable[None], limit_s: float = 30.0) -> None:
    """Run a test's coroutine on one of LOOPS; what the loop itself would only log fails the test."""
    complaints: list[dict[str, Any]] = []

    async def limited() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with asyncio.timeout(limit_s):
            await work
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        assert not rest, rest

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(limited())
    assert not complaints, complaints


class Owner:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.news: list[tuple[Any, ...]] = []
        self.up = 0
        self.routes = 0
        self._changed = asyncio.Event()

    def _tell(self, *news: Any) -> None:
        self.news.append(news)
        self._changed.set()

    def established(self, peer: Session, negotiated: Negotiated) -> None:
        self.up += 1
        self._tell("established", negotiated)

    def down(self, peer: Session, reason: str, restart: GracefulRestart | None) -> None:
        self.up -= 1
        self._tell("down", reason)

    def update(self, peer: Session, update: Any) -> None:
        self._tell("update", update)

    def refresh(self, peer: Session, family: Any, subtype: int) -> None:
        self._tell("refresh", family, subtype)

    def disabled(self, peer: Session, family: Any) -> None:
        self._tell("disabled", family)

    def ready_to_write(self, peer: Session) -> None:
        self._tell("ready")

    def heard(self, name: str) -> list[tuple[Any, ...]]:
        return [news for news in self.news if news[0] == name]

    async def wait(self, name: str, count: int = 1) -> tuple[Any, ...]:
        """The last of `count` pieces of news of this name."""
        while len(found := self.heard(name)) < count:
            self._changed.clear()
            await self._changed.wait()
        return found[count - 1]


@contextlib.asynccontextmanager
async def listening(*sessions: Session, address: str = US) -> AsyncIterator[Listener]:
    """A listener for these sessions; all of them stop in the end."""
    listener = Listener([address], port=0)
    listener.start()
    assert not listener.problems
    for session in sessions:
        listener.add(session)
    try:
        yield listener
    finally:
        listener.close()
        for session in sessions:
            await session.stop()


def session(config: PeerConfig, **options: Any) -> tuple[Session, Owner]:
    owner = Owner()
    return Session(config, owner, AttributeCache(), **options), owner


async def until(check: Callable[[], bool], limit_s: float = 10.0) -> None:
    """Wait for what no news tells."""
    async with asyncio.timeout(limit_s):
        for turn in itertools.count():
            if check():
                return
            await asyncio.sleep(0 if turn < 20 else 0.01)


class Script:
    """The far end as a plain TCP client: it sends what a test tells it to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port: int, *, config: PeerConfig = THEIRS, receive_octets: int = 0) -> Script:
        sock = socket.socket()
        sock.setblocking(False)
        if receive_octets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_octets)
        sock.bind((config.local_address, 0))
        await asyncio.get_running_loop().sock_connect(sock, (config.address, port))
        return cls(*await asyncio.open_connection(sock=sock))

    async def message(self) -> tuple[int, bytes]:
        header = await self.reader.readexactly(19)
        return header[18], await self.reader.readexactly(struct.unpack_from("!H", header, 16)[0] - 19)

    async def notification(self) -> Notification:
        """The NOTIFICATION that comes, behind whatever else comes."""
        while True:
            kind, body = await self.message()
            if kind == NOTIFICATION:
                return decode_notification(body)

    async def establish(self, config: PeerConfig = THEIRS, **changes: Any) -> None:
        self.writer.write(encode_open(make_open(replace(config, **changes))) + frame(KEEPALIVE, b""))
        assert (await self.message())[0] == 1
        assert (await self.message())[0] == KEEPALIVE

    def abort(self) -> None:
        """Close with a reset, which leaves no TIME_WAIT behind."""
        sock = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

"""One TCP connection of a session: connecting, octets in and out, and a close that delivers the last words.

Owns the socket and its transport on the event loop, asyncio's or uvloop's, from the attempt to connect to the close.
Whoever has the connection is told as its WireOwner. Must not know BGP, nor how many connections there are.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from typing import Any, Protocol, cast

from evpnd.bgp.peer_config import PeerConfig
from evpnd.bgp.tcp import Option, family_of, md5_option, session_options

LINGER_S = 1.0  # how long a closed connection may take to deliver its last NOTIFICATION
WRITE_HIGH, WRITE_LOW = 256 * 1024, 64 * 1024  # octets waiting: above, `paused` is set; below, it is cleared
READ_PAUSE = 32 * 1024  # after a piece of this many octets, what it caused comes before the next piece


class WireOwner(Protocol):
    """Who is told what happens on a connection: `opened` first, `lost` last, once each."""

    def opened(self, wire: Wire, local: bytes, remote: bytes) -> None:
        """It is up, between these addresses (empty when it has ended already)."""

    def received(self, wire: Wire, data: bytes) -> None: ...

    def resumed(self, wire: Wire) -> None:
        """It is no longer `paused`."""

    def lost(self, wire: Wire, text: str, closed: bool) -> None:
        """It has ended, on its own (the text says how; `closed` when the peer did it) or after `finish`."""


class Wire(asyncio.Protocol):
    """One TCP connection. `link` is its owner's number for it."""

    def __init__(self, owner: WireOwner, link: int) -> None:
        self.link = link
        self.paused = False  # too much waits to be sent
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ports: tuple[int | None, int | None] = (None, None)  # ours and the peer's
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._finishing = False
        self._linger: asyncio.TimerHandle | None = None
        self._written = 0

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._written += len(data)
            self._transport.write(data)

    def flow(self) -> tuple[int, int]:
        """Octets sent in all, and octets that wait."""
        waiting = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return self._written - waiting, waiting

    def finish(self) -> None:
        """Deliver what is written, then close. Unread octets would turn the close into a reset, which may overtake
        the NOTIFICATION: so only our direction is closed, and the rest is read and dropped until the peer closes."""
        self._finishing = True
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        try:
            transport.write_eof()
        except OSError:  # asyncio's: the peer has reset it, and the loop hasn't seen that yet
            transport.abort()
            return
        self._linger = asyncio.get_running_loop().call_later(LINGER_S, transport.abort)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's doesn't inherit from it
        transport.set_write_buffer_limits(WRITE_HIGH, WRITE_LOW)
        local, remote = (transport.get_extra_info(name) for name in ("sockname", "peername"))
        self.ports = (_port(local), _port(remote))
        self._owner.opened(self, _octets(local), _octets(remote))

    def data_received(self, data: bytes) -> None:
        if not self._finishing:
            self._owner.received(self, data)
            if len(data) >= READ_PAUSE:
                self._take_turns()

    def _take_turns(self) -> None:
        """Let others have a turn before the next piece: uvloop reads on until the socket is empty, and the kernel
        would stand idle for a whole table's time."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.pause_reading()
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._read_on)

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        text = "the peer closed the connection" if exc is None else f"connection lost: {words(exc)}"
        self._owner.lost(self, text, exc is None or isinstance(exc, ConnectionResetError))
        if self._linger is not None:
            self._linger.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._owner.resumed(self)


async def connect(config: PeerConfig, owner: WireOwner, link: int) -> None:
    """One attempt to reach the peer; OSError when it fails."""
    loop = asyncio.get_running_loop()
    sock = _socket(config)
    try:
        await loop.sock_connect(sock, (config.address, config.port))
        await loop.create_connection(lambda: Wire(owner, link), sock=sock)
    except BaseException:
        sock.close()
        raise


async def adopt(sock: socket.socket, owner: WireOwner) -> None:
    """Take over a connection that the peer has made, as link 0; OSError when it has gone already."""
    try:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: Wire(owner, 0), sock)
    except BaseException:
        sock.close()
        raise


def _socket(config: PeerConfig) -> socket.socket:
    sock = socket.socket(family_of(config.address), socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        options = session_options(config)
        if config.password is not None:
            options.append(md5_option(config.address, config.password))
        set_options(sock, options)
        if config.local_address is not None:
            sock.bind((config.local_address, 0))
    except BaseException:
        sock.close()
        raise
    return sock


def set_options(sock: socket.socket, options: list[Option]) -> None:
    for level, option, value in options:
        sock.setsockopt(level, option, value)


def words(error: BaseException) -> str:
    """What went wrong, as people say it: "connection refused"."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__


def _octets(address: Any) -> bytes:
    """The octets of a socket's address; empty when the connection has ended already."""
    return ipaddress.ip_address(address[0].partition("%")[0]).packed if address else b""


def _port(address: Any) -> int | None:
    return int(address[1]) if address else None

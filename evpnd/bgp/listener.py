"""The listening sockets, and which session a connection belongs to: by its source address.

Owns the sockets, their TCP MD5 keys and the table of sessions. Where it can't listen, another program having the port,
it tries again until it can; sessions that we open ourselves don't wait for that. Must not know the protocol: a
connection of a known peer is handed to its session, all others are closed.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable
from typing import NamedTuple

from evpnd.bgp.session import Session
from evpnd.bgp.tcp import family_of, listen_options, md5_option
from evpnd.bgp.wire import set_options, words

BACKLOG = 128
EVERY_ADDRESS = ("0.0.0.0", "::")
PAUSE_S = 1.0  # before accept is tried again when the system has no room
RETRY_FIRST_S, RETRY_MAX_S = 1.0, 30.0  # before listening is tried again: doubled from one to the other
STRANGERS_KEPT = 64  # addresses of strangers that a log line was written for

_REMEDIES = {
    errno.EADDRINUSE: "does another BGP daemon run? stop it, or set bgp.listen to other addresses",
    errno.EACCES: "run evpnd as root, or with CAP_NET_BIND_SERVICE",
    errno.EMFILE: "raise evpnd's limit of open files: LimitNOFILE in its unit, or ulimit -n",
}

_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where connections are accepted, or why they aren't."""

    address: str
    port: int
    problem: str | None


class Listener:
    """Accepts for all sessions. `port` 0 lets the kernel choose (tests); `changed` is called when `problems` change."""

    def __init__(
        self, addresses: Iterable[str] = EVERY_ADDRESS, port: int = 179, *, changed: Callable[[], None] = lambda: None
    ) -> None:
        self.addresses = tuple(addresses)
        self.port = port
        self.problems: dict[str, str] = {}  # by address: why it isn't listened on
        self.strangers = 0  # connections from addresses that no peer has
        self._seen: set[str] = set()
        self._full = False  # the system has had no room for the connection that waits
        self._sessions: dict[str, Session] = {}
        self._sockets: dict[str, socket.socket] = {}
        self._loop = asyncio.get_running_loop()
        self._changed = changed
        self._retry: asyncio.TimerHandle | None = None
        self._wait_s = RETRY_FIRST_S

    @property
    def places(self) -> list[Place]:
        """Where connections are accepted, and where they should be."""
        problems = self.problems
        known = (address for address in self.addresses if address in self._sockets or address in problems)
        return [Place(address, self.port, problems.get(address)) for address in known]

    def problem_of(self, session: Session) -> str | None:
        """Why the session's peer can't connect to us, as far as we can tell."""
        family = family_of(session.config.address)
        for address, problem in self.problems.items():
            if family_of(address) == family and (address in EVERY_ADDRESS or session.accepts(address)):
                return problem
        return None

    def start(self) -> None:
        """Listen on each address that isn't listened on yet; what can't be is in `problems`, and is tried again."""
        before = dict(self.problems)
        for address in self.addresses:
            if address not in self._sockets:
                self._try(address)
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self.problems:
            self._retry = self._loop.call_later(self._wait_s, self.start)
            self._wait_s = min(2 * self._wait_s, RETRY_MAX_S)
        else:
            self._wait_s = RETRY_FIRST_S
        if self.problems != before:
            self._changed()

    def _try(self, address: str) -> None:
        try:
            self._listen(address)
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT and address in EVERY_ADDRESS:
                return  # a host without IPv6 has no IPv6 peers either
            problem = f"listen on {address} port {self.port}: {_told(error)}"
            if problem != self.problems.get(address):  # once, not at every attempt
                _log.error("%s; it is tried again until it works", problem)
            self.problems[address] = problem
        else:
            if self.problems.pop(address, None) is not None:
                _log.info("now listening on %s port %d", address, self.port)

    def add(self, session: Session) -> None:
        """Connections from this session's peer go to it; its key is set, if it has one."""
        address = canonical(session.config.address)
        self._sessions[address] = session
        for sock in self._sockets.values():
            self._set_key(sock, session)

    def remove(self, session: Session) -> None:
        address = canonical(session.config.address)
        if self._sessions.get(address) is session:
            del self._sessions[address]
            if session.config.password is not None:
                for sock in self._sockets.values():
                    if sock.family == family_of(address):
                        set_options(sock, [md5_option(address, None)])

    def close(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        for sock in self._sockets.values():
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()

    def _listen(self, address: str) -> None:
        family = family_of(address)
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            set_options(sock, listen_options(family))
            sock.bind((address, self.port))
            for session in self._sessions.values():
                self._set_key(sock, session)
            sock.listen(BACKLOG)
        except BaseException:
            sock.close()
            raise
        self.port = sock.getsockname()[1]
        self._sockets[address] = sock
        self._loop.add_reader(sock, self._accept, sock)

    def _set_key(self, sock: socket.socket, session: Session) -> None:
        config = session.config
        if config.password is not None and sock.family == family_of(config.address):
            try:
                set_options(sock, [md5_option(config.address, config.password)])
            except OSError as error:
                _log.error("TCP MD5 key: %s", words(error), extra={"peer": config.address})

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(BACKLOG):
            try:
                sock, remote = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:  # it has ended already
                continue
            except OSError as error:  # no file descriptors, no memory: the connection stays in the queue meanwhile
                if not self._full:  # once, not at every attempt
                    _log.error("connections can't be accepted: %s", _told(error))
                self._full = True
                self._loop.remove_reader(listening)
                self._loop.call_later(PAUSE_S, self._resume, listening)
                return
            self._full = False
            sock.setblocking(False)
            self._dispatch(sock, remote[0].partition("%")[0])

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._sockets.values():
            self._loop.add_reader(listening, self._accept, listening)

    def _dispatch(self, sock: socket.socket, address: str) -> None:
        session = self._sessions.get(canonical(address))
        here = sock.getsockname()[0]
        if session is not None and session.accepts(here):
            session.accept(sock)
            return
        sock.close()
        self.strangers += 1
        if address not in self._seen and len(self._seen) < STRANGERS_KEPT:
            self._seen.add(address)
            if session is None:
                reason = "no such peer is configured"
            else:
                reason = f"it came to {here}, the peer's local_address is {session.config.local_address}"
            _log.warning("connection from %s refused: %s", address, reason)


def _told(error: OSError) -> str:
    """What is wrong, and what helps against it."""
    return words(error) + (f" ({_REMEDIES[error.errno]})" if error.errno in _REMEDIES else "")


def canonical(address: str) -> str:
    """The one spelling of an address, without a zone."""
    return str(ipaddress.ip_address(address.partition("%")[0]))

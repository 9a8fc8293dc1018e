"""The control socket: a unix stream socket that answers one line of JSON with one line of JSON.

Owns the socket file (made with its final permissions, removed at the end, a stale one replaced), the connections and
their limits: long replies are written in parts as the client takes them, with the loop free in between; clients that
stop reading, send nothing or send too much are dropped, and none of them can hold up the daemon. Where there are too
many, the one that has done nothing for longest makes way for who comes.

A handler gets the checked filters and returns what JSON can say. It may return an iterator of rows: then each part of
the reply is made when it is due, and the iterator must bear that the world changes meanwhile (iterate over a copy of
the keys). RequestError becomes its own text. Must not know: what the commands mean (evpnd.requests has their names).
"""

from __future__ import annotations

import asyncio
import errno
import grp
import logging
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

from evpnd.errors import EvpndError
from evpnd.requests import REQUEST_OCTETS, Handler, RequestError, decode_request, encode_error, encode_result

MAX_CLIENTS = 64
IDLE_S = 300.0  # a connection without a request
STALLED_S = 30.0  # a client that doesn't take its reply
SPARED_S = 1.0  # a client that has done something since doesn't make way for others
BACKLOG = 128

_log = logging.getLogger(__name__)


class ControlServer:
    """Serves `handlers` at `path` between start() and stop()."""

    def __init__(
        self,
        path: str,
        handlers: Mapping[str, Handler],
        *,
        mode: int = 0o660,
        group: str | None = None,
        idle_s: float = IDLE_S,
        stalled_s: float = STALLED_S,
        spared_s: float = SPARED_S,
    ) -> None:
        self.path = path
        self._handlers = handlers
        self._mode = mode
        self._group = group
        self._idle_s = idle_s
        self._stalled_s = stalled_s
        self._spared_s = spared_s
        self._server: asyncio.Server | None = None
        self._identity: tuple[int, int] | None = None
        self._clients: dict[asyncio.Task[None], float] = {}  # when each did something last, the longest ago first

    async def start(self) -> None:
        """Listen; EvpndError, with the remedy, where that can't be."""
        sock = _listening_socket(self.path, self._mode, self._group)
        self._identity = _identity(self.path)
        self._server = await asyncio.start_unix_server(self._connected, sock=sock, limit=REQUEST_OCTETS)

    async def stop(self) -> None:
        """Break off all connections and remove the socket, if it is still ours."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        if _identity(self.path) == self._identity:
            Path(self.path).unlink()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        if len(self._clients) >= MAX_CLIENTS and not self._make_room(loop.time()):
            writer.write(encode_error("refused", f"{MAX_CLIENTS} clients are connected already; try again later"))
            writer.close()
            return
        task = loop.create_task(self._client(reader, writer))
        self._clients[task] = loop.time()
        task.add_done_callback(lambda done: self._clients.pop(done, None))

    def _make_room(self, now: float) -> bool:
        """Drop the client that has done nothing for longest; False when all of them are at work."""
        task, since = next(iter(self._clients.items()))
        if now - since < self._spared_s:
            return False
        del self._clients[task]
        task.cancel()
        return True

    def _alive(self) -> None:
        """The client whose task runs has sent a request or taken a part of its reply."""
        task = asyncio.current_task()
        if task is not None and self._clients.pop(task, None) is not None:
            self._clients[task] = asyncio.get_running_loop().time()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=0)  # so drain() ends when all is sent, and abort() loses nothing
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError):
            pass  # gone, idle or stalled
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                writer.write(encode_error("bad-request", f"a request has at most {REQUEST_OCTETS} octets"))
                await self._flush(writer)
                return
            self._alive()
            await self._answer(line, writer)

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        begun = False
        try:
            command, filters = decode_request(line)
            handler = self._handlers.get(command)
            if handler is None:
                raise RequestError(f"unknown command {command!r}", "unknown-command")
            for part in encode_result(handler(filters)):
                writer.write(part)
                begun = True
                await self._flush(writer)
                await asyncio.sleep(0)
        except RequestError as exc:
            error = encode_error(exc.kind, str(exc))
        except EvpndError as exc:
            error = encode_error("refused", str(exc))
        except (OSError, TimeoutError):
            raise
        except Exception:
            _log.exception("the request %r failed", line[:200])
            error = encode_error("failed", "the daemon failed to answer; its log says why")
        else:
            return
        if begun:
            raise ConnectionAbortedError  # half a reply can't be taken back
        writer.write(error)
        await self._flush(writer)

    async def _flush(self, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(self._stalled_s):
            await writer.drain()
        self._alive()


def _listening_socket(path: str, mode: int, group: str | None) -> socket.socket:
    try:
        gid = -1 if group is None else grp.getgrnam(group).gr_gid
    except KeyError:
        raise EvpndError(f"control.group: there is no group {group!r}; create it or name another") from None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _remove_stale(path)
        mask = os.umask(0o777)  # nobody may connect before mode and group are right
        try:
            sock.bind(path)
        finally:
            os.umask(mask)
        os.chown(path, -1, gid)
        Path(path).chmod(mode)
        sock.listen(BACKLOG)
    except OSError as exc:
        sock.close()
        reason = exc.strerror or str(exc)
        raise EvpndError(f"can't open the control socket {path}: {reason}; set control.socket to another") from exc
    except EvpndError:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Make way for our socket, unless what is there is no socket or somebody listens on it."""
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            raise EvpndError(f"{path} is no socket; remove it, or set control.socket to another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        code = probe.connect_ex(path)
    if code in (0, errno.EAGAIN):
        raise EvpndError(f"another evpnd listens on {path}; stop it, or set control.socket to another path")
    if code == errno.ECONNREFUSED:
        Path(path).unlink(missing_ok=True)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino

"""Sockets to the kernel: for batches of requests, one question, many questions, to listen, and one for each dump.

Owns file descriptors, buffers, the echo filter and the threads, and nothing of what the messages mean. A batch
is a few datagrams; an empty message at its end asks for the acknowledgement, so that the kernel answers once, and else
only for what it refuses. Big batches are sent by the worker (the system call releases the GIL: the kernel works while
Python goes on), small ones at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from evpnd.fib import bpf, mmsg, netlink
from evpnd.fib.neighbour import NTF_SELF, FdbEntry, decode_fdb, encode_fdb, encode_fdb_get
from evpnd.fib.netlink import NLM_F_ACK, NLM_F_REQUEST, RTM_DELNEIGH, RTM_NEWNEIGH, Refusal, split_messages

SOL_NETLINK = 270
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12
SO_ATTACH_FILTER = 26
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33
RTMGRP_LINK = 0x1
RTMGRP_NEIGH = 0x4
RTMGRP_IPV4_IFADDR = 0x10
RTMGRP_IPV6_IFADDR = 0x100

_GROUPS = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR
_MONITOR_BUFFER = 128 << 20  # a limit, not an allocation: room for an event each of 100,000 entries
_REPLY_BUFFER = 16 << 20  # a refusal each for a whole batch
_SEND_BUFFER = 4 << 20
_DATAGRAM = 256 << 10
_REPLY_TIMEOUT_S = 10
_NO_DEVICE = 0x7FFFFFFF


class Overrun(Exception):
    """The kernel had more to tell than the socket's buffer holds: what was told is incomplete (ENOBUFS)."""


def _open(groups: int, receive_buffer: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        _set_buffer(sock, SO_RCVBUFFORCE, socket.SO_RCVBUF, receive_buffer)
        _set_buffer(sock, SO_SNDBUFFORCE, socket.SO_SNDBUF, _SEND_BUFFER)
        for option in (NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
            with contextlib.suppress(OSError):  # kernels before 4.20 lack the latter: they say too much, not too little
                sock.setsockopt(SOL_NETLINK, option, 1)
        if not groups:
            sock.bind((0, 0))
    except OSError:
        sock.close()
        raise
    return sock


def _set_buffer(sock: socket.socket, force: int, plain: int, size: int) -> None:
    """Beyond the system's limit where that is allowed: not in a user namespace of its own."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, plain, size)


def _limit_wait(sock: socket.socket) -> None:
    """The kernel answers at once; when it does not, the answer was lost (EAGAIN)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _REPLY_TIMEOUT_S, 0))


def _end(sequence: int) -> bytes:
    """An empty message that is acknowledged, when all before it is done."""
    return netlink.HEADER.pack(netlink.HEADER_SIZE, netlink.NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, sequence, 0)


class Channel:
    """All netlink I/O of one network namespace: that of the thread that makes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sequence = 0
        self.deaf = False
        self._vxlan: list[int] = []
        self._callback: Callable[[], None] | None = None
        self._buffer = bytearray(_DATAGRAM)
        self._view = memoryview(self._buffer)
        self._worker = ThreadPoolExecutor(1, "evpnd-netlink")
        with contextlib.ExitStack() as stack:
            self._commands = stack.enter_context(_open(0, _REPLY_BUFFER))
            self._questions = stack.enter_context(_open(0, 1 << 20))
            self._inquiries = stack.enter_context(_open(0, 1 << 20))
            self._monitor = stack.enter_context(_open(_GROUPS, _MONITOR_BUFFER))
            for sock in (self._commands, self._questions, self._inquiries):
                _limit_wait(sock)
            self._monitor.setblocking(False)
            self.set_deaf(False)
            self._monitor.bind((0, _GROUPS))
            self._sockets = stack.pop_all()

    def close(self) -> None:
        """The worker must be idle."""
        self._loop.remove_reader(self._monitor)
        self._worker.shutdown(wait=True)
        self._sockets.close()

    # Batches

    def send(self, datagrams: list[bytes]) -> list[Refusal]:
        """Send a batch and read the answers; OSError when it is not known what became of it."""
        self._sequence = sequence = (self._sequence + 1) & 0xFFFFFFFF
        end = _end(sequence)
        if len(datagrams) == 1:
            self._commands.send(datagrams[0] + end)
        else:
            mmsg.send_all(self._commands.fileno(), [*datagrams, end])
        refusals: list[Refusal] = []
        while True:
            for message in split_messages(self._commands.recv(_DATAGRAM)):
                if message.type != netlink.NLMSG_ERROR:
                    continue
                refusal = netlink.decode_error(message)
                if refusal.errno:
                    refusals.append(refusal)
                elif refusal.sequence == sequence:
                    return refusals

    def submit(self, datagrams: list[bytes]) -> asyncio.Future[list[Refusal]]:
        """The same on the worker thread, in the order of the calls."""
        return asyncio.wrap_future(self._worker.submit(self.send, datagrams), loop=self._loop)

    def may_write(self) -> bool:
        """Whether the kernel lets us change its tables: it checks that before it looks for the device."""
        nowhere = FdbEntry(_NO_DEVICE, 0, NTF_SELF, bytes(6))
        return all(
            refusal.errno != errno.EPERM for refusal in self.send([encode_fdb(nowhere, RTM_DELNEIGH, NLM_F_REQUEST)])
        )

    # Questions

    def where_is(self, bridge: int, vlan: int, mac: bytes) -> FdbEntry | None:
        """Where a bridge has a MAC just now; None when nowhere (or the bridge is gone)."""
        self._questions.send(encode_fdb_get(bridge, vlan, mac))
        for message in split_messages(self._questions.recv(_DATAGRAM)):
            if message.type == RTM_NEWNEIGH:
                return decode_fdb(message.body)
        return None

    def inquire(self, datagrams: list[bytes]) -> asyncio.Future[list[bytes]]:
        """The messages of what there is, of all that is asked for; on the worker thread, between the batches."""
        return asyncio.wrap_future(self._worker.submit(self._inquire, datagrams), loop=self._loop)

    def _inquire(self, datagrams: list[bytes]) -> list[bytes]:
        found: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while self._inquiries.recv(_DATAGRAM, socket.MSG_DONTWAIT):
                pass  # of an inquiry that failed
        for sequence, datagram in enumerate(datagrams, 1):
            self._inquiries.send(datagram + _end(sequence))
            ended = False
            while not ended:
                for answer in split_messages(self._inquiries.recv(_DATAGRAM)):
                    if answer.type == RTM_NEWNEIGH:
                        found.append(answer.body)
                    elif answer.type == netlink.NLMSG_ERROR:
                        ended = not netlink.decode_error(answer).errno
        return found

    async def dump(self, request: bytes, feed: Callable[[bytes], bool], *, gently: bool = False) -> None:
        """Feed every datagram of a dump until told that it ended, with a turn of the event loop for each.

        A thread of its own waits for the kernel, which walks a table anew from its start for each piece and lets no
        request through meanwhile: 2 ms at 100,000 entries, 50 ms at 1,000,000. `gently` leaves as much time to others.
        """
        with _open(0, 1 << 20) as sock, ThreadPoolExecutor(1, "evpnd-dump") as reader:
            _limit_wait(sock)
            await self._loop.run_in_executor(reader, sock.send, request)  # the kernel makes the first piece at once
            while True:
                began = self._loop.time()
                if feed(await self._loop.run_in_executor(reader, sock.recv, _DATAGRAM)):
                    break
                if gently:
                    await asyncio.sleep(self._loop.time() - began)

    # Events

    def listen(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._loop.add_reader(self._monitor, callback)

    def _listen_again(self) -> None:
        """libuv, and so uvloop, looks no more after a socket that had an error; an overrun is one."""
        self._loop.remove_reader(self._monitor)
        if self._callback is not None:
            self._loop.add_reader(self._monitor, self._callback)

    def set_deaf(self, deaf: bool) -> None:
        """Whether the filter drops the deletion of entries like ours, too."""
        self.deaf = deaf
        self._attach_filter()

    def set_vxlan(self, ports: list[int]) -> None:
        """The devices on which a bridge's entries may be echoes: entries like ours on others are heard."""
        if ports != self._vxlan:
            self._vxlan = ports
            self._attach_filter()

    def _attach_filter(self) -> None:
        """For very many devices, or where the kernel has no room for the list, one that drops the echoes of all."""
        with contextlib.suppress(OSError):
            if len(self._vxlan) <= bpf.PORTS:
                self._attach(bpf.echo_filter(self.deaf, self._vxlan))
                return
        self._attach(bpf.echo_filter(self.deaf))

    def _attach(self, code: bytes) -> None:
        program = ctypes.create_string_buffer(code)
        count = len(code) // 8
        self._monitor.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(program))
        )

    def events(self, limit: int) -> Iterator[bytes]:
        """Up to `limit` datagrams that wait in the monitor socket; Overrun when some were lost."""
        receive, view, buffer = self._monitor.recv_into, self._view, self._buffer
        for _ in range(limit):
            try:
                size = receive(view)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    self._listen_again()
                    raise Overrun from None
                raise
            yield bytes(buffer[:size])

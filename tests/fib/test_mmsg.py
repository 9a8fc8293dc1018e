"""evpnd.fib.mmsg: many datagrams in one call."""

from __future__ import annotations

import os
import socket

import pytest

from evpnd.fib.mmsg import send_all


def test_all_datagrams_arrive_whole_and_in_order() -> None:
    ours, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, peer:
        datagrams = [bytes([n]) * (1 + n * 7) for n in range(100)] + [b"with\0zeroes\0"]
        send_all(ours.fileno(), datagrams)
        assert [peer.recv(4096) for _ in datagrams] == datagrams


def test_nothing_to_send_is_no_error() -> None:
    ours, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, peer:
        send_all(ours.fileno(), [])


def test_what_can_not_be_sent_is_an_error() -> None:
    ours, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours:
        peer.close()
        with pytest.raises(ConnectionError):
            send_all(ours.fileno(), [b"a", b"b"])
    closed = os.open("/dev/null", os.O_WRONLY)
    os.close(closed)
    with pytest.raises(OSError, match="Bad file descriptor"):
        send_all(closed, [b"a"])

"""Message headers: RFC 4271 section 6.1 case by case, and streams that arrive in any portions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.bgp.framing import (
    HEADER_SIZE,
    KEEPALIVE,
    MARKER,
    MAX_EXTENDED,
    MAX_SIZE,
    NOTIFICATION,
    OPEN,
    ROUTE_REFRESH,
    UPDATE,
    frame,
    split_messages,
    unframe,
)
from evpnd.errors import Action, ProtocolError

LEAST = {OPEN: 10, UPDATE: 4, NOTIFICATION: 2, KEEPALIVE: 0, ROUTE_REFRESH: 4}  # octets of a body
MESSAGES = st.one_of(
    st.just((KEEPALIVE, b"")),
    *(st.tuples(st.just(kind), st.binary(min_size=LEAST[kind], max_size=60)) for kind in LEAST if kind != KEEPALIVE),
)


def header(length: int, kind: int) -> bytes:
    return MARKER + length.to_bytes(2, "big") + bytes((kind,))


# (header, subcode, data) of RFC 4271 section 6.1
BAD_HEADERS = [
    (b"\xfe" + header(19, KEEPALIVE)[1:], 1, b""),
    (MARKER[:15] + b"\0" + header(23, UPDATE)[16:], 1, b""),
    (header(18, KEEPALIVE), 2, b"\0\x12"),
    (header(20, KEEPALIVE), 2, b"\0\x14"),
    (header(28, OPEN), 2, b"\0\x1c"),
    (header(22, UPDATE), 2, b"\0\x16"),
    (header(0, UPDATE), 2, b"\0\0"),
    (header(4097, UPDATE), 2, b"\x10\x01"),
    (header(20, NOTIFICATION), 2, b"\0\x14"),
    (header(22, ROUTE_REFRESH), 2, b"\0\x16"),
    (header(4097, 9), 2, b"\x10\x01"),
    (header(18, 9), 2, b"\0\x12"),
    (header(19, 0), 3, b"\0"),
    (header(19, 6), 3, b"\6"),
    (header(19, 255), 3, b"\xff"),
]


@pytest.mark.parametrize("more", [0, 6000], ids=["cut", "whole"])
@pytest.mark.parametrize(("octets", "subcode", "data"), BAD_HEADERS)
def test_bad_header(octets: bytes, subcode: int, data: bytes, more: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        split_messages(octets + bytes(more), MAX_SIZE)
    error = caught.value
    assert (error.code, error.subcode, error.data, error.action) == (1, subcode, data, Action.RESET)
    with pytest.raises(ProtocolError):
        unframe(octets, MAX_SIZE)


@pytest.mark.parametrize("octets", [bytes(1), b"\xff" * 15 + b"\xfe", b"\xff\xff\0"])
def test_a_wrong_marker_is_told_before_the_header_is_whole(octets: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        split_messages(octets, MAX_SIZE)
    assert (caught.value.code, caught.value.subcode) == (1, 1)


@pytest.mark.parametrize(("octets", "subcode", "data"), BAD_HEADERS)
def test_messages_before_a_bad_header_are_not_lost(octets: bytes, subcode: int, data: bytes) -> None:
    good = frame(UPDATE, bytes(4)) + frame(KEEPALIVE, b"")
    assert split_messages(good + octets, MAX_SIZE) == ([(UPDATE, bytes(4)), (KEEPALIVE, b"")], len(good))


@pytest.mark.parametrize("size", [MAX_SIZE, MAX_SIZE + 1, MAX_EXTENDED])
def test_extended_messages(size: int) -> None:
    """RFC 8654 section 4: not for OPEN, and KEEPALIVE has one length only."""
    for kind in (UPDATE, NOTIFICATION, ROUTE_REFRESH):
        message = frame(kind, bytes(size - HEADER_SIZE))
        assert split_messages(message, MAX_EXTENDED) == ([(kind, message[HEADER_SIZE:])], size)
        if size > MAX_SIZE:
            with pytest.raises(ProtocolError):
                split_messages(message, MAX_SIZE)
    if size > MAX_SIZE:
        with pytest.raises(ProtocolError):
            split_messages(frame(OPEN, bytes(size - HEADER_SIZE)), MAX_EXTENDED)


def test_messages_before_one_that_is_too_long_are_not_lost() -> None:
    good = frame(UPDATE, bytes(4))
    assert split_messages(good + frame(UPDATE, bytes(MAX_SIZE)), MAX_SIZE) == ([(UPDATE, bytes(4))], len(good))


@given(st.lists(MESSAGES, max_size=6), st.data())
def test_portions_do_not_matter(messages: list[tuple[int, bytes]], data: st.DataObject) -> None:
    stream = b"".join(frame(*message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    buffer = bytearray()
    found: list[tuple[int, bytes]] = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        buffer += stream[start:stop]
        part, used = split_messages(buffer, MAX_SIZE)
        found += part
        del buffer[:used]
    assert found == messages
    assert not buffer


@given(st.lists(MESSAGES, min_size=1, max_size=4))
def test_octet_by_octet(messages: list[tuple[int, bytes]]) -> None:
    buffer = bytearray()
    found: list[tuple[int, bytes]] = []
    for octet in b"".join(frame(*message) for message in messages):
        buffer.append(octet)
        part, used = split_messages(buffer, MAX_SIZE)
        assert used == (len(buffer) if part else 0)
        found += part
        del buffer[:used]
    assert found == messages


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(MARKER.__add__)), st.integers(19, MAX_EXTENDED))
def test_garbage_whole_and_octet_by_octet_ends_alike(octets: bytes, limit: int) -> None:
    def feed(step: int) -> tuple[list[tuple[int, bytes]], bool]:
        buffer = bytearray()
        found: list[tuple[int, bytes]] = []
        for at in range(0, len(octets), step):
            buffer += octets[at : at + step]
            used = 1
            while used:
                try:
                    part, used = split_messages(buffer, limit)
                except ProtocolError as error:
                    assert error.action is Action.RESET
                    return found, True
                found += part
                del buffer[:used]
        return found, False

    assert feed(1) == feed(len(octets) or 1)


@given(MESSAGES)
def test_unframe_is_the_opposite_of_frame(message: tuple[int, bytes]) -> None:
    assert unframe(frame(*message)) == message


@pytest.mark.parametrize("octets", [b"", bytes(18), frame(KEEPALIVE, b"") + b"\0", frame(UPDATE, bytes(9))[:-1]])
def test_unframe_takes_one_whole_message(octets: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        unframe(octets)
    assert (caught.value.code, caught.value.subcode) == (1, 2)


def test_messages_before_one_over_the_limit_are_not_lost() -> None:
    stream = frame(KEEPALIVE, b"") + frame(UPDATE, bytes(5000))
    assert split_messages(stream, MAX_SIZE) == ([(KEEPALIVE, b"")], 19)
    assert len(split_messages(stream, MAX_EXTENDED)[0]) == 2

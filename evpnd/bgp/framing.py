"""The BGP message header: cutting a byte stream into messages and putting headers before bodies (RFC 4271 section 4.1).

Knows the header and which lengths each message type may have; knows nothing of what is inside a body.
"""

from __future__ import annotations

from evpnd.errors import ProtocolError

HEADER_SIZE = 19
MAX_SIZE = 4096
MAX_EXTENDED = 65535  # RFC 8654

OPEN = 1
UPDATE = 2
NOTIFICATION = 3
KEEPALIVE = 4
ROUTE_REFRESH = 5  # RFC 2918

MARKER = b"\xff" * 16

# Codes and subcodes of a Message Header Error (RFC 4271 section 6.1).
MESSAGE_HEADER_ERROR = 1
NOT_SYNCHRONIZED = 1
BAD_LENGTH = 2
BAD_TYPE = 3

# RFC 4271 section 6.1 and RFC 2918 section 3: the least length of each message, header included.
_MIN_SIZE = {OPEN: 29, UPDATE: 23, NOTIFICATION: 21, KEEPALIVE: 19, ROUTE_REFRESH: 23}


def split_messages(buffer: bytes | bytearray, limit: int = MAX_SIZE) -> tuple[list[tuple[int, bytes]], int]:
    """Cut the whole messages off the start of `buffer`: their (type, body) pairs and how many octets they took.

    A bad header raises ProtocolError when it is the first thing in the buffer. Behind whole messages it ends the list
    instead, so that they are not lost: call again with the rest until nothing more is consumed.
    """
    data = bytes(buffer)
    end = len(data)
    position = 0
    messages: list[tuple[int, bytes]] = []
    while end - position >= HEADER_SIZE:
        stop = position + ((data[position + 16] << 8) | data[position + 17])
        kind = data[position + 18]
        if stop > end or stop - position < 23 or kind != UPDATE or not data.startswith(MARKER, position):
            error = _header_error(data[position : position + HEADER_SIZE], limit)
            if error is not None:
                if messages:
                    break
                raise error
            if stop > end:
                break
        elif stop - position > limit:
            if messages:
                break
            raise _bad_length(stop - position)
        messages.append((kind, data[position + HEADER_SIZE : stop]))
        position = stop
    else:
        _check_marker_start(data[position:], bool(messages))
    return messages, position


def frame(kind: int, body: bytes) -> bytes:
    """A whole message: the header for `body`, then `body`."""
    return b"%b%b%c%b" % (MARKER, (len(body) + HEADER_SIZE).to_bytes(2, "big"), kind, body)


def unframe(message: bytes, limit: int = MAX_EXTENDED) -> tuple[int, bytes]:
    """The (type, body) of exactly one whole message."""
    if len(message) < HEADER_SIZE:
        raise ProtocolError(MESSAGE_HEADER_ERROR, BAD_LENGTH, message[16:18], "the message ends inside its header")
    error = _header_error(message[:HEADER_SIZE], limit)
    if error is not None:
        raise error
    length = int.from_bytes(message[16:18], "big")
    if length != len(message):
        text = f"the header says {length} octets, the message has {len(message)}"
        raise ProtocolError(MESSAGE_HEADER_ERROR, BAD_LENGTH, message[16:18], text)
    return message[18], message[HEADER_SIZE:]


def _header_error(header: bytes, limit: int) -> ProtocolError | None:
    """What RFC 4271 section 6.1 says is wrong with a whole header, or None."""
    if not header.startswith(MARKER):
        return ProtocolError(MESSAGE_HEADER_ERROR, NOT_SYNCHRONIZED, message="the marker is not all ones")
    kind = header[18]
    length = int.from_bytes(header[16:18], "big")
    least = _MIN_SIZE.get(kind)
    if least is None:
        if not HEADER_SIZE <= length <= limit:
            return _bad_length(length)
        return ProtocolError(MESSAGE_HEADER_ERROR, BAD_TYPE, bytes((kind,)), f"message type {kind} is unknown")
    if kind == OPEN:
        limit = min(limit, MAX_SIZE)  # RFC 8654 section 4: OPEN and KEEPALIVE are never extended.
    elif kind == KEEPALIVE:
        limit = HEADER_SIZE
    return None if least <= length <= limit else _bad_length(length)


def _bad_length(length: int) -> ProtocolError:
    text = f"a message length of {length} octets is out of range for its type"
    return ProtocolError(MESSAGE_HEADER_ERROR, BAD_LENGTH, length.to_bytes(2, "big"), text)


def _check_marker_start(rest: bytes, found: bool) -> None:
    """Refuse a stream out of step as soon as one octet of the marker is wrong, unless messages came before it."""
    if not found and rest[:16] != MARKER[: len(rest)]:
        raise ProtocolError(MESSAGE_HEADER_ERROR, NOT_SYNCHRONIZED, message="the marker is not all ones")

"""Netlink framing: messages, attributes, dumps, acknowledgements and their errors.

Owns the layout of `struct nlmsghdr`, `struct nlattr` and NLMSG_ERROR. Must not know what neighbours, links or intents
are, and does no I/O. Whatever bytes come in, nothing but NetlinkError goes out.
Layout: linux/netlink.h; the rules of messages and attributes: RFC 3549 section 2.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from evpnd.errors import NetlinkError

NLMSG_NOOP = 1
NLMSG_ERROR = 2
NLMSG_DONE = 3

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_GETADDR = 22
RTM_NEWNEIGH = 28
RTM_DELNEIGH = 29
RTM_GETNEIGH = 30

NLM_F_REQUEST = 0x001
NLM_F_ACK = 0x004
NLM_F_DUMP_INTR = 0x010
NLM_F_REPLACE = 0x100
NLM_F_CAPPED = 0x100
NLM_F_DUMP = 0x300
NLM_F_ACK_TLVS = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800

NLMSGERR_ATTR_MSG = 1
NLA_TYPE_MASK = 0x3FFF

HEADER = Struct("=IHHII")
HEADER_SIZE = HEADER.size
ATTRIBUTE = Struct("=HH")
_U32 = Struct("=I")
_S32 = Struct("=i")


class Message(NamedTuple):
    """One message of a datagram; `body` starts after the header."""

    type: int
    flags: int
    sequence: int
    body: bytes


class Refusal(NamedTuple):
    """What NLMSG_ERROR says; `request` is the refused message (header included), whole unless the kernel cut it."""

    errno: int
    text: str
    sequence: int
    request: bytes


def encode_message(message_type: int, flags: int, body: bytes, sequence: int = 0) -> bytes:
    """A message with its header, padded to four octets."""
    return HEADER.pack(HEADER_SIZE + len(body), message_type, flags, sequence, 0) + body + bytes(-len(body) % 4)


def encode_attribute(attribute_type: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(4 + len(value), attribute_type) + value + bytes(-len(value) % 4)


def split_messages(data: bytes) -> Iterator[Message]:
    """The messages of one datagram."""
    offset = 0
    while offset < len(data):
        message, offset = message_at(data, offset)
        yield message


def message_at(data: bytes, offset: int) -> tuple[Message, int]:
    """The message at an offset, and the offset of the next one."""
    room = len(data) - offset
    if room < HEADER_SIZE:
        raise NetlinkError(errno.EBADMSG, f"netlink message cut short: {room} octets")
    length, message_type, flags, sequence, _ = HEADER.unpack_from(data, offset)
    if not HEADER_SIZE <= length <= room:
        raise NetlinkError(errno.EBADMSG, f"netlink message of {length} octets in {room}")
    body = data[offset + HEADER_SIZE : offset + length]
    return Message(message_type, flags, sequence, body), offset + ((length + 3) & ~3)


def decode_attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """Attributes by type (without the nested and byte-order bits); of repeated ones the last stays."""
    attributes: dict[int, bytes] = {}
    end = len(data)
    while end - offset >= 4:
        length, attribute_type = ATTRIBUTE.unpack_from(data, offset)
        if not 4 <= length <= end - offset:
            raise NetlinkError(errno.EBADMSG, f"netlink attribute of {length} octets in {end - offset}")
        attributes[attribute_type & NLA_TYPE_MASK] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return attributes


def u32(value: bytes) -> int:
    """An attribute's unsigned 32-bit value in host order."""
    if len(value) != 4:
        raise NetlinkError(errno.EBADMSG, f"netlink attribute holds {len(value)} octets instead of 4")
    return int(_U32.unpack(value)[0])


def u8(value: bytes) -> int:
    if len(value) != 1:
        raise NetlinkError(errno.EBADMSG, f"netlink attribute holds {len(value)} octets instead of 1")
    return value[0]


def text(value: bytes) -> str:
    """A NUL-terminated string attribute."""
    return value.split(b"\0", 1)[0].decode("utf-8", "replace")


def decode_error(message: Message) -> Refusal:
    """NLMSG_ERROR; errno 0 is an acknowledgement."""
    body = message.body
    if len(body) < 4 + HEADER_SIZE:
        raise NetlinkError(errno.EBADMSG, f"netlink error message of {len(body)} octets")
    code = -int(_S32.unpack_from(body)[0])
    length = HEADER_SIZE if message.flags & NLM_F_CAPPED else int(_U32.unpack_from(body, 4)[0])
    request = body[4 : 4 + length]
    if not 0 <= code <= 4095 or len(request) < length:
        raise NetlinkError(errno.EBADMSG, f"netlink error message of {len(body)} octets makes no sense")
    said = ""
    if message.flags & NLM_F_ACK_TLVS:
        tlvs = decode_attributes(body, 4 + ((length + 3) & ~3))
        said = text(tlvs.get(NLMSGERR_ATTR_MSG, b""))
    return Refusal(code, said or os.strerror(code), message.sequence, request)


def ends_dump(message: Message) -> bool:
    """Whether a dump ends with this message; NetlinkError when that is because it failed."""
    if message.type == NLMSG_ERROR:
        refusal = decode_error(message)
        raise NetlinkError(refusal.errno, f"netlink dump: {refusal.text}")
    if message.type != NLMSG_DONE:
        return False
    if len(message.body) >= 4:
        code = int(_S32.unpack_from(message.body)[0])
        if code < 0:
            raise NetlinkError(-code, f"netlink dump: {os.strerror(-code)}")
    return True

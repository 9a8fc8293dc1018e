"""The five BGP messages as values, and their octets (RFC 4271 section 4, RFC 2918, RFC 7313, RFC 9003).

Owns OPEN, NOTIFICATION, KEEPALIVE and ROUTE-REFRESH; UPDATE is `evpnd.bgp.update`'s, headers are `evpnd.bgp.framing`'s.
Whatever decodes re-encodes byte for byte. Knows no sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from evpnd.bgp.capability import Capability, decode_capabilities
from evpnd.bgp.family import Family
from evpnd.bgp.framing import (
    HEADER_SIZE,
    KEEPALIVE,
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
from evpnd.bgp.notification_names import error_text
from evpnd.bgp.update import Context, Update, decode_update, encode_update
from evpnd.errors import ProtocolError

__all__ = [
    "HEADER_SIZE",
    "MAX_EXTENDED",
    "MAX_SIZE",
    "Context",
    "Keepalive",
    "Message",
    "Notification",
    "Open",
    "RouteRefresh",
    "Update",
    "decode_message",
    "decode_notification",
    "decode_open",
    "decode_route_refresh",
    "encode_message",
    "encode_notification",
    "encode_open",
    "encode_route_refresh",
    "split_messages",
]

CAPABILITIES = 2  # optional parameter type, RFC 5492 section 4
EXTENDED_PARAMETERS = 255  # RFC 9072 section 2

OPEN_ERROR = 2
UNSUPPORTED_PARAMETER = 4
ROUTE_REFRESH_ERROR, INVALID_LENGTH = 7, 1  # RFC 7313 section 5


@dataclass(frozen=True, slots=True)
class Open:
    """OPEN. `asn` is the field of two octets; `asn4` is the number that counts. `router_id` has four octets."""

    version: int
    asn: int
    hold_time_s: int
    router_id: bytes
    capabilities: tuple[Capability, ...] = ()
    # The optional parameters as they came, lengths included; None: written from `capabilities`.
    parameters: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def asn4(self) -> int:
        """The AS number of the 4-octet AS capability, else that of the field (RFC 6793 section 4.1)."""
        numbers = [capability.asn() for capability in self.capabilities if capability.name == "4-octet-as"]
        return numbers[-1] if numbers else self.asn


@dataclass(frozen=True, slots=True)
class Notification:
    """NOTIFICATION: error code, subcode, data (RFC 4271 section 4.5)."""

    code: int
    subcode: int
    data: bytes = b""

    def text(self) -> str:
        """In words, with the text of RFC 9003 where there is one."""
        return error_text(self.code, self.subcode, self.data)


@dataclass(frozen=True, slots=True)
class Keepalive:
    """KEEPALIVE: nothing but a header."""


@dataclass(frozen=True, slots=True)
class RouteRefresh:
    """ROUTE-REFRESH. Subtype 0 asks, 1 and 2 begin and end an answer (RFC 7313); `raw` follows (ORF, RFC 5291)."""

    family: Family
    subtype: int = 0
    raw: bytes = b""


Message = Open | Update | Notification | Keepalive | RouteRefresh


def decode_open(body: bytes) -> Open:
    """Of a body; ProtocolError 2 when the optional parameters can't be read."""
    if len(body) < 10:
        raise ProtocolError(OPEN_ERROR, 0, message=f"an OPEN of {len(body)} octets")
    version, asn, hold_time = body[0], int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    return Open(version, asn, hold_time, body[5:9], _capabilities(body[9:]), body[9:])


def _capabilities(field_: bytes) -> tuple[Capability, ...]:
    """From the optional parameters field with its length octets, in either form (RFC 9072 section 2)."""
    start, head = 1, 2
    size = field_[0]
    if len(field_) >= 4 and size and field_[1] == EXTENDED_PARAMETERS:
        start, head, size = 4, 3, int.from_bytes(field_[2:4], "big")
    if start + size != len(field_):
        text = f"{len(field_) - start} octets of optional parameters, {size} announced"
        raise ProtocolError(OPEN_ERROR, 0, message=text)
    found: list[Capability] = []
    at = start
    while at < len(field_):
        value_at = at + head
        stop = value_at + int.from_bytes(field_[at + 1 : value_at], "big")
        if value_at > len(field_) or stop > len(field_):
            raise ProtocolError(OPEN_ERROR, 0, message="an optional parameter runs past the end")
        if field_[at] != CAPABILITIES:
            text = f"optional parameter {field_[at]} is not supported"
            raise ProtocolError(OPEN_ERROR, UNSUPPORTED_PARAMETER, message=text)
        found += decode_capabilities(field_[value_at:stop])
        at = stop
    return tuple(found)


def encode_open(message: Open) -> bytes:
    """All capabilities go into one optional parameter, unless `parameters` says how; ValueError over 4096 octets."""
    numbers = message.asn.to_bytes(2, "big") + message.hold_time_s.to_bytes(2, "big")
    parameters = message.parameters
    if parameters is None or _capabilities(parameters) != message.capabilities:
        parameters = _parameters(message.capabilities)
    framed = frame(OPEN, bytes((message.version,)) + numbers + message.router_id + parameters)
    if len(framed) > MAX_SIZE:
        raise ValueError(f"an OPEN of {len(framed)} octets")
    return framed


def _parameters(capabilities: tuple[Capability, ...]) -> bytes:
    value = b"".join(capability.encode() for capability in capabilities)
    if not value:
        return b"\0"
    if len(value) <= 253:
        return bytes((len(value) + 2, CAPABILITIES, len(value))) + value
    # RFC 9072 section 2
    size = len(value).to_bytes(2, "big")
    whole = (len(value) + 3).to_bytes(2, "big")
    return bytes((255, EXTENDED_PARAMETERS)) + whole + bytes((CAPABILITIES,)) + size + value


def decode_notification(body: bytes) -> Notification:
    """Of a body, which the framing has found to be of two octets at least."""
    if len(body) < 2:
        raise ProtocolError(1, 2, message=f"a NOTIFICATION of {len(body)} octets")
    return Notification(body[0], body[1], body[2:])


def encode_notification(message: Notification) -> bytes:
    return frame(NOTIFICATION, bytes((message.code, message.subcode)) + message.data)


def decode_route_refresh(body: bytes) -> RouteRefresh:
    """Of a body; RFC 7313 section 5 on its length, which may be longer for subtype 0 (RFC 5291)."""
    if len(body) < 4 or (len(body) > 4 and body[2] in (1, 2)):
        text = f"a ROUTE-REFRESH of {len(body)} octets"
        raise ProtocolError(ROUTE_REFRESH_ERROR, INVALID_LENGTH, frame(ROUTE_REFRESH, body), text)
    return RouteRefresh(Family((body[0] << 8) | body[1], body[3]), body[2], body[4:])


def encode_route_refresh(message: RouteRefresh) -> bytes:
    family = message.family
    return frame(ROUTE_REFRESH, family.afi.to_bytes(2, "big") + bytes((message.subtype, family.safi)) + message.raw)


def _decode_keepalive(body: bytes) -> Keepalive:
    return Keepalive()


_DECODERS: dict[int, Callable[[bytes], Message]] = {
    OPEN: decode_open,
    NOTIFICATION: decode_notification,
    KEEPALIVE: _decode_keepalive,
    ROUTE_REFRESH: decode_route_refresh,
}
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    Open: encode_open,
    Notification: encode_notification,
    Keepalive: lambda message: frame(KEEPALIVE, b""),
    RouteRefresh: encode_route_refresh,
}


def decode_message(data: bytes, context: Context | None = None) -> Message:
    """One whole message with its header; ProtocolError when anything is wrong with it."""
    context = context or Context()
    kind, body = unframe(data, MAX_EXTENDED if context.extended_message else MAX_SIZE)
    return decode_update(body, context) if kind == UPDATE else _DECODERS[kind](body)


def encode_message(message: Message, context: Context | None = None) -> bytes:
    """The whole message; ValueError when it is too long for the session."""
    if isinstance(message, Update):
        return encode_update(message, context)
    return _ENCODERS[type(message)](message)

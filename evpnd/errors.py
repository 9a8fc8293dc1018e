"""The errors evpnd raises, from one root.

Codecs raise ProtocolError on any bytes and never anything else; its action is what RFC 7606 section 2 asks of a
speaker that received those bytes in an UPDATE (RESET for every other message).
"""

from __future__ import annotations

from enum import IntEnum


class EvpndError(Exception):
    """Root of all errors that evpnd raises on purpose."""


class ConfigError(EvpndError):
    """The configuration can't be used; `errors` holds one line for each thing that is wrong."""

    def __init__(self, errors: list[str] | str) -> None:
        self.errors = [errors] if isinstance(errors, str) else list(errors)
        super().__init__("\n".join(self.errors))


class NetlinkError(EvpndError):
    """The kernel refused a request; `errno` is positive."""

    def __init__(self, errno: int, message: str) -> None:
        self.errno = errno
        super().__init__(message)


class Action(IntEnum):
    """What a malformed UPDATE costs, weakest first (RFC 7606 section 2)."""

    DISCARD = 1  # the attribute is dropped, the routes stay
    WITHDRAW = 2  # the UPDATE's routes are treated as withdrawn
    DISABLE = 3  # the address family is no longer used on the session
    RESET = 4  # NOTIFICATION, then the session ends


class ProtocolError(EvpndError):
    """Bytes that break the protocol, the NOTIFICATION they deserve (RFC 4271 section 6) and the RFC 7606 action."""

    def __init__(
        self, code: int, subcode: int, data: bytes = b"", message: str = "", action: Action = Action.RESET
    ) -> None:
        self.code = code
        self.subcode = subcode
        self.data = data
        self.message = message
        self.action = action
        super().__init__(message or f"BGP error {code}/{subcode}")

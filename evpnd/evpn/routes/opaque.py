"""Routes of a type that evpnd does not read: carried, keyed and passed on as the octets they came in.

RFC 7606 section 5.4 lets a speaker discard them; a reflector must not (RFC 4456), so they are kept whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class OpaqueRoute(NamedTuple):
    route_type: int
    raw: bytes  # the value, without the type and length octets

    @property
    def TYPE(self) -> int:
        return self.route_type

    def encode(self) -> bytes:
        return bytes((self.route_type, len(self.raw))) + self.raw

    def key(self) -> bytes:
        return bytes((self.route_type,)) + self.raw

    def body(self) -> bytes:
        return b""

    def to_json(self) -> dict[str, Any]:
        return {"route_type": self.route_type, "raw": self.raw.hex()}

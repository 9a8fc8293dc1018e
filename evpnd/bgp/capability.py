"""Capabilities of an OPEN message (RFC 5492): code and raw value, with builders and typed views of those we know.

A capability is kept as it came, known or not. A view of a value that breaks its RFC raises ProtocolError 2/0; what that
costs is the negotiation's decision. Must not know sessions or configuration.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from evpnd.bgp.family import Family
from evpnd.errors import ProtocolError

MULTIPROTOCOL = 1  # RFC 4760 section 8
ROUTE_REFRESH = 2  # RFC 2918
EXTENDED_NEXT_HOP = 5  # RFC 8950
EXTENDED_MESSAGE = 6  # RFC 8654
GRACEFUL_RESTART = 64  # RFC 4724
AS4 = 65  # RFC 6793
ADD_PATH = 69  # RFC 7911
ENHANCED_ROUTE_REFRESH = 70  # RFC 7313
LONG_LIVED_GRACEFUL_RESTART = 71  # RFC 9494
FQDN = 73  # draft-walton-bgp-hostname-capability

NAMES: dict[int, str] = {
    MULTIPROTOCOL: "multiprotocol",
    ROUTE_REFRESH: "route-refresh",
    EXTENDED_NEXT_HOP: "extended-next-hop",
    EXTENDED_MESSAGE: "extended-message",
    GRACEFUL_RESTART: "graceful-restart",
    AS4: "4-octet-as",
    ADD_PATH: "add-path",
    ENHANCED_ROUTE_REFRESH: "enhanced-route-refresh",
    LONG_LIVED_GRACEFUL_RESTART: "long-lived-graceful-restart",
    FQDN: "fqdn",
}


class ExtendedNextHop(NamedTuple):
    """RFC 8950 section 4: NLRI of `family` may have a next hop of `next_hop_afi`."""

    family: Family
    next_hop_afi: int


RESTARTED, NOTIFICATIONS = 0x8, 0x4  # flags of the graceful restart capability (RFC 4724 section 3, RFC 8538)
FORWARDING = 0x80  # flag of a family in it


class GracefulFamily(NamedTuple):
    """One family of the graceful restart capability; bit 0x80 of `flags`: forwarding state preserved."""

    family: Family
    flags: int

    @property
    def preserved(self) -> bool:
        return bool(self.flags & FORWARDING)


class GracefulRestart(NamedTuple):
    """RFC 4724 section 3; `flags` are the four upper bits: 0x8 restarted, 0x4 notifications too (RFC 8538)."""

    flags: int
    restart_time_s: int
    families: tuple[GracefulFamily, ...]

    @property
    def restarted(self) -> bool:
        return bool(self.flags & RESTARTED)

    @property
    def notification(self) -> bool:
        return bool(self.flags & NOTIFICATIONS)

    def covers(self, family: Family) -> bool:
        """Whether the family's routes may be kept while the speaker restarts (RFC 4724 section 4.2)."""
        return self.restart_time_s > 0 and any(entry.family == family for entry in self.families)

    def preserved(self, family: Family) -> bool:
        """Whether the speaker has kept forwarding for the family over its restart."""
        return any(entry.family == family and entry.preserved for entry in self.families)


class LongLivedFamily(NamedTuple):
    """One family of the long-lived graceful restart capability (RFC 9494 section 3)."""

    family: Family
    flags: int
    stale_time_s: int


class AddPath(NamedTuple):
    """RFC 7911 section 4; bit 1 of `direction`: able to receive, bit 2: able to send."""

    family: Family
    direction: int


class Capability(NamedTuple):
    """A capability as it stands in an OPEN: its code and its value's octets."""

    code: int
    value: bytes = b""

    @property
    def name(self) -> str:
        return NAMES.get(self.code) or f"capability-{self.code}"

    @classmethod
    def multiprotocol(cls, family: Family) -> Capability:
        return cls(MULTIPROTOCOL, family.afi.to_bytes(2, "big") + bytes((0, family.safi)))

    @classmethod
    def route_refresh(cls) -> Capability:
        return cls(ROUTE_REFRESH)

    @classmethod
    def enhanced_route_refresh(cls) -> Capability:
        return cls(ENHANCED_ROUTE_REFRESH)

    @classmethod
    def extended_message(cls) -> Capability:
        return cls(EXTENDED_MESSAGE)

    @classmethod
    def as4(cls, asn: int) -> Capability:
        return cls(AS4, asn.to_bytes(4, "big"))

    @classmethod
    def extended_next_hop(cls, entries: Iterable[ExtendedNextHop]) -> Capability:
        numbers = [n for family, afi in entries for n in (family.afi, family.safi, afi)]
        return cls(EXTENDED_NEXT_HOP, b"".join(n.to_bytes(2, "big") for n in numbers))

    @classmethod
    def graceful_restart(cls, restart: GracefulRestart) -> Capability:
        head = ((restart.flags << 12) | restart.restart_time_s).to_bytes(2, "big")
        return cls(GRACEFUL_RESTART, head + b"".join(f.encode() + bytes((flags,)) for f, flags in restart.families))

    @classmethod
    def long_lived_graceful_restart(cls, families: Iterable[LongLivedFamily]) -> Capability:
        parts = (f.encode() + bytes((flags,)) + time.to_bytes(3, "big") for f, flags, time in families)
        return cls(LONG_LIVED_GRACEFUL_RESTART, b"".join(parts))

    @classmethod
    def add_path(cls, entries: Iterable[AddPath]) -> Capability:
        return cls(ADD_PATH, b"".join(family.encode() + bytes((direction,)) for family, direction in entries))

    @classmethod
    def fqdn(cls, host: str, domain: str = "") -> Capability:
        names = [name.encode()[:_LONGEST_NAME] for name in (host, domain)]
        return cls(FQDN, b"".join(bytes((len(name),)) + name for name in names))

    def family(self) -> Family:
        """The family of a multiprotocol capability; its reserved octet is ignored (RFC 4760 section 8)."""
        value = self._sized(MULTIPROTOCOL, 4)
        return Family((value[0] << 8) | value[1], value[3])

    def asn(self) -> int:
        """The AS number of a 4-octet AS capability."""
        return int.from_bytes(self._sized(AS4, 4), "big")

    def next_hops(self) -> tuple[ExtendedNextHop, ...]:
        return tuple(
            ExtendedNextHop(Family(_u16(part), _u16(part[2:])), _u16(part[4:]))
            for part in self._entries(EXTENDED_NEXT_HOP, 6)
        )

    def restart(self) -> GracefulRestart:
        value = self._of(GRACEFUL_RESTART)
        if len(value) < 2 or len(value) % 4 != 2:
            raise self._malformed()
        families = (GracefulFamily(_family(p), p[3]) for p in _cut(value[2:], 4))
        return GracefulRestart(value[0] >> 4, _u16(value) & 0xFFF, tuple(families))

    def long_lived(self) -> tuple[LongLivedFamily, ...]:
        entries = self._entries(LONG_LIVED_GRACEFUL_RESTART, 7)
        return tuple(LongLivedFamily(_family(p), p[3], int.from_bytes(p[4:7], "big")) for p in entries)

    def add_paths(self) -> tuple[AddPath, ...]:
        return tuple(AddPath(_family(part), part[3]) for part in self._entries(ADD_PATH, 4))

    def host_and_domain(self) -> tuple[str, str]:
        """The two names of an FQDN capability; octets that are not UTF-8 are shown as replacement characters."""
        value = self._of(FQDN)
        host, rest = self._counted(value)
        domain, _ = self._counted(rest) if rest else (b"", b"")  # FRR leaves an empty domain's length out at times
        return host.decode(errors="replace"), domain.decode(errors="replace")

    def _counted(self, value: bytes) -> tuple[bytes, bytes]:
        if not value or len(value) <= value[0]:
            raise self._malformed()
        return value[1 : 1 + value[0]], value[1 + value[0] :]

    def _of(self, code: int) -> bytes:
        if self.code != code:
            raise ValueError(f"a {self.name} capability is read as {NAMES[code]}")
        return self.value

    def _sized(self, code: int, size: int) -> bytes:
        value = self._of(code)
        if len(value) != size:
            raise self._malformed()
        return value

    def _entries(self, code: int, size: int) -> list[bytes]:
        value = self._of(code)
        if len(value) % size:
            raise self._malformed()
        return _cut(value, size)

    def _malformed(self) -> ProtocolError:
        text = f"{self.name} capability with a value of {len(self.value)} octets"
        return ProtocolError(2, 0, self.encode(), text)

    def encode(self) -> bytes:
        """Code, length, value (RFC 5492 section 4)."""
        return bytes((self.code, len(self.value))) + self.value


def decode_capabilities(data: bytes) -> tuple[Capability, ...]:
    """The capabilities of one optional parameter; one that runs past the end makes the OPEN unusable."""
    capabilities: list[Capability] = []
    position = 0
    while position < len(data):
        start = position + 2
        position = start + data[start - 1] if start <= len(data) else start
        if position > len(data):
            raise ProtocolError(2, 0, message="a capability runs past the end of its optional parameter")
        capabilities.append(Capability(data[start - 2], data[start:position]))
    return tuple(capabilities)


_LONGEST_NAME = 64  # octets of a host or domain name in an FQDN capability


def _u16(data: bytes) -> int:
    return (data[0] << 8) | data[1]


def _family(data: bytes) -> Family:
    return Family((data[0] << 8) | data[1], data[2])


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]

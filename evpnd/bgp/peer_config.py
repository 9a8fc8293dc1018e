"""What one BGP peer is configured to be: plain values, checked when made.

Owns the limits of each field (RFC 4271 section 4.2, RFC 5082, TCP_MD5SIG). Must not know the configuration file,
sockets or the speaker.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from evpnd.bgp.family import L2VPN_EVPN, Family
from evpnd.errors import ConfigError

MD5_KEY_MAX = 80  # TCP_MD5SIG_MAXKEYLEN
HOLD_TIME_MIN_S = 3  # RFC 4271 section 4.2: zero, or at least three seconds
SEND_HOLD_MIN_S = 480.0  # RFC 9687 section 3.1: eight minutes, or twice the hold time where that is longer


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig:
    """One peer. Addresses are text, the router identifier is its four octets."""

    address: str
    asn: int | Literal["internal", "external"]
    local_asn: int
    router_id: bytes
    local_address: str | None = None
    port: int = 179
    passive: bool = False
    hold_time_s: int = 90
    connect_retry_s: float = 10.0  # the longest wait between attempts; the first ones come sooner
    multihop: int | None = None  # TTL of an eBGP session that is not on one link
    ttl_security: int | None = None  # GTSM: the most hops that the peer may be away (1 = on link)
    password: str | None = field(default=None, repr=False)  # TCP MD5 (RFC 2385)
    families: tuple[Family, ...] = (L2VPN_EVPN,)
    extended_message: bool = True
    hostname: str = ""  # sent in the FQDN capability when set
    description: str = ""
    send_hold_s: float | None = None  # None: as RFC 9687 says
    restart_time_s: int = 0  # how long the peer may keep our routes while we restart (RFC 4724); 0: not at all
    maximum_prefix: int = 0  # 0: no limit; counted by the RIB's owner

    def __post_init__(self) -> None:
        if errors := [f"peer {self.address}: {error}" for error in self._errors()]:
            raise ConfigError(errors)

    @property
    def is_ebgp(self) -> bool:
        """External by configuration; "external" leaves only the number open."""
        return self.asn != "internal" and self.asn != self.local_asn

    @property
    def ttl(self) -> int | None:
        """The TTL to send with, None for the system's own (RFC 5082 section 3; one hop for a plain eBGP session)."""
        if self.ttl_security is not None:
            return 255
        if self.multihop is not None:
            return self.multihop
        return 1 if self.is_ebgp else None

    @property
    def minimum_ttl(self) -> int | None:
        """The lowest TTL to accept (RFC 5082 section 3): 255 for a peer on the link."""
        return None if self.ttl_security is None else 256 - self.ttl_security

    def _errors(self) -> Iterator[str]:
        for name, address in (("address", self.address), ("local_address", self.local_address)):
            if address is not None and not _is_address(address):
                yield f"{name} must be an IPv4 or IPv6 address, not {address!r}"
        for asn in (self.asn, self.local_asn):
            if isinstance(asn, int) and not 0 < asn < 1 << 32:
                yield f"AS number must be 1 to 4294967295, not {asn}"
        if len(self.router_id) != 4 or not any(self.router_id):
            yield "router_id must be four octets, not all zero"
        if not (self.hold_time_s == 0 or HOLD_TIME_MIN_S <= self.hold_time_s <= 65535):
            yield f"hold_time must be 0 or 3 to 65535 seconds, not {self.hold_time_s}"
        if self.multihop is not None and self.ttl_security is not None:
            yield "multihop and ttl_security exclude each other"
        for name, hops in (("multihop", self.multihop), ("ttl_security", self.ttl_security)):
            if hops is not None and not 1 <= hops <= 255:
                yield f"{name} must be 1 to 255, not {hops}"
        if self.password is not None and not 1 <= len(self.password.encode()) <= MD5_KEY_MAX:
            yield f"password must have 1 to {MD5_KEY_MAX} octets"
        if not 0 <= self.restart_time_s <= 4095:
            yield f"restart_time must be 0 to 4095 seconds, not {self.restart_time_s}"
        if not self.families:
            yield "families must name at least one address family"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

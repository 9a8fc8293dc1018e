"""What two OPEN messages make of a session: the OPEN we send, the checks on the peer's, and the agreement.

Pure functions from configuration and OPEN messages to a Negotiated, or to the ProtocolError that the peer's OPEN
deserves (RFC 4271 section 6.2, RFC 5492, RFC 6286, RFC 6793, RFC 7607). Must not know timers or connections.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evpnd.bgp import capability as caps
from evpnd.bgp.capability import FORWARDING, RESTARTED, Capability, GracefulFamily, GracefulRestart
from evpnd.bgp.family import IPV4_UNICAST, L2VPN_EVPN, Family
from evpnd.bgp.message import MAX_EXTENDED, MAX_SIZE, Open
from evpnd.bgp.peer_config import PeerConfig
from evpnd.bgp.update import Context
from evpnd.errors import ProtocolError

VERSION = 4
AS_TRANS = 23456  # RFC 6793 section 4.2.3

# OPEN Message Error (RFC 4271 section 6.2, RFC 5492 section 5)
OPEN_ERROR = 2
UNSUPPORTED_VERSION, BAD_PEER_AS, BAD_IDENTIFIER, UNACCEPTABLE_HOLD_TIME, UNSUPPORTED_CAPABILITY = 1, 2, 3, 6, 7


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What holds for one established session."""

    local_asn: int
    peer_asn: int
    local_router_id: bytes
    peer_router_id: bytes
    local_address: bytes  # 4 or 16 octets
    peer_address: bytes
    hold_time_s: int
    families: frozenset[Family]
    as4: bool
    extended_message: bool
    route_refresh: bool
    enhanced_refresh: bool
    graceful_restart: GracefulRestart | None  # the peer's, as it said it
    hostname: str  # the peer's, from its FQDN capability; "" when it says none
    capabilities: tuple[Capability, ...]  # the peer's, all of them, as they came

    @property
    def is_ebgp(self) -> bool:
        return self.peer_asn != self.local_asn

    @property
    def limit(self) -> int:
        """The most octets that a message may have, both ways (RFC 8654 section 4)."""
        return MAX_EXTENDED if self.extended_message else MAX_SIZE

    @property
    def context(self) -> Context:
        """How UPDATEs of this session are to be read."""
        return Context(as4=self.as4, ebgp=self.is_ebgp, extended_message=self.extended_message, families=self.families)


def make_open(config: PeerConfig, *, restarted: bool = False) -> Open:
    """The OPEN that we send to this peer; `restarted`: the first one since the daemon started (RFC 4724 section 3)."""
    asn = config.local_asn
    capabilities = [Capability.multiprotocol(family) for family in config.families]
    capabilities += [Capability.route_refresh(), Capability.enhanced_route_refresh(), Capability.as4(asn)]
    if config.extended_message:
        capabilities.append(Capability.extended_message())
    # RFC 4724 section 3: without families it says that End-of-RIB will be sent; some send it only to those who say so.
    restart = GracefulRestart(0, 0, ())
    if config.restart_time_s:
        # What the kernel forwards stays as it is over a restart, so the forwarding state is always preserved.
        kept = tuple(GracefulFamily(family, FORWARDING) for family in config.families if family == L2VPN_EVPN)
        restart = GracefulRestart(RESTARTED if restarted else 0, config.restart_time_s, kept)
    capabilities.append(Capability.graceful_restart(restart))
    if config.hostname:
        capabilities.append(Capability.fqdn(config.hostname))
    return Open(
        version=VERSION,
        asn=asn if asn < 1 << 16 else AS_TRANS,
        hold_time_s=config.hold_time_s,
        router_id=config.router_id,
        capabilities=tuple(capabilities),
    )


def negotiate(config: PeerConfig, received: Open, local_address: bytes, peer_address: bytes) -> Negotiated:
    """What our OPEN and `received` agree on; ProtocolError 2 when they can't."""
    if received.version != VERSION:
        text = f"the peer speaks BGP version {received.version}, not {VERSION}"
        raise ProtocolError(OPEN_ERROR, UNSUPPORTED_VERSION, VERSION.to_bytes(2, "big"), text)
    theirs = _by_code(received.capabilities)
    peer_asn = _peer_asn(config, received, theirs)
    _check_identifier(config, received, peer_asn)
    if 0 < received.hold_time_s < 3:
        text = f"the peer's hold time of {received.hold_time_s} s is not acceptable"
        raise ProtocolError(OPEN_ERROR, UNACCEPTABLE_HOLD_TIME, message=text)
    return Negotiated(
        local_asn=config.local_asn,
        peer_asn=peer_asn,
        local_router_id=config.router_id,
        peer_router_id=received.router_id,
        local_address=local_address,
        peer_address=peer_address,
        hold_time_s=min(config.hold_time_s, received.hold_time_s),
        families=_families(config, theirs.get(caps.MULTIPROTOCOL, ())),
        as4=caps.AS4 in theirs,
        extended_message=config.extended_message and caps.EXTENDED_MESSAGE in theirs,
        route_refresh=caps.ROUTE_REFRESH in theirs,
        enhanced_refresh=caps.ROUTE_REFRESH in theirs and caps.ENHANCED_ROUTE_REFRESH in theirs,
        graceful_restart=_graceful_restart(theirs.get(caps.GRACEFUL_RESTART, ())),
        hostname=_hostname(theirs.get(caps.FQDN, ())),
        capabilities=received.capabilities,
    )


def _by_code(capabilities: Iterable[Capability]) -> dict[int, tuple[Capability, ...]]:
    grouped: dict[int, tuple[Capability, ...]] = {}
    for capability in capabilities:
        grouped[capability.code] = (*grouped.get(capability.code, ()), capability)
    return grouped


def _peer_asn(config: PeerConfig, received: Open, theirs: dict[int, tuple[Capability, ...]]) -> int:
    """The peer's AS number, checked against the configuration (RFC 6793 section 4.1, RFC 7607)."""
    asn = theirs[caps.AS4][-1].asn() if caps.AS4 in theirs else received.asn
    if asn == config.asn:
        return asn
    text = ""
    if asn in (0, AS_TRANS):
        text = f"the peer's AS is {asn}, which is reserved"
    elif config.asn == "internal" and asn != config.local_asn:
        text = f"the peer's AS is {asn}, configured internal (our AS {config.local_asn})"
    elif config.asn == "external" and asn == config.local_asn:
        text = f"the peer's AS is our own, {asn}, configured external"
    elif isinstance(config.asn, int):
        text = f"the peer's AS is {asn}, configured {config.asn}"
    if text:
        raise ProtocolError(OPEN_ERROR, BAD_PEER_AS, message=text)
    return asn


def _check_identifier(config: PeerConfig, received: Open, peer_asn: int) -> None:
    """RFC 6286 section 2.1: not zero, and inside an AS not our own."""
    if not any(received.router_id):
        raise ProtocolError(OPEN_ERROR, BAD_IDENTIFIER, message="the peer's router id is zero")
    if received.router_id == config.router_id and peer_asn == config.local_asn:
        text = "the peer has our router id " + ".".join(map(str, received.router_id))
        raise ProtocolError(OPEN_ERROR, BAD_IDENTIFIER, message=text)


def _families(config: PeerConfig, theirs: Iterable[Capability]) -> frozenset[Family]:
    """The families of both sides; a peer that names none speaks IPv4 unicast (RFC 4760 section 8)."""
    offered = {family for capability in theirs if (family := _family(capability))} or {IPV4_UNICAST}
    common = offered.intersection(config.families)
    if not common:
        wanted = ", ".join(family.name for family in config.families)
        has = ", ".join(sorted(family.name for family in offered))
        # RFC 5492 section 5: Data holds the capabilities that we miss.
        data = b"".join(Capability.multiprotocol(family).encode() for family in config.families)
        text = f"no address family in common: the peer has {has}, configured {wanted}"
        raise ProtocolError(OPEN_ERROR, UNSUPPORTED_CAPABILITY, data, text)
    return frozenset(common)


# A capability whose value can't be read counts as not sent (RFC 5492 leaves it open); only the AS number's is fatal.
def _family(capability: Capability) -> Family | None:
    try:
        return capability.family()
    except ProtocolError:
        return None


def _graceful_restart(theirs: tuple[Capability, ...]) -> GracefulRestart | None:
    """RFC 4724 section 3: of several, the last one counts."""
    try:
        return theirs[-1].restart() if theirs else None
    except ProtocolError:
        return None


def _hostname(theirs: tuple[Capability, ...]) -> str:
    try:
        return theirs[-1].host_and_domain()[0] if theirs else ""
    except ProtocolError:
        return ""

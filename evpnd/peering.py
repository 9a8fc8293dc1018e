"""What the speaker holds of one peer beyond its session: policies, Adj-RIB-In, restart state.

Owns the judgement of a peer's UPDATEs before they reach the Loc-RIB. Synchronous; knows no sockets.
"""

from __future__ import annotations

from collections.abc import Iterable

from evpnd.bgp.adj_out import Member, UpdateGroup
from evpnd.bgp.family import L2VPN_EVPN
from evpnd.bgp.negotiation import Negotiated
from evpnd.bgp.path import Source
from evpnd.bgp.policy import ExportPolicy, ImportPolicy
from evpnd.bgp.rib import AdjRibIn, Rib
from evpnd.bgp.update import Update
from evpnd.config import PeerSettings
from evpnd.evpn.nlri import split_entries, split_keys


class Peering:
    """One configured peer. What the OPEN said is in the Adj-RIB-In's source, and may be different at each session."""

    def __init__(self, settings: PeerSettings) -> None:
        self.settings = settings
        self.rib_in = AdjRibIn(Source(settings.address))
        self.imports: ImportPolicy | None = None
        self.group: UpdateGroup | None = None
        self.member: Member | None = None
        self.synced = False  # End-of-RIB received in this session
        self.established = False
        self.refused: dict[bytes, str] = {}  # routes that the peer has announced and we don't take: why

    def open(self, negotiated: Negotiated, imports: ImportPolicy, rib: Rib) -> None:
        """A session came up; what is kept from the one before it is stale (RFC 4724 section 4.2)."""
        source = self.rib_in.source
        before = source.identity
        source.address = negotiated.peer_address
        source.router_id = negotiated.peer_router_id
        source.ebgp = negotiated.is_ebgp
        source.client = self.settings.route_reflector_client
        if source.identity != before:
            rib.source_changed(self.rib_in)
        self.imports = imports
        self.synced = False
        self.established = True

    def close(self) -> None:
        """The session ended."""
        if self.group is not None:
            self.group.leave(self.rib_in.source)
        self.group = self.member = None
        self.established = self.synced = False
        self.refused.clear()

    def receive(self, update: Update, rib: Rib) -> None:
        """Bring an UPDATE's routes into the Loc-RIB (RFC 4271 section 9)."""
        for unreach in update.unreach:
            if unreach.family == L2VPN_EVPN:
                keys = split_keys(unreach.nlri)
                rib.withdraw(self.rib_in, keys)
                self._unrefuse(keys)
        for reach in update.reach:
            if reach.family != L2VPN_EVPN:
                continue
            assert self.imports is not None
            reason = self.imports.rejection(update.attributes)
            if reason is None:
                # RFC 2545 section 3: a link-local address may follow the global one.
                next_hop = reach.next_hop[:16]
                entries = split_entries(reach.nlri)
                rib.announce(self.rib_in, update.attributes, next_hop, entries)
                self._unrefuse(key for key, _ in entries)
            else:
                # Not accepted, but it replaces what the peer said before (RFC 4271 section 9.1).
                keys = split_keys(reach.nlri)
                rib.withdraw(self.rib_in, keys)
                self.refused.update(dict.fromkeys(keys, reason))

    def _unrefuse(self, keys: Iterable[bytes]) -> None:
        if self.refused:
            for key in keys:
                self.refused.pop(key, None)

    @property
    def routes_in(self) -> int:
        """How many routes the peer announces, those that are refused among them."""
        return len(self.rib_in.paths) + len(self.refused)

    @property
    def over_limit(self) -> bool:
        """More routes than maximum_prefix allows."""
        limit = self.settings.maximum_prefix
        return bool(limit) and self.routes_in > limit


def export_policy(
    negotiated: Negotiated, settings: PeerSettings, *, local_asn: int, router_id: bytes, cluster_id: bytes
) -> ExportPolicy:
    """What decides which update group a session belongs to."""
    return ExportPolicy(
        local_asn=local_asn,
        router_id=router_id,
        cluster_id=cluster_id,
        ebgp=negotiated.is_ebgp,
        client=settings.route_reflector_client,
        as4=negotiated.as4,
        limit=negotiated.limit,
        next_hop_self=negotiated.local_address if settings.next_hop == "self" else None,
    )

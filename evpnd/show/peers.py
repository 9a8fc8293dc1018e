"""The rows of peers: their sessions, what was negotiated, how many routes came and went, and why there is no session.

Must not know tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from evpnd.bgp.counters import MESSAGE_NAMES
from evpnd.bgp.negotiation import make_open
from evpnd.config import PeerSettings
from evpnd.evpn.values import ip_text
from evpnd.peering import Peering
from evpnd.requests import Filters, RequestError, unknown_peer
from evpnd.show.running import Row, Running, milliseconds

if TYPE_CHECKING:
    from evpnd.bgp.session import Session


class Peers:
    """`show peers`, `show peer`, `clear peer`."""

    def __init__(self, daemon: Running) -> None:
        self._daemon = daemon
        self._speaker = daemon.speaker

    def peers(self, filters: Filters) -> Iterator[Row | None]:
        """All configured peers, the disabled ones too."""
        for settings in self._daemon.config.bgp.peers:
            yield self._peer_row(settings.address)
            yield None  # its routes were counted

    def _settings(self, address: str) -> PeerSettings:
        settings = next((peer for peer in self._daemon.config.bgp.peers if peer.address == address), None)
        if settings is None:
            raise unknown_peer(address)
        return settings

    def _peer_row(self, address: str) -> Row:
        settings = self._settings(address)
        row: Row = {"address": address, "asn": settings.asn, "description": settings.description}
        session, peering = self._daemon.sessions.get(address), self._speaker.peerings.get(address)
        if not settings.enabled:
            return {**row, "state": "disabled", "problem": "disabled in the configuration"}
        if session is None or peering is None:
            return {**row, "state": "idle", "problem": "evpnd is starting, and reads the kernel's tables"}
        counters, negotiated = session.counters, session.negotiated
        if negotiated is not None:
            row["asn"] = negotiated.peer_asn
        return {
            **row,
            "state": session.state.name.replace("_", "").lower(),
            "uptime_s": milliseconds(session.uptime),
            "routes_in": peering.routes_in,
            "routes_accepted": len(peering.rib_in.paths),
            "routes_out": self._routes_out(peering),
            "messages_in": sum(counters.received.values()),
            "messages_out": sum(counters.sent.values()),
            "problem": self._problem(session),
        }

    def _problem(self, session: Session) -> str | None:
        """Why there is no session; that the peer can't connect to us only matters while there is none."""
        listener = self._daemon.listener
        deaf = listener.problem_of(session) if listener is not None and session.uptime is None else None
        return "; ".join(text for text in (session.problem, deaf) if text) or None

    def _routes_out(self, peering: Peering) -> int:
        group = peering.group
        if group is None:
            return 0
        told, paths = group.advertised, peering.rib_in.paths  # its own routes are not told to it
        return len(told) - sum(1 for key in paths if key in told and told[key].source is peering.rib_in.source)

    def peer(self, filters: Filters) -> Row:
        """Everything about one peer."""
        address = str(filters["peer"])
        settings = self._settings(address)
        row = self._peer_row(address)
        session = self._daemon.sessions.get(address)
        if session is None:
            return row
        peering = self._speaker.peerings[address]
        row |= {
            "kind": _peer_kind(session, settings.route_reflector_client),
            "last_error": session.last_error or None,
            "last_error_age_s": milliseconds(session.last_error_age),
            "established_count": session.counters.established,
            "passive": settings.passive,
            "multihop": settings.multihop,
            "ttl_security": settings.ttl_security,
            "md5": settings.password is not None,
            "maximum_prefix": settings.maximum_prefix,
            "capabilities_sent": [capability.name for capability in make_open(session.config).capabilities],
            "end_of_rib_out": ["l2vpn-evpn"] if peering.member is not None and not peering.member.backlog else [],
            "routes_by_type": dict(sorted(Counter(key[0] for key in peering.rib_in.paths).items())),
            "routes_rejected": dict(Counter(peering.refused.values())) or None,
            "routes_stale": len(peering.rib_in.stale) or None,
            "end_of_rib_in": ["l2vpn-evpn"] if peering.synced else [],
            "messages": _messages(session),
            "update_errors": _faults(session, self._daemon.now()),
        }
        return row | _negotiated(session)

    def clear_peer(self, filters: Filters) -> Row:
        """Reset a session, or only refresh both tables."""
        address = str(filters["peer"])
        session = self._daemon.sessions.get(address)
        if session is None:
            raise RequestError(f"peer {address} has no session: {self._peer_row(address)['problem']}")
        soft = bool(filters.get("soft"))
        if soft and session.uptime is None:
            raise RequestError(f"there is no session with {address} now; `evpnctl show peer {address}` says why")
        return {"done": self._daemon.clear(address, soft)}


def _peer_kind(session: Session, client: bool) -> str:
    if client:
        return "route reflector client"
    negotiated = session.negotiated
    ebgp = session.config.is_ebgp if negotiated is None else negotiated.is_ebgp
    return "external" if ebgp else "internal"


def _negotiated(session: Session) -> Row:
    negotiated = session.negotiated
    if negotiated is None:
        return {}
    local_port, remote_port = session.ports
    return {
        "router_id": ip_text(negotiated.peer_router_id),
        "hostname": negotiated.hostname or None,
        "local_address": ip_text(negotiated.local_address),
        "local_port": local_port,
        "remote_port": remote_port,
        "hold_time_s": negotiated.hold_time_s,
        "keepalive_s": negotiated.hold_time_s // 3,
        "families": sorted(family.name for family in negotiated.families),
        "capabilities_received": list(dict.fromkeys(capability.name for capability in negotiated.capabilities)),
    }


def _messages(session: Session) -> list[Row]:
    received, sent = session.counters.received, session.counters.sent
    return [{"type": name, "in": received[number], "out": sent[number]} for number, name in MESSAGE_NAMES.items()]


def _faults(session: Session, now: float) -> list[Row]:
    return [
        {
            "age_s": milliseconds(now - fault.at),
            "action": fault.action.name.lower(),
            "message": fault.text,
            "data": fault.body.hex(),
        }
        for fault in reversed(session.counters.faults)
    ]

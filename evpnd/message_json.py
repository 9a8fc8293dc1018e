"""BGP messages as JSON objects: the shape that `evpnd decode`, `evpnctl --json` and events share.

Owns the names and shapes. Routes show themselves (to_json); attributes have IANA's names in snake case and the values
of the table here; what evpnd does not read shows as hex. It does not know where messages come from.

An update has `attributes`, `announced` and `withdrawn`; `end_of_rib` only if it is one, and `errors` (RFC 7606) only if
it has any. An AS_PATH is a list of AS numbers in which a set is an object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evpnd.bgp import attribute_table as table
from evpnd.bgp import capability as cap
from evpnd.bgp.aspath import AsPath
from evpnd.bgp.attributes import Aggregator, PathAttributes, PmsiTunnel
from evpnd.bgp.capability import Capability
from evpnd.bgp.community import community_text
from evpnd.bgp.family import Family
from evpnd.bgp.message import Keepalive, Message, Notification, Open, RouteRefresh
from evpnd.bgp.prefix import Prefix
from evpnd.bgp.reach import CODECS, Reach, Unreach
from evpnd.bgp.update import Update
from evpnd.errors import ProtocolError
from evpnd.evpn import labels
from evpnd.evpn.community_text import to_text
from evpnd.evpn.values import ip_text

Json = dict[str, Any]

_ORIGINS = {0: "igp", 1: "egp", 2: "incomplete"}
_SEGMENTS = {1: "as_set", 3: "as_confed_sequence", 4: "as_confed_set"}

# RFC 6514 section 5, RFC 7524, RFC 9574, RFC 8556
_TUNNELS = {
    0: "none",
    1: "rsvp-te-p2mp",
    2: "mldp-p2mp",
    3: "pim-ssm",
    4: "pim-sm",
    5: "pim-bidir",
    6: "ingress-replication",
    7: "mldp-mp2mp",
    8: "transport",
    10: "assisted-replication",
    11: "bier",
}


def message_to_json(message: Message) -> Json:
    return _MESSAGES[type(message)](message)


def attributes_to_json(attributes: PathAttributes) -> Json:
    """The attributes in the order they came, by name."""
    shown: Json = {}
    for item in attributes.items:
        show = _ATTRIBUTES.get(item.code)
        name = table.attribute_name(item.code)
        shown[name] = show(attributes) if show is not None else {"flags": item.flags, "value": item.value.hex()}
    return shown


def error_to_json(error: ProtocolError) -> Json:
    return {
        "code": error.code,
        "subcode": error.subcode,
        "action": error.action.name.lower(),
        "message": error.message,
        "data": error.data.hex(),
    }


def next_hop_to_json(next_hop: bytes) -> str | None:
    """The address a next hop of 4, 16 or 32 octets begins with (RFC 4760, RFC 2545); hex for other sizes."""
    if not next_hop:
        return None
    return ip_text(next_hop[:16])


def _open(message: Open) -> Json:
    try:
        asn = message.asn4
    except ProtocolError:  # shown with the capability
        asn = message.asn
    return {
        "type": "open",
        "version": message.version,
        "asn": asn,
        "hold_time": message.hold_time_s,
        "router_id": ip_text(message.router_id),
        "capabilities": [capability_to_json(capability) for capability in message.capabilities],
    }


def capability_to_json(capability: Capability) -> Json:
    """`code`, `name` and what the value says; the value's hex when evpnd does not read it or it is malformed."""
    shown: Json = {"code": capability.code, "name": capability.name}
    show = _CAPABILITIES.get(capability.code)
    if show is None:
        return shown | ({"value": capability.value.hex()} if capability.value else {})
    try:
        return shown | show(capability)
    except ProtocolError as error:
        return shown | {"value": capability.value.hex(), "error": error.message}


def _graceful_restart(capability: Capability) -> Json:
    restart = capability.restart()
    return {
        "restart_time": restart.restart_time_s,
        "restarted": restart.restarted,
        "notification": restart.notification,
        "families": [{"family": family.family.name, "preserved": family.preserved} for family in restart.families],
    }


def _long_lived(capability: Capability) -> Json:
    return {
        "families": [
            {"family": entry.family.name, "flags": entry.flags, "stale_time": entry.stale_time_s}
            for entry in capability.long_lived()
        ]
    }


def _fqdn(capability: Capability) -> Json:
    host, domain = capability.host_and_domain()
    return {"host": host, "domain": domain}


_CAPABILITIES: dict[int, Callable[[Capability], Json]] = {
    cap.MULTIPROTOCOL: lambda capability: {"family": capability.family().name},
    cap.AS4: lambda capability: {"asn": capability.asn()},
    cap.EXTENDED_NEXT_HOP: lambda capability: {
        "families": [
            {"family": entry.family.name, "next_hop_afi": entry.next_hop_afi} for entry in capability.next_hops()
        ]
    },
    cap.GRACEFUL_RESTART: _graceful_restart,
    cap.LONG_LIVED_GRACEFUL_RESTART: _long_lived,
    cap.ADD_PATH: lambda capability: {
        "families": [
            {"family": entry.family.name, "receive": bool(entry.direction & 1), "send": bool(entry.direction & 2)}
            for entry in capability.add_paths()
        ]
    },
    cap.FQDN: _fqdn,
}


def _update(message: Update) -> Json:
    shown: Json = {
        "type": "update",
        "attributes": attributes_to_json(message.attributes),
        "announced": [_reach(part) for part in message.reach],
        "withdrawn": [_unreach(part) for part in message.unreach],
    }
    if message.end_of_rib is not None:
        shown["end_of_rib"] = message.end_of_rib.name
    if message.errors:
        shown["errors"] = [error_to_json(error) for error in message.errors]
    return shown


def _reach(part: Reach) -> Json:
    shown: Json = {"family": part.family.name, "next_hop": next_hop_to_json(part.next_hop)}
    if len(part.next_hop) == 32:
        shown["link_local_next_hop"] = ip_text(part.next_hop[16:])
    return shown | {"routes": _routes(part)}


def _unreach(part: Unreach) -> Json:
    return {"family": part.family.name, "next_hop": None, "routes": _routes(part)}


def _routes(part: Reach | Unreach) -> list[Json]:
    """The routes, with the path identifier when there is one; of a family that evpnd does not read, the octets."""
    if part.family not in CODECS:
        return [{"raw": part.nlri.hex()}] if part.nlri else []
    shown = [_route(route, part.family) for route in part.routes]
    if part.add_path:
        return [{**route, "path_id": number} for route, number in zip(shown, part.path_ids, strict=True)]
    return shown


def _route(route: Any, family: Family) -> Json:
    if isinstance(route, Prefix):
        return {"prefix": route.text(4 if family.afi == 1 else 16)}
    shown: Json = route.to_json()
    return shown


def _notification(message: Notification) -> Json:
    return {
        "type": "notification",
        "code": message.code,
        "subcode": message.subcode,
        "text": message.text(),
        "data": message.data.hex(),
    }


def _keepalive(message: Keepalive) -> Json:
    return {"type": "keepalive"}


def _route_refresh(message: RouteRefresh) -> Json:
    return {"type": "route-refresh", "family": message.family.name, "subtype": message.subtype}


_MESSAGES: dict[type, Callable[[Any], Json]] = {
    Open: _open,
    Update: _update,
    Notification: _notification,
    Keepalive: _keepalive,
    RouteRefresh: _route_refresh,
}


def _as_path(path: AsPath | None) -> list[Any]:
    shown: list[Any] = []
    for kind, asns in path.segments if path is not None else ():
        name = _SEGMENTS.get(kind)
        shown += asns if name is None else [{name: list(asns)}]
    return shown


def _aggregator(aggregator: Aggregator | None) -> Json | None:
    return None if aggregator is None else {"asn": aggregator.asn, "router_id": ip_text(aggregator.router_id)}


def _pmsi(pmsi: PmsiTunnel | None) -> Json | None:
    if pmsi is None:
        return None
    shown: Json = {
        "flags": pmsi.flags,
        "leaf_information_required": bool(pmsi.flags & 1),
        "tunnel_type": _TUNNELS.get(pmsi.tunnel_type) or str(pmsi.tunnel_type),
        "label": labels.vni(pmsi.label),
    }
    if pmsi.tunnel_type == table.INGRESS_REPLICATION:
        return shown | {"endpoint": ip_text(pmsi.endpoint)}
    return shown | {"tunnel_id": pmsi.endpoint.hex()}


# attribute type -> what shows of it; other types show flags and hex
_ATTRIBUTES: dict[int, Callable[[PathAttributes], Any]] = {
    table.ORIGIN: lambda attributes: _ORIGINS.get(attributes.origin or 0),
    table.AS_PATH: lambda attributes: _as_path(attributes.as_path),
    table.NEXT_HOP: lambda attributes: ip_text(attributes.next_hop or b""),
    table.MED: lambda attributes: attributes.med,
    table.LOCAL_PREF: lambda attributes: attributes.local_pref,
    table.ATOMIC_AGGREGATE: lambda attributes: attributes.atomic_aggregate,
    table.AGGREGATOR: lambda attributes: _aggregator(attributes.aggregator),
    table.COMMUNITIES: lambda attributes: [community_text(value) for value in attributes.communities],
    table.ORIGINATOR_ID: lambda attributes: ip_text(attributes.originator_id or b""),
    table.CLUSTER_LIST: lambda attributes: [ip_text(value) for value in attributes.cluster_list],
    table.EXTENDED_COMMUNITIES: lambda attributes: [to_text(value) for value in attributes.extended_communities],
    table.AS4_PATH: lambda attributes: _as_path(attributes.as4_path),
    table.AS4_AGGREGATOR: lambda attributes: _aggregator(attributes.as4_aggregator),
    table.PMSI_TUNNEL: lambda attributes: _pmsi(attributes.pmsi),
    table.LARGE_COMMUNITIES: lambda attributes: [value.text() for value in attributes.large_communities],
    table.OTC: lambda attributes: attributes.otc,
}

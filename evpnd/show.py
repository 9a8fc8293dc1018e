"""What `evpnctl show` and `clear` are answered: rows made from the running state, in the form evpnd.views names.

Reads everything and owns nothing. Long listings are generators over a copy of the keys, since the world changes while
a client reads. Must not know sockets or tables.
"""

from __future__ import annotations

import errno
import math
import os
import platform
import time
from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from evpnd import __version__
from evpnd.bgp.counters import MESSAGE_NAMES
from evpnd.bgp.decision import MAC_IP, decisive_step
from evpnd.bgp.negotiation import make_open
from evpnd.bgp.path import Path
from evpnd.config import Config
from evpnd.evpn.addresses import is_host_mac
from evpnd.evpn.extended_community import to_text
from evpnd.evpn.instances import MAC_IN_KEY, MULTICAST
from evpnd.evpn.macvrf import MacVrf
from evpnd.evpn.mobility import LocalMac
from evpnd.evpn.nlri import route_from_entry
from evpnd.evpn.values import ip_text, mac_from_text, mac_text, rd_text
from evpnd.fib.intent import describe
from evpnd.fib.kernel import Kernel
from evpnd.message_json import attributes_to_json
from evpnd.peering import Peering
from evpnd.requests import Filters, Handler, unknown_peer, unknown_vni
from evpnd.speaker import Speaker

if TYPE_CHECKING:
    from evpnd.bgp.listener import Listener
    from evpnd.bgp.session import Session

Row = dict[str, Any]

SORTED_KEYS = 50_000  # a longer listing comes in the order of arrival: sorting would hold up the loop
PAUSE = 1000  # keys looked at, after which the loop has its turn, whether there was a row among them or not


class Running(Protocol):
    """What is looked at: the daemon."""

    config: Config
    kernel: Kernel
    listener: Listener | None
    sessions: dict[str, Session]
    speaker: Speaker
    started_at: float

    def now(self) -> float:
        """The clock that sessions and kernel go by, in seconds."""

    def clear(self, address: str, soft: bool) -> str:
        """Reset a session or refresh it; what was done, in words."""


def handlers(daemon: Running) -> dict[str, Handler]:
    """The control socket's commands."""
    show = Show(daemon)
    return {
        "show.peers": show.peers,
        "show.peer": show.peer,
        "show.routes": show.routes,
        "show.vni": show.vnis,
        "show.mac": show.macs,
        "show.vteps": show.vteps,
        "show.fib": show.fib,
        "show.fib.failures": show.fib_failures,
        "show.version": show.version,
        "clear.peer": show.clear_peer,
    }


class Show:
    """One method a command; each takes checked filters."""

    def __init__(self, daemon: Running) -> None:
        self._daemon = daemon
        self._speaker = daemon.speaker

    # Peers

    def peers(self, filters: Filters) -> Iterator[Row | None]:
        """All configured peers, the disabled ones too."""
        for settings in self._daemon.config.bgp.peers:
            yield self._peer_row(settings.address)
            yield None  # its routes were counted

    def _peer_row(self, address: str) -> Row:
        settings = next(peer for peer in self._daemon.config.bgp.peers if peer.address == address)
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
            "uptime_s": session.uptime,
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
        settings = next((peer for peer in self._daemon.config.bgp.peers if peer.address == address), None)
        if settings is None:
            raise unknown_peer(address)
        row = self._peer_row(address)
        session = self._daemon.sessions.get(address)
        if session is None:
            return row
        peering = self._speaker.peerings[address]
        row |= {
            "kind": _peer_kind(session, settings.route_reflector_client),
            "last_error": session.last_error or None,
            "last_error_age_s": session.last_error_age,
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
        if address not in self._daemon.sessions:
            raise unknown_peer(address)
        return {"done": self._daemon.clear(address, bool(filters.get("soft")))}

    # Routes

    def routes(self, filters: Filters) -> Iterator[Row | None]:
        """All paths of all routes, the best of each first."""
        vrf = self._vrf(filters["vni"]) if "vni" in filters else None
        mac = mac_from_text(str(filters["mac"])) if "mac" in filters else None
        kind, peer = filters.get("type"), filters.get("peer")
        if peer is not None and peer not in self._speaker.peerings:
            raise unknown_peer(str(peer))
        return self._routes(vrf, mac, kind, peer)

    def _routes(self, vrf: MacVrf | None, mac: bytes | None, kind: object, peer: object) -> Iterator[Row | None]:
        rib = self._speaker.rib
        for count, key in enumerate(_listed(rib.table), 1):
            if count % PAUSE == 0:
                yield None
            if key not in rib.table:
                continue  # gone since the listing began
            if kind is not None and key[0] != kind:
                continue
            if mac is not None and (key[0] != MAC_IP or key[MAC_IN_KEY] != mac):
                continue
            paths = rib.paths(key)
            for index, path in enumerate(paths):
                if peer is not None and path.source.name != peer:
                    continue
                importers = self._speaker.instances.importers_now(path)
                if vrf is not None and vrf not in importers and not _is_own(vrf, key, path):
                    continue
                yield self._route_row(key, path, paths[0], importers, best=index == 0)

    def _route_row(self, key: bytes, path: Path, first: Path, importers: tuple[MacVrf, ...], best: bool) -> Row:
        return {
            **route_from_entry(key, path.body).to_json(),
            "best": best,
            "peer": path.source.name,
            "next_hop": ip_text(path.next_hop),
            "attributes": attributes_to_json(path.attributes),
            "vnis": [vrf.vni for vrf in importers],
            "stale": key in self._stale(path) or None,
            "why": self._why_not(key, path, first, best),
        }

    def _stale(self, path: Path) -> set[bytes]:
        peering = self._speaker.peerings.get(path.source.name)
        return peering.rib_in.stale if peering is not None else set()

    def _why_not(self, key: bytes, path: Path, first: Path, best: bool) -> str | None:
        """Why a route has no effect here, or None."""
        if not best:
            return f"not best: the other has {decisive_step(key, first, path)}"
        if path.source.local:
            return None
        if not path.instances:
            return self._speaker.instances.why_not_imported(path)
        if all(path.next_hop == vrf.vtep for vrf in path.instances):
            return "not installed: the next hop is this host"
        if key[0] == MULTICAST and all(key in vrf.no_flood for vrf in path.instances):
            vrf = path.instances[0]
            return f"not installed: {ip_text(vrf.no_flood[key])} is {vrf.why_not(vrf.no_flood[key])}"
        if key[0] == MULTICAST and not any(key in vrf.flood for vrf in path.instances):
            return "not installed: flooding is off, or there is no tunnel to a VTEP that can be reached from here"
        if key[0] == MAC_IP:
            mac = key[MAC_IN_KEY]
            if not is_host_mac(mac):
                return "not installed: no host can have this MAC"
            if not any(vrf.usable(path) for vrf in path.instances):
                return f"not installed: {ip_text(path.next_hop)} is {path.instances[0].why_not(path.next_hop)}"
            winners = [vrf.remote_winner(mac) for vrf in path.instances]
            if any(mac in vrf.local for vrf in path.instances):
                return "not installed: the MAC is local here"
            if all(winner is not path for winner in winners):
                return "not installed: another route for the MAC is better"
        return None

    # VNIs

    def _vrf(self, vni: object) -> MacVrf | None:
        instances = self._speaker.instances
        if vni not in instances.vnis:
            raise unknown_vni(int(str(vni)))
        return instances.by_vni.get(int(str(vni)))

    def vnis(self, filters: Filters) -> list[Row]:
        """The VNIs, working or not."""
        instances = self._speaker.instances
        if "vni" in filters:
            self._vrf(filters["vni"])
        rows = []
        for vni, device in sorted(instances.vnis.items()):
            if filters.get("vni", vni) != vni:
                continue
            row: Row = {
                "vni": vni,
                "device": device.name,
                "bridge": device.bridge_name or None,
                "vtep": ip_text(device.vtep) if device.vtep else None,
                "problem": device.problem,
                "warnings": list(device.warnings),
            }
            vrf = instances.by_vni.get(vni)
            if vrf is not None:
                if vrf.unreached:
                    text = f"MACs without a route to a VTEP that can be reached from here: {len(vrf.unreached)}"
                    row["warnings"].append(text)
                row |= {
                    "rd": rd_text(vrf.rd),
                    "import_targets": vrf.imports.text(),
                    "export_targets": [to_text(target).removeprefix("rt:") for target in vrf.exports],
                    "local_macs": len(vrf.local),
                    "remote_macs": vrf.count_remote(),
                    "unreached_macs": len(vrf.unreached),
                    "remote_vteps": len(vrf.vteps()),
                    "advertise": vrf.advertise,
                    "flooding": vrf.flooding,
                }
            rows.append(row)
        if "vni" not in filters:
            unusable = self._daemon.kernel.unusable
            rows += [{"vni": None, "device": name, "problem": reason} for name, reason in sorted(unusable.items())]
        return rows

    def _vrfs(self, filters: Filters) -> list[MacVrf]:
        if "vni" in filters:
            vrf = self._vrf(filters["vni"])
            return [] if vrf is None else [vrf]
        return [vrf for _, vrf in sorted(self._speaker.instances.by_vni.items())]

    def macs(self, filters: Filters) -> Iterator[Row | None]:
        """Each MAC of each VNI with its owner."""
        vrfs = self._vrfs(filters)
        mac = mac_from_text(str(filters["mac"])) if "mac" in filters else None
        return (row for vrf in vrfs for row in self._macs(vrf, mac))

    def _macs(self, vrf: MacVrf, wanted: bytes | None) -> Iterator[Row | None]:
        macs = [wanted] if wanted is not None else _listed(_known(vrf))
        for count, mac in enumerate(macs, 1):
            if count % PAUSE == 0:
                yield None
            local, winner = vrf.local.get(mac), vrf.remote_winner(mac)
            if local is not None:
                yield self._local_row(vrf, mac, local)
            elif winner is not None:
                yield {
                    "vni": vrf.vni,
                    "mac": mac_text(mac),
                    "kind": "remote",
                    "sticky": winner.sticky,
                    "vtep": ip_text(winner.next_hop),
                    "sequence": winner.sequence,
                    "ips": vrf.addresses(mac),
                    "peer": winner.source.name,
                    "problem": vrf.conflict(mac) or self._failure(vrf, mac),
                }

    def _local_row(self, vrf: MacVrf, mac: bytes, local: LocalMac) -> Row:
        link = self._daemon.kernel.links.get(local.port)
        return {
            "vni": vrf.vni,
            "mac": mac_text(mac),
            "kind": "local",
            "sticky": local.sticky,
            "port": link.name if link is not None else str(local.port),
            "sequence": local.sequence,
            "ips": [],
            "problem": vrf.conflict(mac),
        }

    def _failure(self, vrf: MacVrf, mac: bytes) -> str | None:
        failure = self._daemon.kernel.failures.get(vrf.intent(mac))
        return None if failure is None else f"not in the kernel: {failure.text}"

    def vteps(self, filters: Filters) -> Iterator[Row | None]:
        """The remote VTEPs of each VNI: those in the flood list, and those that have MACs."""
        vrfs = self._vrfs(filters)
        return (row for vrf in vrfs for row in self._vteps(vrf))

    def _vteps(self, vrf: MacVrf) -> Iterator[Row | None]:
        macs: Counter[bytes] = Counter()
        for count, mac in enumerate(list(vrf.remote), 1):
            if count % PAUSE == 0:
                yield None
            if mac not in vrf.local and (winner := vrf.remote_winner(mac)) is not None:
                macs[winner.next_hop] += 1
        keys = {vtep: key for key, vtep in vrf.flood.items()}
        for vtep in sorted(macs.keys() | keys.keys()):
            key = keys.get(vtep)
            path = self._speaker.rib.best(key) if key is not None else None
            yield {
                "vni": vrf.vni,
                "vtep": ip_text(vtep),
                "flood": key is not None,
                "macs": macs[vtep],
                "rd": rd_text(key[1:9]) if key is not None else None,
                "peer": path.source.name if path is not None else None,
                "problem": None if key is not None else "no type 3 route: no flooding to it",
            }

    # Kernel and daemon

    def fib(self, filters: Filters) -> Row:
        """Counters of the kernel's side."""
        stats = dict(self._daemon.kernel.stats)
        renamed = {"installed": "owned", "dirty": "pending", "requests": "written"}
        return {renamed.get(key, key): value for key, value in stats.items()}

    def fib_failures(self, filters: Filters) -> list[Row]:
        """What the kernel refused."""
        now = self._daemon.now()
        return [
            {
                "entry": describe(key),
                "errno": errno.errorcode.get(failure.errno, str(failure.errno)),
                "count": failure.count,
                "retry_in_s": max(0.0, failure.retry_at - now) if failure.retry_at < math.inf else None,
                "error": failure.text,
            }
            for key, failure in self._daemon.kernel.failures.items()
        ]

    def version(self, filters: Filters) -> Row:
        """The daemon itself."""
        config, listener = self._daemon.config, self._daemon.listener
        return {
            "version": __version__,
            "python": platform.python_version(),
            "pid": os.getpid(),
            "uptime_s": time.monotonic() - self._daemon.started_at,
            "asn": config.bgp.asn,
            "router_id": config.bgp.router_id,
            "files": list(config.files),
            "listeners": [place._asdict() for place in listener.places] if listener is not None else [],
        }


def _listed(keys: Collection[bytes]) -> list[bytes]:
    return sorted(keys) if len(keys) <= SORTED_KEYS else list(keys)


def _known(vrf: MacVrf) -> list[bytes]:
    """All MACs of a VNI; most of them are remote, and a union of sets would hold up the loop."""
    local, remote = vrf.local, vrf.remote
    others = [mac for mac in vrf.conflicts if mac not in remote and mac not in local]
    return [*remote, *(mac for mac in local if mac not in remote), *others]


def _is_own(vrf: MacVrf, key: bytes, path: Path) -> bool:
    return path.source.local and key[1:9] == vrf.rd


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
            "age_s": now - fault.at,
            "action": fault.action.name.lower(),
            "message": fault.text,
            "data": fault.body.hex(),
        }
        for fault in reversed(session.counters.faults)
    ]

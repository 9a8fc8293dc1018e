"""What is accepted from a peer, and what is told to it (RFC 4271 section 9.1.2 and 9.2, RFC 4456, RFC 9774).

Pure functions over attributes. Owns the checks of AS paths and cluster lists, and the rules of iBGP, eBGP and route
reflection; the next hop of EVPN routes stays as it is by default, since it names the VTEP (RFC 7432 section 9.2.2,
RFC 8365 section 5.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from evpnd.bgp.aspath import AS_CONFED_SET, AS_SET
from evpnd.bgp.attributes import PathAttributes
from evpnd.bgp.decision import DEFAULT_LOCAL_PREF
from evpnd.bgp.path import Path
from evpnd.bgp.update import room_for_nlri

MED = 4
LOCAL_PREF = 5
ORIGINATOR_ID = 9
CLUSTER_LIST = 10
AS_PATH = 2
EXTENDED_COMMUNITIES = 16

NON_TRANSITIVE = 0x40  # RFC 4360 section 2: the bit of a community's type octet

NO_EXPORT = 0xFFFFFF01  # RFC 1997
NO_ADVERTISE = 0xFFFFFF02
NO_EXPORT_SUBCONFED = 0xFFFFFF03

MAX_NLRI = 257  # octets of the longest EVPN route: type, length, 255 octets

_U32 = Struct("!I")


@dataclass(frozen=True, slots=True)
class ImportPolicy:
    """What is not accepted on one session: loops, and paths whose order is lost."""

    local_asn: int
    router_id: bytes
    cluster_id: bytes
    allowas_in: int = 0

    def rejection(self, attributes: PathAttributes) -> str | None:
        """Why routes with these attributes are not accepted, or None."""
        if attributes.as_path.asns().count(self.local_asn) > self.allowas_in:
            return "own AS in the AS path"  # RFC 4271 section 9.1.2
        if attributes.originator_id == self.router_id:
            return "originated by this router"  # RFC 4456 section 8
        if self.cluster_id in attributes.cluster_list:
            return "own cluster in the cluster list"  # RFC 4456 section 8
        for kind, _ in attributes.as_path.segments:
            if kind in (AS_SET, AS_CONFED_SET):
                return "set in the AS path"  # RFC 9774 section 3
        return None


class Exported:
    """A path as one update group is told of it; the body and source are the path's."""

    __slots__ = ("attributes", "body", "next_hop", "source")

    def __init__(self, path: Path, attributes: PathAttributes, next_hop: bytes) -> None:
        self.source = path.source
        self.body = path.body
        self.attributes = attributes
        self.next_hop = next_hop

    def same(self, other: Exported | None) -> bool:
        """Whether a peer told of one needs to be told of the other."""
        return (
            other is not None
            and self.attributes == other.attributes
            and self.next_hop == other.next_hop
            and self.body == other.body
        )


@dataclass(frozen=True, slots=True)
class ExportPolicy:
    """All that decides what a peer is told and how it is encoded; peers with equal policies form one update group."""

    local_asn: int
    router_id: bytes
    cluster_id: bytes
    ebgp: bool
    client: bool  # a route-reflector client of ours
    as4: bool
    limit: int  # octets a message
    next_hop_self: bytes | None = None  # our address on the session, where the next hop is rewritten

    def export(self, path: Path) -> Exported | None:
        """The path as these peers are told of it, or None where they are not."""
        if not self._may_export(path):
            return None
        source = path.source
        attributes = path.attributes if source.local else path.attributes.passed_on()
        changes: dict[int, bytes | None] = {}
        if self.ebgp:
            # RFC 4271 sections 5.1.2, 5.1.4, 5.1.5; RFC 4456 section 8 keeps its attributes within the AS.
            changes[AS_PATH] = attributes.as_path.prepend(self.local_asn).encode()
            for code in (LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST):
                changes[code] = None
            if not source.local:
                changes[MED] = None
            communities = attributes.extended_communities
            staying = [community for community in communities if not community[0] & NON_TRANSITIVE]
            if len(staying) < len(communities):  # RFC 4360 section 6: they don't cross the border of an AS.
                changes[EXTENDED_COMMUNITIES] = b"".join(staying) or None
        else:
            if attributes.local_pref is None:
                changes[LOCAL_PREF] = _U32.pack(DEFAULT_LOCAL_PREF)
            if not source.local and not source.ebgp:  # reflection, RFC 4456 section 8
                if attributes.originator_id is None:
                    changes[ORIGINATOR_ID] = source.router_id
                changes[CLUSTER_LIST] = b"".join((self.cluster_id, *attributes.cluster_list))
        changes = {
            code: value for code, value in changes.items() if value is not None or attributes.get(code) is not None
        }
        told = attributes.replace(changes) if changes else attributes
        next_hop = self.next_hop_self or path.next_hop
        # RFC 8654 section 4: what does not fit into a message of this session is not told to it.
        if room_for_nlri(told, next_hop, self.limit, self.as4) < MAX_NLRI:
            return None
        return Exported(path, told, next_hop)

    def _may_export(self, path: Path) -> bool:
        source, communities = path.source, path.attributes.communities
        if communities:
            if NO_ADVERTISE in communities:
                return False
            if self.ebgp and (NO_EXPORT in communities or NO_EXPORT_SUBCONFED in communities):
                return False
        if self.ebgp or source.local or source.ebgp:
            return True
        # iBGP to iBGP only by reflection: from a client to all, from others to clients (RFC 4456 section 6).
        return source.client or self.client

"""What one source says of a set of routes, and who the source is.

A Path carries no key, so all routes of one source with equal attributes, next hop and body share one Path: a table of
100,000 MACs behind ten VTEPs has tens of paths. Owns the values; which path is best is `evpnd.bgp.decision`'s matter,
which paths there are `evpnd.bgp.rib`'s.
"""

from __future__ import annotations

from typing import Any

from evpnd.bgp.attributes import PathAttributes
from evpnd.evpn.extended_community import mobility_of


class Source:
    """Where paths come from: a BGP session, or this host (`local`)."""

    __slots__ = ("address", "client", "ebgp", "local", "name", "router_id")

    def __init__(
        self,
        name: str,
        *,
        address: bytes = b"",
        router_id: bytes = b"\0\0\0\0",
        ebgp: bool = False,
        client: bool = False,
        local: bool = False,
    ) -> None:
        self.name = name
        self.address = address
        self.router_id = router_id
        self.ebgp = ebgp
        self.client = client
        self.local = local

    @property
    def identity(self) -> tuple[bytes, bytes, bool, bool]:
        """What ranks and exports of its paths depend on."""
        return self.address, self.router_id, self.ebgp, self.client

    def __repr__(self) -> str:
        return f"Source({self.name})"


class Path:
    """What one source says of a set of routes: attributes, next hop (4 or 16 octets), and the NLRI's non-key octets.

    `preference`, `instances` and `exports` are caches of what others derive from the path alone: its rank, the MAC-VRFs
    that import it (as of `generation`), and what each update group makes of it.
    """

    __slots__ = (
        "__weakref__",
        "attributes",
        "body",
        "exports",
        "fdb_value",
        "generation",
        "instances",
        "next_hop",
        "preference",
        "sequence",
        "source",
        "sticky",
    )

    def __init__(self, source: Source, attributes: PathAttributes, next_hop: bytes, body: bytes) -> None:
        self.source = source
        self.attributes = attributes
        self.next_hop = next_hop
        self.body = body
        self.sequence, self.sticky = mobility_of(attributes.extended_communities)
        self.preference: Any = None
        self.instances: tuple[Any, ...] = ()
        self.generation = -1
        self.exports: dict[Any, Any] = {}
        self.fdb_value: bytes | None = None

    def source_changed(self) -> None:
        """Forget what was derived from the source: rank and exports."""
        self.preference = None
        self.exports.clear()

"""What no key can tell alone: duplicates, and settings that contradict or overlap each other.

Each check looks at the tables as they were read, complete or not (a key that is missing or wrong is None here and was
reported already), and yields what it finds with its place. Adding a check: one function, one entry in CHECKS.

Must not know: files, TOML, how values are spelt.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from evpnd.schema import Table


class Place(NamedTuple):
    """Where something was written; `line` is 0 where that is unknown."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(slots=True)
class Entry:
    """One table as it was read: values by key, whatever was right, and where each key stood."""

    table: Table
    place: Place
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)  # also of the keys whose values were wrong

    def value(self, key: str) -> Any:
        """What is in force: given, else the default, else None."""
        if key in self.places and key not in self.values:
            return None
        return self.values.get(key)

    def where(self, key: str) -> Place:
        return self.places.get(key, self.place)


Entries = dict[str, list[Entry]]
Finding = tuple[Place, str]  # the second begins with the key


def findings(entries: Entries) -> Iterator[Finding]:
    """All that all checks find."""
    for check in CHECKS:
        yield from check(entries)


def _duplicate_identities(entries: Entries) -> Iterator[Finding]:
    for name, found in entries.items():
        key = found[0].table.identity if found else None
        if key is None:
            continue
        first: dict[object, Place] = {}
        for entry in found:
            identity = entry.value(key)
            if identity is None:
                continue
            if identity in first:
                yield entry.where(key), f"{name}.{key}: {identity} is there already, at {first[identity]}"
            first.setdefault(identity, entry.where(key))


def _duplicate_distinguishers(entries: Entries) -> Iterator[Finding]:
    # RFC 7432 section 7.9: the RD of each MAC-VRF is unique on its PE.
    first: dict[str, Entry] = {}
    for entry in entries["evpn.vni"]:
        rd = entry.value("rd")
        if rd is not None and first.setdefault(rd, entry) is not entry:
            other = first[rd].value("vni")
            yield entry.where("rd"), f"evpn.vni.rd: {rd} is that of VNI {other} already, expected one for each VNI"


def _kind_of_session(entry: Entry, own_asn: int | None) -> str | None:
    asn = entry.value("asn")
    if asn is None or isinstance(asn, str):
        return asn
    if own_asn is None:
        return None
    return "internal" if asn == own_asn else "external"


def _session_kinds(entries: Entries) -> Iterator[Finding]:
    own_asn = entries["bgp"][0].value("asn")
    for peer in entries["bgp.peer"]:
        kind = _kind_of_session(peer, own_asn)
        if kind == "external" and peer.value("route_reflector_client"):
            text = "true on an external peer, expected an internal one (RFC 4456 reflects internal routes only)"
            yield peer.where("route_reflector_client"), f"bgp.peer.route_reflector_client: {text}"
        if kind == "internal" and peer.value("multihop") is not None:
            text = "given for an internal peer, which may be any number of hops away; expected an external one"
            yield peer.where("multihop"), f"bgp.peer.multihop: {text}"
        if peer.value("multihop") is not None and peer.value("ttl_security") is not None:
            text = "given together with ttl_security, expected only one of them (RFC 5082 sets the TTL itself)"
            yield peer.where("multihop"), f"bgp.peer.multihop: {text}"


def _addresses(entries: Entries) -> Iterator[Finding]:
    listen = set(entries["bgp"][0].value("listen") or ())
    for peer in entries["bgp.peer"]:
        address, local = peer.value("address"), peer.value("local_address")
        if address is not None and (address == local or address in listen):
            yield peer.where("address"), f"bgp.peer.address: {address} is this speaker's own, expected the peer's"
        if address and local and (":" in address) != (":" in local):
            text = f"{local} can't reach {address}, expected an address of the same family"
            yield peer.where("local_address"), f"bgp.peer.local_address: {text}"


def _listening(entries: Entries) -> Iterator[Finding]:
    bgp = entries["bgp"][0]
    listen = bgp.value("listen")
    if listen is None:
        return
    for address in listen:
        anyone = "::" if ":" in address else "0.0.0.0"
        if address != anyone and anyone in listen:
            yield bgp.where("listen"), f"bgp.listen: {anyone} covers {address}, expected one or the other"
    for peer in entries["bgp.peer"]:
        wanted = peer.value("local_address") or peer.value("address")
        if peer.value("passive") and wanted and not _listens(listen, wanted, bool(peer.value("local_address"))):
            text = "true, but bgp.listen has no address that this peer could connect to"
            yield peer.where("passive"), f"bgp.peer.passive: {text}"


def _listens(listen: tuple[str, ...], address: str, exact: bool) -> bool:
    version = ipaddress.ip_address(address).version
    same = [found for found in map(ipaddress.ip_address, listen) if found.version == version]
    return any(found.is_unspecified or not exact or str(found) == address for found in same)


CHECKS: tuple[Callable[[Entries], Iterator[Finding]], ...] = (
    _duplicate_identities,
    _duplicate_distinguishers,
    _session_kinds,
    _addresses,
    _listening,
)

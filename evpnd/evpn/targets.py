"""Route targets: which instances import a route, and what their own routes carry (RFC 4364 section 4.3.1, RFC 8365).

A tenant's isolation hangs on this module: a route goes where its targets match and nowhere else. Wildcards `*:N` match
any administrator with local administrator N: all four octets of it with a 2-octet AS, both octets with a 4-octet AS or
an IPv4 address, where N above 65535 matches nothing (its low 16 bits are another tenant's number).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from evpnd.evpn.extended_community import route_target, route_target_from_text, route_targets_of

Instance = TypeVar("Instance")
Derivation = Literal["asn", "rfc8365"]

RFC8365_VXLAN = 0x10000000  # RFC 8365 section 5.1.2.1: A=0, type 1 (VXLAN), domain 0, then the VNI


@dataclass(frozen=True, slots=True)
class ImportRule:
    """The targets that an instance imports: exact ones (8 octets each), and local administrators of wildcards."""

    exact: frozenset[bytes] = frozenset()
    wildcards: frozenset[int] = frozenset()

    def text(self) -> list[str]:
        """As a user would write it."""
        from evpnd.evpn.extended_community import to_text

        return [f"*:{number}" for number in sorted(self.wildcards)] + sorted(
            to_text(target).removeprefix("rt:") for target in self.exact
        )


def derived_target(asn: int, vni: int, derivation: Derivation) -> bytes:
    """The target that an instance exports by default: `ASN:VNI`, or RFC 8365 section 5.1.2.1's.

    An AS number above 65535 goes in with its low 16 bits, as a 2-octet-AS target has no room for more and a 4-octet-AS
    one has none for the VNI; importers match it by the wildcard.
    """
    number = RFC8365_VXLAN | vni if derivation == "rfc8365" else vni
    return route_target(asn & 0xFFFF, number)


def import_rule(texts: Iterable[str]) -> ImportRule:
    """From the configuration's texts, each `ADMINISTRATOR:NUMBER` or `*:NUMBER`; raises ValueError."""
    exact: set[bytes] = set()
    wildcards: set[int] = set()
    for text in texts:
        administrator, _, number = text.partition(":")
        if administrator == "*":
            wildcards.add(int(number))
        else:
            exact.add(route_target_from_text(text))
    return ImportRule(frozenset(exact), frozenset(wildcards))


def default_import_rule(asn: int, vni: int, any_asn: bool) -> ImportRule:
    """Both derivations of the VNI's target, with any AS (`*:VNI`) or only our own (`ASN:VNI`)."""
    if any_asn:
        return ImportRule(wildcards=frozenset((vni, RFC8365_VXLAN | vni)))
    return ImportRule(exact=frozenset(derived_target(asn, vni, derivation) for derivation in ("asn", "rfc8365")))


class TargetIndex(Generic[Instance]):
    """From a route's targets to the instances that import it."""

    def __init__(self, rules: Iterable[tuple[Instance, ImportRule]] = ()) -> None:
        self._exact: dict[bytes, list[Instance]] = {}
        self._four: dict[bytes, list[Instance]] = {}  # 2-octet AS: four octets of local administrator
        self._two: dict[bytes, list[Instance]] = {}  # 4-octet AS, IPv4 address: two octets
        for instance, rule in rules:
            for target in rule.exact:
                self._exact.setdefault(target, []).append(instance)
            for number in rule.wildcards:
                self._four.setdefault(number.to_bytes(4, "big"), []).append(instance)
                if number <= 0xFFFF:
                    self._two.setdefault(number.to_bytes(2, "big"), []).append(instance)

    def importers(self, extended_communities: Sequence[bytes]) -> tuple[Instance, ...]:
        """The instances that import a route with these communities, each once, in a stable order."""
        found: dict[Instance, None] = {}
        for target in route_targets_of(extended_communities):
            found.update(dict.fromkeys(self._exact.get(target, ())))
            wild = self._two.get(target[6:]) if target[0] & 0x3F else self._four.get(target[4:])
            found.update(dict.fromkeys(wild or ()))
        return tuple(found)

"""The decision process: which of a key's paths is best (RFC 4271 9.1.2, RFC 4456 9, RFC 7432 15).

Pure functions over paths. For MAC/IP routes the EVPN rules come first: a sticky MAC wins, then the higher mobility
sequence, then the lower next hop (RFC 7432 sections 15 and 15.2); then, and for all other routes, the ordinary ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from evpnd.bgp.path import Path

DEFAULT_LOCAL_PREF = 100
MAC_IP = 2  # EVPN route type, the key's first octet


class Preference(NamedTuple):
    """A path's rank in three parts that compare as tuples, lower being better; MED counts within one neighbour AS."""

    evpn: tuple[bool, int, bytes]
    before_med: tuple[bool, int, int, int]
    neighbour_as: int | None
    med: int
    after_med: tuple[bool, bytes, int, bytes]


def preference(path: Path) -> Preference:
    """A path's rank, computed once: the path is shared by many routes."""
    rank: Preference | None = path.preference
    if rank is None:
        rank = path.preference = _preference(path)
    return rank


def _preference(path: Path) -> Preference:
    attributes, source = path.attributes, path.source
    local_pref = attributes.local_pref
    as_path = attributes.as_path
    asns = as_path.asns()
    return Preference(
        evpn=(not path.sticky, -path.sequence, path.next_hop),
        before_med=(
            not source.local,
            -(DEFAULT_LOCAL_PREF if local_pref is None else local_pref),
            as_path.length,
            attributes.origin or 0,
        ),
        neighbour_as=asns[0] if asns else None,
        med=attributes.med or 0,  # RFC 4271 section 9.1.2.2 c: absent counts as lowest
        after_med=(
            not (source.ebgp or source.local),
            attributes.originator_id or source.router_id,  # RFC 4456 section 9
            len(attributes.cluster_list),
            source.address,
        ),
    )


def evpn_rank(path: Path) -> tuple[bool, int, bytes]:
    """Rank of a MAC/IP path by the EVPN rules alone."""
    return preference(path).evpn


def best_of(key: bytes, paths: Sequence[Path]) -> Path | None:
    """The best of a key's paths, whatever their order; None of none.

    MED is compared among paths from the same neighbour AS only, each AS sending its best into the final (so the
    result doesn't depend on the order of arrival, RFC 4451 section 3.2.3).
    """
    if len(paths) < 2:
        return paths[0] if paths else None
    if key[0] == MAC_IP:
        top = min(map(evpn_rank, paths))
        paths = [path for path in paths if evpn_rank(path) == top]
    finalists: dict[int | None, Path] = {}
    for path in paths:
        rank = preference(path)
        rival = finalists.get(rank.neighbour_as)
        if rival is None or _rank_within_as(path) < _rank_within_as(rival):
            finalists[rank.neighbour_as] = path
    return min(finalists.values(), key=_rank_between_as)


def _rank_within_as(path: Path) -> tuple[object, ...]:
    rank = preference(path)
    return (rank.before_med, rank.med, rank.after_med)


def _rank_between_as(path: Path) -> tuple[object, ...]:
    rank = preference(path)
    return (rank.before_med, rank.after_med)


def decisive_step(key: bytes, best: Path, other: Path) -> str:
    """Why `best` beats `other`, in words for `show routes`."""
    mine, theirs = preference(best), preference(other)
    steps: list[tuple[str, object, object]] = []
    if key[0] == MAC_IP:
        names = ("sticky MAC", "higher mobility sequence", "lower next hop")
        steps += zip(names, mine.evpn, theirs.evpn, strict=True)
    names4 = ("local route", "higher local preference", "shorter AS path", "lower origin")
    steps += zip(names4, mine.before_med, theirs.before_med, strict=True)
    if mine.neighbour_as == theirs.neighbour_as:
        steps.append(("lower MED", mine.med, theirs.med))
    last = ("eBGP over iBGP", "lower router id", "shorter cluster list", "lower peer address")
    steps += zip(last, mine.after_med, theirs.after_med, strict=True)
    for name, left, right in steps:
        if left != right:
            return name
    return "first received"

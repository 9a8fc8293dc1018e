"""The decision process, rule by rule, and that it doesn't depend on the order of arrival."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from evpnd.bgp.attributes import build
from evpnd.bgp.decision import best_of, decisive_step
from evpnd.bgp.path import Path, Source
from evpnd.evpn.extended_community import mac_mobility

MAC = b"\x02" + bytes(20)
PREFIX = b"\x05" + bytes(16)
BODY = bytes(13)
LOW, HIGH = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))


def source(number: int = 1, **options: bool) -> Source:
    address = bytes((192, 0, 2, number))
    return Source(f"peer{number}", address=address, router_id=address, **options)


def path(where: Source, next_hop: bytes = LOW, mobility: tuple[int, bool] | None = None, **attributes: object) -> Path:
    communities = (mac_mobility(*mobility),) if mobility else ()
    return Path(where, build(extended_communities=communities, **attributes), next_hop, BODY)  # type: ignore[arg-type]


def wins(key: bytes, better: Path, worse: Path, why: str) -> None:
    for order in permutations((better, worse)):
        assert best_of(key, order) is better
    assert decisive_step(key, better, worse) == why


def test_nothing_has_no_best() -> None:
    assert best_of(MAC, ()) is None


def test_sticky_mac_wins_over_a_higher_sequence() -> None:
    wins(MAC, path(source(1), mobility=(0, True)), path(source(2), mobility=(7, False)), "sticky MAC")


def test_higher_sequence_wins_over_local_preference() -> None:
    worse = path(source(2), mobility=(4, False), local_pref=500)
    wins(MAC, path(source(1), mobility=(5, False)), worse, "higher mobility sequence")


def test_lower_next_hop_wins_among_equal_sequences() -> None:
    wins(MAC, path(source(1), LOW), path(source(2), HIGH, local_pref=500), "lower next hop")


def test_evpn_rules_are_for_mac_routes_only() -> None:
    worse = path(source(1), mobility=(9, True))
    wins(PREFIX, path(source(2), HIGH, local_pref=200), worse, "higher local preference")


def test_local_route_wins() -> None:
    wins(PREFIX, path(Source("local", local=True)), path(source(2), local_pref=900), "local route")


def test_shorter_as_path_wins() -> None:
    worse = path(source(1, ebgp=True), as_path=(1, 2))
    wins(PREFIX, path(source(2, ebgp=True), as_path=(3,)), worse, "shorter AS path")


def test_lower_origin_wins() -> None:
    wins(PREFIX, path(source(2), origin=0), path(source(1), origin=2), "lower origin")


def test_lower_med_wins_from_one_neighbour_as() -> None:
    worse = path(source(1, ebgp=True), as_path=(1,), med=9)
    wins(PREFIX, path(source(2, ebgp=True), as_path=(1,), med=5), worse, "lower MED")


def test_med_does_not_count_between_neighbour_ases() -> None:
    worse = path(source(2, ebgp=True), as_path=(2,), med=5)
    wins(PREFIX, path(source(1, ebgp=True), as_path=(1,), med=9), worse, "lower router id")


def test_ebgp_wins_over_ibgp() -> None:
    wins(PREFIX, path(source(2, ebgp=True)), path(source(1)), "eBGP over iBGP")


def test_originator_id_stands_for_the_router_id() -> None:
    better = path(source(2), originator_id=bytes((1, 1, 1, 1)), cluster_list=(bytes(4),))
    wins(PREFIX, better, path(source(1)), "lower router id")


def test_shorter_cluster_list_wins() -> None:
    origin = bytes((1, 1, 1, 1))
    worse = path(source(1), originator_id=origin, cluster_list=(bytes(4), LOW))
    wins(PREFIX, path(source(2), originator_id=origin, cluster_list=(bytes(4),)), worse, "shorter cluster list")


@given(st.data(), st.sampled_from((MAC, PREFIX)))
def test_order_of_arrival_does_not_matter(data: st.DataObject, key: bytes) -> None:
    """RFC 4451 section 3.2.3's trap: MED without grouping would make the result depend on the order."""
    draw = data.draw
    paths = [
        path(
            source(number, ebgp=draw(st.booleans())),
            draw(st.sampled_from((LOW, HIGH))),
            mobility=draw(st.sampled_from((None, (1, False), (1, True)))),
            as_path=draw(st.sampled_from(((), (1,), (2,), (1, 2)))),
            med=draw(st.sampled_from((None, 1, 2))),
        )
        for number in range(1, draw(st.integers(2, 5)))
    ]
    best = best_of(key, paths)
    assert all(best_of(key, order) is best for order in permutations(paths))

"""The RIBs: sharing of paths, implicit withdraw, several sources, restarts, and a model that must agree."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evpnd.bgp.attributes import build
from evpnd.bgp.decision import best_of
from evpnd.bgp.path import Path, Source
from evpnd.bgp.rib import AdjRibIn, Rib

KEYS = [b"\x02" + bytes(19) + bytes((number,)) for number in range(4)]
BODY = bytes(13)
NEXT_HOP = bytes((10, 0, 0, 1))
PLAIN = build()
PREFERRED = build(local_pref=200)


def rib_in(number: int) -> AdjRibIn:
    address = bytes((192, 0, 2, number))
    return AdjRibIn(Source(f"peer{number}", address=address, router_id=address))


def test_routes_of_one_update_share_a_path() -> None:
    rib, peer = Rib(), rib_in(1)
    rib.announce(peer, PLAIN, NEXT_HOP, [(key, BODY) for key in KEYS])
    assert len({id(rib.best(key)) for key in KEYS}) == 1
    assert rib.take_changes() == dict.fromkeys(KEYS)


def test_same_announcement_again_changes_nothing() -> None:
    rib, peer = Rib(), rib_in(1)
    rib.announce(peer, PLAIN, NEXT_HOP, [(KEYS[0], BODY)])
    rib.take_changes()
    rib.announce(peer, build(), NEXT_HOP, [(KEYS[0], BODY)])
    assert not rib.changed


def test_change_reports_the_best_path_of_when_changes_were_last_taken() -> None:
    rib, peer = Rib(), rib_in(1)
    rib.announce(peer, PLAIN, NEXT_HOP, [(KEYS[0], BODY)])
    rib.take_changes()
    first = rib.best(KEYS[0])
    rib.announce(peer, PREFERRED, NEXT_HOP, [(KEYS[0], BODY)])
    rib.withdraw(peer, [KEYS[0]])
    assert rib.take_changes() == {KEYS[0]: first}
    assert rib.best(KEYS[0]) is None


def test_second_source_takes_over_and_gives_back() -> None:
    rib, one, two = Rib(), rib_in(1), rib_in(2)
    rib.announce(one, PLAIN, NEXT_HOP, [(KEYS[0], BODY)])
    rib.announce(two, PREFERRED, NEXT_HOP, [(KEYS[0], BODY)])
    assert rib.best(KEYS[0]) is two.paths[KEYS[0]]
    assert set(rib.paths(KEYS[0])) == {one.paths[KEYS[0]], two.paths[KEYS[0]]}
    rib.withdraw(two, [KEYS[0]])
    assert rib.paths(KEYS[0]) == (one.paths[KEYS[0]],)


def test_withdrawal_of_the_unknown_is_no_error() -> None:
    rib = Rib()
    rib.withdraw(rib_in(1), KEYS)
    assert not rib.changed


def test_stale_routes_stay_until_confirmed_or_swept() -> None:
    rib, peer = Rib(), rib_in(1)
    rib.announce(peer, PLAIN, NEXT_HOP, [(key, BODY) for key in KEYS])
    rib.take_changes()
    rib.mark_stale(peer)
    rib.announce(peer, PLAIN, NEXT_HOP, [(KEYS[0], BODY)])
    assert not rib.changed
    assert rib.sweep_stale(peer) == 3
    assert set(rib.table) == {KEYS[0]}
    assert rib.sweep_stale(peer) == 0


Event = tuple[str, int, int, int]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("announce", "withdraw", "stale", "sweep", "take")),
            st.integers(0, 2),
            st.integers(0, 3),
            st.integers(0, 1),
        )
    )
)
def test_agrees_with_a_model(events: list[Event]) -> None:
    """Whatever happens in whatever order, the best path is the best of what each source said last."""
    rib, peers = Rib(), [rib_in(number) for number in range(3)]
    model: list[dict[bytes, Path]] = [{} for _ in peers]
    seen: dict[bytes, Path | None] = {}
    for kind, who, which, what in events:
        peer, key = peers[who], KEYS[which]
        if kind == "announce":
            attributes = (PLAIN, PREFERRED)[what]
            rib.announce(peer, attributes, NEXT_HOP, [(key, BODY)])
            model[who][key] = peer.path(attributes, NEXT_HOP, BODY)
        elif kind == "withdraw":
            rib.withdraw(peer, [key])
            model[who].pop(key, None)
        elif kind == "stale":
            rib.mark_stale(peer)
        elif kind == "sweep":
            for stale in peer.stale:
                model[who].pop(stale, None)
            rib.sweep_stale(peer)
        else:
            for changed, old in rib.take_changes().items():
                assert seen.get(changed) is old
                seen[changed] = rib.best(changed)
    for key in KEYS:
        expected = best_of(key, [said[key] for said in model if key in said])
        assert rib.best(key) is expected
    for changed, old in rib.take_changes().items():
        assert seen.get(changed) is old
        seen[changed] = rib.best(changed)
    assert {key: path for key, path in seen.items() if path} == {key: rib.best(key) for key in rib.table}

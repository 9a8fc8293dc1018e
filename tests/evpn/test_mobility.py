"""MAC mobility's rules: sequence numbers after a move, and who keeps a MAC that two PEs claim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.evpn.mobility import MAX_SEQUENCE, LocalMac, Verdict, judge, sequence_after_move
from evpnd.fib.mirror import LocalEntry

LOW, HIGH = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))


def _local(sequence: int, sticky: bool = False) -> LocalMac:
    return LocalMac(LocalEntry(1, "dynamic", sticky), sequence)


@pytest.mark.parametrize(
    ("remote", "own", "expected"),
    [(None, 0, 0), (None, 3, 3), (0, 0, 1), (4, 0, 5), (4, 9, 9), (MAX_SEQUENCE, 0, MAX_SEQUENCE)],
)
def test_sequence_after_move(remote: int | None, own: int, expected: int) -> None:
    assert sequence_after_move(remote, own) == expected


@pytest.mark.parametrize(
    ("local", "vtep", "remote", "expected"),
    [
        (_local(5), LOW, (4, False, HIGH), Verdict.KEEP),
        (_local(5), LOW, (6, False, HIGH), Verdict.YIELD),
        (_local(5), LOW, (5, False, HIGH), Verdict.KEEP),
        (_local(5), HIGH, (5, False, LOW), Verdict.YIELD),
        (_local(0, sticky=True), HIGH, (9, False, LOW), Verdict.KEEP),
        (_local(9), LOW, (0, True, HIGH), Verdict.YIELD),
        (_local(0, sticky=True), HIGH, (0, True, LOW), Verdict.YIELD),
    ],
)
def test_judgement(local: LocalMac, vtep: bytes, remote: tuple[int, bool, bytes], expected: Verdict) -> None:
    assert judge(local, vtep, *remote) is expected


@given(st.integers(0, 3), st.booleans(), st.integers(0, 3), st.booleans())
def test_two_hosts_never_both_keep_nor_both_yield(one: int, one_sticky: bool, two: int, two_sticky: bool) -> None:
    """Each sees the other's claim as remote: exactly one of them ends up with the MAC."""
    first = judge(_local(one, one_sticky), LOW, two, two_sticky, HIGH)
    second = judge(_local(two, two_sticky), HIGH, one, one_sticky, LOW)
    assert {first, second} == {Verdict.KEEP, Verdict.YIELD}

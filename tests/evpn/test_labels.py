"""Label fields read as a VNI and as an MPLS label."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.evpn import labels


@given(st.binary(min_size=3, max_size=3))
def test_both_views_of_any_field(field: bytes) -> None:
    assert labels.from_vni(labels.vni(field)) == field
    assert labels.mpls(field) == labels.vni(field) >> 4


@given(st.integers(0, labels.MAX_MPLS), st.booleans())
def test_mpls_label(label: int, bottom: bool) -> None:
    field = labels.from_mpls(label, bottom=bottom)
    assert labels.mpls(field) == label
    assert field[2] & 1 == bottom


def test_same_octets_two_readings() -> None:
    field = bytes.fromhex("05dc10")
    assert labels.mpls(field) == 24001
    assert labels.vni(field) == 384016


@pytest.mark.parametrize("number", [-1, 1 << 24])
def test_vni_out_of_range(number: int) -> None:
    with pytest.raises(ValueError, match="24 bits"):
        labels.from_vni(number)


@pytest.mark.parametrize("number", [-1, 1 << 20])
def test_mpls_label_out_of_range(number: int) -> None:
    with pytest.raises(ValueError, match="20 bits"):
        labels.from_mpls(number)

"""evpnd.cells: how values read that are not plain."""

from __future__ import annotations

import pytest

from evpnd.cells import targets


@pytest.mark.parametrize(
    ("target", "read"),
    [
        ("*:268435556", "*:100(rfc8365)"),
        ("65001:268435457", "65001:1(rfc8365)"),
        ("65001:285212671", "65001:16777215(rfc8365)"),
        ("65001:268435456", "65001:268435456"),  # no VNI
        ("65001:285212672", "65001:285212672"),  # no room for a VNI
        ("65001:100", "65001:100"),
        ("*:0", "*:0"),
        ("10.0.0.1:7", "10.0.0.1:7"),
        ("0002000000000000", "0002000000000000"),
    ],
)
def test_route_targets_in_the_form_of_rfc_8365_read_as_the_vni(target: str, read: str) -> None:
    assert targets([target, "*:7"]) == f"{read} *:7"

"""Which route targets lead into which instance; every wrong import would be a breach."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.evpn.extended_community import route_target_from_text
from evpnd.evpn.targets import TargetIndex, default_import_rule, derived_target, import_rule


def importers(rule_texts: list[str], *targets: str) -> bool:
    index = TargetIndex([("instance", import_rule(rule_texts))])
    return bool(index.importers([route_target_from_text(text) for text in targets]))


def test_exact_target_matches_itself_alone() -> None:
    assert importers(["65001:100"], "65001:100")
    assert not importers(["65001:100"], "65002:100")
    assert not importers(["65001:100"], "65001:101")
    assert not importers(["65001:100"])


def test_one_matching_target_of_several_suffices_and_counts_once() -> None:
    index = TargetIndex([("instance", import_rule(["65001:100", "*:100"]))])
    targets = [route_target_from_text(text) for text in ("65009:7", "65001:100", "65002:100")]
    assert index.importers(targets) == ("instance",)


def test_wildcard_matches_any_administrator_of_all_three_kinds() -> None:
    for target in ("65001:100", "4200000001:100", "192.0.2.1:100"):
        assert importers(["*:100"], target)


def test_wildcard_compares_all_four_octets_with_a_2_octet_as() -> None:
    assert not importers(["*:100"], "65001:65636")  # 0x10064: the low 16 bits are 100


def test_wildcard_above_16_bits_matches_no_2_octet_local_administrator() -> None:
    assert importers(["*:65636"], "65001:65636")
    assert not importers(["*:65636"], "4200000001:100")
    assert not importers(["*:65636"], "192.0.2.1:100")


def test_four_octet_administrator_is_no_2_octet_one() -> None:
    """0002:fa56ea01:0064 and 0000:... hold the same octets for other meanings."""
    assert not importers(["65001:100"], "4200000001:100")


def test_default_rule_takes_both_derivations() -> None:
    index = TargetIndex([("vni", default_import_rule(65001, 100, any_asn=True))])
    for derivation in ("asn", "rfc8365"):
        assert index.importers([derived_target(65002, 100, derivation)]) == ("vni",)
        assert index.importers([derived_target(65002, 101, derivation)]) == ()


def test_default_rule_with_own_as_only() -> None:
    index = TargetIndex([("vni", default_import_rule(65001, 100, any_asn=False))])
    assert index.importers([derived_target(65001, 100, "asn")]) == ("vni",)
    assert index.importers([derived_target(65002, 100, "asn")]) == ()


def test_derived_target_of_a_4_octet_as_keeps_the_whole_vni() -> None:
    assert derived_target(4200000001, 70000, "asn") == bytes.fromhex("0002ea0100011170")
    assert derived_target(65001, 70000, "rfc8365") == bytes.fromhex("0002fde910011170")


@pytest.mark.parametrize("text", ["*:x", "65001", "a:b", "65001:4294967296"])
def test_bad_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        import_rule([text])


@given(st.integers(1, 0xFFFFFF), st.integers(1, 0xFFFFFF), st.integers(1, 0xFFFFFFFF))
def test_default_targets_never_cross_vnis(mine: int, theirs: int, asn: int) -> None:
    index = TargetIndex([(vni, default_import_rule(65001, vni, any_asn=True)) for vni in {mine, theirs}])
    for derivation in ("asn", "rfc8365"):
        assert index.importers([derived_target(asn, theirs, derivation)]) == (theirs,)

"""evpnd.kinds: canonical values, and text that the codecs take as well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd import kinds
from evpnd.evpn.targets import import_rule
from evpnd.evpn.values import rd_from_text

_ADMINISTRATORS = st.integers(0, 2**33).map(str) | st.ip_addresses(v=4).map(str) | st.sampled_from(["*", "", "x", "1L"])
_NUMBERS = st.integers(-1, 2**33).map(str) | st.sampled_from(["", "x", "01", "1:1", "²"])
_TARGETS = st.builds("{}:{}".format, _ADMINISTRATORS, _NUMBERS)


@given(_TARGETS)
def test_what_the_schema_takes_the_codecs_take(text: str) -> None:
    kind = kinds.route_target(wildcard=True)
    try:
        canonical = kind.parse(text)
    except ValueError:
        return
    assert import_rule([str(canonical)]) == import_rule([text])
    assert kind.parse(canonical) == canonical
    if not text.startswith("*"):
        rd = kinds.route_distinguisher().parse(text)
        assert rd_from_text(str(rd)) == rd_from_text(text)


@pytest.mark.parametrize("text", ["65001:100", "*:100", "4200000000:65535", "10.0.0.1:1", "64L:1", "65001:4294967295"])
def test_canonical_targets_stay_as_they_are(text: str) -> None:
    assert kinds.route_target(wildcard=True).parse(text) == text


def test_words_that_were_meant() -> None:
    assert kinds.closest("Router-ID", ["asn", "router_id"]) == "router_id"
    assert kinds.closest("l2vpn_evnp", ["l2vpn-evpn", "ipv4-unicast"]) == "l2vpn-evpn"
    assert kinds.closest("vrf", ["asn", "router_id"]) is None


def test_values_are_shown_on_one_short_line() -> None:
    assert kinds.shown("a\nb") == '"a\\nb"'
    assert len(kinds.shown("x" * 1000)) == 60
    assert kinds.shown({"a": 1}) == "a table"


def test_ranges_in_words() -> None:
    assert kinds.integer(0, 20, never=(2, 4, 5, 6)).expected == "an integer, 0 to 20, but not 2 or 4 to 6"

"""Text of standard and large communities (RFC 1997, RFC 8092)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.bgp.community import LargeCommunity, community_from_text, community_text

U32 = st.integers(0, 2**32 - 1)


@given(U32)
def test_standard(value: int) -> None:
    assert community_from_text(community_text(value)) == value


@given(st.builds(LargeCommunity, U32, U32, U32))
def test_large(community: LargeCommunity) -> None:
    assert LargeCommunity.from_text(community.text()) == community
    assert len(community.encode()) == 12


def test_names() -> None:
    assert community_text(0xFFFFFF01) == "no-export"
    assert community_from_text("no-advertise") == 0xFFFFFF02
    assert community_text(65001 << 16 | 100) == "65001:100"
    assert LargeCommunity(4200000000, 1, 2).text() == "4200000000:1:2"


@pytest.mark.parametrize("text", ["", "1", "1:2:3", "65536:1", "1:65536", "-1:2", "a:b", "1:", "no-such", "1:²"])
def test_what_is_no_community(text: str) -> None:
    with pytest.raises(ValueError, match="is not a community"):
        community_from_text(text)
    with pytest.raises(ValueError, match="is not a community"):
        LargeCommunity.from_text(text + ":x")

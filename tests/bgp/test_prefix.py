"""IPv4 and IPv6 prefixes (RFC 4271 section 4.3, RFC 4760 section 5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.bgp.prefix import Prefix, check_prefixes, decode_prefixes

prefixes = st.integers(0, 128).flatmap(
    lambda bits: st.binary(min_size=(bits + 7) // 8, max_size=(bits + 7) // 8).map(lambda octets: Prefix(bits, octets))
)


@given(st.lists(prefixes, max_size=10))
def test_round_trip(found: list[Prefix]) -> None:
    data = b"".join(prefix.encode() for prefix in found)
    check_prefixes(data, 128)
    assert decode_prefixes(data) == found


@given(st.binary(max_size=40), st.sampled_from([32, 128]))
def test_garbage(data: bytes, bits: int) -> None:
    try:
        check_prefixes(data, bits)
    except ValueError:
        return
    found = decode_prefixes(data)
    assert b"".join(prefix.encode() for prefix in found) == data
    assert all(prefix.length <= bits and len(prefix.key()) == len(prefix.encode()) for prefix in found)


@pytest.mark.parametrize(("data", "bits"), [("21", 32), ("210a000000", 32), ("8100", 128), ("08", 32), ("180a00", 32)])
def test_malformed(data: str, bits: int) -> None:
    with pytest.raises(ValueError, match="prefix"):
        check_prefixes(bytes.fromhex(data), bits)


def test_bits_behind_the_length_do_not_count_but_are_kept() -> None:
    """RFC 4271 section 4.3: the value of trailing bits is irrelevant."""
    loose, exact = Prefix(12, b"\x0a\xff"), Prefix(12, b"\x0a\xf0")
    assert loose.encode() == b"\x0c\x0a\xff"
    assert loose.key() == exact.key() == b"\x0c\x0a\xf0"


@pytest.mark.parametrize(
    ("prefix", "size", "text"),
    [
        (Prefix(0, b""), 4, "0.0.0.0/0"),
        (Prefix(8, b"\x0a"), 4, "10.0.0.0/8"),
        (Prefix(12, b"\x0a\xff"), 4, "10.240.0.0/12"),
        (Prefix(32, b"\x0a\0\0\x01"), 4, "10.0.0.1/32"),
        (Prefix(0, b""), 16, "::/0"),
        (Prefix(64, bytes.fromhex("20010db800000001")), 16, "2001:db8:0:1::/64"),
    ],
)
def test_text(prefix: Prefix, size: int, text: str) -> None:
    assert prefix.text(size) == text

"""ESI types: vectors of others, the spelling both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.evpn import esi
from tests.vector_files import Vector, name, vectors

MAC = b"\xaa\xbb\xcc\xdd\xee\xff"


@pytest.mark.parametrize("vector", vectors("esi"), ids=name)
def test_vector(vector: Vector) -> None:
    assert esi.to_text(vector.data) == vector.means
    assert esi.from_text(vector.means) == vector.data


@pytest.mark.parametrize(
    ("made", "octets", "text"),
    [
        (esi.lacp(MAC, 514), "01aabbccddeeff020200", "lacp:aa:bb:cc:dd:ee:ff:514"),
        (esi.bridge(MAC, 20), "02aabbccddeeff001400", "bridge:aa:bb:cc:dd:ee:ff:20"),
        (esi.mac_based(MAC, 0x345678), "03aabbccddeeff345678", "mac:aa:bb:cc:dd:ee:ff:3430008"),
        (esi.router_id_based(b"\x0a\0\0\x01", 7), "040a0000010000000700", "router-id:10.0.0.1:7"),
        (esi.as_based(65001, 9), "050000fde90000000900", "asn:65001:9"),
    ],
)
def test_types(made: bytes, octets: str, text: str) -> None:
    assert made == bytes.fromhex(octets)
    assert esi.to_text(made) == text
    assert esi.from_text(text) == made


@given(st.binary(min_size=10, max_size=10))
def test_spelling_is_exact_for_any_octets(octets: bytes) -> None:
    assert esi.from_text(esi.to_text(octets)) == octets


@given(st.integers(1, 5), st.binary(min_size=9, max_size=9))
def test_spelling_is_exact_for_typed_ones(kind: int, rest: bytes) -> None:
    octets = bytes((kind,)) + rest
    assert esi.from_text(esi.to_text(octets)) == octets


def test_an_octet_left_over_shows_the_esi_in_full() -> None:
    assert esi.parts(bytes.fromhex("01aabbccddeeff020201")) is None
    assert esi.to_text(bytes.fromhex("01aabbccddeeff020201")) == "01:aa:bb:cc:dd:ee:ff:02:02:01"


@pytest.mark.parametrize(
    "text",
    [
        "lacp",
        "lacp:1",
        "lacp:aa:bb:cc:dd:ee:ff:65536",
        "lacp:aa:bb:cc:dd:ee:ff:x",
        "mac:aa:bb:cc:dd:ee:ff:16777216",
        "router-id:10.0.0:1",
        "router-id:::1:1",
        "router-id:10.0.0.1:4294967296",
        "asn:x:1",
        "asn:4294967296:1",
        "eth:1",
    ],
)
def test_what_is_not_an_esi(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        esi.from_text(text)


def test_builders_refuse_wrong_sizes() -> None:
    with pytest.raises(ValueError, match="size"):
        esi.lacp(MAC[:5], 1)
    with pytest.raises(ValueError, match="fit"):
        esi.bridge(MAC, 1 << 16)

"""Text views of RDs, ESIs, MAC and IP addresses, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.evpn import values


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("0000fde900000064", "65001:100"),
        ("0000ffffffffffff", "65535:4294967295"),
        ("00010a0000010002", "10.0.0.1:2"),
        ("0002fa56ea000007", "4200000000:7"),
        ("0003010203040506", "0x0003010203040506"),
    ],
)
def test_rd(octets: str, text: str) -> None:
    rd = bytes.fromhex(octets)
    assert values.rd_text(rd) == text
    assert values.rd_from_text(text) == rd


def test_rd_of_type_2_with_a_small_as_number_reads_like_type_0() -> None:
    rd = bytes.fromhex("0002000000050006")
    assert values.rd_text(rd) == "5:6"
    assert values.rd_from_text("5:6") == bytes.fromhex("0000000500000006")
    assert values.rd_from_text("5L:6") == rd


@given(st.binary(min_size=8, max_size=8))
def test_rd_text_is_read_back_to_the_same_text(rd: bytes) -> None:
    text = values.rd_text(rd)
    assert values.rd_text(values.rd_from_text(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "65001",
        ":1",
        "65001:",
        "x:1",
        "65001:-1",
        "65001:4294967296",
        "4294967296:1",
        "70000:65536",
        "10.0.0:1",
        "10.0.0.1:65536",
        "10.0.0.256:1",
        "6500١:1",
        "1:1:1",
        "0x01",
        "0xzz03010203040506",
        "0x0003 0102030405",
    ],
)
def test_what_is_not_an_rd(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|fit|neither"):
        values.rd_from_text(text)


@pytest.mark.parametrize(
    "text", ["02:00:00:00:0a:01", "02-00-00-00-0A-01", "0200.0000.0a01", "2:0:0:0:a:1", "02:00:00:00:0A:01"]
)
def test_mac_spellings(text: str) -> None:
    assert values.mac_from_text(text) == b"\x02\0\0\0\x0a\x01"


@given(st.binary(min_size=6, max_size=6))
def test_mac(mac: bytes) -> None:
    assert values.mac_from_text(values.mac_text(mac)) == mac


@pytest.mark.parametrize("text", ["", "02:00:00:00:00", "02:00:00:00:00:00:00", "02:00:00:00:00:0g", "020000000001"])
def test_what_is_not_a_mac(text: str) -> None:
    with pytest.raises(ValueError, match="not a MAC address"):
        values.mac_from_text(text)


@given(st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)))
def test_ip(address: bytes) -> None:
    assert values.ip_from_text(values.ip_text(address)) == address


def test_ip_spelling() -> None:
    assert values.ip_text(b"\x0a\0\0\x01") == "10.0.0.1"
    assert values.ip_text(bytes.fromhex("20010db8000000000000000000000001")) == "2001:db8::1"
    with pytest.raises(ValueError, match="not an IP address"):
        values.ip_from_text("10.0.0")


@given(st.binary(min_size=10, max_size=10))
def test_esi(esi: bytes) -> None:
    assert values.esi_from_text(values.esi_text(esi)) == esi
    assert values.esi_from_text(esi.hex()) == esi


@pytest.mark.parametrize("text", ["", "00:11", "00:11:22:33:44:55:66:77:88:9", "0x" + "0" * 19, "zz" * 10])
def test_what_is_not_an_esi(text: str) -> None:
    with pytest.raises(ValueError, match="not an ESI"):
        values.esi_from_text(text)

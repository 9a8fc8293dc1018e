"""The spelling of extended communities."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.evpn.community_text import from_text, to_text

KNOWN = [bytes((kind, 2)) for kind in (0, 1, 2)] + [bytes((6, subtype)) for subtype in range(16)]
KNOWN += [b"\x00\x03", b"\x03\x0c", b"\x03\x0d", b"\x40\x04", b"\x00\x04"]


@given(st.sampled_from(KNOWN), st.binary(min_size=6, max_size=6))
def test_text_of_known_kinds_is_read_back_to_the_same_text(kind: bytes, value: bytes) -> None:
    text = to_text(kind + value)
    assert to_text(from_text(text)) == text


@given(st.binary(min_size=8, max_size=8))
def test_any_community_has_a_text(community: bytes) -> None:
    text = to_text(community)
    assert to_text(from_text(text)) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("0003fde900000064", "route-origin:65001:100"),
        ("060afde900000064", "evi-rt:65001:100"),
        ("060b0a0000010003", "evi-rt:10.0.0.1:3"),
        ("060cfa56ea000007", "evi-rt:4200000000:7"),
        ("0605010000000064", "e-tree:100:leaf"),
        ("0609000300000000", "multicast-flags:igmp-proxy:mld-proxy"),
        ("0600020000000001", "mac-mobility:1:0x2"),
        ("060601400000ffff", "df-election:hrw:65535:ac-influenced"),
        ("061f000000000001", "061f000000000001"),
        ("800600000000abcd", "800600000000abcd"),
    ],
)
def test_spellings(octets: str, text: str) -> None:
    assert to_text(bytes.fromhex(octets)) == text
    assert from_text(text) == bytes.fromhex(octets)


def test_reserved_octets_do_not_show() -> None:
    assert to_text(bytes.fromhex("030cffffffff0008")) == "encapsulation:vxlan"


def test_octets_of_another_number_show_as_hex() -> None:
    assert to_text(b"\x06\x00\x01") == "060001"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rt",
        "rt:",
        "rt:1",
        "rt:1:2:3",
        "nothing:1",
        "encapsulation:vlan",
        "encapsulation:65536",
        "mac-mobility:x",
        "mac-mobility:1:glued",
        "mac-mobility:4294967296",
        "esi-label:16777216",
        "es-import:02",
        "default-gateway:1",
        "df-election:32",
        "df-election:hrw:65536",
        "arp-nd:0x100",
        "arp-nd:routes",
        "l2-attributes:65536",
        "link-bandwidth:1",
        "link-bandwidth:65536:1",
        "link-bandwidth:1:1:x",
        "link-bandwidth:1:x",
        "06000000000000",
        "0600000000000000 ",
        "zz00000000000000",
    ],
)
def test_what_is_not_a_community(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|is neither|takes no value"):
        from_text(text)

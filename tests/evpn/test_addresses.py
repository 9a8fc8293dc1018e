"""What can be the address of a host, and what can't."""

from __future__ import annotations

import pytest

from evpnd.evpn.addresses import is_host_address, is_host_mac
from evpnd.evpn.values import ip_from_text, mac_from_text


@pytest.mark.parametrize("text", ["10.0.0.1", "1.2.3.4", "223.255.255.255", "240.0.0.1", "2001:db8::1", "fd00::1"])
def test_addresses_of_hosts(text: str) -> None:
    assert is_host_address(ip_from_text(text))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "255.255.255.255",
        "::",
        "::1",
        "ff02::1",
        "fe80::1",
        "febf::1",
        "::ffff:10.0.0.1",
    ],
)
def test_addresses_of_no_host(text: str) -> None:
    assert not is_host_address(ip_from_text(text))


@pytest.mark.parametrize(
    ("text", "is_host"),
    [
        ("02:00:00:00:00:01", True),
        ("00:00:00:00:00:01", True),
        ("00:00:00:00:00:00", False),
        ("01:00:5e:00:00:01", False),
        ("ff:ff:ff:ff:ff:ff", False),
    ],
)
def test_macs(text: str, is_host: bool) -> None:
    assert is_host_mac(mac_from_text(text)) is is_host

"""evpnd.bgp.tcp and peer_config: option values, and what a configuration may not say."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from evpnd.bgp import tcp
from evpnd.errors import ConfigError
from tests.bgp.pair import LOW


def test_numbers_are_those_of_the_socket_module() -> None:
    assert (tcp.AF_INET, tcp.AF_INET6) == (socket.AF_INET, socket.AF_INET6)
    for name in ("IPPROTO_IP", "IPPROTO_TCP", "IPPROTO_IPV6", "IP_TOS", "IP_TTL", "IPV6_UNICAST_HOPS"):
        assert getattr(tcp, name) == getattr(socket, name)
    for name in ("IPV6_V6ONLY", "IPV6_TCLASS"):
        assert getattr(tcp, name) == getattr(socket, name)


def test_md5_option_is_laid_out_as_the_kernel_has_it() -> None:
    level, option, value = tcp.md5_option("192.0.2.1", "secret")
    assert (level, option) == (6, 14)
    assert isinstance(value, bytes)
    assert len(value) == 216  # sizeof(struct tcp_md5sig)
    assert value[4:8] == bytes((192, 0, 2, 1))
    assert value[136:142] == b"secret"
    assert not any(value[142:])
    _, _, value = tcp.md5_option("2001:db8::1", "k" * 80)
    assert isinstance(value, bytes)
    assert len(value) == 216
    assert value[8:24] == socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    assert value[136:] == b"k" * 80


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_kernel_takes_the_options(address: str) -> None:
    near = replace(LOW, address=address, ttl_security=1, password="secret")
    with socket.socket(tcp.family_of(address)) as sock:
        for level, option, value in [*tcp.session_options(near), tcp.md5_option(address, "secret")]:
            sock.setsockopt(level, option, value)
        sock.setsockopt(*tcp.md5_option(address, None))  # there is a key to forget
        with pytest.raises(FileNotFoundError):
            sock.setsockopt(*tcp.md5_option(address, None))
    with socket.socket(tcp.family_of(address)) as sock:
        for level, option, value in tcp.listen_options(tcp.family_of(address)):
            sock.setsockopt(level, option, value)


@pytest.mark.parametrize(
    ("changes", "ttl", "minimum"),
    [
        ({}, 1, None),  # external, on one link
        ({"asn": "external"}, 1, None),
        ({"asn": "internal"}, None, None),
        ({"asn": 65001}, None, None),
        ({"multihop": 3}, 3, None),
        ({"ttl_security": 1}, 255, 255),
        ({"ttl_security": 3}, 255, 253),
    ],
)
def test_ttls(changes: dict[str, object], ttl: int | None, minimum: int | None) -> None:
    config = replace(LOW, **changes)  # type: ignore[arg-type]
    assert config.ttl == ttl
    assert config.minimum_ttl == minimum


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"address": "spine"}, "address must be"),
        ({"local_address": "10.0.0.300"}, "local_address must be"),
        ({"asn": 0}, "AS number"),
        ({"local_asn": 1 << 32}, "AS number"),
        ({"router_id": b"\0\0\0\0"}, "router_id"),
        ({"hold_time_s": 2}, "hold_time"),
        ({"multihop": 2, "ttl_security": 1}, "exclude"),
        ({"multihop": 256}, "multihop must be"),
        ({"ttl_security": 0}, "ttl_security must be"),
        ({"password": ""}, "password"),
        ({"password": "x" * 81}, "password"),
        ({"families": ()}, "families"),
    ],
)
def test_impossible_configurations(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(LOW, **changes)  # type: ignore[arg-type]


def test_every_error_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        replace(LOW, hold_time_s=1, families=())
    assert len(caught.value.errors) == 2


def test_password_is_not_printed() -> None:
    assert "secret" not in repr(replace(LOW, password="secret"))

"""The socket options of a BGP session as values: TTLs (RFC 5082), TCP MD5 keys (RFC 2385), traffic class.

Pure: builds (level, option, value) triples for setsockopt(2) on Linux; `evpnd.bgp.wire` and `evpnd.bgp.listener` set
them. The numbers are the kernel's (linux/in.h, linux/in6.h, linux/tcp.h), some of which Python's socket module lacks.
"""

from __future__ import annotations

import ipaddress
from struct import Struct

from evpnd.bgp.peer_config import PeerConfig

Option = tuple[int, int, int | bytes]

AF_INET, AF_INET6 = 2, 10
IPPROTO_IP, IPPROTO_TCP, IPPROTO_IPV6 = 0, 6, 41
IP_TOS, IP_TTL, IP_FREEBIND, IP_MINTTL = 1, 2, 15, 21
IPV6_UNICAST_HOPS, IPV6_V6ONLY, IPV6_TCLASS, IPV6_MINHOPCOUNT, IPV6_FREEBIND = 16, 26, 67, 73, 78
TCP_MD5SIG = 14

INTERNETWORK_CONTROL = 0xC0  # RFC 4271 appendix E: precedence 110

_SOCKADDR_IN = Struct("=H2s4s120x")  # struct sockaddr_in in a sockaddr_storage of 128 octets
_SOCKADDR_IN6 = Struct("=H2s4s16s4s100x")
_MD5SIG = Struct("=128sBBHi80s")  # struct tcp_md5sig: address, flags, prefix length, key length, interface, key


def family_of(address: str) -> int:
    """AF_INET or AF_INET6."""
    return AF_INET if ipaddress.ip_address(address).version == 4 else AF_INET6


def session_options(config: PeerConfig) -> list[Option]:
    """The options of both kinds of connection with this peer: ours before connecting, the peer's when accepted."""
    v4 = family_of(config.address) == AF_INET
    level = IPPROTO_IP if v4 else IPPROTO_IPV6
    options: list[Option] = [(level, IP_TOS if v4 else IPV6_TCLASS, INTERNETWORK_CONTROL)]
    if config.ttl is not None:
        options.append((level, IP_TTL if v4 else IPV6_UNICAST_HOPS, config.ttl))
    if config.minimum_ttl is not None:
        options.append((level, IP_MINTTL if v4 else IPV6_MINHOPCOUNT, config.minimum_ttl))
    return options


def listen_options(family: int) -> list[Option]:
    """The options of a listening socket; an address may be listened on before an interface has it."""
    if family == AF_INET:
        return [(IPPROTO_IP, IP_FREEBIND, 1), (IPPROTO_IP, IP_TOS, INTERNETWORK_CONTROL), (IPPROTO_IP, IP_TTL, 255)]
    return [
        (IPPROTO_IPV6, IPV6_V6ONLY, 1),
        (IPPROTO_IPV6, IPV6_FREEBIND, 1),
        (IPPROTO_IPV6, IPV6_TCLASS, INTERNETWORK_CONTROL),
        (IPPROTO_IPV6, IPV6_UNICAST_HOPS, 255),  # the answer to a SYN must pass the peer's GTSM check
    ]


def md5_option(address: str, password: str | None) -> Option:
    """Sign and check segments to and from `address` with this key; None forgets the key."""
    key = (password or "").encode()
    return (IPPROTO_TCP, TCP_MD5SIG, _MD5SIG.pack(_sockaddr(address), 0, 0, len(key), 0, key))


def _sockaddr(address: str) -> bytes:
    packed = ipaddress.ip_address(address).packed
    if len(packed) == 4:
        return _SOCKADDR_IN.pack(AF_INET, b"\0\0", packed)
    return _SOCKADDR_IN6.pack(AF_INET6, b"\0\0", b"\0" * 4, packed, b"\0" * 4)

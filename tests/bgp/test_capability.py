"""Capabilities: kept as they came, built and read by their RFCs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.bgp.capability import (
    AddPath,
    Capability,
    ExtendedNextHop,
    GracefulFamily,
    GracefulRestart,
    LongLivedFamily,
    decode_capabilities,
)
from evpnd.bgp.family import IPV4_UNICAST, IPV6_UNICAST, L2VPN_EVPN, Family
from evpnd.errors import ProtocolError

RESTART = GracefulRestart(0x8, 120, (GracefulFamily(L2VPN_EVPN, 0x80), GracefulFamily(IPV4_UNICAST, 0)))
LONG_LIVED = (LongLivedFamily(L2VPN_EVPN, 0x80, 0xABCDEF),)
PATHS = (AddPath(L2VPN_EVPN, 3), AddPath(IPV6_UNICAST, 1))
NEXT_HOPS = (ExtendedNextHop(IPV4_UNICAST, 2),)

# (RFC, capability, its octets, the view that reads it back, what that gives)
KNOWN: list[tuple[str, Capability, str, Callable[[Capability], Any] | None, Any]] = [
    ("RFC 4760", Capability.multiprotocol(L2VPN_EVPN), "010400190046", Capability.family, L2VPN_EVPN),
    ("RFC 2918", Capability.route_refresh(), "0200", None, None),
    ("RFC 8950", Capability.extended_next_hop(NEXT_HOPS), "0506000100010002", Capability.next_hops, NEXT_HOPS),
    ("RFC 8654", Capability.extended_message(), "0600", None, None),
    ("RFC 4724", Capability.graceful_restart(RESTART), "400a80780019468000010100", Capability.restart, RESTART),
    ("RFC 6793", Capability.as4(4200000000), "4104fa56ea00", Capability.asn, 4200000000),
    ("RFC 7911", Capability.add_path(PATHS), "45080019460300020101", Capability.add_paths, PATHS),
    ("RFC 7313", Capability.enhanced_route_refresh(), "4600", None, None),
    (
        "RFC 9494",
        Capability.long_lived_graceful_restart(LONG_LIVED),
        "470700194680abcdef",
        Capability.long_lived,
        LONG_LIVED,
    ),
    ("FQDN", Capability.fqdn("leaf1", "lan"), "490a056c65616631036c616e", Capability.host_and_domain, ("leaf1", "lan")),
]


@pytest.mark.parametrize(("rfc", "capability", "octets", "view", "value"), KNOWN)
def test_known(
    rfc: str, capability: Capability, octets: str, view: Callable[[Capability], Any] | None, value: Any
) -> None:
    assert capability.encode().hex() == octets
    assert decode_capabilities(bytes.fromhex(octets)) == (capability,)
    assert not capability.name.startswith("capability-")
    if view is not None:
        assert view(capability) == value


VIEWS = {capability.code: view for _, capability, _, view, _ in KNOWN if view is not None}


@pytest.mark.parametrize("code", sorted(VIEWS))
@pytest.mark.parametrize("value", [b"\x09", bytes(3), bytes(5), b"\xff\xff\xff"])
def test_malformed_values_are_kept_and_refused_when_read(code: int, value: bytes) -> None:
    (capability,) = decode_capabilities(bytes((code, len(value))) + value)
    assert capability.encode() == bytes((code, len(value))) + value
    view = VIEWS[code]
    if code == 73 and value[0] < len(value):
        assert view(capability) is not None
        return
    with pytest.raises(ProtocolError) as caught:
        view(capability)
    assert (caught.value.code, caught.value.subcode) == (2, 0)


def test_views_are_of_their_capability() -> None:
    with pytest.raises(ValueError, match="route-refresh capability is read as multiprotocol"):
        Capability.route_refresh().family()


def test_unknown() -> None:
    (capability,) = decode_capabilities(bytes.fromhex("c803010203"))
    assert (capability.code, capability.value, capability.name) == (200, b"\1\2\3", "capability-200")


def test_reserved_octet_is_ignored_and_kept() -> None:
    """RFC 4760 section 8."""
    (capability,) = decode_capabilities(bytes.fromhex("01040019ff46"))
    assert capability.family() == L2VPN_EVPN
    assert capability.encode() == bytes.fromhex("01040019ff46")


def test_flags_of_graceful_restart() -> None:
    read = Capability.graceful_restart(RESTART).restart()
    assert (read.restarted, read.notification, read.families[0].preserved) == (True, False, True)
    assert Capability.graceful_restart(GracefulRestart(0x4, 4095, ())).restart().notification


def test_names_of_hosts() -> None:
    assert Capability(73, b"\x02ab").host_and_domain() == ("ab", "")
    assert Capability(73, b"\x02\xff\xfe\x00").host_and_domain() == ("��", "")
    long = Capability.fqdn("h" * 300, "d" * 300)
    assert decode_capabilities(long.encode()) == (long,)


@pytest.mark.parametrize("octets", ["01", "0104001900", "02000104", "0201"])
def test_capability_that_runs_past_the_end(octets: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_capabilities(bytes.fromhex(octets))
    assert caught.value.code == 2


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=255)), max_size=5))
def test_round_trip(found: list[tuple[int, bytes]]) -> None:
    octets = b"".join(Capability(*one).encode() for one in found)
    assert decode_capabilities(octets) == tuple(Capability(*one) for one in found)


@given(st.binary(max_size=60))
def test_garbage(data: bytes) -> None:
    try:
        capabilities = decode_capabilities(data)
    except ProtocolError:
        return
    assert b"".join(capability.encode() for capability in capabilities) == data
    for capability in capabilities:
        try:
            VIEWS.get(capability.code, Capability.encode)(capability)
        except ProtocolError as error:
            assert error.code == 2


def test_families() -> None:
    assert Family(25, 70) == L2VPN_EVPN
    assert L2VPN_EVPN.name == "l2vpn-evpn"
    assert Family(25, 71).name == "afi-25-safi-71"
    assert Family.from_name("ipv6-unicast") == IPV6_UNICAST
    assert L2VPN_EVPN.encode() == bytes((0, 25, 70))
    with pytest.raises(KeyError):
        Family.from_name("afi-25-safi-71")

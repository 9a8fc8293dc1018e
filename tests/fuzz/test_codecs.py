"""Damaged octets into every codec entry point: ProtocolError or an answer that writes back the same octets.

50,000 damaged messages by default, a million with EVPND_FUZZ=1000000 (`make test` does so).
"""

from __future__ import annotations

import os

import pytest

from evpnd.bgp.attributes import AttributeCache, build
from evpnd.bgp.capability import AddPath, Capability, ExtendedNextHop, GracefulFamily, GracefulRestart, LongLivedFamily
from evpnd.bgp.family import IPV4_UNICAST, IPV6_UNICAST, L2VPN_EVPN
from evpnd.bgp.fault_log import FaultLog
from evpnd.bgp.framing import MAX_EXTENDED, split_messages
from evpnd.bgp.message import Keepalive, Message, Notification, Open, RouteRefresh, decode_message, encode_message
from evpnd.bgp.update import Context, UpdateDecoder, encode_update, pack_updates
from evpnd.errors import Action, ProtocolError
from evpnd.evpn import extended_community, nlri
from evpnd.message_json import message_to_json
from tests.fuzz.mutation import mutations
from tests.vector_files import vectors

MESSAGES = int(os.environ.get("EVPND_FUZZ", "50000"))
PARTS = 8  # so that a failure names a small part, and all don't come last
CONTEXTS = (
    Context(as4=True, extended_message=True),
    Context(as4=False, ebgp=True),
    Context(as4=True, ebgp=True, add_path=frozenset((L2VPN_EVPN, IPV4_UNICAST))),
)


def own_messages() -> list[bytes]:
    """What the vectors lack: OPENs with every capability, the other messages, IPv4 and IPv6 routes."""
    capabilities = (
        *(Capability.multiprotocol(family) for family in (IPV4_UNICAST, IPV6_UNICAST, L2VPN_EVPN)),
        Capability.route_refresh(),
        Capability.enhanced_route_refresh(),
        Capability.extended_message(),
        Capability.as4(4200000000),
        Capability.extended_next_hop([ExtendedNextHop(IPV4_UNICAST, 2)]),
        Capability.graceful_restart(GracefulRestart(0x8, 120, (GracefulFamily(L2VPN_EVPN, 0x80),))),
        Capability.long_lived_graceful_restart([LongLivedFamily(L2VPN_EVPN, 0x80, 3600)]),
        Capability.add_path([AddPath(L2VPN_EVPN, 3)]),
        Capability.fqdn("leaf1", "example.net"),
        Capability(200, b"\x01\x02"),
    )
    messages: list[Message] = [
        Open(4, 23456, 90, bytes((10, 0, 0, 1)), capabilities),
        Keepalive(),
        Notification(6, 2, b"\x05later"),
        RouteRefresh(L2VPN_EVPN, 0, b""),
    ]
    attributes = build(
        as_path=[65001, 4200000000],
        next_hop=bytes((10, 0, 0, 2)),
        med=10,
        local_pref=100,
        communities=[0xFFFFFF01, 65001 << 16 | 7],
        originator_id=bytes((10, 0, 0, 3)),
        cluster_list=[bytes((10, 0, 0, 4))],
        extended_communities=[extended_community.route_target(65001, 100), extended_community.mac_mobility(5)],
        otc=65001,
    )
    four, six = bytes((24, 10, 1, 0)), bytes((64, 0x20, 1, 0xD, 0xB8, 0, 0, 0, 1))
    return [
        *(encode_message(message, Context()) for message in messages),
        *pack_updates(attributes, IPV4_UNICAST, bytes((10, 0, 0, 2)), [four] * 3),
        *pack_updates(attributes, IPV6_UNICAST, bytes(15) + b"\x01", [six] * 3),
    ]


def message_seeds() -> list[bytes]:
    return [vector.data for vector in vectors("update")] + own_messages() * 3


@pytest.mark.parametrize("part", range(PARTS))
def test_damaged_messages(part: int) -> None:
    cache = AttributeCache()
    decoders = [UpdateDecoder(context, cache) for context in CONTEXTS]
    seeds = message_seeds()
    read = 0
    for number, damaged in enumerate(mutations(seeds, MESSAGES // PARTS, part)):
        which = number % len(CONTEXTS)
        octets = mended(damaged) if number % 2 else damaged
        try:
            stream(octets)
            read += message(octets, CONTEXTS[which], decoders[which], show=number % 4 < 2)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} for {octets.hex()} in {CONTEXTS[which]}") from error
    assert read > MESSAGES // PARTS // 10  # the damage is not so great that nothing is reached


def mended(octets: bytes) -> bytes:
    """With the lengths of message and attributes put right again, so that the damage reaches what is within."""
    whole = bytearray(octets.ljust(19, b"\xff"))
    if len(whole) > 23 and whole[18] == 2:
        whole[19:21] = b"\0\0"
        whole[21:23] = (len(whole) - 23).to_bytes(2, "big")
    whole[16:18] = len(whole).to_bytes(2, "big")
    return bytes(whole)


def stream(octets: bytes) -> None:
    """Cutting never loses or repeats octets."""
    try:
        messages, used = split_messages(octets, MAX_EXTENDED)
    except ProtocolError:
        return
    assert used == sum(len(body) + 19 for _, body in messages) <= len(octets)


def message(octets: bytes, context: Context, decoder: UpdateDecoder, *, show: bool) -> bool:
    """Whether the octets could be read at all."""
    try:
        if len(octets) > 18 and octets[18] == 2:
            update = decoder.decode(octets[19:])
        else:
            decoded = decode_message(octets, context)
    except ProtocolError:
        return False
    if len(octets) <= 18 or octets[18] != 2:
        assert encode_message(decoded, context) == octets
        message_to_json(decoded)
        return True
    if not update.errors:
        assert encode_update(update, context)[19:] == octets[19:]
    assert all(error.action <= Action.WITHDRAW for error in update.errors)
    if update.errors:
        assert FaultLog().line(update, 0.0)
    if show:
        message_to_json(update)
        for part in (*update.reach, *update.unreach):
            if part.family == L2VPN_EVPN and not part.add_path:
                nlri.split_keys(part.nlri)
    return True


def test_damaged_nlri() -> None:
    seeds = [vector.data for vector in vectors("nlri")]
    for octets in mutations(seeds, MESSAGES // 2, 99):
        try:
            nlri.check(octets, withdrawn=True)
        except ProtocolError as error:
            assert error.action is Action.DISABLE
            continue
        routes = nlri.decode_routes(octets)
        assert b"".join(route.encode() for route in routes) == octets
        entries = nlri.split_entries(octets)
        assert b"".join(nlri.join_entry(*entry) for entry in entries) == octets
        assert [key for key, _ in entries] == nlri.split_keys(octets)


def test_damaged_communities() -> None:
    seeds = [vector.data for vector in vectors("extcomm")]
    for octets in mutations(seeds, MESSAGES // 10, 77):
        text = extended_community.to_text(octets)
        if len(octets) == 8:
            assert extended_community.to_text(extended_community.from_text(text)) == text
        for read in (
            extended_community.mobility_of,
            extended_community.route_targets_of,
            extended_community.router_mac_of,
            extended_community.esi_label_of,
        ):
            read((octets[:8].ljust(8, b"\x00"),))

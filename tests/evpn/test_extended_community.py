"""Extended communities: vectors of others, builders, readers."""

from __future__ import annotations

import pytest

from evpnd.evpn import community_kinds as kinds
from evpnd.evpn import extended_community as ec
from tests.vector_files import Vector, name, vectors

MAC = b"\x02\0\0\0\0\x01"


@pytest.mark.parametrize("vector", vectors("extcomm"), ids=name)
def test_vector(vector: Vector) -> None:
    assert ec.to_text(vector.data) == vector.means
    assert ec.from_text(vector.means) == vector.data


@pytest.mark.parametrize(
    ("made", "octets", "text"),
    [
        (ec.route_target(65001, 100), "0002fde900000064", "rt:65001:100"),
        (ec.route_target(4200000000, 7), "0202fa56ea000007", "rt:4200000000:7"),
        (ec.route_target_from_text("10.0.0.1:3"), "01020a0000010003", "rt:10.0.0.1:3"),
        (ec.encapsulation(), "030c000000000008", "encapsulation:vxlan"),
        (ec.encapsulation(99), "030c000000000063", "encapsulation:99"),
        (ec.mac_mobility(5), "0600000000000005", "mac-mobility:5"),
        (ec.mac_mobility(5, sticky=True), "0600010000000005", "mac-mobility:5:sticky"),
        (ec.esi_label(b"\0\0\x64"), "0601000000000064", "esi-label:100"),
        (ec.esi_label(b"\0\0\x64", single_active=True), "0601010000000064", "esi-label:100:single-active"),
        (ec.es_import(MAC), "0602020000000001", "es-import:02:00:00:00:00:01"),
        (ec.router_mac(MAC), "0603020000000001", "router-mac:02:00:00:00:00:01"),
        (ec.default_gateway(), "030d000000000000", "default-gateway"),
        (ec.l2_attributes(kinds.L2_PRIMARY, 1500), "0604000205dc0000", "l2-attributes:1500:primary"),
        (ec.df_election(kinds.DF_DEFAULT), "0606000000000000", "df-election:default"),
        (
            ec.df_election(kinds.DF_HIGHEST_PREFERENCE, kinds.DF_DONT_PREEMPT | kinds.DF_AC_INFLUENCED, 32767),
            "060602c000007fff",
            "df-election:highest-preference:32767:dont-preempt:ac-influenced",
        ),
        (ec.arp_nd(0), "0608000000000000", "arp-nd"),
        (ec.arp_nd(kinds.ARP_ND_ROUTER | kinds.ARP_ND_OVERRIDE), "0608030000000000", "arp-nd:router:override"),
        (ec.arp_nd(kinds.ARP_ND_IMMUTABLE), "0608080000000000", "arp-nd:immutable"),
        (ec.link_bandwidth(65001, 1.25e6), "4004fde949989680", "link-bandwidth:65001:1250000"),
        (
            ec.link_bandwidth(65001, 1.25e6, transitive=True),
            "0004fde949989680",
            "link-bandwidth:65001:1250000:transitive",
        ),
    ],
)
def test_builders(made: bytes, octets: str, text: str) -> None:
    assert made == bytes.fromhex(octets)
    assert ec.to_text(made) == text
    assert ec.from_text(text) == made


def test_readers() -> None:
    target = ec.route_target(65001, 100)
    communities = (target, ec.encapsulation(8), ec.mac_mobility(7, sticky=True), ec.router_mac(MAC))
    assert ec.route_targets_of(communities) == (target,)
    assert ec.encapsulations_of(communities) == (8,)
    assert ec.mobility_of(communities) == (7, True)
    assert ec.router_mac_of(communities) == MAC
    assert not ec.is_default_gateway(communities)
    assert ec.is_default_gateway((*communities, ec.default_gateway()))
    assert ec.es_import_of((*communities, ec.es_import(MAC))) == MAC
    assert ec.esi_label_of((ec.esi_label(b"\0\0\x64", single_active=True),)) == (b"\0\0\x64", True)


def test_readers_of_nothing() -> None:
    assert ec.mobility_of(()) == (0, False)
    assert ec.route_targets_of(()) == ()
    assert ec.encapsulations_of(()) == ()
    assert ec.router_mac_of(()) is None
    assert ec.es_import_of(()) is None
    assert ec.esi_label_of(()) is None


def test_several_mobility_communities_count_as_the_highest() -> None:
    assert ec.mobility_of((ec.mac_mobility(3), ec.mac_mobility(9), ec.mac_mobility(4))) == (9, False)


def test_es_import_is_derived_from_the_esi() -> None:
    assert ec.es_import_of_esi(bytes.fromhex("03aabbccddeeff000001")) == bytes.fromhex("0602aabbccddeeff")


def test_route_origin_is_no_route_target() -> None:
    assert ec.route_targets_of((bytes.fromhex("0003fde900000064"),)) == ()

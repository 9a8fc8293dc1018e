"""One VNI: remote MACs, flood list, local MACs, and moves between all of them."""

from __future__ import annotations

import pytest

from evpnd.config import EvpnConfig, VniSettings
from evpnd.evpn.macvrf import mac_key
from evpnd.evpn.mobility import MAX_SEQUENCE
from evpnd.evpn.values import ip_from_text, mac_from_text
from evpnd.fib.intent import fdb_value, flood_key
from tests.evpn.scene import MAC, OWN_VTEP, Host, attributes, device

A, B = "10.0.0.1", "10.0.0.9"  # below and above our own VTEP


@pytest.fixture
def host() -> Host:
    host = Host()
    host.vnis(device())
    return host


def test_remote_mac_points_at_its_vtep_until_withdrawn(host: Host) -> None:
    key = host.mac_route(A)
    assert host.where() == A
    host.withdraw(key)
    assert host.where() is None


def test_route_with_mac_and_ip_alone_installs_the_mac(host: Host) -> None:
    key = host.mac_route(A, ip="10.1.0.1")
    assert host.where() == A
    assert host.vrf.addresses(mac_from_text(MAC)) == ["10.1.0.1"]
    host.withdraw(key)
    assert not host.vrf.remote


def test_mac_stays_while_one_of_its_routes_does(host: Host) -> None:
    only_mac, with_ip = host.mac_route(A), host.mac_route(A, ip="10.1.0.1")
    host.withdraw(only_mac)
    assert host.where() == A
    host.withdraw(with_ip)
    assert host.where() is None


def test_own_next_hop_is_never_installed(host: Host) -> None:
    host.mac_route(OWN_VTEP)
    assert host.where() is None


def test_next_hop_of_the_other_address_family_is_not_installed(host: Host) -> None:
    key = host.mac_route(A)
    host.withdraw(key)
    host.rib.announce(host.peer(1), attributes(), ip_from_text("2001:db8::1"), [(key, bytes(13))])
    host.settle()
    assert host.vrf.remote
    assert host.where() is None


@pytest.mark.parametrize("next_hop", ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"])
def test_next_hop_and_endpoint_that_are_no_host_are_not_installed(host: Host, next_hop: str) -> None:
    host.mac_route(next_hop)
    host.multicast_route(A, endpoint=next_hop)
    assert not host.fdb


@pytest.mark.parametrize("mac", ["00:00:00:00:00:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff"])
def test_mac_that_is_no_host_s_is_neither_installed_nor_advertised(host: Host, mac: str) -> None:
    key = host.mac_route(A, mac)
    host.learn(mac)
    assert not host.fdb
    assert host.advertised(mac) is None
    host.withdraw(key)
    assert not host.vrf.remote


def test_route_of_another_vni_stays_out(host: Host) -> None:
    host.mac_route(A, target="65001:200", vni=200)
    host.mac_route(A, target="65001:65636")
    assert not host.vrf.remote
    assert not any(value == fdb_value(ip_from_text(A)) for value in host.fdb.values())


def test_change_of_targets_takes_the_route_out(host: Host) -> None:
    host.mac_route(A)
    host.mac_route(A, target="65001:200")
    assert host.where() is None
    assert not host.vrf.remote


def test_higher_sequence_wins_whatever_the_order(host: Host) -> None:
    host.mac_route(B, mobility=(2, False))
    host.mac_route(A, mobility=(1, False))
    assert host.where() == B
    host.mac_route(A, mobility=(3, False))
    assert host.where() == A


def test_lower_next_hop_wins_among_equal_sequences(host: Host) -> None:
    host.mac_route(B)
    host.mac_route(A)
    assert host.where() == A


def test_sticky_remote_mac_is_written_as_sticky(host: Host) -> None:
    host.mac_route(A, mobility=(0, True))
    assert host.fdb[host.vrf.intent(mac_from_text(MAC))] == fdb_value(ip_from_text(A), sticky=True)


# Local MACs


def test_new_local_mac_is_advertised_without_mobility(host: Host) -> None:
    host.learn()
    assert host.advertised() == (0, False)
    host.forget()
    assert host.advertised() is None


def test_mac_that_comes_here_gets_the_next_sequence(host: Host) -> None:
    host.mac_route(A, mobility=(4, False))
    host.learn()
    assert host.advertised() == (5, False)
    assert host.where() is None


def test_mac_that_leaves_is_withdrawn_and_installed(host: Host) -> None:
    host.learn()
    host.mac_route(B, mobility=(1, False))
    assert host.advertised() is None
    assert host.where() == B
    host.learn()
    assert host.advertised() == (2, False)
    assert host.where() is None


def test_older_remote_route_does_not_move_a_local_mac(host: Host) -> None:
    host.mac_route(A, mobility=(4, False))
    host.learn()
    host.mac_route(B, mobility=(3, False))
    assert host.advertised() == (5, False)
    assert host.where() is None


@pytest.mark.parametrize(("vtep", "stays"), [(A, False), (B, True)])
def test_equal_sequences_are_decided_by_the_lower_vtep(host: Host, vtep: str, stays: bool) -> None:
    host.learn()
    host.mac_route(vtep)
    assert (host.advertised() is not None) is stays
    assert (host.where() is None) is stays


def test_move_between_ports_of_this_host_is_not_told_to_peers(host: Host) -> None:
    host.learn(port=7)
    before = host.local_in.paths.copy()
    host.learn(port=8)
    assert host.local_in.paths == before
    assert host.vrf.local[mac_from_text(MAC)].port == 8


def test_sequence_stops_at_its_end(host: Host) -> None:
    host.mac_route(B, mobility=(MAX_SEQUENCE, False))
    host.learn()
    assert host.advertised() == (MAX_SEQUENCE, False)


def test_sticky_remote_mac_does_not_move_here(host: Host) -> None:
    key = host.mac_route(A, mobility=(0, True))
    host.learn()
    assert host.advertised() is None
    assert host.where() == A
    assert conflict(host) == "learned here, but a remote VTEP advertises it as sticky"
    host.withdraw(key)
    assert conflict(host) is None


def test_conflict_ends_with_the_remote_route_s_sticky_mark(host: Host) -> None:
    host.mac_route(A, mobility=(0, True))
    host.learn()
    host.mac_route(A, mobility=(1, False))
    assert conflict(host) is None
    assert host.where() == A


def test_static_mac_is_local_when_the_remote_route_is_no_longer_sticky(host: Host) -> None:
    host.learn(static=True)
    host.mac_route(A, mobility=(0, True))
    assert conflict(host) == "static here, but a remote VTEP advertises it as sticky"
    assert host.advertised() is None
    host.mac_route(A, mobility=(3, False))
    assert conflict(host) is None
    assert host.advertised() == (4, False)
    assert host.where() is None


@pytest.mark.parametrize("mobility", [(0, True), (5, False)])
def test_static_mac_that_gave_way_is_local_again_when_the_remote_route_is_gone(
    host: Host, mobility: tuple[int, bool]
) -> None:
    host.learn(static=True)
    key = host.mac_route(A, mobility=mobility)
    assert host.advertised() is None
    host.withdraw(key)
    assert host.advertised() == (0, False)
    assert not host.fdb


def test_conflict_ends_with_the_static_entry(host: Host) -> None:
    key = host.mac_route(A, mobility=(0, True))
    host.learn(static=True)
    assert conflict(host)
    host.learn()  # it may move now, and does
    assert conflict(host) is None
    host.learn(static=True)
    assert conflict(host)
    host.forget()
    assert conflict(host) is None
    host.withdraw(key)
    assert host.advertised() is None


def conflict(host: Host) -> str | None:
    return host.vrf.conflict(mac_from_text(MAC))


def test_sticky_local_mac_is_advertised_so_and_stays(host: Host) -> None:
    host.learn(sticky=True)
    host.mac_route(A, mobility=(9, False))
    assert host.advertised() == (0, True)
    assert host.where() is None


def test_vanished_local_mac_gives_way_to_the_remote_one(host: Host) -> None:
    host.learn()
    host.mac_route(B)
    assert host.where() is None
    host.forget()
    assert host.where() == B


# Flood list


def flooded(host: Host) -> set[bytes]:
    return {vtep for vtep in map(ip_from_text, (A, B, OWN_VTEP)) if flood_key(10, 0, vtep) in host.fdb}


def test_flood_list_follows_type_3_routes(host: Host) -> None:
    one, two = host.multicast_route(A), host.multicast_route(B)
    assert flooded(host) == {ip_from_text(A), ip_from_text(B)}
    host.withdraw(one)
    assert flooded(host) == {ip_from_text(B)}
    host.withdraw(two)
    assert not flooded(host)


def test_flooding_goes_to_the_tunnel_s_endpoint(host: Host) -> None:
    host.multicast_route(A, endpoint=B)
    assert flooded(host) == {ip_from_text(B)}
    host.multicast_route(A, endpoint=A)
    assert flooded(host) == {ip_from_text(A)}


def test_two_routes_for_one_vtep_count_once_and_last(host: Host) -> None:
    one, two = host.multicast_route(A), host.multicast_route(B, endpoint=A)
    host.withdraw(one)
    assert flooded(host) == {ip_from_text(A)}
    host.withdraw(two)
    assert not flooded(host)


def test_no_tunnel_attribute_no_flooding(host: Host) -> None:
    host.multicast_route(A, pmsi=False)
    host.multicast_route(B)
    host.multicast_route(B, pmsi=False)
    assert not flooded(host)


def test_own_vtep_is_not_flooded_to(host: Host) -> None:
    host.multicast_route(OWN_VTEP)
    assert not flooded(host)


def test_settings_of_a_vni() -> None:
    quiet = VniSettings(vni=100, advertise=False, flooding=False)
    host = Host(EvpnConfig(vnis={100: quiet}))
    host.vnis(device())
    host.learn()
    host.multicast_route(A)
    assert not host.local_in.paths
    assert not flooded(host)


def test_end_of_a_vni_takes_everything_back(host: Host) -> None:
    host.learn()
    host.mac_route(A, "02:00:00:00:00:02")
    host.multicast_route(A)
    host.vnis()
    assert not host.fdb
    assert not host.local_in.paths
    assert not any(path.source.local for key in host.rib.table for path in host.rib.paths(key))


def advertised_sequence(host: Host) -> int | None:
    path = host.rib.best(mac_key(host.vrf.rd, mac_from_text(MAC)))
    return None if path is None else path.sequence


@pytest.mark.parametrize("vtep", [A, B])
def test_mac_that_came_here_while_evpnd_was_away_outruns_who_still_advertises_it(host: Host, vtep: str) -> None:
    host.fdb.left = frozenset((host.vrf.intent(mac_from_text(MAC)),))
    host.learn()
    assert advertised_sequence(host) == 0
    host.mac_route(vtep, mobility=(4, False))
    assert (host.where(), advertised_sequence(host)) == (None, 5)
    # Told once: who advertises it with a higher number now has it from a later move.
    host.mac_route(vtep, mobility=(6, False))
    assert (host.where(), advertised_sequence(host)) == (vtep, None)


def test_mac_that_came_here_is_nothing_special_after_all_peers_have_spoken(host: Host) -> None:
    host.fdb.left = frozenset((host.vrf.intent(mac_from_text(MAC)),))
    host.learn()
    host.vrf.forget_arrivals()
    host.mac_route(A, mobility=(1, False))
    assert (host.where(), advertised_sequence(host)) == (A, None)


def test_mac_that_came_here_does_not_outrun_a_sticky_one(host: Host) -> None:
    host.fdb.left = frozenset((host.vrf.intent(mac_from_text(MAC)),))
    host.learn()
    host.mac_route(A, mobility=(0, True))
    assert (host.where(), advertised_sequence(host)) == (A, None)

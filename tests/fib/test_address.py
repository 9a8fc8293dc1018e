"""evpnd.fib.address on the real kernel: the host's addresses and its subnets' broadcast addresses, as they change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpnd.errors import NetlinkError
from evpnd.evpn.values import ip_text
from evpnd.fib.address import Address, Addresses, decode_address, encode_address_dump, taken
from evpnd.fib.channel import RTMGRP_IPV4_IFADDR, _open
from evpnd.fib.link import Link
from evpnd.fib.netlink import split_messages
from tests.fib.watching import Watcher, settle, watching
from tests.netns import run

on_the_kernel = pytest.mark.usefixtures("namespace")


def said(watcher: Watcher) -> dict[str, str]:
    """All but the loopback addresses and those of links."""
    texts = {ip_text(ip): text for ip, text in watcher.taken.items()}
    return {ip: text for ip, text in texts.items() if not ip.startswith(("127.", "::1", "fe80:"))}


@on_the_kernel
async def test_own_and_broadcast_addresses_come_and_go() -> None:
    own, broadcast = "this host's own address on br0", "the broadcast address of a subnet on br0"
    run("ip link add br0 type bridge", "ip addr add 10.1.0.5/24 dev br0", "ip addr add 2001:db8::5/64 dev br0")
    async with watching() as (kernel, watcher):
        first = {"10.1.0.5": own, "10.1.0.255": broadcast, "2001:db8::5": own}
        assert said(watcher) == first
        run("ip addr add 10.2.0.4/31 dev br0", "ip addr add 10.3.0.1/24 broadcast 10.3.0.9 dev br0")
        more = {"10.2.0.4": own, "10.3.0.1": own, "10.3.0.9": broadcast, "10.3.0.255": broadcast}
        await settle(kernel, lambda: said(watcher) == first | more, "the new ones are known")
        run("ip addr del 10.1.0.5/24 dev br0", "ip addr del 10.3.0.1/24 dev br0", "ip addr del 10.2.0.4/31 dev br0")
        await settle(kernel, lambda: said(watcher) == {"2001:db8::5": own}, "they are gone")
        run("ip link del br0")
        await settle(kernel, lambda: said(watcher) == {}, "all are gone")


@on_the_kernel
async def test_the_near_end_of_a_point_to_point_link_is_the_own_one() -> None:
    run("ip link add br0 type bridge", "ip addr add 10.1.0.5 peer 10.9.0.1 dev br0")
    async with watching() as (_, watcher):
        assert said(watcher) == {"10.1.0.5": "this host's own address on br0"}


def test_addresses_in_a_vrf_may_be_other_hosts_outside() -> None:
    address = Address(3, bytes((10, 1, 0, 5)), 24)
    vrf, bridge = Link(2, "red", kind="vrf"), Link(3, "br0", kind="bridge")
    known = {address[:3]: address}
    assert set(taken({2: vrf, 3: bridge}, known)) == {bytes((10, 1, 0, 5)), bytes((10, 1, 0, 255))}
    assert not taken({2: vrf, 3: replace(bridge, master=2)}, known)
    assert not taken({2: vrf}, known)


@on_the_kernel
def test_what_is_heard_while_a_dump_is_read_is_newer() -> None:
    run("ip link add br0 type bridge", "ip addr add 10.1.0.5/24 dev br0")
    addresses = Addresses()
    with _open(0, 1 << 20) as dump, _open(RTMGRP_IPV4_IFADDR, 1 << 20) as ear:
        ear.bind((0, RTMGRP_IPV4_IFADDR))
        addresses.begin()
        dump.send(encode_address_dump())
        while not addresses.feed(dump.recv(1 << 18)):
            pass
        run("ip addr del 10.1.0.5/24 dev br0", "ip addr add 10.1.0.6/24 dev br0")
        for _ in range(2):
            for message in split_messages(ear.recv(1 << 18)):
                addresses.hear(message)
        assert addresses.finish()
        ips = {address.ip for address in addresses.known.values()}
    assert bytes((10, 1, 0, 6)) in ips
    assert bytes((10, 1, 0, 5)) not in ips


@given(st.binary(max_size=40))
def test_garbage_is_an_error_of_netlink_or_nothing(body: bytes) -> None:
    try:
        address = decode_address(body)
    except NetlinkError as error:
        assert error.args
    else:
        assert address is None or address.ip

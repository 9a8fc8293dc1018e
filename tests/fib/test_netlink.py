"""evpnd.fib.netlink, neighbour and link: equal to pyroute2's bytes, and deaf to garbage."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg

from evpnd.errors import NetlinkError
from evpnd.fib import intent, link, neighbour, netlink
from evpnd.fib.neighbour import FdbEntry

MAC = bytes.fromhex("02000000000a")


def peer_bytes(message_type: int, flags: int, fields: dict[str, Any], attributes: list[tuple[str, Any]]) -> bytes:
    """The same message from pyroute2."""
    message = ndmsg()
    message.update({"family": 7, "ndm_type": 0, **fields})
    message["attrs"] = attributes
    message["header"]["type"] = message_type
    message["header"]["flags"] = flags
    message["header"]["sequence_number"] = 0
    message["header"]["pid"] = 0
    message.encode()
    data = bytes(message.data)
    return data + bytes(-len(data) % 4)


def joined(key: bytes, template: intent.Template) -> bytes:
    return key[intent.KINDS[key[0]].scope_size :].join(template)


def added(key: bytes, value: bytes, *, shared: bool = False) -> bytes:
    kind = intent.KINDS[key[0]]
    return joined(key, kind.add(key[: kind.scope_size], len(key) - kind.scope_size, value, shared))


def deleted(key: bytes, held: bytes) -> bytes:
    kind = intent.KINDS[key[0]]
    return joined(key, kind.delete(key[: kind.scope_size], len(key) - kind.scope_size, held, False))


CREATE_REPLACE = 0x1 | 0x400 | 0x100
BOTH = {"ifindex": 9, "state": 2, "flags": 0x16}
LL = ("NDA_LLADDR", "02:00:00:00:00:0a")


@pytest.mark.parametrize(
    ("dst", "text"), [(bytes([10, 0, 0, 2]), "10.0.0.2"), (bytes.fromhex("20010db8" + "00" * 11 + "02"), "2001:db8::2")]
)
def test_remote_mac_equals_pyroute2(dst: bytes, text: str) -> None:
    ours = added(intent.fdb_key(9, 0, MAC), intent.fdb_value(dst))
    assert ours == peer_bytes(28, CREATE_REPLACE, BOTH, [LL, ("NDA_DST", text)])


def test_every_attribute_of_a_remote_mac_equals_pyroute2() -> None:
    ours = added(intent.fdb_key(9, 20, MAC), intent.fdb_value(bytes([10, 0, 0, 2]), src_vni=100))
    attributes = [LL, ("NDA_DST", "10.0.0.2"), ("NDA_VLAN", 20), ("NDA_SRC_VNI", 100)]
    assert ours == peer_bytes(28, CREATE_REPLACE, BOTH, attributes)
    ours = added(intent.fdb_key(9, 20, MAC), intent.fdb_value(bytes([10, 0, 0, 2]), nh_id=77))
    assert ours == peer_bytes(28, CREATE_REPLACE, BOTH, [LL, ("NDA_VLAN", 20), ("NDA_NH_ID", 77)])


def test_sticky_mac_equals_pyroute2() -> None:
    ours = added(intent.fdb_key(9, 0, MAC), intent.fdb_value(bytes([10, 0, 0, 2]), sticky=True))
    first = peer_bytes(28, CREATE_REPLACE, {"ifindex": 9, "state": 0x40, "flags": 0x44}, [LL])
    assert ours == first + peer_bytes(28, CREATE_REPLACE, BOTH, [LL, ("NDA_DST", "10.0.0.2")])


def test_deletes_equal_pyroute2() -> None:
    key, value = intent.fdb_key(9, 0, MAC), intent.fdb_value(bytes([10, 0, 0, 2]))
    assert deleted(key, value) == peer_bytes(29, 1, BOTH, [LL])
    halves = [peer_bytes(29, 1, {**BOTH, "flags": flags}, [LL]) for flags in (0x14, 0x12)]
    assert deleted(key, intent.LOST) == b"".join(halves)
    assert deleted(key, intent.ALTERED) == b"".join(halves)


def test_flood_entry_equals_pyroute2() -> None:
    key = intent.flood_key(9, 0, bytes([10, 0, 0, 2]))
    attributes = [("NDA_LLADDR", "00:00:00:00:00:00"), ("NDA_DST", "10.0.0.2")]
    fields = {"ifindex": 9, "state": 0xC0, "flags": 0x12}
    assert added(key, b"\0") == peer_bytes(28, 1 | 0x400 | 0x800, fields, attributes)
    register = [("NDA_LLADDR", "03:65:76:70:6e:64"), attributes[1]]
    assert added(key, b"\0", shared=True) == (
        peer_bytes(28, 1 | 0x400 | 0x800, fields, register)
        + peer_bytes(28, 1 | 0x400 | 0x800, {**fields, "flags": 2}, attributes)
    )
    assert deleted(key, b"\0") == peer_bytes(29, 1, fields, attributes)
    with_vni = intent.flood_key(9, 100, bytes([10, 0, 0, 2]))
    assert deleted(with_vni, b"\0") == peer_bytes(29, 1, fields, [*attributes, ("NDA_SRC_VNI", 100)])


@given(
    st.builds(
        FdbEntry,
        st.integers(1, 2**31 - 1),
        st.integers(0, 255),
        st.integers(0, 255),
        st.binary(min_size=6, max_size=6),
        st.integers(0, 2**31 - 1),
        st.integers(0, 4094),
        st.sampled_from([b"", bytes([10, 0, 0, 2]), bytes(range(16))]),
        st.integers(0, 2**24 - 1),
        st.integers(0, 2**32 - 1),
        st.just(False),
    )
)
def test_what_is_encoded_decodes_to_the_same(entry: FdbEntry) -> None:
    data = neighbour.encode_fdb(entry, netlink.RTM_NEWNEIGH, 1)
    (message,) = netlink.split_messages(data)
    assert neighbour.decode_fdb(message.body) == entry


def test_both_layouts_of_the_kernel_decode_in_one_step_and_by_attributes_alike() -> None:
    cache = netlink.encode_attribute(3, bytes(16))
    head = neighbour.NDMSG.pack(7, 9, 2, 0x10, 0) + netlink.encode_attribute(2, MAC)
    ours = netlink.encode_attribute(9, (5).to_bytes(4, "little")) + netlink.encode_attribute(15, bytes(4))
    assert neighbour.decode_fdb(head + ours + cache) == neighbour.decode_fdb(head + cache + ours)
    assert neighbour.decode_fdb(head + ours + cache) == FdbEntry(9, 2, 0x10, MAC, 5)
    dst = netlink.encode_attribute(1, bytes([10, 0, 0, 2]))
    assert neighbour.decode_fdb(head + dst + cache) == neighbour.decode_fdb(head + cache + dst)
    assert neighbour.decode_fdb(head + dst + cache) == FdbEntry(9, 2, 0x10, MAC, dst=bytes([10, 0, 0, 2]))


def read_all(data: bytes) -> None:
    """What a daemon does with bytes from the kernel."""
    for message in netlink.split_messages(data):
        for decode in (
            neighbour.decode_fdb,
            link.decode_link,
            link.decode_port_change,
            link.link_family,
            netlink.decode_attributes,
        ):
            try:
                decode(message.body)
            except NetlinkError as error:
                assert error.errno == errno.EBADMSG
        for check in (netlink.decode_error, netlink.ends_dump):
            try:
                check(message)
            except NetlinkError as error:
                assert error.errno > 0


@given(st.binary(max_size=300))
def test_garbage_raises_nothing_but_netlink_errors(data: bytes) -> None:
    try:
        read_all(data)
    except NetlinkError as error:
        assert error.errno == errno.EBADMSG


MESSAGE = st.builds(
    netlink.encode_message,
    st.sampled_from([2, 3, 16, 17, 28, 29]),
    st.sampled_from([0, 2, 0x100, 0x200, 0x300]),
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.builds(netlink.encode_attribute, st.integers(0, 65535), st.binary(max_size=24)),
        ),
        max_size=8,
    ).map(b"".join),
)


@given(st.lists(MESSAGE, max_size=4).map(b"".join))
def test_well_framed_garbage_raises_nothing_but_netlink_errors(data: bytes) -> None:
    read_all(data)


@given(st.one_of(st.binary(max_size=300), st.lists(MESSAGE, max_size=4).map(b"".join)), st.integers(0, 3))
def test_a_dump_of_garbage_raises_nothing_but_netlink_errors(data: bytes, cut: int) -> None:
    try:
        neighbour.decode_fdb_dump(data[: len(data) - cut])
    except NetlinkError as error:
        assert error.errno > 0


@given(st.lists(st.sampled_from(["bridge", "vxlan", "other", "link"]), max_size=8), st.booleans())
def test_a_dump_is_read_as_its_messages_are(kinds: list[str], ended: bool) -> None:
    cache = netlink.encode_attribute(3, bytes(16))
    bodies = {
        "bridge": neighbour.NDMSG.pack(7, 9, 2, 0x10, 0)
        + netlink.encode_attribute(2, MAC)
        + netlink.encode_attribute(9, (5).to_bytes(4, "little"))
        + netlink.encode_attribute(15, bytes(4))
        + cache,
        "vxlan": neighbour.NDMSG.pack(7, 9, 2, 0x12, 0)
        + netlink.encode_attribute(2, MAC)
        + netlink.encode_attribute(1, bytes([10, 0, 0, 2]))
        + cache,
        "other": neighbour.encode_fdb_body(FdbEntry(9, 2, 0x12, MAC, dst=bytes(range(16)), vlan=7)),
        "link": bytes(60),
    }
    data = b"".join(netlink.encode_message(16 if kind == "link" else 28, 2, bodies[kind]) for kind in kinds)
    if ended:
        data += netlink.encode_message(netlink.NLMSG_DONE, 2, bytes(4))
    expected = [neighbour.decode_fdb(bodies[kind]) for kind in kinds if kind != "link"]
    assert neighbour.decode_fdb_dump(data) == (expected, ended)


def vxlan_link() -> bytes:
    message = ifinfmsg()
    message.update({"family": 0, "index": 7, "flags": 1, "change": 0})
    message["attrs"] = [
        ("IFLA_IFNAME", "vx100"),
        ("IFLA_MTU", 1450),
        ("IFLA_MASTER", 3),
        ("IFLA_ADDRESS", "02:00:00:00:00:01"),
        (
            "IFLA_LINKINFO",
            {
                "attrs": [
                    ("IFLA_INFO_KIND", "vxlan"),
                    (
                        "IFLA_INFO_DATA",
                        {
                            "attrs": [
                                ("IFLA_VXLAN_ID", 100),
                                ("IFLA_VXLAN_LOCAL", "10.0.0.1"),
                                ("IFLA_VXLAN_LEARNING", 0),
                                ("IFLA_VXLAN_PORT", 4789),
                            ]
                        },
                    ),
                ]
            },
        ),
    ]
    message["header"]["type"] = 16
    message.encode()
    return bytes(message.data)


def test_link_decodes_what_pyroute2_encodes() -> None:
    (message,) = netlink.split_messages(vxlan_link())
    assert link.decode_link(message.body) == link.Link(
        7,
        "vx100",
        True,
        3,
        bytes.fromhex("020000000001"),
        1450,
        kind="vxlan",
        vxlan=link.Vxlan(100, bytes([10, 0, 0, 1]), None, 4789, False),
    )


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_damaged_link_raises_nothing_but_netlink_errors(offset: int, octet: int) -> None:
    data = bytearray(vxlan_link())
    data[offset % len(data)] = octet
    try:
        read_all(bytes(data))
    except NetlinkError as error:
        assert error.errno == errno.EBADMSG


def test_an_error_names_its_request_and_says_why() -> None:
    request = neighbour.encode_fdb(FdbEntry(9, 2, 0x16, MAC), 28, 5, sequence=3)
    tlv = netlink.encode_attribute(netlink.NLMSGERR_ATTR_MSG, b"No such thing\0")
    body = (-2).to_bytes(4, "little", signed=True) + request + tlv
    message = netlink.Message(netlink.NLMSG_ERROR, netlink.NLM_F_ACK_TLVS, 3, body)
    refusal = netlink.decode_error(message)
    assert (refusal.errno, refusal.text, refusal.request) == (2, "No such thing", request)
    bare = netlink.Message(netlink.NLMSG_ERROR, 0, 3, (-1).to_bytes(4, "little", signed=True) + request)
    assert netlink.decode_error(bare).text == "Operation not permitted"


def test_a_dump_that_fails_part_way_says_so() -> None:
    with pytest.raises(NetlinkError, match="Permission denied"):
        netlink.ends_dump(netlink.Message(netlink.NLMSG_DONE, 0, 0, (-13).to_bytes(4, "little", signed=True)))

"""The pinger's packets, with scapy as the other implementation, and a real ping on the loopback of a namespace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Ether

from evpnd.demo.ping import checksum, decode_reply, encode_announcement, encode_echo


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=40))
def test_an_echo_is_what_scapy_makes_of_it(identifier: int, sequence: int, payload: bytes) -> None:
    assert encode_echo(identifier, sequence, payload) == bytes(ICMP(type=8, id=identifier, seq=sequence) / payload)


@given(st.binary(max_size=60))
def test_a_sum_with_its_checksum_is_nothing(data: bytes) -> None:
    even = data + b"\0" * (len(data) % 2)
    assert checksum(even + checksum(even).to_bytes(2, "big")) == 0


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_a_reply_is_read(identifier: int, sequence: int) -> None:
    packet = bytes(IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=0, id=identifier, seq=sequence) / b"evpnd demo")
    assert decode_reply(packet, identifier) == sequence
    assert decode_reply(packet, identifier ^ 1) is None


def test_options_of_the_ip_header_are_passed_over() -> None:
    packet = bytearray(bytes(IP(ihl=6, options=b"\1\1\1\1") / ICMP(type=0, id=7, seq=9)))
    assert decode_reply(bytes(packet), 7) == 9


@pytest.mark.parametrize("kind", [3, 8, 11])
def test_other_messages_are_not_replies(kind: int) -> None:
    assert decode_reply(bytes(IP() / ICMP(type=kind, id=7, seq=9)), 7) is None


@given(st.binary(max_size=80))
def test_garbage_is_no_reply_and_no_exception(packet: bytes) -> None:
    found = decode_reply(packet, 1)
    assert found is None or 0 <= found <= 0xFFFF


def test_an_announcement_is_a_gratuitous_arp() -> None:
    frame = Ether(encode_announcement(bytes.fromhex("020000000102"), "192.168.0.2"))
    assert frame.dst == "ff:ff:ff:ff:ff:ff" and frame.src == "02:00:00:00:01:02"
    arp = frame[ARP]
    assert (arp.op, arp.hwsrc, arp.psrc, arp.pdst) == (1, "02:00:00:00:01:02", "192.168.0.2", "192.168.0.2")

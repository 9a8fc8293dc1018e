"""Capture files and TCP reassembly, on files made here and by scapy."""

from __future__ import annotations

import contextlib
import random
import struct
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.utils import PcapNgWriter, PcapWriter

from evpnd import pcap

A, B = "10.0.0.1", "10.0.0.2"


def packet(payload: bytes, sequence: int, flags: str = "A", ports: tuple[int, int] = (40000, 179)) -> Any:
    return Ether() / IP(src=A, dst=B) / TCP(sport=ports[0], dport=ports[1], seq=sequence, flags=flags) / payload


def capture(packets: Iterable[Any], writer: Any = PcapWriter, **options: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "capture")
        with writer(str(path), **options) as made:
            for one in packets:
                one.time = 1000.5
                made.write(one)
        return path.read_bytes()


def joined(data: bytes) -> bytes:
    return b"".join(chunk.data for chunk in pcap.read_streams(data))


@pytest.mark.parametrize("options", [{}, {"nano": True}, {"endianness": ">"}, {"endianness": "<"}])
def test_pcap_of_either_order_and_resolution(options: dict[str, Any]) -> None:
    (chunk,) = pcap.read_streams(capture([packet(b"hello", 1)], **options))
    assert chunk.data == b"hello"
    assert chunk.source == (bytes((10, 0, 0, 1)), 40000)
    assert chunk.destination == (bytes((10, 0, 0, 2)), 179)
    assert chunk.time_s == pytest.approx(1000.5)
    assert chunk.fresh


def test_pcapng() -> None:
    (chunk,) = pcap.read_streams(capture([packet(b"hello", 1)], PcapNgWriter))
    assert (chunk.data, chunk.time_s) == (b"hello", pytest.approx(1000.5))


def test_pcapng_simple_packets_and_nanoseconds() -> None:
    frame = bytes(packet(b"hello", 1))
    options = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
    blocks = [
        (0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        (1, struct.pack("<HHI", 1, 0, 0) + options),
        (3, struct.pack("<I", len(frame)) + frame),
        (6, struct.pack("<IIIII", 0, 0, 1500, len(frame), len(frame)) + frame),
        (6, struct.pack("<IIIII", 7, 0, 1500, len(frame), len(frame)) + frame),  # of no interface
        (99, b"skip"),
    ]
    data = b""
    for kind, body in blocks:
        body += bytes(-len(body) % 4)
        data += struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
    first, second = pcap.read_packets(data)
    assert (first.data, second.data) == (frame, frame)
    assert second.time_s == pytest.approx(1.5e-6)


@pytest.mark.parametrize(
    "frame",
    [
        Ether() / Dot1Q(vlan=7) / IP(src=A, dst=B) / TCP(sport=179, dport=1) / b"x",
        Ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=179, dport=1) / b"x",
        Ether()
        / IP(src=A, dst=B, options=[b"\x01\x01\x01\x00"])
        / TCP(sport=179, dport=1, options=[("NOP", None)])
        / b"x",
    ],
)
def test_headers_on_the_way(frame: Any) -> None:
    assert joined(capture([frame])) == b"x"


def test_ethernet_padding_is_no_payload() -> None:
    short = Ether(bytes(packet(b"", 1)) + bytes(6))
    assert joined(capture([short, packet(b"abc", 1)])) == b"abc"


@pytest.mark.parametrize("link_type", [0, 101, 113, 228, 276])
def test_other_links(link_type: int) -> None:
    before = {0: b"\2\0\0\0", 113: bytes(14) + b"\x08\0", 276: b"\x08\0" + bytes(18)}.get(link_type, b"")
    data = before + bytes(packet(b"x", 1))[14:]
    segment = pcap.read_segment(pcap.Packet(link_type, 0.0, data))
    assert segment is not None
    assert segment.payload == b"x"


def test_other_ports_and_protocols_are_passed_over() -> None:
    assert joined(capture([packet(b"x", 1, ports=(80, 81)), Ether() / b"zz", Ether(type=0x806) / bytes(28)])) == b""


def pieces(stream: bytes, first: int, seed: int) -> list[Any]:
    """The stream in segments: overlapping, repeated, out of order behind the first."""
    chance = random.Random(seed)
    cuts = [(0, 5)]
    at = 5
    while at < len(stream):
        end = min(len(stream), at + chance.randint(1, 40))
        cuts.append((max(0, at - chance.choice((0, 0, 3))), end))
        at = end
    later = cuts[1:] + chance.sample(cuts, len(cuts) // 3)
    chance.shuffle(later)
    return [packet(stream[a:b], (first + a) % 2**32) for a, b in [cuts[0], *later]]


@given(st.integers(0, 10**6), st.sampled_from((7, 2**32 - 100, 2**31 - 50)))
def test_segments_in_any_order_give_the_stream(seed: int, first: int) -> None:
    stream = random.Random(seed).randbytes(300)
    syn = packet(b"", (first - 1) % 2**32, "S")
    chunks = list(pcap.read_streams(capture([syn, *pieces(stream, first, seed)])))
    assert b"".join(chunk.data for chunk in chunks) == stream
    assert [chunk.fresh for chunk in chunks] == [True] + [False] * (len(chunks) - 1)


def test_a_lost_segment_makes_what_follows_fresh() -> None:
    chunks = list(pcap.read_streams(capture([packet(b"abc", 1), packet(b"ghi", 7), packet(b"jkl", 10)])))
    assert [(chunk.data, chunk.fresh) for chunk in chunks] == [(b"abc", True), (b"ghi", True), (b"jkl", False)]


def test_a_new_connection_on_the_same_ports() -> None:
    packets = [packet(b"", 0, "S"), packet(b"abc", 1), packet(b"", 900, "S"), packet(b"def", 901)]
    assert [(chunk.data, chunk.fresh) for chunk in pcap.read_streams(capture(packets))] == [
        (b"abc", True),
        (b"def", True),
    ]


def test_both_directions_apart() -> None:
    back = Ether() / IP(src=B, dst=A) / TCP(sport=179, dport=40000, seq=5, flags="A") / b"back"
    chunks = list(pcap.read_streams(capture([packet(b"there", 1), back])))
    assert [(chunk.data, chunk.source[1]) for chunk in chunks] == [(b"there", 40000), (b"back", 179)]


@pytest.mark.parametrize("data", [b"", b"hello", b"\xd4\xc3\xb2\xa1", bytes(24)])
def test_what_is_no_capture(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a pcap"):
        pcap.read_packets(data)


@given(st.sampled_from((PcapWriter, PcapNgWriter)), st.data())
def test_damaged_files_raise_nothing_else(writer: type, data: st.DataObject) -> None:
    file = bytearray(capture([packet(b"hello", 1), packet(b"world", 6)], writer))
    for _ in range(data.draw(st.integers(1, 5))):
        file[data.draw(st.integers(4, len(file) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(pcap.CutOff):
        list(pcap.read_streams(bytes(file[: data.draw(st.integers(24, len(file)))])))


@pytest.mark.parametrize("writer", [PcapWriter, PcapNgWriter])
def test_a_file_that_was_cut_off_says_so_after_what_it_holds(writer: type) -> None:
    one = capture([packet(b"hello", 1)], writer)
    file = capture([packet(b"hello", 1), packet(b"hole", 90)], writer)
    assert file.startswith(one) and joined(file) == b"hellohole"
    for end in range(len(one) + 1, len(file)):
        chunks: list[bytes] = []
        with pytest.raises(pcap.CutOff, match=f"at octet {len(one)} ends after {end - len(one)} of "):
            chunks.extend(chunk.data for chunk in pcap.read_streams(file[:end]))
        assert chunks == [b"hello"]
    assert joined(one) == b"hello"


def test_a_block_of_an_impossible_length() -> None:
    file = capture([packet(b"hello", 1)], PcapNgWriter)
    for length in (0, 8, 13):
        with pytest.raises(pcap.CutOff, match=f"octet {len(file)} says that it has {length} octets"):
            list(pcap.read_streams(file + struct.pack("<III", 6, length, 0)))


@given(st.integers(0, 300), st.binary(max_size=120))
def test_any_packet_is_a_segment_or_not(link_type: int, data: bytes) -> None:
    segment = pcap.read_segment(pcap.Packet(link_type, 0.0, data))
    assert segment is None or segment.payload in data

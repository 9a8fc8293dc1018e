"""Capture files: pcap and pcapng to packets, packets to the octets of TCP streams on port 179.

Owns the file formats, the headers down to TCP, and putting segments in order. It does not know BGP messages, and reads
nothing but bytes that it is given. What is no TCP on the port, or too short to tell, is passed over. A file that is no
capture is refused (ValueError); one that was cut off or is damaged is read as far as it goes (CutOff at the end).

draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng; RFC 9293 section 3.4 for sequence numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

BGP_PORT = 179
MAGICS = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a")

Item = TypeVar("Item")

_FIN, _SYN, _RST = 0x01, 0x02, 0x04
_SEQUENCES = 1 << 32
_WAITING_MAX = 1 << 20  # octets kept behind a gap before the gap is given up on


class CutOff(ValueError):
    """The file does not end where a packet or block does; all before that place was given out."""


class Packet(NamedTuple):
    """One captured packet, from the link layer on."""

    link_type: int
    time_s: float
    data: bytes


class Segment(NamedTuple):
    """One TCP segment; addresses are 4 or 16 octets."""

    source: tuple[bytes, int]
    destination: tuple[bytes, int]
    sequence: int
    flags: int
    payload: bytes


class Chunk(NamedTuple):
    """Octets of one direction of a connection, in order. `fresh`: nothing before them belongs to them."""

    source: tuple[bytes, int]
    destination: tuple[bytes, int]
    time_s: float
    data: bytes
    fresh: bool


def read_streams(data: bytes, port: int = BGP_PORT) -> Iterator[Chunk]:
    """The TCP octets to and from `port` in a capture file, put in order by direction; in the end perhaps CutOff."""
    streams: dict[tuple[tuple[bytes, int], tuple[bytes, int]], _Stream] = {}
    cut: list[CutOff] = []
    for packet in until_cut(read_packets(data), cut):
        segment = read_segment(packet)
        if segment is None or port not in (segment.source[1], segment.destination[1]):
            continue
        stream = streams.setdefault((segment.source, segment.destination), _Stream())
        stream.time_s = packet.time_s
        for octets, fresh in stream.add(segment):
            yield Chunk(segment.source, segment.destination, packet.time_s, octets, fresh)
    for (source, destination), stream in streams.items():
        for octets, fresh in stream.rest():
            yield Chunk(source, destination, stream.time_s, octets, fresh)
    if cut:
        raise cut[0]


def until_cut(items: Iterator[Item], cut: list[CutOff]) -> Iterator[Item]:
    """The items up to a CutOff, which goes to `cut`, so that what was begun before it can be finished."""
    try:
        yield from items
    except CutOff as error:
        cut.append(error)


def read_packets(data: bytes) -> Iterator[Packet]:
    """The packets of a pcap or pcapng file, in the order of the file; CutOff when it ends within one."""
    if data[:4] == MAGICS[4]:
        return _read_pcapng(data)
    if data[:4] in MAGICS and len(data) >= 24:
        return _read_pcap(data)
    raise ValueError("not a pcap or pcapng file")


def _read_pcap(data: bytes) -> Iterator[Packet]:
    order = "<" if data[:4] in (MAGICS[0], MAGICS[2]) else ">"
    fraction = 1e-9 if data[:4] in (MAGICS[2], MAGICS[3]) else 1e-6
    link_type = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    header = struct.Struct(order + "IIII")
    at = 24
    while at < len(data):
        if at + header.size > len(data):
            raise _cut_off(data, at, "packet", header.size)
        seconds, part, captured, _ = header.unpack_from(data, at)
        at += header.size
        if at + captured > len(data):
            raise _cut_off(data, at - header.size, "packet", header.size + captured)
        yield Packet(link_type, seconds + part * fraction, data[at : at + captured])
        at += captured


def _read_pcapng(data: bytes) -> Iterator[Packet]:
    order = "<"
    interfaces: list[tuple[int, float]] = []  # link type, seconds a tick
    at = 0
    while at < len(data):
        if at + 12 > len(data):
            raise _cut_off(data, at, "block", 12)
        if data[at : at + 4] == MAGICS[4]:
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        kind, length = struct.unpack_from(order + "II", data, at)
        if length < 12 or length % 4:
            raise CutOff(f"the block at octet {at} says that it has {length} octets, which none can have")
        if at + length > len(data):
            raise _cut_off(data, at, "block", length)
        body = data[at + 8 : at + length - 4]
        if kind == 1 and len(body) >= 8:
            interfaces.append((struct.unpack_from(order + "H", body)[0], _tick(body[8:], order)))
        elif (packet := _block_packet(kind, body, order, interfaces)) is not None:
            yield packet
        at += length


def _cut_off(data: bytes, at: int, what: str, wanted: int) -> CutOff:
    return CutOff(f"cut off: the {what} at octet {at} ends after {len(data) - at} of {wanted} octets")


def _block_packet(kind: int, body: bytes, order: str, interfaces: list[tuple[int, float]]) -> Packet | None:
    """The packet of an enhanced (6), obsolete (2) or simple (3) packet block."""
    if kind == 3 and len(body) >= 4 and interfaces:
        captured = min(int(struct.unpack_from(order + "I", body)[0]), len(body) - 4)
        return Packet(interfaces[0][0], 0.0, body[4 : 4 + captured])
    if kind not in (2, 6) or len(body) < 20:
        return None
    number, high, low, captured = struct.unpack_from(order + ("HxxIII" if kind == 2 else "IIII"), body)
    if number >= len(interfaces) or captured > len(body) - 20:
        return None
    link_type, tick = interfaces[number]
    return Packet(link_type, (high << 32 | low) * tick, body[20 : 20 + captured])


def _tick(options: bytes, order: str) -> float:
    """Seconds a timestamp tick of an interface: its if_tsresol option (9), or a microsecond."""
    at = 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from(order + "HH", options, at)
        if code == 9 and length == 1 and at + 4 < len(options):
            resolution = options[at + 4]
            return float(2.0 ** -(resolution & 0x7F) if resolution & 0x80 else 10.0**-resolution)
        at += 4 + (length + 3) // 4 * 4
    return 1e-6


def read_segment(packet: Packet) -> Segment | None:
    """The TCP segment of a packet, if it holds a whole one."""
    network = _LINKS.get(packet.link_type)
    found = network(packet.data) if network is not None else None
    if found is None:
        return None
    version = found[0] >> 4 if found else 0
    parts = _ipv4(found) if version == 4 else _ipv6(found) if version == 6 else None
    if parts is None:
        return None
    source, destination, tcp = parts
    if len(tcp) < 20 or (header := (tcp[12] >> 4) * 4) < 20 or header > len(tcp):
        return None
    source_port, destination_port, sequence = struct.unpack_from(">HHI", tcp)
    return Segment((source, source_port), (destination, destination_port), sequence, tcp[13], tcp[header:])


def _ethernet(data: bytes) -> bytes | None:
    at = 12
    while data[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    return data[at + 2 :] if data[at : at + 2] in (b"\x08\x00", b"\x86\xdd") else None


def _after(size: int, kind_at: int | None = None) -> Callable[[bytes], bytes | None]:
    """A link header of `size` octets; its Ethernet type, if it has one, is at `kind_at`."""

    def cut(data: bytes) -> bytes | None:
        if kind_at is not None and data[kind_at : kind_at + 2] not in (b"\x08\x00", b"\x86\xdd"):
            return None
        return data[size:]

    return cut


# link types: null, Ethernet, raw IP (three numbers), loop, Linux cooked (two versions), IPv4, IPv6
_LINKS: dict[int, Callable[[bytes], bytes | None]] = {
    0: _after(4),
    1: _ethernet,
    12: _after(0),
    14: _after(0),
    101: _after(0),
    108: _after(4),
    113: _after(16, 14),
    228: _after(0),
    229: _after(0),
    276: _after(20, 0),
}


def _ipv4(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    if len(data) < 20 or data[9] != 6:
        return None
    header, total = (data[0] & 0x0F) * 4, data[2] << 8 | data[3]
    fragment = (data[6] << 8 | data[7]) & 0x3FFF  # more fragments, or an offset
    if header < 20 or fragment:
        return None
    # a total length of 0 comes from captures before segmentation offload
    return data[12:16], data[16:20], data[header : total or len(data)]


def _ipv6(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    if len(data) < 40:
        return None
    length, kind, at = data[4] << 8 | data[5], data[6], 40
    end = 40 + length if length else len(data)
    while kind in (0, 43, 60) and at + 8 <= len(data):  # hop-by-hop, routing, destination options
        kind, at = data[at], at + 8 + 8 * data[at + 1]
    return (data[8:24], data[24:40], data[at:end]) if kind == 6 else None


class _Stream:
    """One direction of a connection: yields its octets in order, remembers those behind a gap."""

    __slots__ = ("fresh", "next", "time_s", "waiting", "waiting_octets")

    def __init__(self) -> None:
        self.next: int | None = None  # the sequence number that comes next
        self.waiting: dict[int, bytes] = {}
        self.waiting_octets = 0
        self.fresh = True
        self.time_s = 0.0

    def add(self, segment: Segment) -> Iterator[tuple[bytes, bool]]:
        sequence = segment.sequence
        if segment.flags & _SYN:
            yield from self.rest()
            self.fresh = True
            sequence = self.next = (sequence + 1) % _SEQUENCES
        elif self.next is None:
            self.next = sequence
        if segment.payload:
            self._keep(sequence, segment.payload)
            yield from self._ready()
        if self.waiting_octets > _WAITING_MAX or segment.flags & _RST:
            yield from self.rest()

    def rest(self) -> Iterator[tuple[bytes, bool]]:
        """Give up on the gaps: what waits behind them, each piece fresh."""
        while self.waiting:
            assert self.next is not None
            first = self.next
            self.next = min(self.waiting, key=lambda sequence: (sequence - first) % _SEQUENCES)
            self.fresh = True
            yield from self._ready()

    def _keep(self, sequence: int, payload: bytes) -> None:
        assert self.next is not None
        ahead = (sequence - self.next) % _SEQUENCES
        if ahead >= _SEQUENCES // 2:  # starts before what came already: a retransmission, perhaps with more
            payload = payload[_SEQUENCES - ahead :]
            sequence = self.next
        old = self.waiting.get(sequence, b"")
        if len(payload) > len(old):
            self.waiting[sequence] = payload
            self.waiting_octets += len(payload) - len(old)

    def _ready(self) -> Iterator[tuple[bytes, bool]]:
        """What can be given out from `next` on, pieces that overlap cut."""
        assert self.next is not None
        moved = False
        while self.waiting:
            piece = self.waiting.pop(self.next, None)
            if piece is None:
                if moved and self._cut_overlaps():
                    continue
                return
            moved = True
            self.waiting_octets -= len(piece)
            self.next = (self.next + len(piece)) % _SEQUENCES
            fresh, self.fresh = self.fresh, False
            yield piece, fresh

    def _cut_overlaps(self) -> bool:
        """Cut pieces that start before `next`; whether one of them reaches beyond it."""
        assert self.next is not None
        found = False
        for sequence in list(self.waiting):
            behind = (self.next - sequence) % _SEQUENCES
            if 0 < behind < _SEQUENCES // 2:
                piece = self.waiting.pop(sequence)
                self.waiting_octets -= len(piece)
                if len(piece) > behind:
                    self._keep(self.next, piece[behind:])
                    found = True
        return found

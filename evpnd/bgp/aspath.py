"""AS paths: the AS_PATH and AS4_PATH values and what is done with them (RFC 4271 sections 4.3 and 9.1.2.2, RFC 5065).

AS numbers are always of four octets inside; the two-octet form of old sessions, and the merging of AS4_PATH into it
(RFC 6793 section 4.2.3), is made here too. Knows nothing of attributes or of error actions: a malformed value is a
ValueError, which the attribute table turns into the action of its attribute.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

AS_SET = 1
AS_SEQUENCE = 2
AS_CONFED_SEQUENCE = 3
AS_CONFED_SET = 4

AS_TRANS = 23456  # RFC 6793: stands for an AS number that does not fit into two octets

Segment = tuple[int, tuple[int, ...]]

_BRACKETS = {AS_SET: ("{", "}", ","), AS_CONFED_SEQUENCE: ("(", ")", " "), AS_CONFED_SET: ("[", "]", ",")}


class AsPath:
    """An immutable AS path: segments of (type, AS numbers), the nearest AS first."""

    __slots__ = ("length", "segments")

    segments: tuple[Segment, ...]
    length: int  # RFC 4271 section 9.1.2.2: a set counts as one; RFC 5065 section 5.3: confederations as none.

    def __init__(self, segments: Iterable[Segment] = ()) -> None:
        self.segments = tuple(segments)
        self.length = sum(_counted(segment) for segment in self.segments)

    @classmethod
    def sequence(cls, asns: Iterable[int]) -> AsPath:
        """The path of one sequence; cut every 255 numbers, which is what a segment can hold."""
        numbers = tuple(asns)
        return cls((AS_SEQUENCE, numbers[i : i + 255]) for i in range(0, len(numbers), 255))

    def asns(self) -> tuple[int, ...]:
        """All AS numbers, those in sets and confederations too."""
        return tuple(chain.from_iterable(asns for _, asns in self.segments))

    def prepend(self, asn: int) -> AsPath:
        """The path with `asn` before it (RFC 4271 section 5.1.2)."""
        if self.segments and self.segments[0][0] == AS_SEQUENCE and len(self.segments[0][1]) < 255:
            return AsPath(((AS_SEQUENCE, (asn, *self.segments[0][1])), *self.segments[1:]))
        return AsPath(((AS_SEQUENCE, (asn,)), *self.segments))

    def first_as(self) -> int | None:
        """The neighbouring AS: the first of a path that begins with a sequence."""
        if self.segments and self.segments[0][0] == AS_SEQUENCE:
            return self.segments[0][1][0]
        return None

    def text(self) -> str:
        """`65001 65002 {65003,65004}`: sets in braces, confederations in parentheses and brackets."""
        return " ".join(_segment_text(kind, asns) for kind, asns in self.segments)

    def encode(self, as4: bool = True) -> bytes:
        """The attribute's value; with two octets a number, those that do not fit become AS_TRANS."""
        return b"".join(_encode_segment(kind, asns, as4) for kind, asns in self.segments)

    def __eq__(self, other: object) -> bool:
        return self.segments == other.segments if isinstance(other, AsPath) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.segments)

    def __repr__(self) -> str:
        return f"AsPath({self.text()!r})"


EMPTY = AsPath()


def decode_as_path(value: bytes, as4: bool = True) -> AsPath:
    """The path of an attribute's value; ValueError names what RFC 7606 section 7.2 calls malformed."""
    size = 4 if as4 else 2
    segments: list[Segment] = []
    position = 0
    end = len(value)
    while position < end:
        if end - position < 2:
            raise ValueError("one octet is left behind the last segment")
        kind, count = value[position], value[position + 1]
        start = position + 2
        position = start + count * size
        if kind not in (AS_SET, AS_SEQUENCE, AS_CONFED_SEQUENCE, AS_CONFED_SET):
            raise ValueError(f"segment type {kind} is undefined")
        if not count:
            raise ValueError("a segment is empty")
        if position > end:
            raise ValueError(f"a segment of {count} AS numbers runs past the end")
        asns = tuple(int.from_bytes(value[i : i + size], "big") for i in range(start, position, size))
        if 0 in asns:
            raise ValueError("AS 0 is in the path")  # RFC 7607 section 2
        segments.append((kind, asns))
    return AsPath(segments)


def merge_as4(path: AsPath, path4: AsPath) -> AsPath:
    """The true path from a two-octet AS_PATH and its AS4_PATH (RFC 6793 section 4.2.3)."""
    path4 = without_confederations(path4)
    missing = path.length - path4.length
    if missing < 0:
        return path  # The AS4_PATH is longer than the AS_PATH: ignore it.
    return _joined(_leading(path, missing), path4)


def needs_as4(path: AsPath) -> bool:
    """Whether a two-octet speaker must be sent an AS4_PATH as well (RFC 6793 section 4.2.2)."""
    return any(asn > 0xFFFF for kind, asns in path.segments if kind <= AS_SEQUENCE for asn in asns)


def without_confederations(path: AsPath) -> AsPath:
    """The path as an AS4_PATH may carry it: confederation segments are not allowed there (RFC 6793 section 3)."""
    return AsPath(segment for segment in path.segments if segment[0] <= AS_SEQUENCE)


def _counted(segment: Segment) -> int:
    kind, asns = segment
    if kind == AS_SEQUENCE:
        return len(asns)
    return 1 if kind == AS_SET else 0


def _leading(path: AsPath, count: int) -> list[Segment]:
    """The first segments of `path` that count `count` AS numbers, with the confederations before and between them."""
    taken: list[Segment] = []
    for segment in path.segments:
        kind, asns = segment
        counted = _counted(segment)
        if counted and not count:
            break
        if counted > count:
            taken.append((kind, asns[:count]))
            break
        taken.append(segment)
        count -= counted
    return taken


def _joined(head: list[Segment], path4: AsPath) -> AsPath:
    tail = list(path4.segments)
    if head and tail and head[-1][0] == tail[0][0] == AS_SEQUENCE and len(head[-1][1]) + len(tail[0][1]) <= 255:
        tail[0] = (AS_SEQUENCE, head[-1][1] + tail[0][1])
        head = head[:-1]
    return AsPath((*head, *tail))


def _segment_text(kind: int, asns: tuple[int, ...]) -> str:
    left, right, between = _BRACKETS.get(kind, ("", "", " "))
    return left + between.join(map(str, asns)) + right


def _encode_segment(kind: int, asns: tuple[int, ...], as4: bool) -> bytes:
    size = 4 if as4 else 2
    numbers = asns if as4 else [asn if asn <= 0xFFFF else AS_TRANS for asn in asns]
    return bytes((kind, len(asns))) + b"".join(asn.to_bytes(size, "big") for asn in numbers)

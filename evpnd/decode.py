"""`evpnd decode`: octets from hex, stdin or captures to one JSON object a message.

Owns finding messages in octets that may begin or break anywhere, and what must be known of a session to read them,
learnt from the OPENs that pass: the size of AS numbers (RFC 6793 section 4.1) and ADD-PATH (RFC 7911 section 4). The
objects' shape is evpnd.message_json's, the files' evpnd.pcap's.

What can't be read is an object too, with `error` and the octets in `raw`; the exit status is then 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TextIO

from evpnd import output
from evpnd import pcap as captures
from evpnd.bgp import capability
from evpnd.bgp.attributes import AttributeCache
from evpnd.bgp.family import Family
from evpnd.bgp.framing import HEADER_SIZE, MARKER, MAX_EXTENDED, UPDATE, frame, split_messages
from evpnd.bgp.message import Open, decode_message
from evpnd.bgp.update import Context, Update, UpdateDecoder
from evpnd.errors import ProtocolError
from evpnd.evpn.values import ip_text
from evpnd.message_json import Json, attributes_to_json, error_to_json, message_to_json

__all__ = [
    "StreamDecoder",
    "attributes_to_json",
    "decode_capture",
    "decode_lines",
    "decode_octets",
    "message_to_json",
    "run",
]

_TYPES = {1: "open", 2: "update", 3: "notification", 4: "keepalive", 5: "route-refresh"}
_AS_PATH_ERRORS = (7, 11)  # subcodes of RFC 4271 section 6.3 that AS numbers of another size lead to


class StreamDecoder:
    """One direction of a session: octets in, objects out. `context` may be changed between calls."""

    def __init__(self, context: Context | None = None) -> None:
        self.context = Context(extended_message=True) if context is None else context
        self.opened: Open | None = None  # the last OPEN that passed
        self.guess_as4 = True  # no OPEN told the size of AS numbers: try both
        self._pending = b""
        self._cache = AttributeCache()

    def feed(self, data: bytes, *, fresh: bool = False) -> Iterator[Json]:
        """The messages that `data` completes; `fresh` octets do not continue those before and may begin anywhere."""
        if fresh:
            yield from self.end()
            at = data.find(MARKER)
            data = data[at:] if at >= 0 else data[len(data.rstrip(b"\xff")) :]
        self._pending += data
        while self._pending:
            try:
                messages, used = split_messages(self._pending, MAX_EXTENDED)
            except ProtocolError as error:
                yield self._skip(error)
                continue
            self._pending = self._pending[used:]
            for kind, body in messages:
                yield self._message(kind, body)
            if not used:
                return

    def end(self) -> Iterator[Json]:
        """What is left over at the end: a message that was cut off."""
        if self._pending:
            octets, self._pending = self._pending, b""
            wanted = int.from_bytes(octets[16:18], "big") if len(octets) >= HEADER_SIZE else HEADER_SIZE
            yield {
                "type": "error",
                "error": {"message": f"the octets end after {len(octets)} of {wanted} of a message"},
                "raw": octets.hex(),
            }

    def _skip(self, error: ProtocolError) -> Json:
        """Drop what is before the next marker that may begin a message."""
        at = self._pending.find(MARKER, 1)
        octets, self._pending = (self._pending, b"") if at < 0 else (self._pending[:at], self._pending[at:])
        return {"type": "error", "error": error_to_json(error), "raw": octets.hex()}

    def _message(self, kind: int, body: bytes) -> Json:
        try:
            message = self._update(body) if kind == UPDATE else decode_message(frame(kind, body), self.context)
        except ProtocolError as error:
            raw = frame(kind, body).hex()
            return {"type": _TYPES.get(kind, "error"), "error": error_to_json(error), "raw": raw}
        if isinstance(message, Open):
            self.opened = message
        return message_to_json(message)

    def _update(self, body: bytes) -> Update:
        update = UpdateDecoder(self.context, self._cache).decode(body)
        if self.guess_as4 and any(error.subcode in _AS_PATH_ERRORS for error in update.errors):
            other = UpdateDecoder(Context(as4=False, extended_message=True), self._cache).decode(body)
            if not other.errors:
                return other
        return update


def decode_octets(data: bytes) -> Iterator[Json]:
    """The messages that stand one after the other in `data`, all of one session."""
    decoder = StreamDecoder()
    yield from decoder.feed(data)
    yield from decoder.end()


def decode_lines(lines: Iterable[str]) -> Iterator[Json]:
    """Messages in hex; a message may take several lines, and a line may hold several messages."""
    decoder = StreamDecoder()
    for line in lines:
        try:
            octets = octets_of(line)
        except ValueError as error:
            yield {"type": "error", "error": {"message": str(error)}, "raw": line.strip()[:200]}
            continue
        if octets.startswith(MARKER):
            yield from decoder.end()
        yield from decoder.feed(octets)
    yield from decoder.end()


def octets_of(text: str) -> bytes:
    """Octets from hex digits, with or without spaces, colons, `0x` and a comment after `#`."""
    digits = text.partition("#")[0].replace("0x", "").replace(":", " ")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise ValueError(f"not hex digits: {text.strip()[:60]!r}") from None


def decode_capture(data: bytes) -> Iterator[Json]:
    """The messages in a capture file, with time and addresses; ValueError when it is no capture.

    Of a capture that was cut off it gives all that can be read, and then raises that (captures.CutOff).
    """
    connections: dict[frozenset[tuple[bytes, int]], _Connection] = {}
    cut: list[captures.CutOff] = []
    for chunk in captures.until_cut(captures.read_streams(data), cut):
        connection = connections.setdefault(frozenset((chunk.source, chunk.destination)), _Connection())
        for shown in connection.feed(chunk):
            yield {**shown, "time": round(chunk.time_s, 6)} | _ends(chunk.source, chunk.destination)
    for connection in connections.values():
        for (source, destination), decoder in connection.directions.items():
            for shown in decoder.end():
                yield shown | _ends(source, destination)
    if cut:
        raise cut[0]


class _Connection:
    """Both directions of a connection, each read as the two OPENs agreed."""

    def __init__(self) -> None:
        self.directions: dict[tuple[tuple[bytes, int], tuple[bytes, int]], StreamDecoder] = {}

    def feed(self, chunk: captures.Chunk) -> Iterator[Json]:
        decoder = self.directions.setdefault((chunk.source, chunk.destination), StreamDecoder())
        opened = decoder.opened
        for shown in decoder.feed(chunk.data, fresh=chunk.fresh):
            yield shown
            if decoder.opened is not opened:
                opened = decoder.opened
                self._agree()

    def _agree(self) -> None:
        opens = [decoder.opened for decoder in self.directions.values() if decoder.opened is not None]
        as4 = all(_offers(message, capability.AS4) for message in opens)
        for decoder in self.directions.values():
            receivers = [other.opened for other in self.directions.values() if other is not decoder]
            receiver = receivers[0] if receivers else None
            decoder.context = Context(as4=as4, extended_message=True, add_path=_add_path(decoder.opened, receiver))
            decoder.guess_as4 = False


def _offers(message: Open, code: int) -> bool:
    return any(entry.code == code for entry in message.capabilities)


def _add_path(sender: Open | None, receiver: Open | None) -> frozenset[Family]:
    """The families that the one said it sends and the other said it receives (RFC 7911 section 4)."""
    return _add_path_families(sender, 2) & _add_path_families(receiver, 1)


def _add_path_families(message: Open | None, direction: int) -> frozenset[Family]:
    families: set[Family] = set()
    for entry in message.capabilities if message is not None else ():
        if entry.code == capability.ADD_PATH:
            try:
                families |= {family for family, bits in entry.add_paths() if bits & direction}
            except ProtocolError:
                continue  # shown with the OPEN, and not agreed on
    return frozenset(families)


def _ends(source: tuple[bytes, int], destination: tuple[bytes, int]) -> Json:
    return {"source": _end_text(source), "destination": _end_text(destination)}


def _end_text(end: tuple[bytes, int]) -> str:
    address, port = end
    return f"{ip_text(address)}:{port}" if len(address) == 4 else f"[{ip_text(address)}]:{port}"


def run(hex: str | None, pcap: str | None, file: TextIO, out: TextIO) -> int:
    """The command: write an object a line to `out`; 0 when all was read without error, 1 otherwise.

    Reads `hex`, or the capture file named `pcap`, or `file`: hex lines as they come, a capture, or bare messages.
    """
    try:
        failed = False
        for shown in _chosen(hex, pcap, file):
            _write(out, shown)
            failed = failed or "error" in shown or "errors" in shown
    except BrokenPipeError:
        return 1  # nobody reads any more
    except (OSError, ValueError) as error:
        source = pcap if pcap is not None else "standard input"
        problem = error.strerror if isinstance(error, OSError) else error
        _write(out, {"type": "error", "error": {"message": f"{source}: {problem}"}})
        return 1
    return int(failed)


def _write(out: TextIO, shown: Json) -> None:
    with output.written(out):
        out.write(json.dumps(shown) + "\n")


def _chosen(hex: str | None, pcap: str | None, file: TextIO) -> Iterator[Json]:
    if hex is not None:
        return decode_lines([hex])
    if pcap is not None:
        return decode_capture(Path(pcap).read_bytes())
    return _decode_file(file)


def _decode_file(file: TextIO) -> Iterator[Json]:
    binary: IO[bytes] | None = getattr(file, "buffer", None)
    peek = getattr(binary, "peek", None)
    start = peek(16)[:16] if peek is not None else b""
    if binary is not None and start[:4] in captures.MAGICS:
        return decode_capture(binary.read())
    if binary is not None and start[:4] == MARKER[:4]:
        return decode_octets(binary.read())
    return decode_lines(file)

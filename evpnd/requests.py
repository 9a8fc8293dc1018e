r"""What evpnctl asks of evpnd and what it is answered: the commands, their filters, and the lines on the socket.

A request is one line of JSON, `{"command": "show.routes", "filters": {"vni": 100}}`; so is a reply,
`{"ok": true, "version": "0.1.0", "result": ...}` or `{"ok": false, "version": ..., "kind": ..., "error": ...}`, with
kind "bad-request", "unknown-command", "refused" (the request makes no sense here: an unknown VNI) or "failed" (a bug).
More requests may follow on the same connection.

Both sides read COMMANDS: evpnctl makes its arguments from it, the server checks filters by it. To add a command: a row
here, a view in evpnd.views, a handler in evpnd.show. Must not know: sockets, the daemon.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from evpnd import __version__
from evpnd.errors import EvpndError
from evpnd.evpn.values import mac_from_text, mac_text

REQUEST_OCTETS = 65536  # the longest request
ROWS_A_PART = 128  # of a long reply: what the loop waits for in one go, well under 5 ms
ROUTE_TYPES = {"ad": 1, "mac-ip": 2, "multicast": 3, "segment": 4, "prefix": 5}
LOCAL = "local"  # the source of our own routes, in place of a peer

Kind = Literal["bad-request", "unknown-command", "refused", "failed"]
Filters = dict[str, object]
Handler = Callable[[Filters], object]


class RequestError(EvpndError):
    """A request that can't be served, in one line with the remedy."""

    def __init__(self, message: str, kind: Kind = "refused") -> None:
        self.kind = kind
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Filter:
    """One thing to choose by: `parse` takes text or JSON's own type and gives the canonical value, or ValueError."""

    metavar: str
    help: str
    parse: Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Command:
    """One request; its words on the command line are its name's."""

    name: str
    help: str
    filters: tuple[str, ...] = ()  # options
    positional: tuple[str, ...] = ()  # filters given by position
    required: bool = False  # whether the positional ones must be there
    special: tuple[tuple[str, str], ...] = ()  # filters with a help of their own here

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))

    def help_of(self, name: str) -> str:
        """What a filter does here."""
        return dict(self.special).get(name, FILTERS[name].help)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20  # int() has a limit of its own, and words of its own


def _vni(value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not _is_number(text) or not 1 <= int(text) <= 0xFFFFFF:
        raise ValueError(f"{text} is no VNI, expected 1 to 16777215")
    return int(text)


def _mac(value: object) -> str:
    try:
        return mac_text(mac_from_text(str(value)))
    except ValueError:
        raise ValueError(f"{value} is no MAC address, expected the form 02:00:00:00:00:01") from None


def _peer(value: object) -> str:
    if value == LOCAL:
        return LOCAL
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise ValueError(f"{value} is no address, expected the peer's, such as 10.0.0.2") from None


def _route_type(value: object) -> int:
    text = str(value)
    number = ROUTE_TYPES.get(text, int(text) if _is_number(text) else -1)
    if not 0 <= number <= 255:
        raise ValueError(f"{text} is no route type, expected 0 to 255 or one of {', '.join(ROUTE_TYPES)}")
    return number


def _soft(value: object) -> bool:
    if value not in ("soft", True):
        raise ValueError(f'{value} is unknown, expected "soft" or nothing')
    return True


FILTERS = {
    "vni": Filter("VNI", "only this VNI", _vni),
    "mac": Filter("MAC", "only this MAC address", _mac),
    "peer": Filter("ADDRESS", "the peer with this address", _peer),
    "type": Filter("TYPE", f"only this route type: a number, or {', '.join(ROUTE_TYPES)}", _route_type),
    "soft": Filter("soft", "keep the session, and only ask for the routes again and send ours again", _soft),
}

COMMANDS = (
    Command("show.peers", "the peers, their sessions and how many routes they sent"),
    Command("show.peer", "everything about one peer", positional=("peer",), required=True),
    Command(
        "show.routes",
        "the EVPN routes, ours and the peers'",
        filters=("vni", "mac", "peer", "type"),
        special=(
            ("vni", "what this VNI announces and imports, and what carries it and nobody here imports"),
            ("peer", f"only what this peer sent; `{LOCAL}`: only our own"),
        ),
    ),
    Command("show.vni", "the VNIs: their devices, route targets and MACs", positional=("vni",)),
    Command("show.mac", "the MACs of the VNIs: local, remote, and those that can't be reached", filters=("vni", "mac")),
    Command("show.vteps", "the remote VTEPs of the VNIs", filters=("vni",)),
    Command("show.fib", "what was written to the kernel, and what is still to be"),
    Command("show.fib.failures", "what the kernel refused, why, and when it is tried again"),
    Command("show.version", "the daemon's version and how long it has run"),
    Command("clear.peer", "end the session and start it anew", positional=("peer", "soft"), required=True),
)
_COMMANDS = {command.name: command for command in COMMANDS}


def unknown_vni(vni: int) -> RequestError:
    """For handlers: no such VNI."""
    return RequestError(
        f"VNI {vni} is not known here, it has no VXLAN device of its own; `evpnctl show vni` lists those that are"
    )


def unknown_peer(address: str) -> RequestError:
    """For handlers: no such peer."""
    return RequestError(f"peer {address} is not configured here; `evpnctl show peers` lists those that are")


def encode_request(command: str, filters: Filters) -> bytes:
    return json.dumps({"command": command, "filters": filters}).encode() + b"\n"


def decode_request(line: bytes) -> tuple[str, Filters]:
    """The command and its filters, checked and canonical; RequestError for anything else."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError("not a line of JSON", "bad-request") from None
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        raise RequestError('no "command" in the request', "bad-request")
    name, filters = request["command"], request.get("filters") or {}
    command = _COMMANDS.get(name)
    if command is None:
        raise RequestError(f"unknown command {name!r}", "unknown-command")
    if not isinstance(filters, dict):
        raise RequestError('"filters" is no object', "bad-request")
    return name, _checked(command, filters)


def _checked(command: Command, filters: Filters) -> Filters:
    checked: Filters = {}
    for name, value in filters.items():
        if name not in command.filters + command.positional:
            raise RequestError(f"{command.name} knows no filter {name!r}", "unknown-command")
        try:
            checked[name] = FILTERS[name].parse(value)
        except ValueError as exc:
            raise RequestError(str(exc), "bad-request") from None
    if command.required and command.positional[0] not in checked:
        raise RequestError(f"{command.name} needs {command.positional[0]!r}", "bad-request")
    return checked


def encode_error(kind: Kind, error: str) -> bytes:
    return _dump({"ok": False, "version": __version__, "kind": kind, "error": error}) + b"\n"


def encode_result(result: object) -> Iterator[bytes]:
    """A reply in parts: rows (a list, or an iterator that makes them on the way) come ROWS_A_PART at a time.

    An iterator that has looked long without finding a row yields None: a part of its own, so that others get a turn.
    """
    head = _dump({"ok": True, "version": __version__})[:-1] + b', "result": '
    if isinstance(result, dict | str) or not isinstance(result, Iterable):
        yield head + _dump(result) + b"}\n"
        return
    lead = head + b"["
    for part in _parts(result):
        if part:
            yield lead + _dump(part)[1:-1]
            lead = b", "
        else:
            yield b""
    yield (lead if lead != b", " else b"") + b"]}\n"


def _parts(rows: Iterable[object]) -> Iterator[list[object]]:
    part: list[object] = []
    for row in rows:
        if row is not None:
            part.append(row)
        if row is None or len(part) == ROWS_A_PART:
            yield part
            part = []
    if part:
        yield part


def _dump(value: object) -> bytes:
    return json.dumps(value).encode()

"""The EVPN NLRI field: a sequence of (route type, length, value), RFC 7432 section 7.

Owns cutting the field into routes, validating it, and the RIB's form of a route: a key (RFC 7432 section 7.2 and the
like: what identifies the route) and a body (ESI, labels, gateway: what it says). It does not know sessions, attributes
or what a route means.

The field is taken as runs of routes of equal type and length, which is how speakers send them: a run is checked by
comparing strided slices and unpacked by one struct iterator, both in C.

Errors, all of code 3 (UPDATE), subcode 9 (RFC 4760 section 7), with the octets of the route in question as data:
- routes that cannot be cut or identified disable the family (RFC 7606 sections 3j and 5.3);
- routes that can be cut but contradict themselves are treated as withdrawn (RFC 9136 section 3.1), and so are routes
  of types 6 to 8 in a form that RFC 9251 does not know. Only check() says so: the other functions still read such
  fields, for treat-as-withdraw needs the keys.
Unknown route types are carried opaquely (RFC 7606 section 5.4 leaves that to the family; a reflector needs it).
"""

from __future__ import annotations

from collections.abc import Container
from typing import NoReturn

from evpnd.errors import Action, ProtocolError
from evpnd.evpn.routes import LAYOUTS, VARIABLE, OpaqueRoute, Route
from evpnd.evpn.routes.layout import Layout

_PATH_ID = 4  # RFC 7911 section 3
_FIXED_TYPES = frozenset(header[0] for header in LAYOUTS)
_SPLIT_BY_ESI = frozenset(header[0] for header, layout in LAYOUTS.items() if layout.esi)


def check(data: bytes, *, withdrawn: bool = False) -> None:
    """Raise ProtocolError unless `data` is a valid NLRI field; of withdrawals only the form is checked."""
    one = _one(data)
    if one is not None and one.check is None:
        return
    for layout, start, end in _runs(data):
        if withdrawn:
            continue
        if layout is None:
            _check_variable(data[start:end])
        elif layout.check is not None:
            _check_meaning(layout, data, start, end)


def decode_routes(data: bytes) -> list[Route]:
    """The routes of an NLRI field, in order."""
    if (one := _one(data)) is not None:
        return [one.make(one.unpack_one(data))]
    routes: list[Route] = []
    for layout, start, end in _runs(data):
        if layout is not None:
            routes += layout.routes(data[start:end])
        else:
            routes.append(_variable(data, start, end))
    return routes


def split_entries(data: bytes) -> list[tuple[bytes, bytes]]:
    """(key, body) of each route of an NLRI field, in order; the key starts with the route type octet."""
    if (one := _one(data)) is not None:
        return one.entries(data)
    runs = _runs(data)
    if len(runs) == 1 and runs[0][0] is not None:
        return runs[0][0].entries(data)
    entries: list[tuple[bytes, bytes]] = []
    for layout, start, end in runs:
        if layout is not None:
            entries += layout.entries(data[start:end])
        else:
            route = _variable(data, start, end)
            entries.append((route.key(), route.body()))
    return entries


def split_keys(data: bytes) -> list[bytes]:
    """The key of each route of an NLRI field, in order: what a withdrawal names."""
    if (one := _one(data)) is not None:
        return one.keys(data)
    keys: list[bytes] = []
    for layout, start, end in _runs(data):
        if layout is not None:
            keys += layout.keys(data[start:end])
        else:
            keys.append(_variable(data, start, end).key())
    return keys


def join_entry(key: bytes, body: bytes) -> bytes:
    """The NLRI that split_entries cut into `key` and `body`."""
    header = bytes((key[0], len(key) + len(body) - 1))
    if key[0] in _SPLIT_BY_ESI:
        return header + key[1:9] + body[:10] + key[9:] + body[10:]
    return header + key[1:] + body


def route_from_entry(key: bytes, body: bytes) -> Route:
    """The typed route of an entry."""
    return decode_routes(join_entry(key, body))[0]


def split_path_ids(data: bytes) -> list[tuple[int, bytes]]:
    """(path identifier, NLRI) of each route of a field with ADD-PATH (RFC 7911 section 3)."""
    routes = []
    at, size = 0, len(data)
    while at < size:
        start = at + _PATH_ID
        if start + 2 > size or (at := start + 2 + data[start + 1]) > size:
            _fail(data[start - _PATH_ID :], "path identifier and route do not fit in the field")
        routes.append((int.from_bytes(data[start - _PATH_ID : start], "big"), data[start:at]))
    return routes


def _one(data: bytes) -> Layout | None:
    """The layout of a field that holds one valid route of fixed form, as most fields do; else None."""
    layout = LAYOUTS.get(data[:2])
    if layout is None or len(data) != layout.stride or layout.most is not None:
        return None
    for offset, value in layout.octets:
        if data[offset] != value:
            return None
    return layout


def _runs(data: bytes) -> list[tuple[Layout | None, int, int]]:
    """(layout, start, end) of each run of routes alike, checked; no layout: one route of variable form."""
    runs: list[tuple[Layout | None, int, int]] = []
    start, size = 0, len(data)
    while start < size:
        layout = LAYOUTS.get(data[start : start + 2])
        end = _end_of_variable(data, start) if layout is None else _end_of_run(layout, data, start, size)
        runs.append((layout, start, end))
        start = end
    return runs


def _end_of_run(layout: Layout, data: bytes, start: int, size: int) -> int:
    stride = layout.stride
    room = (size - start) // stride
    if room > 1:
        end = start + room * stride
        header = layout.header
        count = min(
            _leading(data[start:end:stride], header[:1]),
            _leading(data[start + 1 : end : stride], header[1:]),
        )
        end = start + count * stride
    elif room:
        end = start + stride
    else:
        _fail(data[start:], f"route type {data[start]} of {data[start + 1]} octets, {size - start - 2} are left")
    for offset, value, name in layout.fixed:
        octets = data[start + offset : end : stride]
        if octets.count(value) != len(octets):
            _fail_at(layout, data, start, octets, name, frozenset((value,)))
    if layout.most is not None:
        offset, value, name = layout.most
        octets = data[start + offset : end : stride]
        if max(octets) > value:
            _fail_at(layout, data, start, octets, name, range(value + 1))
    return end


def _leading(octets: bytes, value: bytes) -> int:
    """How many octets at the start are `value`."""
    return len(octets) - len(octets.lstrip(value))


def _end_of_variable(data: bytes, start: int) -> int:
    left = len(data) - start - 2
    if left < 0:
        _fail(data[start:], "one octet is left, a route needs two and more")
    length = data[start + 1]
    if data[start] in _FIXED_TYPES:
        _fail(data[start : start + 2 + length], f"route type {data[start]} cannot have {length} octets")
    if length > left:
        _fail(data[start:], f"route type {data[start]} of {length} octets, {left} are left")
    return start + 2 + length


def _variable(data: bytes, start: int, end: int) -> Route:
    route_type, value = data[start], data[start + 2 : end]
    reader = VARIABLE.get(route_type)
    route = reader(value) if reader is not None else None
    return OpaqueRoute(route_type, value) if route is None else route


def _check_meaning(layout: Layout, data: bytes, start: int, end: int) -> None:
    assert layout.check is not None
    for at in range(start, end, layout.stride):
        nlri = data[at : at + layout.stride]
        if (problem := layout.check(nlri)) is not None:
            _fail(nlri, f"route type {nlri[0]}: {problem}", Action.WITHDRAW)


def _check_variable(nlri: bytes) -> None:
    reader = VARIABLE.get(nlri[0])
    if reader is not None and reader(nlri[2:]) is None:
        _fail(nlri, f"route type {nlri[0]} is not of the form of RFC 9251", Action.WITHDRAW)


def _fail_at(layout: Layout, data: bytes, start: int, octets: bytes, name: str, allowed: Container[int]) -> NoReturn:
    number = next(index for index, octet in enumerate(octets) if octet not in allowed)
    at = start + number * layout.stride
    _fail(data[at : at + layout.stride], f"route type {layout.header[0]}: {name} is {octets[number]}")


def _fail(octets: bytes, problem: str, action: Action = Action.DISABLE) -> NoReturn:
    raise ProtocolError(3, 9, octets, f"EVPN NLRI: {problem}: {octets[:64].hex()}", action)

"""From TOML files to a Config, or to everything that is wrong with them at once.

Reads FILE and the drop-ins in conf.d beside it (conf.d/*.toml, by name). The files are one document: arrays of tables
add up, and a key set in two of them is an error, so that the order of the files never matters. Each error is one line,
`file:line: key: what is wrong, what was expected`, in the order of the files.

Must not know: any single key (evpnd.schema has them), what settings mean together (evpnd.checks).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from evpnd import kinds
from evpnd.checks import Entries, Entry, Place, findings
from evpnd.config import BgpConfig, Config
from evpnd.errors import ConfigError
from evpnd.schema import TABLES, Key, Table
from evpnd.toml_lines import KeyPath, key_lines

_BY_NAME = {table.name: table for table in TABLES}
_TOML_POSITION = re.compile(r"(.*?) \((?:at line (\d+), column \d+|at end of document)\)", re.DOTALL)


def load(path: str | Path) -> Config:
    """The configuration of a file and its drop-ins; ConfigError with every error there is."""
    main = Path(path)
    files = [main, *sorted((main.parent / "conf.d").glob("*.toml"))]
    reading = _Reading()
    for file in files:
        reading.read(file)
    return reading.config(tuple(map(str, files)))


class _Reading:
    """The files of one configuration as they are read: what was found, and what is wrong."""

    def __init__(self) -> None:
        self.errors: list[tuple[int, int, str]] = []  # (rank of the file, line, text)
        self.ranks: dict[str, int] = {}
        self.entries: Entries = {table.name: [] for table in TABLES}
        self.whole = True  # no file was left out

    def error(self, place: Place, text: str) -> None:
        self.errors.append((self.ranks.get(place.file, 0), place.line, f"{place}: {text}"))

    def read(self, file: Path) -> None:
        self.ranks[str(file)] = len(self.ranks)
        try:
            text = file.read_bytes().decode()
            data = tomllib.loads(text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
            self.whole = False
            line, what = _why_unreadable(exc)
            self.error(Place(str(file), line), what)
            return
        _Document(self, str(file), key_lines(text)).table((), data)

    def add(self, entry: Entry) -> None:
        """One more table: an element of its own, or more keys of the one there is."""
        found = self.entries[entry.table.name]
        if entry.table.identity or not found:
            found.append(entry)
            return
        for key, place in entry.places.items():
            if key in found[0].places:
                self.error(place, f"{entry.table.name}.{key}: set already, at {found[0].places[key]}; expected once")
            else:
                found[0].places[key] = place
        found[0].values = entry.values | found[0].values

    def config(self, files: tuple[str, ...]) -> Config:
        for table in TABLES:
            if not table.identity and not self.entries[table.name]:
                self.entries[table.name].append(Entry(table, Place(files[0], 0)))
            for entry in self.entries[table.name]:
                self.complete(entry)
        for place, text in findings(self.entries):
            self.error(place, text)
        if self.errors:
            raise ConfigError(list(dict.fromkeys(text for _, _, text in sorted(self.errors))))
        return _build(self.entries, files)

    def complete(self, entry: Entry) -> None:
        """Fill in what was left out; report what may not be."""
        for key in entry.table.keys:
            if key.name in entry.places:
                continue
            if key.inherits:
                table, name = key.inherits
                entry.values[key.name] = self.entries[table][0].value(name)
                continue
            default = entry.table.default(key)
            if default is not MISSING:
                entry.values[key.name] = default
            elif self.whole or entry.table.identity:
                self.error(entry.place, f"{entry.table.name}.{key.name}: missing, expected {key.kind.expected}")


class _Document:
    """One file: takes its tables apart by the schema."""

    def __init__(self, reading: _Reading, file: str, lines: Mapping[KeyPath, int]) -> None:
        self.reading = reading
        self.file = file
        self.lines = lines

    def place(self, path: KeyPath) -> Place:
        return Place(self.file, self.lines.get(path, 0))

    def table(self, path: KeyPath, data: Mapping[str, Any]) -> None:
        """The contents of a table at `path`; the document itself is at ()."""
        prefix = _name(path)
        table = _BY_NAME.get(prefix)
        entry = Entry(table, self.place(path)) if table else None
        for name, value in data.items():
            here = (*path, name)
            if child := _BY_NAME.get(_name(here)):
                self.child(child, here, value)
            elif table and entry and (key := table.key(name)):
                self.setting(entry, key, here, value)
            else:
                self.reading.error(self.place(here), f"{_name(here)}: {_unknown(prefix, name)}")
        if entry:
            self.reading.add(entry)

    def child(self, table: Table, path: KeyPath, value: object) -> None:
        if table.identity is None:
            if isinstance(value, dict):
                self.table(path, value)
            else:
                self.wrong(path, f"{kinds.shown(value)} is {kinds.type_name(value)}, expected a table, [{table.name}]")
            return
        expected = f"expected an array of tables, [[{table.name}]]"
        if not isinstance(value, list):
            self.wrong(path, f"{kinds.shown(value)} is {kinds.type_name(value)}, {expected}")
            return
        for index, item in enumerate(value):
            if isinstance(item, dict):
                self.table((*path, index), item)
            else:
                self.wrong((*path, index), f"{kinds.shown(item)} is {kinds.type_name(item)}, {expected}")

    def setting(self, entry: Entry, key: Key, path: KeyPath, value: object) -> None:
        entry.places[key.name] = self.place(path)
        try:
            entry.values[key.name] = key.kind.parse(value)
        except kinds.ItemErrors as exc:
            for index, text in exc.items:
                self.wrong((*path, index), text)
        except ValueError as exc:
            self.wrong(path, f"{exc}, expected {key.kind.expected}")

    def wrong(self, path: KeyPath, text: str) -> None:
        self.reading.error(self.place(path), f"{_name(path)}: {text}")


def _name(path: KeyPath) -> str:
    """A key path as people write it, without the positions in arrays."""
    return ".".join(part for part in path if isinstance(part, str))


def _unknown(prefix: str, name: str) -> str:
    """What to say about a key that isn't in the table called `prefix`."""
    table = _BY_NAME.get(prefix)
    known = [key.name for key in table.keys] if table else []
    known += [_last(t.name) for t in TABLES if t.name.rpartition(".")[0] == prefix]
    what = "unknown key" if prefix else "unknown table"
    if near := kinds.closest(name, known):
        return f'{what}, did you mean "{near}"?'
    if homes := [t for t in TABLES if t.key(name) or _last(t.name) == name]:
        return f"{what} here, expected in {' or '.join(_header(t, name) for t in homes)}"
    return f"{what}, expected one of: {', '.join(known)}"


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _header(table: Table, name: str) -> str:
    """The header under which a key, or a table of that name, belongs."""
    header = f"[[{table.name}]]" if table.identity else f"[{table.name}]"
    return header if table.key(name) else f"the form {header}"


def _why_unreadable(exc: Exception) -> tuple[int, str]:
    """The line, if there is one, and the reason."""
    if isinstance(exc, FileNotFoundError):
        return 0, "no such file, expected the configuration (docs/configuration.md)"
    if isinstance(exc, PermissionError):
        return 0, "no permission to read it, expected a file that this user may read"
    if isinstance(exc, OSError):
        return 0, f"can't be read: {exc.strerror}, expected a file"
    if isinstance(exc, UnicodeDecodeError):
        return exc.object.count(b"\n", 0, exc.start) + 1, "not UTF-8, expected a TOML file"
    match = _TOML_POSITION.fullmatch(str(exc))
    what = " ".join((match[1] if match else str(exc)).split())
    return int(match[2] or 0) if match else 0, f"not valid TOML: {what}"


def _build(entries: Entries, files: tuple[str, ...]) -> Config:
    made = {name: list(_instances(found)) for name, found in entries.items()}
    bgp_table, evpn_table = entries["bgp"][0], entries["evpn"][0]
    bgp: BgpConfig = bgp_table.table.settings(**_fields(bgp_table), peers=tuple(made["bgp.peer"]))
    evpn = evpn_table.table.settings(**_fields(evpn_table), vnis={v.vni: v for v in made["evpn.vni"]})
    return Config(bgp=bgp, evpn=evpn, fib=made["fib"][0], control=made["control"][0], log=made["log"][0], files=files)


def _instances(entries: Iterable[Entry]) -> Iterator[Any]:
    for entry in entries:
        yield entry.table.settings(**_fields(entry))


def _fields(entry: Entry) -> dict[str, Any]:
    return {key.attribute: entry.values[key.name] for key in entry.table.keys}

"""Rows as text: aligned tables that stay readable on a narrow terminal, and details as sections.

A table that is too wide first moves its notes (free text, such as what is wrong with a peer) to lines of their own,
then leaves out its least needed columns, and says which. Columns that are optional vanish when nothing is in them. Text
that came from afar can't touch the terminal: control characters are replaced.

Must not know: what any column means (evpnd.views), terminals, files.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

Row = Mapping[str, Any]
Format = Callable[[Any], str]
GAP = "  "
NOTE_INDENT = "    "
LEGEND = 16  # columns for the names in a legend


def plain(value: object) -> str:
    """A value for people: nothing for None, yes and no, lists joined with spaces."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(plain(v) for v in value)
    if isinstance(value, Mapping):
        return " ".join(f"{k}={plain(v)}" for k, v in value.items())
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def duration(value: object) -> str:
    """Seconds as `12s`, `5m07s`, `3h12m`, `4d02h`."""
    if not isinstance(value, int | float) or not isfinite(value):
        return ""
    seconds = int(value)
    for unit, size, small, small_size in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= size:
            return f"{seconds // size}{unit}{seconds % size // small_size:02d}{small}"
    return f"{seconds}s"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `keys` are the row's keys that it shows: the first that holds something, unless `text` says how."""

    title: str
    keys: tuple[str, ...]
    help: str
    format: Format = plain
    text: Callable[[Row], str] | None = None
    right: bool = False
    optional: bool = False
    spare: int = 0  # the higher, the earlier it is left out; 0: never
    note: bool = False

    def cell(self, row: Row) -> str:
        if self.text:
            return self.text(row)
        return next((cell for key in self.keys if (cell := self.format(row.get(key)))), "")


@dataclass(frozen=True, slots=True)
class Table:
    """A list of rows."""

    columns: tuple[Column, ...]
    empty: str  # what to say when there are none


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a section: a key with its label."""

    key: str
    label: str
    help: str = ""
    format: Format = plain


@dataclass(frozen=True, slots=True)
class Section:
    """Part of a detail: items of the row, or the table of the rows under `rows`."""

    title: str
    items: tuple[Item, ...] = ()
    rows: str = ""
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """One object in full. What no section names is shown in the end, so that nothing is kept back."""

    sections: tuple[Section, ...]
    said: tuple[str, ...] = ()  # keys whose contents some section shows already


View = Table | Detail


def render(view: View, result: Any, width: int | None = None) -> Iterator[str]:
    """The lines of a result; `width` columns at most where that can be, None for any number."""
    if isinstance(view, Detail):
        yield from _detail(view, result if isinstance(result, Mapping) else {"result": result}, width)
    else:
        yield from _table(view, result if isinstance(result, list) else [result], width)


def legend(view: View, width: int) -> Iterator[str]:
    """What the columns or lines of a view mean, under the name of each part."""
    parts = view.sections if isinstance(view, Detail) else (Section("columns", rows="rows", table=view),)
    for part in parts:
        columns = part.table.columns if part.table else ()
        meanings = [(c.title, c.help) for c in columns] + [(item.label, item.help) for item in part.items]
        lines = [line for title, help in meanings if help for line in _meaning(title, help, width)]
        if lines:
            yield from ("", f"{part.title}:" if part.title else "it prints:", *lines)


def _meaning(title: str, help: str, width: int) -> list[str]:
    head = f"  {title.ljust(LEGEND)}{GAP}"
    return textwrap.wrap(
        help, max(width, len(head) + 20), initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    )


def _table(table: Table, rows: Sequence[Row], width: int | None) -> Iterator[str]:
    if not rows:
        yield table.empty
        return
    texts = {c: [c.cell(row) for row in rows] for c in table.columns}
    columns = [c for c in table.columns if not c.optional or any(texts[c])]
    sizes = {c: max(len(c.title), max(map(len, texts[c]))) for c in columns}
    inline, notes, left_out = _fit(columns, sizes, width)
    yield _line(inline, sizes, [c.title for c in inline])
    cells = zip(*(texts[c] for c in inline), strict=True)
    remarks = zip(*(texts[c] for c in notes), strict=True) if notes else ((),) * len(rows)
    for line, remark in zip(cells, remarks, strict=True):
        yield _line(inline, sizes, line)
        for text in remark:
            yield from _note(text, width)
    if left_out:
        yield ""
        yield from textwrap.wrap(f"left out for want of width (--wide shows all): {', '.join(left_out)}", width or 80)


def _fit(
    columns: list[Column], sizes: Mapping[Column, int], width: int | None
) -> tuple[list[Column], list[Column], list[str]]:
    """(columns in the line, columns below it, titles left out), so that the line fits if it can."""
    inline, notes = list(columns), []
    left_out: list[Column] = []

    def fits() -> bool:
        return width is None or sum(sizes[c] for c in inline) + len(GAP) * (len(inline) - 1) <= width

    if not fits():
        notes = [c for c in inline if c.note]
        inline = [c for c in inline if not c.note]
    while not fits() and (spare := [c for c in inline if c.spare]):
        least = max(spare, key=lambda c: c.spare)
        inline.remove(least)
        left_out.append(least)
    return inline, notes, [c.title for c in columns if c in left_out]


def _line(columns: Sequence[Column], sizes: Mapping[Column, int], cells: Sequence[str]) -> str:
    padded = (
        cell.rjust(sizes[column]) if column.right else cell.ljust(sizes[column])
        for column, cell in zip(columns, cells, strict=True)
    )
    return GAP.join(padded).rstrip()


def _note(text: str, width: int | None) -> list[str]:
    return textwrap.wrap(
        text, max(width or 80, 20), initial_indent=NOTE_INDENT, subsequent_indent=NOTE_INDENT, break_on_hyphens=False
    )


def _detail(detail: Detail, result: Row, width: int | None) -> Iterator[str]:
    known = {item.key for section in detail.sections for item in section.items} | {s.rows for s in detail.sections}
    known.update(detail.said)
    rest = tuple(Item(key, key.replace("_", " ")) for key in result if key not in known)
    first = True
    for section in (*detail.sections, Section("More", rest)):
        lines = list(_section(section, result, width))
        if lines:
            if not first:
                yield ""
            first = False
            if section.title:
                yield section.title
            yield from lines


def _section(section: Section, result: Row, width: int | None) -> Iterator[str]:
    if section.table:
        rows = result.get(section.rows)
        if rows:
            narrow = None if width is None else width - 2
            yield from (f"  {line}".rstrip() for line in _table(section.table, rows, narrow))
        return
    shown = [(item.label, text) for item in section.items if (text := item.format(result.get(item.key)))]
    size = max((len(label) for label, _ in shown), default=0)
    for label, text in shown:
        head = f"  {label.ljust(size)}  "
        if width is None or len(head) + len(text) <= width:
            yield head + text
        else:
            lines = textwrap.wrap(text, max(width - len(head), 20), break_on_hyphens=False)
            yield from ((head if i == 0 else " " * len(head)) + line for i, line in enumerate(lines))

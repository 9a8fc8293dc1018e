"""Where each key of a TOML document stands.

tomllib gives values without positions, and an error that names no line is a poor one. This walks a document that
tomllib has accepted already, so it only has to know where strings, arrays and tables begin and end (TOML 1.0.0), and
gives the line of every key, of every table header and of every array element.

Must not know: what the keys mean.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

KeyPath = tuple[str | int, ...]  # ("bgp", "peer", 0, "asn")

_BLANK = re.compile(r"[ \t]*")
_FILLER = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_STRINGS = (
    re.compile(r'"""(?:\\.|[^\\])*?"""+', re.DOTALL),
    re.compile(r"'''.*?'''+", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
    re.compile(r"'[^'\n]*'"),
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line of each key path of a valid document; a table's own path gives the line of its (first) header."""
    return _Walk(text).document()


class _Walk:
    """One pass over one document."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self.elements: dict[KeyPath, int] = {}  # how often [[path]] was seen
        self.starts = [0, *(m.end() for m in re.finditer("\n", text))]

    def document(self) -> dict[KeyPath, int]:
        base: KeyPath = ()
        while self.skip(_FILLER) < len(self.text):
            if self.text[self.at] == "[":
                base = self.header()
            else:
                self.assignment(base)
        return self.lines

    def header(self) -> KeyPath:
        line = self.line()
        many = self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        names = self.dotted_key()
        self.at += 2 if many else 1
        path = self.resolve(names)
        if many:
            index = self.elements.get(path, -1) + 1
            self.elements[path] = index
            self.lines.setdefault(path, line)
            path = (*path, index)
        self.lines.setdefault(path, line)
        return path

    def resolve(self, names: list[str]) -> KeyPath:
        """Header names with the index of the latest element put in after each array of tables but the last name."""
        path: KeyPath = ()
        for i, name in enumerate(names):
            path = (*path, name)
            if i + 1 < len(names) and path in self.elements:
                path = (*path, self.elements[path])
        return path

    def assignment(self, base: KeyPath) -> None:
        line = self.line()
        path = base
        for name in self.dotted_key():
            path = (*path, name)
            self.lines.setdefault(path, line)
        self.at += 1  # the equals sign
        self.value(path)

    def value(self, path: KeyPath) -> None:
        self.skip(_FILLER)
        self.lines.setdefault(path, self.line())
        if self.text[self.at] == "[":
            self.array(path)
        elif self.text[self.at] == "{":
            self.inline_table(path)
        elif not self.string():
            self.skip(_SCALAR)

    def array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while self.text[self.skip(_FILLER)] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self.value((*path, index))
            index += 1
        self.at += 1

    def inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while self.text[self.skip(_FILLER)] != "}":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self.assignment(path)
        self.at += 1

    def dotted_key(self) -> list[str]:
        names = []
        while True:
            self.skip(_BLANK)
            begin = self.at
            quoted = self.string()
            if not quoted:
                self.skip(_BARE_KEY)
            raw = self.text[begin : self.at]
            names.append(str(tomllib.loads(f"k = {raw}")["k"]) if quoted else raw)
            self.skip(_BLANK)
            if self.text[self.at] != ".":
                return names
            self.at += 1

    def string(self) -> bool:
        for pattern in _STRINGS:
            if match := pattern.match(self.text, self.at):
                self.at = match.end()
                return True
        return False

    def skip(self, pattern: re.Pattern[str]) -> int:
        if match := pattern.match(self.text, self.at):
            self.at = match.end()
        return self.at

    def line(self) -> int:
        return bisect_right(self.starts, self.at)

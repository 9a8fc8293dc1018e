"""The part of YAML that a lab's description needs: mappings and lists, in blocks or on one line, plain and quoted text.

Owns reading that, each value with its line, and refusing all else with file, line and remedy: anchors, tags, folded
text, several documents. All scalars are text: what a number is, the reader of the description knows. `${NAME}` and
`${NAME:=default}` are replaced before, as containerlab does.

Must not know: what the keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeAlias


class DescriptionError(ValueError):
    """One line for whoever wrote the description: file, line, what is wrong, what to write instead."""


@dataclass(frozen=True, slots=True)
class Value:
    line: int
    data: Data


Data: TypeAlias = str | list[Value] | dict[str, Value]

_KEY = re.compile(r"""(?P<key>[A-Za-z0-9_][A-Za-z0-9_./-]*|"[^"\\]*"|'[^']*'):(?:[ ]+(?P<rest>.*))?$""")
_VARIABLE = re.compile(r"\$(?:\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:=|:-)(?P<default>[^{}$]*))?\})?")
_REFUSED = {
    "&": "anchors are not read here: write the value out",
    "*": "aliases are not read here: write the value out (quote it if it is text)",
    "!": "tags are not read here: leave it out",
    "|": "block text is not read here: quote it on one line",
    ">": "block text is not read here: quote it on one line",
    "%": "expected a value: quote it if it is text",
    "@": "expected a value: quote it if it is text",
    "`": "expected a value: quote it if it is text",
}
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "/": "/"}


def read(text: str, name: str, environment: Mapping[str, str]) -> Value:
    """The mapping that the text describes; `name` is what errors call it."""
    return _Reader(name, _expand(text, name, environment)).document()


def _expand(text: str, name: str, environment: Mapping[str, str]) -> list[str]:
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        if "{{" in line:
            raise DescriptionError(f"{name}:{number}: templates ({{{{ }}}}) are not read here: use ${{NAME:=default}}")

        def value(found: re.Match[str], number: int = number) -> str:
            variable, default = found["name"], found["default"]
            if variable is None:
                raise DescriptionError(f"{name}:{number}: '$': expected ${{NAME}} or ${{NAME:=default}}")
            seen = environment.get(variable) or default
            if seen is None:
                raise DescriptionError(f"{name}:{number}: ${{{variable}}}: set it, or write ${{{variable}:=default}}")
            return seen

        lines.append(_VARIABLE.sub(value, line))
    return lines


class _Reader:
    def __init__(self, name: str, lines: list[str]) -> None:
        self._name = name
        self._lines: list[tuple[int, int, str]] = []  # number, indent, text
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            indent = len(line) - len(line.lstrip(" "))
            if line[indent] == "\t":
                self._fail(number, "a tab in the indentation: write spaces")
            if text in ("---", "..."):
                self._fail(number, "several documents are not read here: leave the line out")
            self._lines.append((number, indent, text))
        self._at = 0

    def _fail(self, line: int, why: str) -> NoReturn:
        raise DescriptionError(f"{self._name}:{line}: {why}")

    def document(self) -> Value:
        if not self._lines:
            self._fail(1, "empty: expected KEY: VALUE")
        value = self._block(0)
        if self._at < len(self._lines):
            self._fail(self._lines[self._at][0], "indented otherwise than the lines above")
        return value

    def _block(self, least: int) -> Value:
        number, indent, text = self._lines[self._at]
        if indent < least:
            self._fail(number, "expected a value, indented further")
        items = self._list(indent) if _is_item(text) else self._mapping(indent)
        return Value(number, items)

    def _next(self, indent: int) -> tuple[int, str] | None:
        """The next line of the block that is indented so far."""
        if self._at == len(self._lines):
            return None
        number, found, text = self._lines[self._at]
        if found > indent:
            self._fail(number, "indented further than the line above allows (text over several lines: quote it on one)")
        return (number, text) if found == indent else None

    def _list(self, indent: int) -> list[Value]:
        items = []
        while (line := self._next(indent)) and _is_item(line[1]):
            number, text = line
            rest = text[1:].lstrip(" ")
            if not rest or rest.startswith("#"):
                self._at += 1
                items.append(self._below(number, indent + 1))
            elif _is_item(rest) or _KEY.match(rest):
                self._lines[self._at] = (number, indent + len(text) - len(rest), rest)
                items.append(self._block(indent + 1))
            else:
                self._at += 1
                items.append(self._value(number, rest))
        return items

    def _mapping(self, indent: int) -> dict[str, Value]:
        items: dict[str, Value] = {}
        while line := self._next(indent):
            number, text = line
            found = _KEY.match(text)
            if not found:
                self._fail(number, f"{text!r}: expected KEY: VALUE" + (" in a mapping" if _is_item(text) else ""))
            key, rest = found["key"].strip("\"'"), (found["rest"] or "").lstrip(" ")
            if key in items:
                self._fail(number, f"{key}: given before, at line {items[key].line}")
            self._at += 1
            if rest and not rest.startswith("#"):
                items[key] = self._value(number, rest)
            else:  # a list may stand as far left as its key
                deeper = self._at == len(self._lines) or not _is_item(self._lines[self._at][2])
                items[key] = Value(number, self._below(number, indent + deeper).data)
        return items

    def _below(self, number: int, least: int) -> Value:
        if self._at == len(self._lines) or self._lines[self._at][1] < least:
            self._fail(number, "expected a value, here or indented below")
        return self._block(least)

    def _value(self, number: int, text: str) -> Value:
        """A value that begins and ends on this line."""
        if text[0] in "\"'[{":
            value, rest = self._flow(number, text)
            if rest.strip() and not re.match(r"\s+#", rest):
                self._fail(number, f"{rest.strip()!r} after the value: quote all of it, or leave it out")
            return value
        return Value(number, self._plain(number, re.split(r"\s#", text)[0].strip()))

    def _plain(self, number: int, text: str) -> str:
        if text[0] in _REFUSED:
            self._fail(number, f"{text!r}: {_REFUSED[text[0]]}")
        if ": " in text or text.endswith(":"):
            self._fail(number, f"{text!r}: quote it, for it has a colon at the end of a word")
        if text in ("~", "null", "Null", "NULL"):
            self._fail(number, f"{text!r}: expected a value")
        return text

    def _flow(self, number: int, text: str) -> tuple[Value, str]:
        """A quoted text, flow list or flow mapping at the beginning of `text`; and what follows it."""
        if text[0] in "\"'":
            return self._quoted(number, text)
        closing = "]" if text[0] == "[" else "}"
        items: list[Value] = []
        keys: list[str] = []
        rest = text[1:].lstrip()
        while rest[:1] != closing:
            if closing == "}":
                found = re.match(r"""([A-Za-z0-9_][A-Za-z0-9_./-]*|"[^"\\]*"|'[^']*'):\s+""", rest)
                if not found or found[1].strip("\"'") in keys:
                    self._fail(number, f"{rest!r}: expected KEY: VALUE, each key once")
                keys.append(found[1].strip("\"'"))
                rest = rest[found.end() :]
            item, rest = self._flow_item(number, rest, closing)
            items.append(item)
            rest = rest.lstrip()
            if rest[:1] == ",":
                rest = rest[1:].lstrip()
            elif rest[:1] != closing:
                self._fail(number, f"{text!r}: expected ',' or '{closing}' on the same line")
        data: Data = dict(zip(keys, items, strict=True)) if closing == "}" else items
        return Value(number, data), rest[1:]

    def _flow_item(self, number: int, text: str, closing: str) -> tuple[Value, str]:
        if text[:1] and text[0] in "\"'[{":
            return self._flow(number, text)
        found = re.match(r"[^,\[\]{}]*", text)
        plain = found[0].strip() if found else ""
        if not plain:
            self._fail(number, f"expected a value and '{closing}' on the same line")
        if " #" in plain:
            self._fail(number, f"{plain!r}: expected ',' or '{closing}' before the comment")
        return Value(number, self._plain(number, plain)), text[len(found[0]) if found else 0 :]

    def _quoted(self, number: int, text: str) -> tuple[Value, str]:
        quote, parts, at = text[0], [], 1
        while True:
            letter = text[at : at + 1]
            if not letter:
                self._fail(number, f"{text!r}: expected {quote} at the end, on the same line")
            if letter == quote == "'" == text[at + 1 : at + 2]:
                parts.append("'")
                at += 2
            elif letter == quote:
                return Value(number, "".join(parts)), text[at + 1 :]
            elif letter == "\\" and quote == '"':
                escaped = text[at + 1 : at + 2]
                if escaped not in _ESCAPES:
                    self._fail(number, f"'\\{escaped}' in double quotes: write it in single quotes, or '\\\\'")
                parts.append(_ESCAPES[escaped])
                at += 2
            else:
                parts.append(letter)
                at += 1


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")

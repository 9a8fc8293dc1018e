"""evpnd.toml_lines: every key's line, whatever TOML allows around it."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evpnd.toml_lines import KeyPath, key_lines


def test_every_kind_of_statement_has_its_line() -> None:
    text = '''# first
title = "a # no comment [not.a.header]"

[bgp] # a table
asn = 1
"quoted key" = 2
a.b.c = 3
listen = [ # an array
  "10.0.0.1", # with ] in a comment
  "10.0.0.2",
]
text = """
[[evpn.vni]]
asn = 5 \\""" still
"""
literal = \'\'\'
x = 1
\'\'\'
after = 1979-05-27T07:32:00Z
[[bgp.peer]]
address = "x"
[[bgp.peer]]
address = 'y'
inline = { a = 1, b = { c = [1, 2] } }
[bgp.peer.more]
z = 1
'''
    assert tomllib.loads(text)
    lines = key_lines(text)
    expected = {
        ("title",): 2,
        ("bgp",): 4,
        ("bgp", "asn"): 5,
        ("bgp", "quoted key"): 6,
        ("bgp", "a", "b", "c"): 7,
        ("bgp", "listen"): 8,
        ("bgp", "listen", 0): 9,
        ("bgp", "listen", 1): 10,
        ("bgp", "text"): 12,
        ("bgp", "literal"): 16,
        ("bgp", "after"): 19,
        ("bgp", "peer", 0): 20,
        ("bgp", "peer", 0, "address"): 21,
        ("bgp", "peer", 1): 22,
        ("bgp", "peer", 1, "address"): 23,
        ("bgp", "peer", 1, "inline", "b", "c", 1): 24,
        ("bgp", "peer", 1, "more", "z"): 26,
    }
    assert {path: lines.get(path) for path in expected} == expected


def test_inline_arrays_of_tables() -> None:
    lines = key_lines("bgp = { asn = 1 }\nevpn.vni = [\n  { vni = 1 },\n  { vni = 2 }, ]")
    assert lines["evpn", "vni", 1, "vni"] == 4
    assert lines["bgp", "asn"] == 1


def test_windows_line_ends() -> None:
    assert key_lines("a = 1\r\n[b]\r\nc = 2\r\n")["b", "c"] == 3


_KEYS = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
_TEXTS = st.text(st.sampled_from("ab[]{}#='\"\\\n,. \t"), max_size=12)
_SCALARS = st.integers() | st.booleans() | _TEXTS
_VALUES = st.recursive(
    _SCALARS, lambda child: st.lists(child, max_size=3) | st.dictionaries(_KEYS, child, max_size=3), max_leaves=8
)


def _write(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ",\n".join(map(_write, value)) + "\n]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_write(item)}" for key, item in value.items()) + "}"
    if "'" not in value and "\n" not in value:
        return f"'{value}'"
    if "'''" not in value and not value.endswith("'") and not value.startswith("\n"):
        return f"'''{value}'''"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _paths(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [p for key, item in items for p in ((*path, key), *_paths(item, (*path, key)))]


@given(st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_every_key_of_any_document_is_found(document: dict[str, Any]) -> None:
    text = "".join(f"\n# [x]\n{key} = {_write(value)}\n" for key, value in document.items())
    assert tomllib.loads(text) == document
    lines = key_lines(text)
    assert sorted(map(str, lines)) == sorted(map(str, _paths(document)))
    for key in document:
        assert text.split("\n")[lines[key,] - 1].startswith(f"{key} = ")

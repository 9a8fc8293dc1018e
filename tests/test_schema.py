"""evpnd.schema agrees with the dataclasses of evpnd.config, and the references with both."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from evpnd import kinds
from evpnd.config import Config
from evpnd.evpn.extended_community import route_target_from_text
from evpnd.evpn.targets import TargetIndex, derived_target, import_rule
from evpnd.reference import REFERENCES
from evpnd.schema import TABLES, Table

DOCS = Path(__file__).parent.parent / "docs"
CHILDREN = {"peers", "vnis"}  # tables of their own


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_field_has_one_key(table: Table) -> None:
    assert sorted(k.attribute for k in table.keys) == sorted(
        f.name for f in fields(table.settings) if f.name not in CHILDREN
    )


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_default_is_a_possible_value(table: Table) -> None:
    """What can be left out could as well be written down."""
    for key in table.keys:
        default = table.default(key)
        if default is MISSING or default is None or default == "":
            continue
        written = list(default) if isinstance(default, tuple) else default
        assert key.kind.parse(written) == default, key.name


def help_of(table: str, key: str) -> str:
    found = next(t for t in TABLES if t.name == table).key(key)
    assert found is not None
    return found.help


def test_derived_targets_that_are_the_same_are_told_of() -> None:
    for vni in (100, 100_000):
        assert derived_target(4200000001, vni, "asn") == derived_target(59905, vni, "asn")
        assert derived_target(4200000001, vni, "rfc8365") == derived_target(59905, vni, "rfc8365")
    for key in ("route_targets", "import"):
        text = help_of("evpn", key)
        assert all(word in text for word in ("low 16 bits", "AS 4200000001", "AS 59905", "import_targets")), key


def test_what_a_wildcard_takes_is_told() -> None:
    index = TargetIndex([("instance", import_rule(["*:100"]))])
    for text in ("65001:100", "4200000001:100", "10.0.0.1:100"):
        assert index.importers([route_target_from_text(text)]) == ("instance",)
    for table, key in (("evpn", "import"), ("evpn.vni", "import_targets")):
        assert "IPv4 address" in help_of(table, key) and "65535" in help_of(table, key)
    assert '"*:NUMBER" (any AS or address)' in kinds.route_target(wildcard=True).expected


def test_inherited_defaults_are_those_of_the_table_above() -> None:
    tables = {table.name: table for table in TABLES}
    for table in TABLES:
        for key in table.keys:
            if key.inherits:
                above = tables[key.inherits[0]]
                parent = above.key(key.inherits[1])
                assert parent is not None
                assert table.default(key) == above.default(parent)


def test_every_table_is_part_of_the_configuration() -> None:
    assert {f.name for f in fields(Config)} - {"files"} == {t.name for t in TABLES if "." not in t.name}


@pytest.mark.parametrize("name", REFERENCES)
def test_committed_references_are_those_of_the_program(name: str) -> None:
    """If this fails: python -m evpnd.reference NAME > docs/NAME.md"""
    assert (DOCS / f"{name}.md").read_text() == REFERENCES[name]()


def test_references_name_every_key_and_command() -> None:
    configuration, commands = REFERENCES["configuration"](), REFERENCES["commands"]()
    for table in TABLES:
        assert f"[{table.name}]" in configuration
        assert all(f"| `{key.name}` |" in configuration for key in table.keys)
    for words in ("evpnd run", "evpnd check", "evpnd decode", "evpnd demo", "evpnctl show fib failures"):
        assert f"### `{words}" in commands

"""pytest's options --feature and --peer: the checks of one cell of docs/interop.md, of a row, or of a column.

Owns which peers a test is about before it runs: its parameters say it (a kind of node, or a topology's name), or the
mark `@pytest.mark.peers(KIND, ...)` where its lab is always the same. The record holds that against the labs that ran.

Must not know: what the features are, how labs run.
"""

from __future__ import annotations

import functools

import pytest

from interop import clab, matrix


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("interop", "the cells of docs/interop.md")
    group.addoption("--feature", metavar="ROW", help="only what shows this feature: the name of a row, or a part of it")
    group.addoption("--peer", choices=list(matrix.PEERS), help="only what shows something with this peer")


def peers(item: pytest.Item) -> set[str]:
    """The kinds of peers that a test shows its features with."""
    params: dict[str, object] = item.callspec.params if hasattr(item, "callspec") else {}
    found = {str(kind) for mark in item.iter_markers("peers") for kind in mark.args}
    for value in params.values():
        found |= {value} if value in matrix.PEERS else _in_topology(str(value))
    return found & matrix.PEERS.keys()


@functools.cache
def _in_topology(name: str) -> set[str]:
    if not (clab.LABS / name / f"{name}.clab.yml").is_file():
        return set()
    return {node.kind for node in clab.load(name).nodes.values()}


def features(item: pytest.Item) -> set[str]:
    return {str(feature) for mark in item.iter_markers("feature") for feature in mark.args}


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what the options ask for; with a word on why when a cell has no check."""
    asked, peer = config.getoption("--feature"), config.getoption("--peer")
    if asked is None and peer is None:
        return
    rows = [row for row in matrix.FEATURES if asked == row] or [row for row in matrix.FEATURES if (asked or "") in row]
    if not rows or (asked and len(rows) > 1):
        raise pytest.UsageError(f"--feature {asked!r}: expected one of these, or a part of just one:\n" + _listed(rows))
    missing = matrix.without_check(rows[0], peer) if asked and peer else None
    if missing:
        raise pytest.UsageError(f"{rows[0]}, {peer}: {missing[0]}: {missing[1]}")
    chosen = [item for item in items if features(item) & set(rows) and (peer is None or peer in peers(item))]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def _listed(rows: list[str]) -> str:
    return "\n".join(f"  {row}" for row in rows or matrix.FEATURES)

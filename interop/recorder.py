"""Records which checks passed with which peers, and holds docs/interop.md against it at the end of a run.

A pytest plugin (interop/conftest.py registers it). EVPND_MATRIX=check fails the run when the page differs, and
EVPND_MATRIX=write writes it; without either, or when some tests were not run, nothing is compared. Other versions
of the peers than the page's are told, and fail nothing: the newest packages change by themselves.

Must not know: what the features are.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Generator

import pytest

from interop import lab, matrix, selection
from interop.container import REPOSITORY
from interop.matrix import DOCUMENT, PEERS, Shown
from interop.topology import Topology

# The packages of the peers, in the trees of interop/peers.
_OLDER = {"frr8": "frr", "gobgp3": "gobgpd"}
_NEWEST = {"frr": "frr", "gobgp": "gobgpd", "bird": "bird3", "exabgp": "exabgp", "openbgpd": "openbgpd"}


class Recorder:
    def __init__(self) -> None:
        self.shown: set[Shown] = set()
        self.mode = os.environ.get("EVPND_MATRIX", "")
        self._complete = True
        self._verdict: list[str] = []
        self._hidden: list[str] = []  # tests that --peer takes for others than their labs have
        self.others: list[str] = []  # the peers of another version than the page's

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call" and report.passed and isinstance(item, pytest.Function):
            check = str(item.callspec.id) if "what" in item.fixturenames else item.originalname  # a topology's
            features = selection.features(item)
            kinds = {node.kind for topology in _topologies(item) for node in topology.nodes.values()} & PEERS.keys()
            self.shown |= {Shown(feature, kind, check) for feature in features for kind in kinds}
            if features and kinds != selection.peers(item):
                self._hidden.append(
                    f"{item.nodeid}: --peer {sorted(selection.peers(item))}, its lab has {sorted(kinds)}"
                )
        return report

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        lab.started.clear()

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self._complete = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if not self.mode or exitstatus or not self._complete:
            return
        self._verdict = self._compare()
        if self._verdict:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _compare(self) -> list[str]:
        gaps = matrix.gaps(self.shown)
        if gaps:
            return ["these have neither a check that passed nor a reason (interop/matrix.py):", *gaps]
        if self._hidden:
            return ["these need another mark `peers` (interop/selection.py):", *self._hidden]
        found = versions()
        if self.mode == "write":
            DOCUMENT.write_text(matrix.render(self.shown, found))
            return []
        committed = DOCUMENT.read_text() if DOCUMENT.exists() else ""
        stated = matrix.described(committed)
        self.others = [
            f"run with {matrix.PEERS[kind]} {found[kind]}; docs/interop.md says {version}"
            for kind, version in stated.items()
            if found[kind] != version
        ]
        difference = matrix.difference(committed, matrix.render(self.shown, found | stated))
        return ["docs/interop.md differs from this run; `make matrix` writes it:", difference] if difference else []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._verdict:
            terminalreporter.write_line(line, red=True)
        for line in self.others:
            terminalreporter.write_line(line)


def _topologies(item: pytest.Function) -> list[Topology]:
    """Of the labs that the test was given, and of those that it made."""
    given = [value.topology for value in item.funcargs.values() if isinstance(value, lab.Lab)]
    return given + lab.started


def versions() -> dict[str, str]:
    """Major and minor version of each peer, by kind, as installed."""
    found: dict[str, str] = {}
    for which, packages in (("older", _OLDER), ("newest", _NEWEST)):
        asked = [str(REPOSITORY / "interop/peers"), which, "--versions"]
        listing = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        found |= {kind: _version(listing, package) for kind, package in packages.items()}
    return found


def _version(listing: str, package: str) -> str:
    match = re.search(rf"^{package} (?:\d+:)?(\d+\.\d+)", listing, re.MULTILINE)
    if match is None:
        raise LookupError(f"{package} is not among the installed packages")
    return match[1]

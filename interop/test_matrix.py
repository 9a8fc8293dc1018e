"""The record of a run, held against the page; and the choice of a cell's checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from interop import matrix, recorder
from interop.container import REPOSITORY

SHOWN = {matrix.Shown(feature, kind, "test_it") for feature in matrix.FEATURES for kind in matrix.PEERS}
FOUND = {kind: f"{number}.0" for number, kind in enumerate(matrix.PEERS)}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> recorder.Recorder:
    """One that showed everything, against a page of it with other versions."""
    page = tmp_path / "interop.md"
    page.write_text(matrix.render(SHOWN, FOUND | {"bird": "3.4"}))
    monkeypatch.setattr(recorder, "DOCUMENT", page)
    monkeypatch.setattr(recorder, "versions", lambda: FOUND)
    monkeypatch.setenv("EVPND_MATRIX", "check")
    made = recorder.Recorder()
    made.shown = set(SHOWN)
    return made


def test_another_version_of_a_peer_is_told_and_is_no_failure(run: recorder.Recorder) -> None:
    assert run._compare() == []
    assert run.others == ["run with BIRD 4.0; docs/interop.md says 3.4"]


def test_another_check_is_a_failure(run: recorder.Recorder) -> None:
    run.shown -= {shown for shown in SHOWN if shown.feature == matrix.MOVES}
    run.shown |= {matrix.Shown(matrix.MOVES, kind, "test_another") for kind in matrix.PEERS}
    told = "\n".join(run._compare())
    assert "+| a MAC moves there and back | `test_another`" in told


def test_a_cell_without_check_says_which_of_two_reasons_and_a_remark_stands_beside_a_check() -> None:
    page = matrix.render(SHOWN, FOUND)
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in page.splitlines() if line.startswith("| ")}
    assert "| not supported by the peer (" in rows[matrix.STATIC]
    assert "| not tried (" in rows[matrix.OTHER_TYPES]
    assert "| `test_it` (" in rows[matrix.MOVES]
    assert "(" not in rows[matrix.EXTERNAL]


def test_every_reason_and_remark_is_about_another_cell_of_the_page() -> None:
    cells = [*matrix.UNSUPPORTED, *matrix.UNTRIED, *matrix.REMARKS]
    assert len(set(cells)) == len(cells)
    assert all(feature in matrix.FEATURES and kind in matrix.PEERS for feature, kind in cells)


def collected(*options: str) -> str:
    command = [sys.executable, "-B", "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "interop"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=REPOSITORY, timeout=120)
    return done.stdout + done.stderr


def test_options_choose_the_checks_of_one_cell() -> None:
    chosen = collected("--feature", matrix.ISOLATION, "--peer", "gobgp3").splitlines()
    assert [line for line in chosen if "::" in line] == [
        "interop/test_gobgp.py::TestReflector::test_nothing_of_one_vni_arrives_in_the_other[gobgp3]"
    ]
    chosen = collected("--feature", "nothing of one VNI", "--peer", "bird").splitlines()
    topologies = [line.partition("test_check[")[2].partition(":")[0] for line in chosen if "::" in line]
    assert topologies == ["bird-mixed", "evpnd-bird"]


def test_every_cell_with_a_check_is_chosen_by_its_options() -> None:
    page = matrix.DOCUMENT.read_text()
    rows = [line.strip("| ").split(" | ")[1:] for line in page.splitlines() if line.startswith("| ")][2:]
    for kind, column in zip(matrix.PEERS, zip(*rows, strict=True), strict=True):
        found = collected("--peer", kind)
        assert [cell for cell in column if "`" in cell and cell.split("`")[1] not in found] == [], kind


def test_a_cell_without_check_is_refused_with_its_reason() -> None:
    said = collected("--feature", matrix.STATIC, "--peer", "gobgp")
    assert "static MACs, gobgp: not supported by the peer: it has no data plane for EVPN" in said

"""The record of a run, held against the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from interop import matrix, recorder

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

"""`python -m interop.lab`: what it says before a lab runs, and what it keeps of one that failed."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from interop import develop
from interop.container import Namespaces
from interop.lab import Lab
from interop.suite import Suite
from interop.topology import Node, Topology

OPTIONS = argparse.Namespace(order="containerlab", delay=0, logs=None, keep=False)


def test_without_evpnd_it_says_the_remedy_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Namespaces, "programs", "/nowhere")
    with pytest.raises(SystemExit) as ended:
        develop.main(["evpnd-frr"])
    assert ended.value.code == 2
    assert (
        capsys.readouterr().err == "interop.lab: evpnd and evpnctl are not in .venv/bin: `make venv` puts them there\n"
    )


@pytest.mark.parametrize("given", [False, True])
def test_the_logs_of_a_lab_that_fails_are_kept_and_named(
    given: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    suite = Suite()

    @suite.converged
    def never(lab: Lab) -> None:
        raise AssertionError("no session")

    options = argparse.Namespace(**{**vars(OPTIONS), "logs": tmp_path / "mine" if given else None})
    assert develop._run(suite, Topology("alone", {"host": Node("linux")}), options, 0) == 1
    directory = Path(capsys.readouterr().out.partition("the nodes' logs: ")[2].splitlines()[0])
    assert directory.parent == tmp_path and (directory == tmp_path / "mine") == given
    assert "lo " in (directory / "host.log").read_text()

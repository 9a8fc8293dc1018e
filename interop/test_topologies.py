"""Every topology of containerlab/, in namespaces: each of its checks, and convergence whatever starts first."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop import abilities, clab, matrix, networks  # noqa: F401  # assertions in networks are rewritten by conftest
from interop.clab import LABS
from interop.lab import Lab
from interop.suite import Check, Suite, suite_of

TOPOLOGIES = {path.parent.name: path.parent for path in sorted(LABS.glob("*/*.clab.yml"))}
SUITES = {name: suite_of(directory) for name, directory in TOPOLOGIES.items()}
ELSEWHERE = [name for name, path in TOPOLOGIES.items() if abilities.lacking(clab.load(path).needs)]
HERE = [name for name in TOPOLOGIES if name not in ELSEWHERE]
CHECKS = [
    pytest.param(name, what, id=f"{name}: {what}", marks=pytest.mark.feature(*matrix.shown_by(what)))
    for name in HERE
    for what in SUITES[name].checks
]
SEED = random.randrange(1000)


def first_of(suite: Suite) -> Check:
    assert suite.first is not None
    return suite.first


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    directory: Path = TOPOLOGIES[request.param]
    with Lab(clab.load(directory), order="containerlab") as lab:
        first_of(SUITES[request.param])(lab)
        yield lab


@pytest.mark.parametrize(("lab", "what"), CHECKS, indirect=["lab"])
def test_check(lab: Lab, what: str) -> None:
    SUITES[lab.topology.name].checks[what](lab)


@pytest.mark.parametrize("name", HERE)
def test_it_converges_in_any_order(name: str) -> None:
    print(f"seed {SEED}")
    with Lab(clab.load(TOPOLOGIES[name]), order="random", seed=SEED) as lab:
        first_of(SUITES[name])(lab)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_checks_in_a_kernel_that_has_what_they_need(name: str) -> None:
    command = [sys.executable, "-B", "-m", "interop.lab", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"  {what}" in done.stdout for what in SUITES[name].checks), done.stdout


def test_every_topology_is_complete() -> None:
    directories = {path.name: path for path in LABS.iterdir() if path.is_dir() and path.name not in ("common", "clab")}
    for name, directory in directories.items():
        there = {path.name for path in directory.iterdir()}
        assert {f"{name}.clab.yml", "check", "README.md"} <= there, f"{name}: {there}"
        assert (directory / "check").stat().st_mode & 0o100, f"{name}/check is not executable"

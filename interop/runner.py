"""One topology of `make containerlab`: deployed, checked, destroyed; here or in another kernel.

Owns what is printed of it, and the logs of what failed.

Must not know: how containerlab is called (interop.deployment), what is checked, the command's options but its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interop import abilities, stopping
from interop.clab import load
from interop.container import DockerContainer
from interop.deployment import Deployment, DeploymentError, forget
from interop.images import Images
from interop.kinds import KINDS, LabNode
from interop.lab import Lab
from interop.suite import CONVERGED, Result, Suite, suite_of
from interop.topology import Node, Topology

PROGRAM = "interop.containerlab"
LEFT = "nothing is left behind"
DEPLOYED = "deployed"


@dataclass(slots=True)
class Run:
    """What came of one topology: a row of the table."""

    name: str
    nodes: int
    checks: int
    deploy: float | None = None
    results: list[Result] = field(default_factory=list)

    @property
    def converged(self) -> float | None:
        return next((row.seconds for row in self.results if row.name == CONVERGED and not row.error), None)

    @property
    def failed(self) -> int:
        return sum(bool(row.error) for row in self.results)

    def add(self, result: Result) -> None:
        print(result, flush=True)
        self.results.append(result)

    def row(self) -> tuple[str, ...]:
        passed = sum(not row.error for row in self.results if row.name != CONVERGED)
        return self.name, str(self.nodes), _seconds(self.deploy), _seconds(self.converged), f"{passed}/{self.checks}"


class Runner:
    def __init__(self, options: argparse.Namespace) -> None:
        self.containerlab, self.images = "", Images()
        self.destroyed = False  # the lab of the topology that was run last
        self._options = options
        self._logs: Path | None = options.logs

    def run(self, file: Path) -> Run:
        topology, suite = load(file, self.images.pinned), suite_of(file.resolve().parent)
        run = Run(topology.name, len(topology.nodes), len(suite.checks) + 1)
        self.destroyed = False
        if self._options.inside is None:
            named = load(file, self.images.names).nodes.values()
            print(f"{topology.name}: {run.nodes} nodes: {_versions(named)}", flush=True)
        lacking = abilities.lacking(topology.needs)
        if lacking:
            print(f"  this machine's kernel has no {', '.join(lacking)}: containerlab and Docker in User-Mode Linux")
            self._elsewhere(run, topology, file)
        else:
            self._here(run, topology, file, suite)
        return run

    def _here(self, run: Run, topology: Topology, file: Path, suite: Suite) -> None:
        deployment = Deployment(self.containerlab, file, topology, self.images.pinned)
        started = time.monotonic()
        try:
            deployment.claim(lambda holder: print(f"  waiting for the end of {holder}", flush=True))
            started = time.monotonic()
            deployment.deploy(self._options.delay)
            run.deploy = time.monotonic() - started
            print(f"  {'up':6} {run.deploy:6.1f} s", flush=True)
            lab = Lab.deployed(topology)
            for result in suite.run(lab):
                run.add(result)
                if result.error:
                    self._keep(topology, lab)
            if self._options.keep:
                _wait(topology.name, list(topology.nodes))
        except (DeploymentError, RuntimeError) as error:
            run.add(Result(DEPLOYED, time.monotonic() - started, str(error)))
            if deployment.output:
                self._keep(topology, _running(topology), deployment.output)
        finally:
            if deployment.claimed:
                self._destroy(run, deployment)

    def _destroy(self, run: Run, deployment: Deployment) -> None:
        ended = time.monotonic()
        left = deployment.destroy()
        self.destroyed = True
        error = "expected nothing, seen\n" + "\n".join(left) if left else ""
        run.add(Result(LEFT, time.monotonic() - ended, error))

    def _elsewhere(self, run: Run, topology: Topology, file: Path) -> None:
        """The same by this program in a kernel that can do it; what it prints is printed here."""
        work = Path(tempfile.mkdtemp(prefix="evpnd-containerlab-"))  # takes what is written there, too
        report, logs = work / "report.json", self._directory()
        again = [sys.executable, "-B", "-m", PROGRAM, str(file.resolve()), "--inside", str(report)]
        again += ["--logs", str(logs), "--delay", str(self._options.delay)]
        images = ",".join(sorted({node.image for node in topology.nodes.values()}))
        environment = {**os.environ, **self.images.pinned, "CONTAINERLAB": self.containerlab, "TMPDIR": str(work)}
        started = time.monotonic()
        try:
            status, _ = stopping.run([str(abilities.UML_DOCKER), images, *again], env=environment, grace=5)
            if report.exists():
                seen = json.loads(report.read_text())
                run.deploy, run.results = seen["deploy"], [Result(**result) for result in seen["results"]]
            else:
                run.add(Result(DEPLOYED, time.monotonic() - started, f"expected a report, seen exit status {status}"))
        finally:
            with stopping.undisturbed():
                forget(topology.name, file)
                shutil.rmtree(work, ignore_errors=True)
                if self._options.logs is None:
                    with contextlib.suppress(OSError):  # there are logs in it
                        logs.rmdir()
                self.destroyed = True

    def _directory(self) -> Path:
        """Where logs go; made when they are written."""
        if self._logs is None:
            self._logs = Path(tempfile.mkdtemp(prefix="evpnd-containerlab-logs-"))
        return self._logs.resolve()

    def _keep(self, topology: Topology, nodes: Iterable[LabNode], output: str = "") -> None:
        """Every node's state and all that its daemon has printed, as they are after the failure."""
        directory = self._directory() / topology.name
        directory.mkdir(parents=True, exist_ok=True)
        if output:
            (directory / "containerlab.log").write_text(output)
        for node in nodes:
            with contextlib.suppress(RuntimeError, OSError, subprocess.SubprocessError):  # what has no answer has none
                (directory / f"{node.name}.log").write_text(node.place.printed())
                (directory / f"{node.name}.state").write_text(node.report())
        what = "all that containerlab said, and the nodes' logs" if output else "the nodes' logs"
        print(f"         {what}: {directory}", flush=True)


def _running(topology: Topology) -> Iterator[LabNode]:
    """The nodes that run, of a lab that isn't whole."""
    for name, node in topology.nodes.items():
        place = DockerContainer(name, f"clab-{topology.name}-{name}")
        with contextlib.suppress(RuntimeError, subprocess.SubprocessError):
            place.wait_started()
            yield KINDS[node.kind](name, node, place)


def _versions(nodes: Iterable[Node]) -> str:
    return ", ".join(sorted({node.image for node in nodes if node.kind != "linux"}))


def _wait(name: str, nodes: Sequence[str]) -> None:
    print("\nThe lab stays up until Ctrl-C; then it is destroyed. A shell in a node:")
    for node in nodes:
        print(f"  docker exec -it clab-{name}-{node} bash")
    print("", end="", flush=True)
    try:
        signal.pause()
    except stopping.Stopped as stop:
        if stop.number != signal.SIGINT:
            raise
        print()


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"

"""`make containerlab`: topologies deployed by the real containerlab, checked, destroyed; and the table of all of it.

Owns the command: images, one topology after the other, what is printed, logs of what failed, its exit status.

Must not know: how containerlab is called (interop.deployment), what is checked.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from interop import abilities
from interop.clab import LABS, DescriptionError, find, load
from interop.container import REPOSITORY
from interop.deployment import Deployment, DeploymentError
from interop.lab import Lab
from interop.suite import CONVERGED, Result, suite_of

PROGRAM = "interop.containerlab"
REMEDY = (
    "install it as https://containerlab.dev/install says, or name it: CONTAINERLAB=/path/to/containerlab"
    " (.ci/containerlab installs it for CI, and prints the path)"
)
LEFT = "nothing is left behind"


@dataclass(slots=True)
class Run:
    """What came of one topology: a row of the table."""

    name: str
    nodes: int = 0
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

    def row(self, checks: int) -> tuple[str, ...]:
        passed = sum(not row.error for row in self.results if row.name != CONVERGED)
        return self.name, str(self.nodes), _seconds(self.deploy), _seconds(self.converged), f"{passed}/{checks}"


@dataclass(slots=True)
class Images:
    """What the topologies' variables stand for: as people know it, and by names that are this run's alone.

    Another run may make evpnd:latest anew meanwhile, of another source; what is checked here stays the same.
    """

    names: dict[str, str] = field(default_factory=dict)
    pinned: dict[str, str] = field(default_factory=dict)

    def unpin(self) -> None:
        if self.pinned:
            subprocess.run(["docker", "rmi", *self.pinned.values()], capture_output=True)


class Runner:
    def __init__(self, containerlab: str, images: Images, options: argparse.Namespace) -> None:
        self._containerlab, self._images, self._options = containerlab, images, options
        self._logs: Path | None = options.logs

    def run(self, file: Path) -> tuple[Run, int]:
        """One topology; and how many checks it has."""
        topology, suite = load(file, self._images.pinned), suite_of(file.resolve().parent)
        run = Run(topology.name, len(topology.nodes))
        if self._options.inside is None:
            named = load(file, self._images.names).nodes.values()
            print(f"{topology.name}: {run.nodes} nodes: {_versions(named)}", flush=True)
        lacking = abilities.lacking(topology.needs)
        if lacking:
            print(f"  this machine's kernel has no {', '.join(lacking)}: containerlab and Docker in User-Mode Linux")
            self._elsewhere(run, {node.image for node in topology.nodes.values()})
            return run, len(suite.checks) + 1
        deployment = Deployment(self._containerlab, file, topology, self._images.pinned)
        try:
            deployment.claim()
        except DeploymentError as error:
            run.add(Result("deployed", 0, str(error)))
            return run, len(suite.checks) + 1
        started = time.monotonic()
        try:
            deployment.deploy(self._options.delay)
            run.deploy = time.monotonic() - started
            print(f"  {'up':6} {run.deploy:6.1f} s", flush=True)
            lab = Lab.deployed(topology)
            for result in suite.run(lab):
                run.add(result)
                if result.error:
                    self._keep(lab)
            if self._options.keep:
                _wait(topology.name, list(topology.nodes))
        except (DeploymentError, RuntimeError) as error:
            run.add(Result("deployed", time.monotonic() - started, str(error)))
        finally:
            ended = time.monotonic()
            left = deployment.destroy()
            run.add(
                Result(LEFT, time.monotonic() - ended, "expected nothing, seen\n" + "\n".join(left) if left else "")
            )
        return run, len(suite.checks) + 1

    def _elsewhere(self, run: Run, images: Collection[str]) -> None:
        """The same by this program in a kernel that can do it; what it prints is printed here."""
        with tempfile.TemporaryDirectory(prefix="evpnd-containerlab-") as work:
            report = Path(work) / "report.json"
            again = [sys.executable, "-B", "-m", PROGRAM, run.name, "--inside", str(report)]
            command = [str(abilities.UML_DOCKER), ",".join(sorted(images)), *again]
            environment = {**os.environ, **self._images.pinned, "CONTAINERLAB": self._containerlab}
            started = time.monotonic()
            status = subprocess.run(command, env=environment).returncode
            if report.exists():
                seen = json.loads(report.read_text())
                run.deploy, run.results = seen["deploy"], [Result(**result) for result in seen["results"]]
            else:
                run.add(Result("deployed", time.monotonic() - started, f"expected a report, seen exit status {status}"))

    def _keep(self, lab: Lab) -> None:
        """Every node's state and all that its daemon has printed, as they are after the failure."""
        if self._logs is None:
            self._logs = Path(tempfile.mkdtemp(prefix="evpnd-containerlab-logs-"))
        directory = self._logs / lab.topology.name
        directory.mkdir(parents=True, exist_ok=True)
        for node in lab:
            (directory / f"{node.name}.state").write_text(node.report())
            (directory / f"{node.name}.log").write_text(node.place.printed())
        print(f"         the nodes' logs: {directory}", flush=True)


def main() -> None:
    options = _parser().parse_args()
    if os.geteuid() != 0:
        _as_root()
    try:
        names = options.topology or sorted(path.parent.name for path in LABS.glob("*/*.clab.yml"))
        files = [find(name) for name in names]
        containerlab = _containerlab()
        images = _images(files) if options.inside is None else Images()
    except (DescriptionError, DeploymentError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        sys.exit(2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    atexit.register(images.unpin)
    runner, rows, failed = Runner(containerlab, images, options), [], 0
    try:
        for file in files:
            run, checks = runner.run(file)
            rows.append(run.row(checks))
            failed += run.failed
    except DescriptionError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped, and the lab destroyed", file=sys.stderr)
        sys.exit(130)
    if options.inside is not None:
        options.inside.write_text(json.dumps(asdict(run)))
    else:
        _print_table(rows)
    sys.exit(1 if failed else 0)


def _containerlab() -> str:
    found = os.environ.get("CONTAINERLAB") or shutil.which("containerlab")
    if not found or not shutil.which(found):
        raise DeploymentError(f"containerlab is not {f'at {found}' if found else 'on the PATH'}: {REMEDY}")
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        raise DeploymentError("Docker does not answer: install and start it (https://docs.docker.com/engine/install)")
    return found


def _images(files: Sequence[Path]) -> Images:
    """The images that these topologies name by variables, made or pulled."""
    wanted = sorted({name for file in files for name in re.findall(r"\$\{(\w+_IMAGE)\b", file.read_text())})
    command = [str(LABS / "images"), "--pin", str(os.getpid()), *wanted]
    made = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if made.returncode:
        raise DeploymentError("containerlab/images has failed (see above)")
    images = Images()
    for line in made.stdout.splitlines():
        variable, _, both = line.partition("=")
        images.names[variable], images.pinned[variable] = both.split()
    return images


def _versions(nodes: object) -> str:
    assert hasattr(nodes, "__iter__")
    return ", ".join(sorted({node.image for node in nodes if node.kind != "linux"}))


def _wait(name: str, nodes: Sequence[str]) -> None:
    print("\nThe lab stays up until Ctrl-C; then it is destroyed. A shell in a node:")
    for node in nodes:
        print(f"  docker exec -it clab-{name}-{node} bash")
    print("", end="", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    table = [("topology", "nodes", "deploy", "converge", "checks"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(5)]
    print()
    for row in table:
        first, *others = (
            text.ljust(width) if not column else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *others]))


def _as_root() -> None:
    """The same by way of sudo, with what the environment says about the run."""
    kept = re.compile(r"PATH$|CI$|CONTAINERLAB$|EVPND_|\w+_IMAGE$|\w+_proxy$", re.IGNORECASE)
    variables = [f"{name}={value}" for name, value in os.environ.items() if kept.match(name)]
    again = ["env", *variables, sys.executable, "-B", "-m", PROGRAM, *sys.argv[1:]]
    if not shutil.which("sudo"):
        print(f"{PROGRAM}: needs root, and there is no sudo", file=sys.stderr)
        sys.exit(2)
    os.chdir(REPOSITORY)
    os.execvp("sudo", ["sudo", *([] if sys.stdin.isatty() else ["-n"]), *again])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {PROGRAM}",
        description="Deploy topologies of containerlab/ by containerlab and Docker, check them, destroy them.",
        epilog="Exit status: 0 when all checks pass, 1 when one fails, 2 when something is missing or wrong before.",
    )
    parser.add_argument(
        "topology", nargs="*", help="a name in containerlab/, a directory, or a .clab.yml (default: all)"
    )
    parser.add_argument("--keep", action="store_true", help="leave each lab up until Ctrl-C, and print how to enter it")
    parser.add_argument(
        "--delay",
        type=int,
        default=0,
        metavar="S",
        help="start the nodes with a daemon S seconds apart (startup-delay)",
    )
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)  # of User-Mode Linux: the images are there
    parser.add_argument("--logs", type=Path, metavar="DIR", help="where the nodes' logs go when a check fails")
    return parser


if __name__ == "__main__":
    main()

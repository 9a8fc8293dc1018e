"""`make containerlab`: topologies deployed by the real containerlab, checked, destroyed; and the table of all of it.

Owns the command: its options, one topology after the other, the table, its exit status.

Must not know: what is done with one topology (interop.runner), what is checked.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from interop import stopping
from interop.clab import LABS, DescriptionError, find
from interop.container import REPOSITORY
from interop.deployment import DeploymentError
from interop.images import images_of
from interop.runner import PROGRAM, Runner

REMEDY = (
    "install it as https://containerlab.dev/install says, or name it: CONTAINERLAB=/path/to/containerlab"
    " (.ci/containerlab installs it for CI, and prints the path)"
)


def main() -> None:
    options = _parser().parse_args()
    if os.geteuid() != 0:
        _as_root()
    stopping.listen()
    runner = Runner(options)
    try:
        failed = _run(runner, options)
    except (DescriptionError, DeploymentError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        sys.exit(2)
    except stopping.Stopped as stop:
        with contextlib.suppress(OSError):  # the terminal may be gone
            done = ", and the lab destroyed" if runner.destroyed else ""
            print(f"{PROGRAM}: stopped{done}", file=sys.stderr, flush=True)
        sys.exit(stop.status)
    sys.exit(1 if failed else 0)


def _run(runner: Runner, options: argparse.Namespace) -> int:
    """All topologies that are asked for; how many checks have failed."""
    names = options.topology or sorted(path.parent.name for path in LABS.glob("*/*.clab.yml"))
    files = [find(name) for name in names]
    runner.containerlab = _containerlab()
    if options.inside is None:
        runner.images = images_of(files)
    runs = []
    try:
        for file in files:
            runs.append(runner.run(file))
    finally:
        with stopping.undisturbed():
            runner.images.unpin()
    if options.inside is not None:
        options.inside.write_text(json.dumps(asdict(runs[0])))
    else:
        _print_table([run.row() for run in runs])
    return sum(run.failed for run in runs)


def _containerlab() -> str:
    found = os.environ.get("CONTAINERLAB") or shutil.which("containerlab")
    if not found or not shutil.which(found):
        raise DeploymentError(f"containerlab is not {f'at {found}' if found else 'on the PATH'}: {REMEDY}")
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        raise DeploymentError("Docker does not answer: install and start it (https://docs.docker.com/engine/install)")
    return found


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

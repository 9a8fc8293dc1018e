"""`python -m interop.lab TOPOLOGY`: a topology in network namespaces, without Docker; its checks; gone again.

Owns the command: what it takes, what it prints, its exit status.

Must not know: how labs run, what is checked.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from interop import abilities
from interop.clab import DescriptionError, find, load
from interop.container import Namespaces
from interop.lab import ORDERS, Lab
from interop.suite import Suite, suite_of
from interop.topology import Topology

LOGS = "keep the nodes' logs there when a check fails (default: a new directory for temporary files, which is named)"
DELAYED = "each step of nodes (start of the daemon, commands) S seconds after the one before"
EPILOG = """\
examples:
  sudo .venv/bin/python -m interop.lab evpnd-frr
  sudo FRR_IMAGE=frr:8.4 .venv/bin/python -m interop.lab containerlab/evpnd-frr --order random --keep

Images are not used, but their versions are: FRR up to 8 and GoBGP up to 3 are this machine's packages, else the newest
(interop/setup installs what is missing). Exit status: 0 when all checks pass, 1 when one fails, 2 for a wrong command
or description.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    try:
        file = find(options.topology)
        topology = load(file)
        suite = suite_of(file.resolve().parent)
    except DescriptionError as error:
        _refuse(error)
    if _without_evpnd(topology):
        _refuse("evpnd and evpnctl are not in .venv/bin: `make venv` puts them there")
    if os.geteuid() != 0:
        _refuse("needs root, for namespaces: sudo .venv/bin/python -m interop.lab ...")
    lacking = abilities.lacking(topology.needs)
    if lacking:
        print(
            f"{topology.name}: this machine's kernel has no {', '.join(lacking)}: running in User-Mode Linux",
            flush=True,
        )
        again = [sys.executable, "-m", "interop.lab", *(arguments if arguments is not None else sys.argv[1:])]
        sys.exit(subprocess.run(abilities.elsewhere(again)).returncode)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    seed = options.seed if options.seed is not None else random.randrange(1000)
    try:
        sys.exit(_run(suite, topology, options, seed))
    except KeyboardInterrupt:
        sys.exit(130)


def _without_evpnd(topology: Topology) -> bool:
    """Whether a node wants to run what is not installed."""
    wanted = any(node.kind == "evpnd" for node in topology.nodes.values())
    return wanted and not all(shutil.which(name, path=Namespaces.programs) for name in ("evpnd", "evpnctl"))


def _run(suite: Suite, topology: Topology, options: argparse.Namespace, seed: int) -> int:
    said = f" (--seed {seed})" if options.order == "random" else ""
    print(f"{topology.name}: {len(topology.nodes)} nodes, order: {options.order}{said}", flush=True)
    started = time.monotonic()
    failed = 0
    with Lab(topology, order=options.order, delay=options.delay, seed=seed) as lab:
        print(f"  {'up':6} {time.monotonic() - started:6.1f} s", flush=True)
        for result in suite.run(lab):
            print(result, flush=True)
            failed += bool(result.error)
        if failed:
            _keep(lab, options.logs or Path(tempfile.mkdtemp(prefix=f"evpnd-{topology.name}-")))
        if options.keep:
            _wait(lab)
    print(f"{topology.name}: {'FAILED' if failed else 'passed'} in {time.monotonic() - started:.1f} s")
    return 1 if failed else 0


def _keep(lab: Lab, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for node in lab:
        (directory / f"{node.name}.log").write_text(node.report())
    print(f"the nodes' logs: {directory}")


def _wait(lab: Lab) -> None:
    """Until Ctrl-C, Enter or the end of input; what is needed to look around is printed."""
    print("\nThe lab stays up until Enter or Ctrl-C. A shell in a node:")
    for node in lab:
        print(f"  {node.name:10} PATH={node.place.programs} \\\n             {' '.join(node.place.enter(['bash']))}")
    print("", end="", flush=True)
    try:
        if sys.stdin.isatty():
            input()
        else:
            signal.pause()
    except (KeyboardInterrupt, EOFError):
        print()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m interop.lab",
        description="Run a topology of containerlab/ in network namespaces: bring it up, check it, take it down.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("topology", help="a name in containerlab/, a directory, or a .clab.yml")
    parser.add_argument(
        "--keep", action="store_true", help="leave it up until Ctrl-C, and print how to enter each node"
    )
    parser.add_argument(
        "--order", choices=ORDERS, default="containerlab", help="what comes first (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="repeats an order that was random")
    parser.add_argument("--delay", type=float, default=0, metavar="S", help=DELAYED)
    parser.add_argument("--logs", type=Path, metavar="DIR", help=LOGS)
    return parser


def _refuse(what: object) -> NoReturn:
    print(f"interop.lab: {what}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()

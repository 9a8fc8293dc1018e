"""The codec benchmark: evpnd's codec beside those of yabgp, ExaBGP and os-ken, all under one Python.

Makes a venv of its own for them (a package that does not install is left out and named), runs `codec_worker` in it
with evpnd taken from this checkout, and turns what that prints into results.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from interop.bench.namespace import BenchError
from interop.bench.results import Result
from interop.bench.targets import CHECKOUT

# yabgp's build needs a setuptools of its day; its pinned dependencies (Flask, Twisted, …) play no part in its codec.
_PACKAGES: dict[str, tuple[list[str], str]] = {
    "ExaBGP": (["exabgp==5.0.15"], ""),
    "os-ken": (["os-ken==4.2.2"], ""),
    "yabgp": (["--no-deps", "yabgp==0.8.2"], "setuptools<52"),
}


def _home() -> Path:
    return Path(os.environ.get("EVPND_BENCH_DIR", Path.home() / ".cache/evpnd-bench"))


def _python(say: Callable[[str], None]) -> tuple[Path, list[str]]:
    """The venv's Python, and which of the codecs are there."""
    place = _home() / "codecs"
    python = place / "bin/python"
    if not python.exists():
        say(f"codec: making {place}")
        venv.create(place, with_pip=True)
    present = []
    for name, (arguments, constraint) in _PACKAGES.items():
        mark = place / f"{name}.installed"
        if not mark.exists():
            say(f"codec: installing {name}")
            if problem := _install(python, arguments, constraint):
                say(f"codec: {name} is left out, it does not install: {problem}")
                continue
            mark.touch()
        present.append(name)
    return python, present


def _install(python: Path, arguments: list[str], constraint: str) -> str:
    environment = dict(os.environ)
    if constraint:
        constraints = _home() / "constraints.txt"
        constraints.write_text(constraint + "\n")
        environment["PIP_CONSTRAINT"] = str(constraints)
    command = [str(python), "-m", "pip", "install", "--quiet", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip().split("\n")[-1]


def codec_results(say: Callable[[str], None], versions: dict[str, str], rounds: int = 5) -> list[Result]:
    """Routes a second of each codec, in the venv's Python."""
    python, present = _python(say)
    results: list[Result] = []
    for name in ["evpnd", *present]:
        say(f"codec, {name}: …")
        command = [str(python), "-m", "interop.bench.codec_worker", name, str(rounds)]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT, check=False)
        if done.returncode:
            raise BenchError(f"the codec benchmark of {name} failed")
        answer = json.loads(done.stdout)
        versions.setdefault(name, answer["version"])
        results += [Result(f"codec.{key}", name, tuple(values)) for key, values in answer["rates"].items()]
    versions["Python"] = sys.version.split()[0]
    return results

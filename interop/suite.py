"""What a lab must show: when it has converged, and the checks that hold then.

Owns the list of a topology's checks (its file `check`) and running them on a lab, wherever that runs: one result a
check, with its time, and what was expected and seen when it failed.

Must not know: how labs come up, what is checked.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import linecache
import os
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from interop.clab import DescriptionError, load
from interop.container import UnreachableError
from interop.lab import Lab

Check = Callable[[Lab], None]
CONVERGED = "converged"


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    seconds: float
    error: str = ""  # expected and seen

    @property
    def line(self) -> str:
        return f"  {'FAILED' if self.error else 'ok':6} {self.seconds:6.1f} s  {self.name}"

    def __str__(self) -> str:
        return "\n".join([self.line, *(f"         {text}" for text in self.error.splitlines())])


@dataclass(slots=True)
class Suite:
    """The checks of a topology, in their order."""

    first: Check | None = None
    checks: dict[str, Check] = field(default_factory=dict)

    def converged(self, check: Check) -> Check:
        """The one that waits until the lab has converged."""
        if self.first is not None:
            raise ValueError("two functions are marked as converged: expected one")
        self.first = check
        return check

    def check(self, name: str) -> Callable[[Check], Check]:
        """What must hold, in words."""
        if name in self.checks or name == CONVERGED:
            raise ValueError(f"{name!r}: two checks of this name")

        def add(check: Check) -> Check:
            self.checks[name] = check
            return check

        return add

    def run(self, lab: Lab) -> Iterator[Result]:
        """Results as they come; when the lab does not converge, that is the only one."""
        assert self.first is not None
        result = _run(CONVERGED, self.first, lab)
        yield result
        if not result.error:
            for name, check in self.checks.items():
                yield _run(name, check, lab)

    def main(self, file: str) -> None:
        """Check the deployed lab of the topology beside `file`, and exit."""
        directory = Path(file).resolve().parent
        if os.geteuid() != 0:  # the group docker may ask Docker, but not enter a node
            sys.exit(f"checks enter the nodes' network namespaces, and that needs root: sudo {shlex.quote(file)}")
        try:
            lab = Lab.deployed(load(directory))
        except UnreachableError as error:
            sys.exit(f"{error}\nexpected a running Docker Engine that this user may call")
        except (DescriptionError, RuntimeError) as error:
            sys.exit(
                f"{error}\nexpected a running lab: sudo containerlab deploy -t {directory}/{directory.name}.clab.yml"
            )
        failed = 0
        for result in self.run(lab):
            print(result, flush=True)
            failed += bool(result.error)
        sys.exit(1 if failed else 0)


def suite_of(directory: Path) -> Suite:
    """The suite in the file `check` of a topology."""
    file = directory / "check"
    name = f"check_of_{directory.name.replace('-', '_')}"
    spec = importlib.util.spec_from_loader(name, _Source(name, str(file)))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    suite = getattr(module, "suite", None)
    if not isinstance(suite, Suite) or suite.first is None or not suite.checks:
        raise DescriptionError(
            f"{file}: expected `suite = Suite()`, a function @suite.converged, and @suite.check(...)"
        )
    return suite


class _Source(importlib.machinery.SourceFileLoader):
    def set_data(self, path: str, data: object, *, _mode: int = 0o666) -> None:
        """Write no bytecode beside the file."""


def _run(name: str, check: Check, lab: Lab) -> Result:
    started = time.monotonic()
    error = ""
    try:
        check(lab)
    except Exception as raised:
        error = _told(raised)
    return Result(name, time.monotonic() - started, error)


def _told(error: Exception) -> str:
    """What an error says; for an assertion without words, its line."""
    if isinstance(error, AssertionError):
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = str(error) or (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
        return f"{text}\n({Path(frame.filename).name}:{frame.lineno})" if not str(error) else text
    return f"{type(error).__name__}: {error}"

"""Being stopped: by Ctrl-C, SIGTERM or a terminal that goes away, and commands that then end with all their children.

Owns what these signals become, and who gets them: this program alone, which ends what it has started in its own order.

Must not know: what is run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """One of the signals has come; nothing but the clearing up is to be done."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def status(self) -> int:
        """This program's exit status, as a shell would tell it."""
        return 128 + self.number


def listen() -> None:
    """From now on these signals raise Stopped; under nohup, a terminal that goes away doesn't count."""
    for number in _SIGNALS:  # a shell's background jobs ignore SIGINT
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, _frame: object) -> None:
    for descriptor in (1, 2):  # what is still said must not break off the clearing up
        if stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor):  # a terminal no more
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    raise Stopped(number)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """A second Ctrl-C doesn't break off the clearing up."""
    before: list[tuple[signal.Signals, Callable[..., object] | int | None]] = [
        (number, signal.signal(number, signal.SIG_IGN)) for number in _SIGNALS
    ]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    grace: float = 0,
) -> tuple[int, str]:
    """Exit status and standard output, where that is a pipe. In a session of its own: Ctrl-C is for this program.

    When this program is stopped, the command and its children have ended before that goes on: they get `grace` seconds
    for an end of their own.
    """
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            with undisturbed():
                _end(process, grace)
            raise
    return process.returncode, output or ""


def _end(process: subprocess.Popen[str], grace: float) -> None:
    family: set[tuple[int, str]] = set()
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + seconds
        told: set[tuple[int, str]] = set()
        while time.monotonic() < deadline:
            process.poll()
            family = _running(family, process.pid)
            if not family:
                return
            for pid, _ in set() if told and number == signal.SIGTERM else family - told:  # new ones may be clearing up
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            told |= family
            time.sleep(0.05)


def _running(known: set[tuple[int, str]], ancestor: int) -> set[tuple[int, str]]:
    """Which of these run, and all that they, the ancestor and its session have started: number and time of start.

    A process that has ended and that nobody has asked after doesn't run. One may have a session of its own.
    """
    table = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent, _, session, *others = (entry / "stat").read_text().rpartition(") ")[2].split()
            if state not in "ZX":
                table[int(entry.name)] = int(parent), int(session), others[15]
    found = {pid for pid, start in known if pid in table and table[pid][2] == start}
    found |= {pid for pid, (_, session, _) in table.items() if ancestor in (pid, session)}
    while True:
        more = {pid for pid, (parent, _, _) in table.items() if parent in found} - found
        if not more:
            return {(pid, table[pid][2]) for pid in found}
        found |= more

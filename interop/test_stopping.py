"""What is stopped has ended, with all that it has started, before anything else is said or done."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interop.container import REPOSITORY

PROGRAM = """
import sys
from interop import stopping
stopping.listen()
try:
    stopping.run(["sh", "-c", sys.argv[1]], grace=float(sys.argv[2]))
except stopping.Stopped as stop:
    print("stopped", flush=True)
    sys.exit(stop.status)
"""


def stopped(script: str, grace: float, number: int, ready: Path) -> tuple[int, str]:
    """Exit status and output of a program that runs the script and gets the signal once the script is ready."""
    command = [sys.executable, "-B", "-c", PROGRAM, script, str(grace)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 10
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        output, _ = process.communicate(timeout=20)
    return process.returncode, output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_may_end_by_itself(tmp_path: Path, number: int) -> None:
    ready, end = tmp_path / "ready", tmp_path / "end"
    script = f"trap 'sleep 0.3; touch {end}; exit' TERM; touch {ready}; while :; do sleep 0.05; done"
    assert stopped(script, 10, number, ready) == (128 + number, "stopped\n")
    assert end.exists()


def test_a_command_that_does_not_end_is_ended_with_its_children_in_other_sessions(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap '' TERM; setsid sleep 100 & echo $! >{ready}.new; mv {ready}.new {ready}; wait; sleep 100"
    assert stopped(script, 0.2, signal.SIGINT, ready) == (130, "stopped\n")
    child = Path(f"/proc/{int(ready.read_text())}/stat")
    assert not child.exists() or child.read_text().rpartition(") ")[2][0] in "ZX"


def test_under_nohup_a_terminal_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    ready, end = tmp_path / "ready", tmp_path / "end"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert stopped(f"touch {ready}; sleep 0.5; touch {end}", 0, signal.SIGHUP, ready) == (0, "")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert end.exists()

"""Standard output that takes nothing, or no more: one line and status 1; a reader that has seen enough: nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KEEPALIVE = "ff" * 16 + "001304"
HOST = str(Path(__file__).parent.parent / "configs/host.toml")
FULL = "standard output: no space left on device\n"
COMMANDS = [
    ("evpnd.cli", "check", HOST),
    ("evpnd.cli", "decode", "--hex", KEEPALIVE * 3),
    ("evpnd.cli", "decode", "--pcap", "/absent"),
    ("evpnd.cli", "demo"),
]
ARGPARSE = [  # which passes over errors of its own, and so leaves only those of the last flush
    ("evpnd.cli", "--version"),
    ("evpnd.cli", "decode", "--help"),
    ("evpnd.ctl", "show", "routes", "--help"),
]


@pytest.mark.parametrize(
    ("words", "unbuffered"),
    [(words, "") for words in [*COMMANDS, *ARGPARSE]] + [(words, "1") for words in COMMANDS],
)
def test_a_full_disk_is_one_line(words: tuple[str, ...], unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
    assert (done.returncode, done.stderr) == (1, f"{'evpnctl' if words[0] == 'evpnd.ctl' else 'evpnd'}: {FULL}")


@pytest.mark.parametrize("words", [*COMMANDS, *ARGPARSE], ids=" ".join)
def test_a_closed_pipe_is_silent(words: tuple[str, ...]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""

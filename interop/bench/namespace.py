"""Network namespaces that vanish with the benchmark.

Each is held by a process in its own network, mount and PID namespaces: when that process dies, and it dies with the
benchmark whatever ends it, the kernel kills all that runs inside and removes the devices.
"""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_CLONE_NEWNET = 0x40000000


class BenchError(Exception):
    """A benchmark could not be set up or did not end; the message says why."""


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _link(pid: int | str) -> str:
    """Which network namespace a process is in."""
    return str(Path(f"/proc/{pid}/ns/net").readlink())


class Namespace:
    """One network, mount and PID namespace; `close` ends everything in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        command = [
            "unshare",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sleep",
            "infinity",
        ]
        self._holder = subprocess.Popen(command, preexec_fn=_die_with_parent, stdin=subprocess.DEVNULL)
        self.pid = self._wait_for_child()
        self._link = _link(self.pid)
        self.run("ip", "link", "set", "lo", "up")

    def _wait_for_child(self) -> int:
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        own = _link("self")
        # The kernel makes none while it still takes down one with thousands of devices.
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._holder.poll() is not None:
                raise BenchError("cannot make namespaces: the benchmarks need root")
            for child in children.read_text().split():
                # The new process is counted as a child before `unshare` has mounted its /proc and become `sleep`.
                if Path(f"/proc/{child}/comm").read_text() == "sleep\n" and _link(child) != own:
                    return int(child)
            time.sleep(0.002)
        raise BenchError(f"namespace {self.name} did not come up")

    def command(self, *args: str) -> list[str]:
        """`args` as a command line that runs inside."""
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", "--pid", *args]

    def run(self, *args: str, text: str = "") -> str:
        """Run a command to its end, with `text` on its stdin; its output, or BenchError with its words."""
        done = subprocess.run(self.command(*args), input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"{' '.join(args)}: {(done.stderr or done.stdout).strip()[-2000:]}")
        return done.stdout

    def start(
        self,
        args: Sequence[str],
        output: IO[bytes] | int = subprocess.DEVNULL,
        *,
        piped: bool = False,
        environment: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process inside; `piped` gives it pipes for stdin and stdout, and `output` its stderr."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.command(*args),
            stdin=pipe if piped else subprocess.DEVNULL,
            stdout=pipe if piped else output,
            stderr=output if piped else subprocess.STDOUT,
            preexec_fn=_die_with_parent,
            env=environment,
        )

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of this namespace for the calling process: a thread enters, opens it and ends."""
        made: list[socket.socket] = []
        error: list[OSError] = []

        def enter() -> None:
            try:
                with Path(f"/proc/{self.pid}/ns/net").open("rb") as handle:
                    if _LIBC.setns(handle.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(socket.socket(family, kind, protocol))
            except OSError as caught:
                error.append(caught)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if error:
            raise error[0]
        return made[0]

    def processes(self) -> dict[int, str]:
        """PID (as this process sees it) to command name of all that runs inside."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in (self.pid, self._holder.pid):
                continue
            try:
                if _link(entry.name) == self._link:
                    found[int(entry.name)] = (entry / "comm").read_text().strip()
            except OSError:  # it ended while we looked
                continue
        return found

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

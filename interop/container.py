"""Where a node runs: namespaces of this machine that are held here, or a container of Docker.

Owns entering such a place and its files, which for both are those of one process's namespaces; and making and ending
namespaces. A node's root there is a throw-away layer (overlayfs on tmpfs) over this machine's own files or over a
tree, so that daemons find their files where their package put them and may write what they like. The holder lives as
long as a pipe to it is open, and the kernel ends every process in the node with it: nothing is left when the test run
is killed.

Must not know: what runs in it, how nodes are linked, who deploys containers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

REPOSITORY = Path(__file__).resolve().parent.parent

_HOLD = r"""
set -e
work=/mnt lower=$1 name=$2; shift 2 # nobody else sees what is mounted there
read -r pid rest </proc/self/stat # this /proc is still the machine's, and so is the number
mount -t tmpfs lab "$work"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay lab -o "lowerdir=$lower,upperdir=$work/upper,workdir=$work/work" "$work/root"
cd "$work/root"
mkdir -p proc sys dev run tmp mnt
mount -t proc proc proc
mount -t sysfs sys sys
mount --rbind /dev dev
mount -t tmpfs run run
mount -t tmpfs -o mode=1777 tmp tmp
mkdir -p run/lock run/lab
for share; do mkdir -p ".$share"; mount --rbind "$share" ".$share"; done
pivot_root . mnt
cd /
umount -l mnt
hostname "$name"
ip link set lo up
echo "$pid"
exec env --ignore-signal=CHLD cat # orphans that end are then taken by the kernel
"""


_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/frr"


class Place:
    """The namespaces of a process, and what can be done in them."""

    supervised: ClassVar[bool] = False  # its first process starts the daemon, and starts it again when it has ended
    programs: ClassVar[str] = _SYSTEM_PATH

    def __init__(self, name: str) -> None:
        self.name = name
        self.pid = 0  # as this machine counts

    def enter(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "-u", "-i", "--", *command]

    def environment(self) -> dict[str, str]:
        return {"PATH": self.programs, "HOME": "/root", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, command: Sequence[str] | str, *, check: bool = True, timeout: float = 30, stdin: str = "") -> str:
        """Standard output of a command, which a string gives to the shell."""
        argv = ["sh", "-ec", command] if isinstance(command, str) else list(command)
        done = subprocess.run(
            self.enter(argv), env=self.environment(), input=stdin, capture_output=True, text=True, timeout=timeout
        )
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {command}\nexit {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def spawn(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command whose output is wanted later."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.enter(command), env=self.environment(), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )

    def path(self, path: str) -> Path:
        """Where this machine sees a file of the node."""
        return Path(f"/proc/{self.pid}/root") / path.lstrip("/")

    def write(self, path: str, text: str) -> None:
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def read(self, path: str) -> str:
        try:
            return self.path(path).read_text(errors="replace")
        except OSError:
            return ""

    def processes(self) -> Iterator[tuple[int, str]]:
        """Number, as the node counts, and name of every process in it that has not ended."""
        for directory in self.path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                name, _, rest = (directory / "stat").read_text().partition(" (")[2].rpartition(") ")
                if rest[0] not in "ZX":
                    yield int(directory.name), name

    def printed(self) -> str:
        """What its first process has printed."""
        return ""

    def freeze(self) -> None:
        """Keep its first process from starting again what ends."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def wait_started(self) -> None:
        """Return when it can be entered."""

    def close(self) -> None:
        """End it, when it was made here."""


class Namespaces(Place):
    """Namespaces held here. Making them is split, so that many start at once."""

    programs = f"{REPOSITORY}/.venv/bin:{_SYSTEM_PATH}"

    def __init__(self, name: str, root: Path = Path("/")) -> None:
        super().__init__(name)
        shares = [str(REPOSITORY)] if root == Path("/") else []
        spaces = ["--net", "--mount", "--pid", "--uts", "--ipc"]
        hold = ["sh", "-c", _HOLD, "hold", str(root), name, *shares]
        self._holder = subprocess.Popen(
            ["unshare", *spaces, "--fork", "--kill-child", "--propagation", "private", *hold],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def wait_started(self) -> None:
        assert self._holder.stdout is not None
        line = self._holder.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: the namespaces could not be made (exit {self._holder.wait()})")
        self.pid = int(line)

    def close(self) -> None:
        if self._holder.stdin is not None:
            with contextlib.suppress(OSError):
                self._holder.stdin.close()
        try:
            self._holder.wait(5)
        except subprocess.TimeoutExpired:
            self._holder.kill()
            self._holder.wait()
        if self._holder.stdout is not None:
            self._holder.stdout.close()


class UnreachableError(RuntimeError):
    """Docker can't be asked, so nothing is known of its containers."""


class DockerContainer(Place):
    """A running container, entered by its first process, so that its image needs no tools for that."""

    supervised = True

    def __init__(self, name: str, container: str) -> None:
        super().__init__(name)
        self.container = container

    def wait_started(self) -> None:
        asked = ["docker", "inspect", "-f", "{{.State.Pid}} {{.State.Status}}", self.container]
        try:
            done = subprocess.run(asked, capture_output=True, text=True, timeout=30)
        except FileNotFoundError as error:
            raise UnreachableError("Docker is not installed here") from error
        if done.returncode and "no such object" not in done.stderr.lower():
            raise UnreachableError(f"Docker does not answer: {done.stderr.strip()}")
        pid, _, state = done.stdout.strip().partition(" ")
        if done.returncode or state != "running":
            raise RuntimeError(f"{self.name}: expected a running container {self.container}, seen {state or 'none'}")
        self.pid = int(pid)

    def printed(self) -> str:
        asked = ["docker", "logs", self.container]
        return subprocess.run(
            asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=30
        ).stdout

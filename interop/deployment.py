"""A topology deployed by containerlab: up, down, and proof that nothing of it is left.

Owns calling containerlab and Docker for one topology, and what a lab may leave behind on a machine.

Must not know: checks, what is printed of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from interop import stopping
from interop.clab import with_delays
from interop.topology import Topology

_FAILED = re.compile(r'Failed to execute command|level=fatal|FATA|"?failed (?:pre-)?deploy')
_ERROR = re.compile(
    r"(?!.*(?:level=(?:info|debug)|\bINFO\b)).*(?:level=(?:error|fatal)|\bERRO\b|\bFATA\b|[Ff]ailed|Error)"
)
_LOCK = Path("/run/lock/evpnd-containerlab")


class DeploymentError(Exception):
    """What containerlab or Docker said, for a reader."""


class Deployment:
    """One topology and its description on disk."""

    def __init__(self, containerlab: str, file: Path, topology: Topology, images: Mapping[str, str]) -> None:
        self._containerlab, self._file, self._topology = containerlab, file, topology
        self._environment = {**os.environ, **images, "CLAB_VERSION_CHECK": "disable"}
        self._images = images
        self._namespaces: set[str] = set()
        self._before: set[str] = set()
        self._turn: IO[str] | None = None
        self._work = Path()
        self.claimed = False  # and so to be destroyed
        self.output = ""  # containerlab's, of the last call

    def claim(self, waiting: Callable[[str], None]) -> None:
        """Wait for other deployments on this machine: what one leaves behind is told by what was there before.

        `waiting` is called with what runs before this one does.
        """
        self._turn = _LOCK.open("a+")
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._turn.seek(0)
            waiting(self._turn.read() or "another topology")
            fcntl.flock(self._turn, fcntl.LOCK_EX)
        self._turn.truncate(0)
        self._turn.write(f"{self._topology.name}, run by process {os.getpid()}")
        self._turn.flush()
        if self._containers():
            told = f"sudo containerlab destroy --cleanup -t {self._file}"
            raise DeploymentError(f"{self._topology.name} is deployed already (clab-{self._topology.name}-*): {told}")
        self._before = self._traces()
        self._work = Path(tempfile.mkdtemp(prefix="evpnd-containerlab-"))  # takes what containerlab writes
        self.claimed = True

    def deploy(self, delay: int = 0) -> None:
        """All nodes; those with a daemon `delay` seconds apart."""
        file = self._delayed(delay) if delay else self._file
        output = self._run([self._containerlab, "deploy", "-t", str(file.resolve())])
        self._namespaces = set(self._network_namespaces())
        if _FAILED.search(output):
            raise DeploymentError(errors(output))

    def _delayed(self, delay: int) -> Path:
        """The description with its daemons' nodes started that many seconds apart; JSON is YAML, too."""
        nodes = [name for name, node in self._topology.nodes.items() if node.kind != "linux"]
        delays = {name: number * delay for number, name in enumerate(nodes)}
        file = self._work / self._file.name
        file.write_text(json.dumps(with_delays(self._file, self._images, delays), indent=1))
        return file

    def destroy(self) -> list[str]:
        """Take it down, whatever state it is in; what is left after that."""
        with stopping.undisturbed():
            failed = []
            try:
                self._run([self._containerlab, "destroy", "--cleanup", "-t", str(self._file.resolve())])
            except DeploymentError as error:
                failed = [str(error)]
            left = self._left()
            # What containerlab doesn't take away when a deployment was broken off, and its copy of the description.
            for container in self._containers():
                subprocess.run(["docker", "rm", "-f", container], capture_output=True)
            forget(self._topology.name, self._file)
            shutil.rmtree(self._work, ignore_errors=True)
            if self._turn is not None:
                self._turn.close()
        return [*failed, *left]

    def _run(self, command: Sequence[str]) -> str:
        status, output = stopping.run(
            command, cwd=self._work, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.output = output
        if status:
            raise DeploymentError(f"{' '.join(command)}: exit status {status}\n{errors(output)}")
        return output

    def _containers(self) -> list[str]:
        asked = ["docker", "ps", "-aq", "--filter", f"label=containerlab={self._topology.name}"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()

    def _network_namespaces(self) -> Iterator[str]:
        for container in self._containers():
            asked = ["docker", "inspect", "-f", "{{.State.Pid}}", container]
            pid = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
            with contextlib.suppress(OSError):
                yield str(Path(f"/proc/{pid}/ns/net").readlink())

    def _left(self) -> list[str]:
        """What was not there before; what is on its way out gets some seconds."""
        deadline = time.monotonic() + 10
        while True:
            left = sorted(self._traces() - self._before)
            left += [f"process {pid} in a node's network" for pid in self._inhabitants()]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.5)

    def _inhabitants(self) -> Iterator[str]:
        for entry in Path("/proc").glob("[0-9]*") if self._namespaces else ():
            with contextlib.suppress(OSError):
                if str((entry / "ns/net").readlink()) in self._namespaces:
                    yield entry.name

    def _traces(self) -> set[str]:
        """Everything on this machine that a lab of this name brings with it."""
        name = self._topology.name
        found = {f"container {line}" for line in self._containers()}
        found |= {f"network {line}" for line in _lines(["docker", "network", "ls", "--format", "{{.Name}}"])}
        found |= {f"link {line.split(':')[1].strip()}" for line in _lines(["ip", "-o", "link"])}
        places: list[tuple[Path, str]] = [
            (Path("/run/netns"), f"clab-{name}-*"),
            (Path("/etc/ssh/ssh_config.d"), f"clab-{name}.conf"),
            (self._work, "clab-*"),
            (self._file.parent, "clab-*"),
        ]
        found |= {f"file {path}" for place, pattern in places for path in place.glob(pattern)}
        with contextlib.suppress(OSError):
            if f"CLAB-{name}-START" in Path("/etc/hosts").read_text():
                found.add(f"/etc/hosts: lines of {name}")
        return found


def forget(name: str, file: Path) -> None:
    """Remove what containerlab has written beside its own directory, when it wasn't there to do so itself."""
    (file.parent / f".{file.name}.bak").unlink(missing_ok=True)
    Path(f"/etc/ssh/ssh_config.d/clab-{name}.conf").unlink(missing_ok=True)
    hosts = Path("/etc/hosts")
    text = hosts.read_text() if hosts.exists() else ""
    without = re.sub(rf"(?ms)^#+ CLAB-{re.escape(name)}-START #+$.*?^#+ CLAB-{re.escape(name)}-END #+$\n?", "", text)
    if without != text:
        hosts.write_text(without)


def errors(output: str) -> str:
    """The lines that tell what went wrong; without such ones, the last."""
    lines = output.splitlines()
    found = list(dict.fromkeys(line for line in lines if _ERROR.match(line)))
    return "\n".join((found or lines)[-10:])


def _lines(command: Sequence[str]) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

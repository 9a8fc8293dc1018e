"""A scene: two namespaces, the devices, one target, the load program and the event clock, made and taken down."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from interop.bench import kernel
from interop.bench.events import EventClock, Kind
from interop.bench.namespace import BenchError, Namespace
from interop.bench.targets import ADDRESS, CHECKOUT, PEER, VTEPS, Ground, Target


class LoadProgram:
    """The load process, seen from the benchmark: a method call is one request and its answer."""

    def __init__(self, namespace: Namespace, log: Path) -> None:
        with log.open("wb") as errors:
            command = ["env", f"PYTHONPATH={CHECKOUT}", sys.executable, "-m", "interop.bench.load", ADDRESS]
            self._process = namespace.start(command, errors, piped=True)

    def call(self, command: str, **parameters: Any) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"command": command, **parameters}).encode() + b"\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline() or "{}")
        except BrokenPipeError:
            answer = {}
        if answer.get("error"):
            raise BenchError(f"session: {answer['error']}")
        return answer


class Scene:
    """Everything one measurement runs in; a context manager."""

    def __init__(self, target: Target, vnis: range, *, shift: int = 18) -> None:
        self.target = target
        self.vnis = vnis
        self._shift = shift

    def __enter__(self) -> Scene:
        self._directory = tempfile.TemporaryDirectory(prefix="evpnd-bench-", ignore_cleanup_errors=True)
        self.directory = Path(self._directory.name)
        self.directory.chmod(0o755)
        self.here = Namespace("target")
        self.there = Namespace("load")
        try:
            self._connect()
            kernel.make_devices(self.here, self.vnis, ADDRESS)
            self.clock = EventClock(self.here, self._shift)
            self.load = LoadProgram(self.there, self.directory / "load.log")
        except BaseException:
            self._close()
            raise
        return self

    def _connect(self) -> None:
        # From outside, where both processes have a number.
        ends = f"up0 netns {self.here.pid} type veth peer name up0 netns {self.there.pid}"
        subprocess.run(["ip", "link", "add", *ends.split()], check=True)
        for namespace, address in ((self.here, ADDRESS), (self.there, PEER)):
            namespace.run("ip", "address", "add", f"{address}/24", "dev", "up0")
            namespace.run("ip", "link", "set", "up0", "up")
        self.here.run("ip", "route", "add", VTEPS, "via", PEER)

    def start_target(self) -> int:
        """Start the target; the time at which that began."""
        start = time.monotonic_ns()
        self.target.start(Ground(self.here, self.directory, self.vnis))
        return start

    def establish(self, timeout_s: float = 60) -> int:
        """Bring the session up; the time at which it was."""
        answer = self.load.call("connect", timeout_s=timeout_s)
        return int(answer["established_ns"])

    def resident_octets(self) -> dict[str, int]:
        """Resident memory of the target's daemons, by command name."""
        found: dict[str, int] = {}
        for pid, name in self.here.processes().items():
            if name in self.target.daemons:
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("VmRSS:"):
                        found[name] = found.get(name, 0) + int(line.split()[1]) * 1024
        return found

    def cpu_s(self) -> float:
        """Processor time that the target's daemons have used so far."""
        ticks = 0
        for pid, name in self.here.processes().items():
            if name in self.target.daemons:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / 100

    def wait_for_events(self, kinds: dict[Kind, int], timeout_s: float, idle_s: float = 30) -> bool:
        """Until the clock has counted that many; false when it has not by then, or nothing comes for `idle_s`."""
        deadline = time.monotonic() + timeout_s
        last, last_at = self.clock.counts(), time.monotonic()
        while any(self.clock.count(kind) < number for kind, number in kinds.items()):
            time.sleep(0.002)
            counts, now = self.clock.counts(), time.monotonic()
            if counts != last:
                last, last_at = counts, now
            if now > deadline or now - last_at > idle_s:
                return False
        return True

    def logs(self) -> str:
        """The ends of all logs, for a failure's report."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in self.directory.glob("*.log")
        )

    def _close(self) -> None:
        if hasattr(self, "clock"):
            self.clock.close()
        for namespace in (self.there, self.here):
            namespace.close()
        self._directory.cleanup()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, Exception):
            sys.stderr.write(self.logs() + "\n")
        self._close()

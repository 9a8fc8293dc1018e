"""A daemon in a user namespace, whose netlink buffers stay small: more happens at once than they hold."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evpnd.client import ask
from tests.netns import until

ROOT = Path(__file__).parent.parent
COUNT = 20_000
CONFIG = """
[bgp]
asn = 65001
router_id = "10.0.0.1"
listen = ["127.0.0.1"]
[fib]
resync_interval = 3600
[control]
socket = "{directory}/evpnd.sock"
"""
MAKE_VNI = "from tests import netns; netns.run('ip link set lo up'); netns.make_vni(100)"
MACS = f"[(0x02AA00000000 + i).to_bytes(6) for i in range({COUNT})]"
TEACH = f"from tests import netns; netns.send_frames('h100', {MACS})"


class Place:
    """A user namespace with a network namespace of its own; without privileges outside it, even for root."""

    def __init__(self, holder: subprocess.Popen[bytes]) -> None:
        self._enter = ["nsenter", "-t", str(holder.pid), "--user", "--net", "--preserve-credentials"]

    def run(self, *command: str) -> str:
        done = subprocess.run([*self._enter, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, code: str) -> None:
        self.run(sys.executable, "-c", code)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*self._enter, *command], cwd=ROOT)


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(10)


@pytest.fixture
def place() -> Iterator[Place]:
    ready = [sys.executable, "-c", "print(flush=True); import time; time.sleep(600)"]
    holder = subprocess.Popen(["unshare", "--user", "--map-root-user", "--net", *ready], stdout=subprocess.PIPE)
    with ended(holder):
        assert holder.stdout is not None
        holder.stdout.readline()
        yield Place(holder)
        holder.stdout.close()


@contextmanager
def stopped(daemon: subprocess.Popen[bytes]) -> Iterator[None]:
    """What happens meanwhile happens at once, as the daemon sees it."""
    daemon.send_signal(signal.SIGSTOP)
    yield
    daemon.send_signal(signal.SIGCONT)


def test_twenty_thousand_macs_come_and_go_at_once(place: Place, tmp_path: Path) -> None:
    place.python(MAKE_VNI)
    config = tmp_path / "evpnd.toml"
    config.write_text(CONFIG.format(directory=tmp_path))

    def show(command: str) -> Any:
        return ask(str(tmp_path / "evpnd.sock"), f"show.{command}", {})

    def local_macs() -> int:
        (vni,) = show("vni")
        return int(vni["local_macs"])

    with ended(place.start(sys.executable, "-m", "evpnd.cli", "run", "--config", str(config))) as daemon:
        until((tmp_path / "evpnd.sock").exists, "the daemon is there")
        until(lambda: show("vni"), "it knows the VNI")
        assert show("fib")["overruns"] == 0
        with stopped(daemon):
            place.python(TEACH)
            assert place.run("bridge", "fdb", "show", "dev", "p100").count("02:aa:00:") == COUNT
        until(lambda: local_macs() == COUNT, "all are known", 20)
        first = show("fib")
        assert first["overruns"] > 0
        with stopped(daemon):
            place.run("ip", "link", "set", "p100", "down")
            place.run("ip", "link", "set", "vx100", "name", "other")
        until(lambda: local_macs() == 0, "all are gone", 20)
        until(lambda: show("vni")[0]["device"] == "other", "the device's new name is known")
        last = show("fib")
        assert last["overruns"] > first["overruns"]
        assert last["resyncs"] > first["resyncs"]
        assert last["problem"] is None

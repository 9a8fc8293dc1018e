"""evpnd.client where the daemon has no time to accept: more connections wait than the kernel queues."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evpnd.client import ask
from evpnd.errors import EvpndError


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[socket.socket]:
    """A daemon whose queue is full."""
    with socket.socket(socket.AF_UNIX) as daemon, socket.socket(socket.AF_UNIX) as other:
        daemon.bind(str(tmp_path / "s"))
        daemon.listen(0)
        other.connect(str(tmp_path / "s"))
        yield daemon


def test_a_client_waits_for_its_turn(busy: socket.socket, tmp_path: Path) -> None:
    def accept() -> None:
        time.sleep(0.1)
        busy.accept()[0].close()
        connection = busy.accept()[0]
        with connection, connection.makefile("rb") as stream:
            stream.readline()
            connection.sendall(json.dumps({"ok": True, "result": 7}).encode() + b"\n")

    thread = threading.Thread(target=accept)
    thread.start()
    assert ask(str(tmp_path / "s"), "show.version", {}, timeout_s=5.0) == 7
    thread.join()


def test_a_daemon_that_is_too_busy(busy: socket.socket, tmp_path: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(EvpndError, match="is too busy to answer; try again"):
        ask(str(tmp_path / "s"), "show.version", {}, timeout_s=0.2)
    assert 0.15 < time.monotonic() - begin < 2

"""evpnd.bgp.listener where the port is taken by somebody else at first, on both event loops."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from evpnd.bgp import listener as module
from evpnd.bgp.listener import EVERY_ADDRESS, Listener, Place
from tests.bgp.wires import LOOPS, OURS, THEIRS, US, Script, run, session, until

pytestmark = pytest.mark.parametrize("loop", LOOPS)


def test_listens_when_the_port_becomes_free(
    loop: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_FIRST_S", 0.05)
    caplog.set_level(logging.INFO)
    told: list[dict[str, str]] = []

    async def work() -> None:
        one, owner = session(replace(OURS, passive=True, password="s3cret"))
        with socket.create_server((US, 0)) as taken:
            port = taken.getsockname()[1]
            listener = Listener([US], port, changed=lambda: told.append(dict(listener.problems)))
            listener.add(one)
            listener.start()
            one.start()
            problem = listener.problem_of(one)
            assert problem is not None and "address already in use (does another BGP daemon run?" in problem
            assert listener.places == [Place(US, port, problem)]
            await until(lambda: listener._wait_s >= 0.4)  # tried three times
            assert len(told) == 1
        await until(lambda: not listener.problems)
        assert listener.problem_of(one) is None
        assert listener.places == [Place(US, port, None)]
        assert told == [{US: problem}, {}]
        await one.stop()
        listener.remove(one)
        plain, owner = session(replace(OURS, passive=True))
        listener.add(plain)
        plain.start()
        script = await Script.connect(port)
        await script.establish()
        await owner.wait("established")
        script.abort()
        await plain.stop()
        listener.close()

    run(loop, work())
    logged = [record.getMessage() for record in caplog.records if record.name == module.__name__]
    assert len(logged) == 2
    assert "address already in use" in logged[0] and "tried again" in logged[0]
    assert logged[1].startswith(f"now listening on {US} port ")


class Noting:
    """A loop that notes how long is waited."""

    def __init__(self, loop: asyncio.AbstractEventLoop, waits: list[float]) -> None:
        self._loop, self._waits = loop, waits

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        self._waits.append(delay)
        return self._loop.call_later(delay, callback)


def test_tries_less_and_less_often(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def work() -> None:
        with socket.create_server((US, 0)) as taken:
            listener = Listener([US], taken.getsockname()[1])
            monkeypatch.setattr(listener, "_loop", Noting(asyncio.get_running_loop(), waits))
            for _ in range(7):
                listener.start()
            listener.close()

    run(loop, work())
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_a_problem_concerns_the_peers_that_would_come_there(loop: str) -> None:
    async def work() -> None:
        listener = Listener([*EVERY_ADDRESS, US])
        here, _ = session(OURS)
        elsewhere, _ = session(replace(THEIRS, address="192.0.2.1"))
        six, _ = session(replace(OURS, address="::1", local_address=None))
        listener.problems = {US: "taken"}
        assert (listener.problem_of(here), listener.problem_of(elsewhere)) == ("taken", None)
        listener.problems = {"0.0.0.0": "taken"}
        assert (listener.problem_of(here), listener.problem_of(elsewhere)) == ("taken", "taken")
        assert listener.problem_of(six) is None
        listener.problems = {"::": "taken"}
        assert listener.problem_of(six) == "taken"

    run(loop, work())

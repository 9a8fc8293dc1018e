"""Whole daemons in a network namespace of the test's: what they show, over real sockets and the real kernel."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from evpnd.config import BgpConfig, Config, ControlConfig, PeerSettings
from evpnd.daemon import Daemon
from evpnd.requests import RequestError
from evpnd.show import handlers
from evpnd.views import VIEWS, keys
from tests import netns

LEFT, RIGHT = "127.0.0.1", "127.0.0.2"
PORT = 1790
Run = Callable[[Awaitable[None]], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run a coroutine on one of the event loops, in a network namespace of its own."""

    async def limited(work: Awaitable[None]) -> None:
        async with asyncio.timeout(30):
            await work

    def start(work: Awaitable[None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(limited(work))

    with netns.namespace():
        yield start


@contextlib.asynccontextmanager
async def running(directory: Path, address: str, peer: str, **options: Any) -> AsyncIterator[Daemon]:
    """A daemon at `address` with one peer."""
    settings = PeerSettings(address=peer, asn="internal", local_address=address, port=PORT, **options)
    config = Config(
        bgp=BgpConfig(asn=65001, router_id=address, listen=(address,), port=PORT, peers=(settings,)),
        control=ControlConfig(socket=str(directory / f"{address}.sock")),
        files=("evpnd.toml",),
    )
    daemon = Daemon(config, asyncio.get_running_loop())
    try:
        await daemon.start()
        yield daemon
    finally:
        await daemon.stop()


async def show(daemon: Daemon, command: str, **filters: object) -> Any:
    """What `evpnctl --json show` would print."""
    reader, writer = await asyncio.open_unix_connection(daemon.config.control.socket, limit=1 << 24)
    writer.write(json.dumps({"command": f"show.{command}", "filters": filters}).encode() + b"\n")
    reply = json.loads(await reader.readline())
    writer.close()
    assert reply["ok"], reply
    return reply["result"]


async def until(check: Callable[[], Awaitable[Any]]) -> Any:
    while not (found := await check()):
        await asyncio.sleep(0.02)
    return found


def test_port_of_another_program(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sessions that we open come up all the same; whoever looks is told, until it works."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(5)
    manager.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

    async def work() -> None:
        with socket.create_server((LEFT, PORT)) as taken:
            taken.setblocking(False)
            async with running(tmp_path, LEFT, RIGHT) as left:
                (place,) = (await show(left, "version"))["listeners"]
                assert (place["address"], place["port"]) == (LEFT, PORT)
                assert "address already in use" in place["problem"]

                async def told() -> object:
                    (row,) = await show(left, "peers")
                    return "connection refused; listen on 127.0.0.1 port 1790: address already" in row["problem"]

                await until(told)
                async with running(tmp_path, RIGHT, LEFT, passive=True) as right:

                    async def established() -> object:
                        (row,) = await show(right, "peers")
                        return row["state"] == "established"

                    await until(established)
                    (row,) = await show(left, "peers")
                    assert row["problem"] is None
                    taken.close()

                    async def listening() -> object:
                        (place,) = (await show(left, "version"))["listeners"]
                        return place["problem"] is None

                    await until(listening)

    with manager:
        run(work())
        said = [manager.recv(500).decode() for _ in range(3)]
    assert "STATUS=peers: 1, VNIs: 0; listen on 127.0.0.1 port 1790: address already in use" in said[0]
    assert said[1].startswith("READY=1\n" + said[0])


def test_peer_has_all_that_its_view_shows(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, LEFT, RIGHT) as left, running(tmp_path, RIGHT, LEFT, passive=True) as right:

            async def established() -> object:
                rows = [await show(left, "peer", peer=RIGHT), await show(right, "peer", peer=LEFT)]
                return rows if all(row["state"] == "established" for row in rows) else None

            ours, theirs = await until(established)
            for row in (ours, theirs):
                assert keys(VIEWS["show.peer"]) <= row.keys()
                assert {"local_port", "remote_port"} <= {key for key, value in row.items() if value}
            assert (ours["local_port"], ours["remote_port"]) == (theirs["remote_port"], theirs["local_port"])
            assert ours["uptime_s"] == round(ours["uptime_s"], 3)  # no octets for what nobody knows
            assert theirs["local_port"] == PORT and theirs["last_error_age_s"] is None
            right.clear(LEFT, soft=False)

            async def reset() -> object:
                return (await show(left, "peer", peer=RIGHT))["last_error"]

            assert "cleared by the operator" in str(await until(reset))
            assert 0 <= (await show(left, "peer", peer=RIGHT))["last_error_age_s"] < 5

    run(work())


def test_nothing_is_refreshed_without_a_session(run: Run, tmp_path: Path) -> None:
    """It was said to be."""

    async def work() -> None:
        async with running(tmp_path, LEFT, RIGHT) as daemon:
            with pytest.raises(RequestError, match=f"there is no session with {RIGHT} now; "):
                handlers(daemon)["clear.peer"]({"peer": RIGHT, "soft": True})

    run(work())


def test_version_and_fib_have_all_that_their_views_show(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with running(tmp_path, LEFT, RIGHT) as daemon:
            for words in ("version", "fib"):
                assert (await show(daemon, words)).keys() == keys(VIEWS[f"show.{words}"])

    run(work())

"""evpnd.control on real sockets: good clients, bad ones, and the socket's file; on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from evpnd.control import MAX_CLIENTS, ControlServer
from evpnd.errors import EvpndError
from evpnd.requests import Filters, Handler, encode_request, unknown_vni

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop]
with contextlib.suppress(ImportError):
    import uvloop

    LOOPS.append(uvloop.new_event_loop)

Run = Callable[[Coroutine[Any, Any, None]], None]
ROWS = 100_000


@pytest.fixture(params=LOOPS, ids=lambda factory: factory.__module__.split(".")[0])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on each kind of loop; whatever it leaves unhandled fails the test."""

    def runner(coroutine: Coroutine[Any, Any, None]) -> None:
        unhandled: list[dict[str, Any]] = []

        async def guarded() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
            async with asyncio.timeout(30):
                await coroutine

        with asyncio.Runner(loop_factory=request.param) as loop:
            loop.run(guarded())
        assert unhandled == []

    return runner


def rows(filters: Filters) -> Iterator[dict[str, int]]:
    return ({"vni": number} for number in range(ROWS))


def half(filters: Filters) -> Iterator[dict[str, int]]:
    yield from rows({})
    raise RuntimeError("a bug in the middle")


def stumble(filters: Filters) -> object:
    raise KeyError("a bug")


def refuse(filters: Filters) -> object:
    raise unknown_vni(int(str(filters["vni"])))


HANDLERS: dict[str, Handler] = {
    "show.version": lambda filters: {"version": "0"},
    "show.peers": lambda filters: [{"address": "10.0.0.2"}],
    "show.routes": rows,
    "show.mac": half,
    "show.vni": refuse,
    "show.fib": stumble,
}


@contextlib.asynccontextmanager
async def serving(path: Path, **options: Any) -> AsyncIterator[ControlServer]:
    server = ControlServer(str(path), HANDLERS, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def ask(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    """The replies to some lines on one connection."""
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 26)
    try:
        writer.write(b"".join(lines))
        return [json.loads(await reader.readline()) for _ in lines]
    finally:
        writer.close()


def test_several_requests_on_one_connection(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s"):
            lines = [encode_request("show.version", {}), b"nonsense\n", encode_request("show.peers", {})]
            first, second, third = await ask(tmp_path / "s", *lines)
            assert first["result"] == {"version": "0"}
            assert (second["ok"], second["kind"]) == (False, "bad-request")
            assert third["result"] == [{"address": "10.0.0.2"}]

    run(main())


def test_errors_of_handlers(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s"):
            lines = [
                encode_request("show.vni", {"vni": 7}),
                encode_request("show.fib", {}),
                encode_request("show.vteps", {}),  # known to the protocol, not to this daemon
            ]
            refused, failed, unknown = await ask(tmp_path / "s", *lines)
            assert (refused["kind"], refused["error"][:12]) == ("refused", "VNI 7 is not")
            assert (failed["kind"], "a bug" in failed["error"]) == ("failed", False)
            assert unknown["kind"] == "unknown-command"

    run(main())


def test_long_reply_leaves_the_loop_free(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        async with serving(tmp_path / "s"):
            ticker = asyncio.create_task(tick())
            (reply,) = await ask(tmp_path / "s", encode_request("show.routes", {}))
            ticker.cancel()
        assert reply["result"] == list(rows({}))
        assert ticks > ROWS / 500

    run(main())


def test_long_reply_to_a_client_that_has_closed_its_side(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s"):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s", limit=1 << 26)
            writer.write(encode_request("show.routes", {}))
            writer.write_eof()
            await asyncio.sleep(0.05)
            assert len(json.loads(await reader.read())["result"]) == ROWS
            writer.close()

    run(main())


def test_a_bug_in_the_middle_breaks_the_reply_off(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s"):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s", limit=1 << 26)
            writer.write(encode_request("show.mac", {}))
            assert not (await reader.read()).endswith(b"\n")
            writer.close()
            assert (await ask(tmp_path / "s", encode_request("show.peers", {})))[0]["ok"]

    run(main())


def test_octet_by_octet(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s"):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            for octet in encode_request("show.peers", {}):
                writer.write(bytes((octet,)))
                await asyncio.sleep(0)
            assert json.loads(await reader.readline())["ok"]
            writer.close()

    run(main())


def test_a_client_that_does_not_read_is_dropped_and_nobody_else_waits(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s", stalled_s=0.3):
            stalled, writer = await asyncio.open_unix_connection(tmp_path / "s", limit=1024)
            writer.write(encode_request("show.routes", {}))
            await asyncio.sleep(0.1)
            assert (await ask(tmp_path / "s", encode_request("show.peers", {})))[0]["ok"]
            await asyncio.sleep(0.4)
            assert not (await stalled.read()).endswith(b"\n")
            writer.close()

    run(main())


def test_a_silent_client_is_dropped(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s", idle_s=0.1):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(b'{"command"')
            assert await reader.read() == b""
            writer.close()

    run(main())


def test_a_request_without_end_is_refused(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s"):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(b"x" * 200_000)
            reply = await reader.readline()
            assert b"at most 65536 octets" in reply
            writer.close()

    run(main())


def test_too_many_clients(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s"):
            streams = [await asyncio.open_unix_connection(tmp_path / "s") for _ in range(MAX_CLIENTS)]
            for reader, writer in streams:
                writer.write(encode_request("show.peers", {}))
                assert json.loads(await reader.readline())["ok"]
            reader, last = await asyncio.open_unix_connection(tmp_path / "s")
            assert "try again later" in json.loads(await reader.readline())["error"]
            last.close()
            streams[0][1].close()
            await asyncio.sleep(0.05)
            assert (await ask(tmp_path / "s", encode_request("show.peers", {})))[0]["ok"]
            for _, writer in streams:
                writer.close()

    run(main())


def test_the_idle_make_way(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s", spared_s=0.05):
            streams = [await asyncio.open_unix_connection(tmp_path / "s") for _ in range(MAX_CLIENTS)]
            await asyncio.sleep(0.1)
            for reader, writer in (streams[1], streams[0]):
                writer.write(encode_request("show.peers", {}))
                assert json.loads(await reader.readline())["ok"]
            for _ in range(5):
                assert (await ask(tmp_path / "s", encode_request("show.peers", {})))[0]["ok"]
            assert await asyncio.wait_for(streams[2][0].read(), 5) == b""  # it was silent for longest
            for reader, writer in (*streams[:2], streams[-1]):
                writer.write(encode_request("show.peers", {}))
                assert json.loads(await reader.readline())["ok"]
            for _, writer in streams:
                writer.close()

    run(main())


def test_clients_that_vanish(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s"):
            for _ in range(20):
                _, writer = await asyncio.open_unix_connection(tmp_path / "s")
                writer.write(encode_request("show.routes", {}))
                await asyncio.sleep(0.002)
                writer.transport.abort()
            assert (await ask(tmp_path / "s", encode_request("show.peers", {})))[0]["ok"]

    run(main())


def test_stop_breaks_off_connections_and_removes_the_socket(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s"):
            idle, first = await asyncio.open_unix_connection(tmp_path / "s")
            _, second = await asyncio.open_unix_connection(tmp_path / "s")
            second.write(encode_request("show.routes", {}))
            await asyncio.sleep(0.05)
        assert not (tmp_path / "s").exists()
        assert await idle.read() == b""
        first.close()
        second.close()

    run(main())


def test_stop_leaves_the_socket_of_a_successor(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path / "s"):
            (tmp_path / "s").rename(tmp_path / "old")
            successor = ControlServer(str(tmp_path / "s"), HANDLERS)
            await successor.start()
        assert (await ask(tmp_path / "s", encode_request("show.peers", {})))[0]["ok"]
        await successor.stop()

    run(main())


def test_the_file_has_mode_and_group_and_its_directory_is_made(run: Run, tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    path = tmp_path / "made" / "s"

    async def main() -> None:
        async with serving(path, mode=0o620, group=group):
            found = path.stat()
            assert stat.S_ISSOCK(found.st_mode)
            assert stat.S_IMODE(found.st_mode) == 0o620
            assert found.st_gid == os.getgid()

    run(main())


def test_a_stale_socket_is_replaced(run: Run, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))

    async def main() -> None:
        async with serving(tmp_path / "s"):
            assert (await ask(tmp_path / "s", encode_request("show.peers", {})))[0]["ok"]

    run(main())


def test_places_that_are_taken_or_impossible(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")

    async def refused(path: Path, text: str, **options: Any) -> None:
        with pytest.raises(EvpndError, match=text):
            await ControlServer(str(path), HANDLERS, **options).start()

    async def main() -> None:
        async with serving(tmp_path / "s"):
            await refused(tmp_path / "s", "another evpnd listens on .*; stop it")
            assert (await ask(tmp_path / "s", encode_request("show.peers", {})))[0]["ok"]
        await refused(tmp_path / "file", "is no socket; remove it")
        await refused(tmp_path / "file" / "s", "can't open the control socket .*; set control.socket to another")
        await refused(tmp_path / "t", "no group 'nobody-has-this'", group="nobody-has-this")
        await refused(tmp_path / ("x" * 200), "can't open the control socket")
        assert not (tmp_path / "t").exists()

    run(main())
    assert (tmp_path / "file").read_text() == "precious"

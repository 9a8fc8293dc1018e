"""evpnctl as a process of its own, against a control socket with fixed answers and against none."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from evpnd.control import ControlServer
from evpnd.ctl import build_parser
from evpnd.requests import COMMANDS, Command, Filters, Handler, encode_error, unknown_peer, unknown_vni
from evpnd.tables import Detail, Table
from evpnd.views import VIEWS

PEERS = [
    {
        "address": "10.0.0.2",
        "asn": 65002,
        "state": "established",
        "uptime_s": 61,
        "routes_accepted": 3,
        "routes_out": 4,
    },
    {"address": "10.0.0.3", "asn": "external", "state": "active", "problem": "connect to 10.0.0.3: connection refused"},
]


def echo(filters: Filters) -> object:
    """What the daemon was asked, as a row."""
    return [{"vni": filters.get("vni"), "mac": repr(sorted(filters.items()))}]


def no_peer(filters: Filters) -> object:
    raise unknown_peer(str(filters["peer"]))


def no_vni(filters: Filters) -> object:
    raise unknown_vni(int(str(filters["vni"])))


HANDLERS: dict[str, Handler] = {
    "show.peers": lambda filters: PEERS,
    "show.peer": no_peer,
    "show.routes": lambda filters: ({"route_type": 2, "rd": f"1:{n}", "best": True} for n in range(100_000)),
    "show.vni": no_vni,
    "show.mac": echo,
    "show.fib": lambda filters: {"desired": 7},
    "show.fib.failures": lambda filters: [],
    "clear.peer": lambda filters: {"done": repr(sorted(filters.items()))},
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A control server in a thread, with HANDLERS."""
    path = tmp_path_factory.mktemp("control") / "evpnd.sock"
    loop = asyncio.new_event_loop()
    server = ControlServer(str(path), HANDLERS)
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield path
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@dataclass
class Outcome:
    status: int
    out: str
    err: str


async def evpnctl(*arguments: str | Path, prefix: Sequence[str] = ()) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        *(*prefix, sys.executable, "-m", "evpnd.ctl", *map(str, arguments)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())


async def test_table(daemon: Path) -> None:
    outcome = await evpnctl("--socket", daemon, "show", "peers")
    assert outcome == Outcome(
        0,
        "PEER            AS  STATE           UP  IN  ACCEPTED  OUT  MSG IN  MSG OUT  PROBLEM\n"
        "10.0.0.2     65002  established  1m01s             3    4\n"
        "10.0.0.3  external  active                                                  "
        "connect to 10.0.0.3: connection refused\n",
        "",
    )


@pytest.mark.parametrize(
    "words", [("--json", "show", "peers"), ("show", "--json", "peers"), ("show", "peers", "--json")]
)
async def test_json_wherever_the_option_stands(daemon: Path, words: tuple[str, ...]) -> None:
    outcome = await evpnctl("--socket", daemon, *words)
    assert (outcome.status, json.loads(outcome.out), outcome.err) == (0, PEERS, "")
    assert len(outcome.out.splitlines()) == len(PEERS) + 2


async def test_json_of_one_object_and_of_nothing(daemon: Path) -> None:
    assert json.loads((await evpnctl("--socket", daemon, "show", "fib", "--json")).out) == {"desired": 7}
    assert json.loads((await evpnctl("--socket", daemon, "show", "fib", "failures", "--json")).out) == []


async def test_a_command_that_is_the_beginning_of_another(daemon: Path) -> None:
    assert (await evpnctl("--socket", daemon, "show", "fib")).out == "Entries\n  desired  7\n"
    assert (await evpnctl("--socket", daemon, "show", "fib", "failures")).out == "no failures\n"


async def test_filters_reach_the_daemon_in_canonical_form(daemon: Path) -> None:
    outcome = await evpnctl("show", "mac", "--vni", "100", "--mac", "0200.0000.00AA", "--socket", daemon, "--json")
    assert json.loads(outcome.out) == [{"vni": 100, "mac": "[('mac', '02:00:00:00:00:aa'), ('vni', 100)]"}]
    assert (
        "[('peer', '::1'), ('soft', True)]" in (await evpnctl("clear", "peer", "0::1", "soft", "--socket", daemon)).out
    )
    outcome = await evpnctl("show", "routes", "--peer", "local", "--socket", daemon)
    assert outcome.status == 0
    assert "[('peer', '::1')]" in (await evpnctl("clear", "peer", "0::1", "--socket", daemon)).out


async def test_a_hundred_thousand_rows(daemon: Path) -> None:
    outcome = await evpnctl("show", "routes", "--socket", daemon, "--json")
    assert len(json.loads(outcome.out)) == 100_000
    assert len((await evpnctl("show", "routes", "--socket", daemon)).out.splitlines()) == 100_001


async def test_a_reader_that_has_seen_enough(daemon: Path) -> None:
    command = f"{sys.executable} -m evpnd.ctl --socket {daemon} show routes --json | head -n 1"
    process = await asyncio.create_subprocess_shell(
        f"set -o pipefail; {command}",
        executable="/bin/bash",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert await process.communicate() == (b"[\n", b"")
    assert process.returncode == 0


@pytest.mark.parametrize("words", [("show", "routes"), ("show", "routes", "--json"), ("show", "peers")])
async def test_a_disk_that_is_full(daemon: Path, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "evpnd.ctl", "--socket", str(daemon), *words),
            stdout=full,
            stderr=asyncio.subprocess.PIPE,
        )
        error = (await process.communicate())[1]
    assert (process.returncode, error) == (1, b"evpnctl: standard output: no space left on device\n")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ("show", "vni", "999"),
            "VNI 999 is not known here, it has no VXLAN device of its own; `evpnctl show vni` lists those that are",
        ),
        (
            ("show", "peer", "10.9.9.9"),
            "peer 10.9.9.9 is not configured here; `evpnctl show peers` lists those that are",
        ),
    ],
)
async def test_what_the_daemon_does_not_know(daemon: Path, words: tuple[str, ...], error: str) -> None:
    assert await evpnctl("--socket", daemon, *words) == Outcome(1, "", f"evpnctl: {error}\n")


async def test_a_daemon_that_is_too_old(daemon: Path) -> None:
    outcome = await evpnctl("--socket", daemon, "show", "vteps")
    assert (outcome.status, outcome.out) == (1, "")
    assert "does not know this: unknown command 'show.vteps'; this is evpnctl" in outcome.err
    assert "restart evpnd after an upgrade" in outcome.err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("show",), "the following arguments are required: COMMAND"),
        (("show", "peer"), "the following arguments are required: ADDRESS"),
        (("show", "nothing"), "invalid choice: 'nothing'"),
        (("show", "vni", "0"), "0 is no VNI, expected 1 to 16777215"),
        (("show", "routes", "--type", "x"), "x is no route type, expected 0 to 255 or one of ad, mac-ip"),
        (("show", "routes", "--mac", "x"), "x is no MAC address, expected the form 02:00:00:00:00:01"),
        (("show", "peer", "spine"), "spine is no address, expected the peer's, such as 10.0.0.2"),
        (("show", "mac", "02:00:00:00:00:01"), "usage: evpnctl show mac [-h]"),
        (("show", "mac", "02:00:00:00:00:01"), "error: unrecognized arguments: 02:00:00:00:00:01"),
        (
            ("show", "fib", "failures", "--vni", "1"),
            "evpnctl show fib failures: error: unrecognized arguments: --vni 1",
        ),
        (("clear", "peer", "10.0.0.2", "hard"), 'hard is unknown, expected "soft" or nothing'),
    ],
)
async def test_wrong_usage(words: tuple[str, ...], error: str) -> None:
    outcome = await evpnctl(*words)
    assert (outcome.status, outcome.out) == (2, "")
    assert error in outcome.err


async def test_no_daemon(tmp_path: Path) -> None:
    path = tmp_path / "evpnd.sock"
    remedy = "start it (systemctl start evpnd), or name"
    outcome = await evpnctl("--socket", path, "show", "peers")
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
    assert f"no evpnd here: {path} does not exist; {remedy}" in outcome.err
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert f"nobody listens on {path}; {remedy}" in (await evpnctl("--socket", path, "show", "peers")).err
    assert (await evpnctl("--socket", tmp_path, "show", "peers")).err == (
        f"evpnctl: {tmp_path} is no socket; name evpnd's with --socket\n"
    )
    outcome = await evpnctl("--socket", tmp_path / ("x" * 200), "show", "peers")
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)


async def test_no_permission(daemon: Path) -> None:
    """The socket's mode locks its owner out, and root's privilege to ignore modes is taken away."""
    powerless = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    mode = daemon.stat().st_mode
    daemon.chmod(0o060)
    try:
        outcome = await evpnctl("--socket", daemon, "show", "peers", prefix=powerless)
    finally:
        daemon.chmod(mode)
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert f"evpnctl: no permission to use {daemon}; run evpnctl as root (sudo), or " in outcome.err


def serve_once(path: Path, *replies: bytes) -> threading.Thread:
    """Something that takes one connection, reads, sends `replies` and closes."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        with server, server.accept()[0] as connection:
            connection.recv(65536)
            for reply in replies:
                connection.sendall(reply)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", "broke off its answer"),
        (b'{"ok": true, "result": [{"a"', "broke off its answer"),
        (b"220 mail.example.org ESMTP\n", "is no evpnd; name evpnd's socket with --socket"),
        (b"[]\n", "is no evpnd; name evpnd's socket with --socket"),
        (encode_error("failed", "the daemon failed to answer; its log says why"), "its log says why"),
    ],
)
async def test_answers_that_are_none(tmp_path: Path, reply: bytes, error: str) -> None:
    thread = serve_once(tmp_path / "s", reply)
    outcome = await evpnctl("--socket", tmp_path / "s", "show", "peers")
    thread.join()
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert error in outcome.err


def test_every_command_can_be_written() -> None:
    samples = {"peer": "10.0.0.2", "vni": "100", "soft": "soft", "mac": "02:00:00:00:00:01", "type": "2"}
    for command in COMMANDS:
        options = [part for name in command.filters for part in (f"--{name}", samples[name])]
        line = [*command.words, *(samples[name] for name in command.positional), *options]
        parsed = build_parser().parse_args(line)
        assert parsed.command == command.name
        assert all(getattr(parsed, name) is not None for name in command.filters + command.positional)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
async def test_help_tells_what_is_printed(command: Command) -> None:
    outcome = await evpnctl(*command.words, "--help")
    view = VIEWS[command.name]
    parts = [view] if isinstance(view, Table) else [section.table for section in view.sections if section.table]
    meanings = [(column.title, column.help) for table in parts for column in table.columns]
    if isinstance(view, Detail):
        meanings += [(item.label, item.help) for section in view.sections for item in section.items if item.help]
    text = " ".join(outcome.out.split())
    assert outcome.status == 0
    assert meanings and all(" ".join((title, help)).strip() in text for title, help in meanings)
    assert max(map(len, outcome.out.splitlines())) <= 80


async def test_width_of_a_terminal(daemon: Path) -> None:
    """On a terminal of 60 columns no line is longer, unless --wide asks for it."""

    async def on_terminal(*more: str) -> list[str]:
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "evpnd.ctl", "--socket", str(daemon), "show", "peers", *more),
            stdout=theirs,
            env=os.environ | {"COLUMNS": "60"},
        )
        os.close(theirs)
        assert await process.wait() == 0
        text = os.read(ours, 65536).decode()
        os.close(ours)
        return text.splitlines()

    narrow, wide = await on_terminal(), await on_terminal("--wide")
    assert max(map(len, narrow)) <= 60
    assert "left out for want of width" in narrow[-2] + narrow[-1]
    assert max(map(len, wide)) > 60

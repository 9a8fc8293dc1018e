"""evpnd as a process of its own: check, run, decode, and how each of them fails."""

from __future__ import annotations

import configparser
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evpnd import __version__
from evpnd.cli import build_parser, main, with_log
from evpnd.config import BgpConfig, Config

CONFIGS = Path(__file__).parent.parent / "configs"
KEEPALIVE = "ff" * 16 + "001304"


def evpnd(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evpnd.cli", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_check_says_what_it_read() -> None:
    done = evpnd("check", CONFIGS / "host.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{CONFIGS / 'host.toml'}: good: AS 65000, router id 10.255.0.11, 2 peers, 2 VNIs")


def test_check_prints_each_error_on_its_line_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "evpnd.toml"
    path.write_text('[bgp]\nasn = "x"\nrouter = "1.1.1.1"\n')
    done = evpnd("check", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == [f"{path}:1", f"{path}:2", f"{path}:3"]
    assert evpnd("run", "--config", path).stderr == done.stderr
    assert evpnd("check", tmp_path / "none").returncode == 1


@pytest.mark.parametrize(
    "words", [(), ("fly",), ("run", "--log-level", "loud"), ("run", "--conf", "x"), ("decode", "--hex", "00", "-")]
)
def test_wrong_usage(words: tuple[str, ...]) -> None:
    done = evpnd(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: evpnd" in done.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"evpnd {__version__}\n"


def test_decode_reads_an_argument_or_standard_input() -> None:
    by_argument, by_input = evpnd("decode", "--hex", KEEPALIVE), evpnd("decode", "-", stdin=KEEPALIVE)
    assert by_argument.returncode == by_input.returncode == 0
    assert json.loads(by_argument.stdout) == json.loads(by_input.stdout) == {"type": "keepalive"}
    assert evpnd("decode", stdin=KEEPALIVE).stdout == by_input.stdout
    assert evpnd("decode", "--hex", "00").returncode == 1


def test_logging_options_come_before_the_configuration() -> None:
    config = Config(bgp=BgpConfig(asn=1, router_id="1.1.1.1"))
    assert with_log(config, None, None) == config
    changed = with_log(config, "debug", "json")
    assert (changed.log.level, changed.log.format, changed.bgp) == ("debug", "json", config.bgp)


def test_decode_does_not_load_the_daemon() -> None:
    code = (
        "import sys; from evpnd.cli import main; assert main(sys.argv[1:]) == 0\n"
        "print(sorted({'asyncio', 'uvloop', 'pyroute2', 'evpnd.daemon'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "check", CONFIGS / "minimal.toml"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_service_unit_runs_commands_that_exist() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys as they are
    unit.read(CONFIGS / "evpnd.service")
    service = unit["Service"]
    for key in ("ExecStartPre", "ExecStart"):
        program, *arguments = shlex.split(service[key])
        assert Path(program).name == "evpnd"
        assert build_parser().parse_args(arguments)
    assert service["Type"] == "notify"
    assert set(service["CapabilityBoundingSet"].split()) == {"CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"}
    assert (
        Path("/run") / service["RuntimeDirectory"]
        == Path(Config(bgp=BgpConfig(asn=1, router_id="1")).control.socket).parent
    )


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Running:
    """A daemon without peers that answer, in the namespace of the tests; it programs nothing."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.socket = directory / "evpnd.sock"
        port = free_port()
        config = directory / "evpnd.toml"
        config.write_text(
            f"""
            [bgp]
            asn = 65001
            router_id = "10.255.0.1"
            port = {port}
            listen = ["127.0.0.1"]
            [[bgp.peer]]
            address = "127.0.0.9"
            asn = "external"
            port = {port}
            description = "nobody"
            [control]
            socket = "{self.socket}"
            """
        )
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(directory / "notify"))
        self.manager.settimeout(15)
        self.log = directory / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "evpnd.cli", "run", "--config", str(config), *options],
                stderr=log,
                env=os.environ | {"NOTIFY_SOCKET": str(directory / "notify")},
            )

    def state(self) -> str:
        try:
            return self.manager.recv(4096).decode()
        except TimeoutError:
            raise AssertionError(f"the daemon said nothing; its log: {self.log.read_text()}") from None

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "evpnd.ctl", "--socket", str(self.socket), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.manager.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    daemon = Running(tmp_path, "--log-format", "json", "--log-level", "debug")
    yield daemon
    daemon.close()


def test_a_daemon_from_ready_to_its_end(running: Running) -> None:
    assert running.state().startswith("READY=1")
    (peer,) = json.loads(running.ctl("show", "peers", "--json").stdout)
    assert (peer["address"], peer["description"], peer["state"] == "established") == ("127.0.0.9", "nobody", False)
    version = json.loads(running.ctl("show", "version", "--json").stdout)
    assert (version["version"], version["pid"]) == (__version__, running.process.pid)
    for words in ("peers", "peer 127.0.0.9", "routes", "vni", "mac", "vteps", "fib", "fib failures", "version"):
        shown = running.ctl("show", *words.split())
        assert (shown.returncode, shown.stderr) == (0, ""), words
        assert shown.stdout
    assert running.ctl("show", "peer", "127.0.0.10").stderr == (
        "evpnctl: peer 127.0.0.10 is not configured here; `evpnctl show peers` lists those that are\n"
    )
    assert running.ctl("show", "vni", "16777215").returncode == 1
    assert running.ctl("clear", "peer", "127.0.0.9").returncode == 0
    assert "there is no session with 127.0.0.9 now" in running.ctl("clear", "peer", "127.0.0.9", "soft").stderr
    running.process.send_signal(signal.SIGTERM)
    assert running.state() == "STOPPING=1"
    assert running.process.wait(10) == 0
    assert not running.socket.exists()
    assert "no evpnd here" in running.ctl("show", "peers").stderr
    for line in running.log.read_text().splitlines():
        assert {"time", "level", "source", "message"} <= set(json.loads(line))


def test_a_second_daemon_leaves_the_first_alone(running: Running, tmp_path: Path) -> None:
    assert running.state().startswith("READY=1")
    done = evpnd("run", "--config", tmp_path / "evpnd.toml")
    assert done.returncode == 1
    assert f"another evpnd listens on {running.socket}; stop it" in done.stderr
    assert "Traceback" not in done.stderr
    assert running.ctl("show", "peers").returncode == 0


def test_the_next_daemon_takes_over_after_a_crash(tmp_path: Path, running: Running) -> None:
    assert running.state().startswith("READY=1")
    running.close()
    assert running.socket.exists()
    (tmp_path / "notify").unlink()
    again = Running(tmp_path)
    try:
        assert again.state().startswith("READY=1")
        deadline = time.monotonic() + 10
        while again.ctl("show", "peers").returncode and time.monotonic() < deadline:
            time.sleep(0.05)
        assert again.ctl("show", "peers").returncode == 0
    finally:
        again.close()

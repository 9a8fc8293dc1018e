"""Who may touch the world: the modules that do I/O are listed here, each with its reason; all others are sans-IO.

A new module that needs an import of this list gets a line here, or (better) takes what it needs as an argument.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "evpnd").rglob("*.py"))
}

# module: what of the outside world it imports, and why
MAY_IMPORT: dict[str, tuple[set[str], str]] = {
    "evpnd.daemon": ({"asyncio", "socket", "uvloop"}, "owns the event loop; asks the host its name"),
    "evpnd.control": ({"asyncio", "socket"}, "the control socket, the daemon's side"),
    "evpnd.client": ({"socket"}, "the control socket, evpnctl's side: a part of that entry point"),
    "evpnd.notify": ({"socket"}, "sends systemd a datagram"),
    "evpnd.bgp.wire": ({"asyncio", "socket"}, "one TCP connection"),
    "evpnd.bgp.session": ({"asyncio", "socket"}, "puts the attempts to connect and the peer's timer on the loop"),
    "evpnd.bgp.listener": ({"asyncio", "socket"}, "the listening sockets"),
    "evpnd.fib.channel": ({"asyncio", "socket"}, "the netlink sockets"),
    "evpnd.fib.survey": ({"asyncio"}, "reads the kernel's tables a piece a turn of the loop"),
    "evpnd.fib.comparison": ({"asyncio"}, "puts on the loop what reads the kernel, and its timer"),
    "evpnd.fib.kernel": ({"asyncio"}, "puts the netlink sockets and timers on the loop"),
    "evpnd.demo.namespaces": ({"pyroute2"}, "a program of its own beside the daemon: makes devices"),
    "evpnd.demo.ping": ({"socket"}, "a program of its own beside the daemon: sends echoes"),
}
OUTSIDE = {"asyncio", "socket", "uvloop", "pyroute2"}

# module: why it logs
MAY_LOG = {
    "evpnd.logs": "is the log",
    "evpnd.daemon": "speaks for the speaker, which hands it what is to be said",
    "evpnd.control": "does I/O: tells of a handler that failed",
    "evpnd.bgp.session": "does I/O: sessions that come up and go down",
    "evpnd.bgp.listener": "does I/O: connections of strangers",
    "evpnd.fib.comparison": "does I/O: what can't be read",
    "evpnd.fib.kernel": "does I/O: overruns, refusals",
}

READ_CLOCK = {
    "evpnd.daemon",  # when it started
    "evpnd.show.itself",  # how long the daemon has run
    "evpnd.client",  # how long it waits for the daemon
    "evpnd.logs",
    "evpnd.fib.comparison",  # how long a comparison took
    "evpnd.demo",
    "evpnd.demo.ping",
}

# package: what of evpnd it may import besides itself. The protocol knows neither the kernel nor the daemon, the kernel
# knows no protocol, and nobody calls upward.
BELOW = {
    "evpnd.fib": ("evpnd.errors",),
    "evpnd.bgp": ("evpnd.evpn", "evpnd.errors", "evpnd.logs"),
    "evpnd.evpn": ("evpnd.bgp", "evpnd.fib", "evpnd.errors", "evpnd.config"),
}

# The library: what a program gets that only wants to read and write messages.
CODECS = (
    "evpnd.bgp.message",
    "evpnd.bgp.update",
    "evpnd.bgp.attributes",
    "evpnd.bgp.capability",
    "evpnd.evpn.nlri",
    "evpnd.evpn.routes",
    "evpnd.evpn.extended_community",
    "evpnd.evpn.esi",
    "evpnd.message_json",
)


def imports(path: Path) -> Iterator[str]:
    """Everything a module imports, wherever in it that is written."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: import by the full name"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def packages(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imports(MODULES[module])}


@pytest.mark.parametrize("module", MODULES)
def test_only_the_listed_modules_touch_the_outside_world(module: str) -> None:
    allowed, _ = MAY_IMPORT.get(module, (set(), ""))
    assert packages(module) & OUTSIDE == allowed


@pytest.mark.parametrize("module", MODULES)
def test_only_the_listed_modules_log(module: str) -> None:
    assert ("logging" in packages(module)) == (module in MAY_LOG)


def test_the_lists_name_modules_that_exist() -> None:
    assert MAY_IMPORT.keys() | MAY_LOG.keys() | READ_CLOCK | set(CODECS) <= MODULES.keys()


@pytest.mark.parametrize("module", MODULES)
def test_only_the_listed_modules_read_the_clock(module: str) -> None:
    """All others take `now` as an argument, or are given a timer."""
    assert ("time" in packages(module)) == (module in READ_CLOCK)


@pytest.mark.parametrize("package", BELOW)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    inside = (package, *BELOW[package])
    own = [name for name in MODULES if within(name, (package,))]
    above = {
        (name, used)
        for name in own
        for used in imports(MODULES[name])
        if used.startswith("evpnd.") and not within(used, inside)
    }
    assert not above


@pytest.mark.parametrize("module", CODECS)
def test_a_codec_loads_neither_sockets_nor_netlink(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({OUTSIDE | {'logging'}!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


def test_the_daemon_runs_without_pyroute2() -> None:
    """It costs memory, and the daemon's own netlink codec needs none of it."""
    program = "import sys, evpnd.cli, evpnd.daemon; print('pyroute2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False\n"

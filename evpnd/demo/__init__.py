"""evpnd demo: the whole of it in one terminal, in network namespaces that vanish afterwards.

Owns the story: sessions come up, pods ping each other across the overlay, one moves while a ping runs. What is printed
is what evpnctl and the kernel say.

Must not know: how namespaces and devices are made (evpnd.demo.fabric).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

from evpnd import __version__, output
from evpnd.demo.fabric import BLUE, RED, ZERO_MAC, Fabric, Host, Speaker, move, prepare_move
from evpnd.demo.namespaces import NotPossible, become_able
from evpnd.demo.ping import Pinger, ping
from evpnd.errors import EvpndError

WAIT_S = 15.0
PING_INTERVAL_S = 0.01
WIDTH = 80  # columns, where the terminal says nothing

PICTURE = """\
                     spine            route reflector, AS 65000
        ┌──────────────┼──────────────┐
      host1          host2          host3     each with an evpnd, and with
     web   eve        db           app   bob  a bridge and a VXLAN device a VNI
VNI  100   200        100          100   200  eve, bob: addresses of web and app
"""


class Screen:
    """Prints progress, with the time since the start in front."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.width = shutil.get_terminal_size(fallback=(WIDTH, 24)).columns

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colours else text

    def say(self, text: str) -> None:
        clock = f"{time.monotonic() - self._begin:5.1f} s"
        margin = len(clock) + 2
        lines = textwrap.wrap(text, max(self.width - margin, 20))
        self._print(f"{self._paint('2', clock)}  " + ("\n" + " " * margin).join(lines))

    def shell(self, where: str, command: str, printed: str) -> None:
        """A command and its output, as on a terminal of `where`."""
        self._print(f"\n{self._paint('1', f'{where}# {command}')}\n{printed.rstrip()}")

    def listing(self, title: str, rows: Iterable[str]) -> None:
        """What was read without a command."""
        self._print(f"\n{self._paint('1', title)}", *rows)

    def title(self) -> None:
        self._print(f"evpnd {__version__}: real BGP sessions, the real kernel, in network namespaces\n\n{PICTURE}")

    def blank(self) -> None:
        self._print("")

    def _print(self, *lines: str) -> None:
        with output.written(sys.stdout):
            print(*lines, sep="\n")


def main() -> int:
    """Run the demo; the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job begins with the former ignored
        signal.signal(number, _interrupt)
    screen = Screen()
    directory = Path(tempfile.mkdtemp(prefix="evpnd-demo-"))
    try:
        become_able()
        with Fabric(directory) as fabric:
            tell(fabric, screen)
        screen.say("done; every daemon is stopped, every namespace gone")
    except KeyboardInterrupt:
        print("\nstopped: daemons and namespaces are gone", file=sys.stderr)
        return 130
    except NotPossible as error:
        print(f"evpnd demo: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def wait(fabric: Fabric, check: Callable[[], bool], what: str) -> None:
    """Until check() holds; EvpndError with the end of the logs when it does not, or when a daemon ended."""
    deadline = time.monotonic() + WAIT_S
    while not check():
        ended = [speaker for speaker in fabric.speakers if speaker.stopped_by_itself()]
        if ended or time.monotonic() > deadline:
            told = "".join(_last_words(speaker) for speaker in ended or fabric.speakers)
            problem = f"{ended[0].name}: evpnd ended" if ended else f"not within {WAIT_S:g} s: {what}"
            raise EvpndError(f"{problem}\n{told}".rstrip())
        time.sleep(0.02)


def _last_words(speaker: Speaker) -> str:
    lines = speaker.log.read_text(errors="replace").splitlines()
    return "".join(f"{speaker.name}: {line}\n" for line in lines[-5:])


def tell(fabric: Fabric, screen: Screen) -> None:
    """The story."""
    screen.title()
    screen.say("namespaces, bridges, VXLAN devices and pods are there; starting evpnd")
    fabric.start()
    _converge(fabric, screen)
    _reach(fabric, screen)
    _look(fabric, screen)
    _move(fabric, screen)


def _converge(fabric: Fabric, screen: Screen) -> None:
    wait(fabric, lambda: fabric.spine.established() == 3, "three sessions at the spine")
    screen.say("the spine's three BGP sessions are established")
    for host in fabric.hosts:
        others = {other.address for other in fabric.hosts if other is not host}
        wait(fabric, lambda host=host, others=others: _floods(host) == (others, others), f"{host.name}'s flood lists")  # type: ignore[misc]
    screen.say("type 3 routes: each host floods both VNIs to the other two")


def _floods(host: Host) -> tuple[set[str], ...]:
    return tuple({to for mac, to in host.forwarding(vni) if mac == ZERO_MAC} for vni in (BLUE, RED))


def _reach(fabric: Fabric, screen: Screen) -> None:
    for source, target in ((fabric.web, fabric.db), (fabric.db, fabric.app), (fabric.eve, fabric.bob)):
        wait(fabric, lambda s=source, t=target: ping(s.namespace, t.address, 1).lost == 0, f"ping {target.name}")  # type: ignore[misc]
        echoes = ping(source.namespace, target.address, 10)
        screen.say(
            f"{source.name} pings {target.name} (VNI {source.vni}, {source.host.name} to {target.host.name}): "
            f"{len(echoes.received_at)} of {len(echoes.sent_at)} back, median {echoes.median_s() * 1000:.2f} ms"
        )
    apart = ping(fabric.eve.namespace, fabric.db.address, 5)
    screen.say(
        f"eve (VNI {RED}) pings db's address (VNI {BLUE}): {len(apart.received_at)} of {len(apart.sent_at)} back, "
        "VNIs are apart"
    )
    known = {fabric.web.mac: 1, fabric.db.mac: 2, fabric.app.mac: 3}
    for number, host in enumerate(fabric.hosts, 1):
        remote = {mac for mac, at in known.items() if at != number}
        wait(
            fabric,
            lambda host=host, remote=remote: remote <= {mac for mac, _ in host.forwarding(BLUE)},  # type: ignore[misc]
            f"the MACs {remote} at {host.name}",
        )
    screen.say("type 2 routes: every host has the other hosts' pods in its kernel")


def _look(fabric: Fabric, screen: Screen) -> None:
    host = fabric.hosts[0]
    screen.shell("spine", "evpnctl show peers", fabric.spine.table("show.peers", screen.width))
    routes = host.table("show.routes", screen.width, vni=BLUE)
    screen.shell("host1", f"evpnctl show routes --vni {BLUE}", routes)
    screen.shell("host1", "evpnctl show mac", host.table("show.mac", screen.width))
    _show_forwarding(host, screen)


def _show_forwarding(host: Host, screen: Screen) -> None:
    rows = sorted(host.forwarding(BLUE))
    screen.listing(f"{host.name}: the kernel's FDB of vx{BLUE}", (f"{mac} dst {to} self" for mac, to in rows))
    screen.blank()


def _move(fabric: Fabric, screen: Screen) -> None:
    watcher, pod, (source, _, target) = fabric.web, fabric.db, fabric.hosts
    screen.say(f"{pod.name} moves from host2 to host3, MAC and address; web pings it every 10 ms")
    device = prepare_move(pod, target)
    pinger = Pinger(watcher.namespace, pod.address, PING_INTERVAL_S)
    pinger.start()
    time.sleep(0.5)
    begin = time.monotonic()
    move(pod, target, device)
    moved = time.monotonic()
    place = (pod.mac, target.address)
    wait(fabric, lambda: place in source.forwarding(pod.vni), f"{pod.name} at host3 in host1's kernel")
    followed = time.monotonic()
    time.sleep(0.5)
    pinger.finish()
    silence_ms = pinger.longest_silence_s() * 1000
    screen.say(f"{len(pinger.sent_at)} sent, {pinger.lost} lost, longest silence {silence_ms:.0f} ms")
    took_ms, after_ms = (moved - begin) * 1000, (followed - moved) * 1000
    screen.say(f"the move took {took_ms:.0f} ms, host1's kernel followed within {after_ms:.0f} ms")
    found = source.table("show.mac", screen.width, mac=pod.mac)
    screen.shell("host1", f"evpnctl show mac --mac {pod.mac}", found)
    _show_forwarding(source, screen)

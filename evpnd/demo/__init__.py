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
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

from evpnd import __version__
from evpnd.demo.fabric import BLUE, RED, ZERO_MAC, Fabric, Host, Speaker, move, prepare_move
from evpnd.demo.namespaces import NotPossible, become_able
from evpnd.demo.ping import Pinger, ping
from evpnd.errors import EvpndError

WAIT_S = 15.0
PING_INTERVAL_S = 0.01

PICTURE = """\
                        spine            route reflector, AS 65000
           ┌──────────────┼──────────────┐
         host1          host2          host3    an evpnd, a bridge and a VXLAN device a VNI on each
        web   eve        db           app   bob
   VNI  100   200        100          100   200  eve and bob use the addresses of web and app
"""


class Screen:
    """Prints progress, with the time since the start in front."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colours else text

    def say(self, text: str) -> None:
        print(f"{self._paint('2', f'{time.monotonic() - self._begin:5.1f} s')}  {text}", flush=True)

    def shell(self, where: str, command: str, output: str) -> None:
        """A command and its output, as on a terminal of `where`."""
        print(f"\n{self._paint('1', f'{where}# {command}')}\n{output.rstrip()}", flush=True)

    def listing(self, title: str, rows: Iterable[str]) -> None:
        """What was read without a command."""
        print(f"\n{self._paint('1', title)}", *rows, sep="\n", flush=True)

    def blank(self) -> None:
        print(flush=True)


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
    print(f"evpnd {__version__}: real BGP sessions, the real kernel, in network namespaces\n\n{PICTURE}", flush=True)
    screen.say("namespaces, cables, bridges, VXLAN devices and pods are there; starting evpnd four times")
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
            f"{source.name} ({source.host.name}) pings {target.name} ({target.host.name}) in VNI {source.vni}: "
            f"{len(echoes.received_at)} of {len(echoes.sent_at)} came back, median {echoes.median_s() * 1000:.2f} ms"
        )
    apart = ping(fabric.eve.namespace, fabric.db.address, 5)
    screen.say(
        f"eve (VNI {RED}) pings db's address {fabric.db.address} (VNI {BLUE}): {len(apart.received_at)} of "
        f"{len(apart.sent_at)} came back; VNIs are apart"
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
    screen.shell("spine", "evpnctl show peers", fabric.spine.evpnctl("show", "peers"))
    screen.shell("host1", f"evpnctl show routes --vni {BLUE}", host.evpnctl("show", "routes", "--vni", str(BLUE)))
    screen.shell("host1", "evpnctl show mac", host.evpnctl("show", "mac"))
    _show_forwarding(host, screen)


def _show_forwarding(host: Host, screen: Screen) -> None:
    rows = sorted(host.forwarding(BLUE))
    screen.listing(f"{host.name}: the kernel's FDB of vx{BLUE}", (f"{mac} dst {to} self" for mac, to in rows))
    screen.blank()


def _move(fabric: Fabric, screen: Screen) -> None:
    watcher, pod, (source, _, target) = fabric.web, fabric.db, fabric.hosts
    screen.say(f"{pod.name} moves from host2 to host3 with MAC and address, while web pings it every 10 ms")
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
    screen.say(
        f"{len(pinger.sent_at)} sent, {pinger.lost} lost, longest silence {pinger.longest_silence_s() * 1000:.0f} ms; "
        f"the migration itself took {(moved - begin) * 1000:.0f} ms, host1's kernel followed within "
        f"{(followed - moved) * 1000:.0f} ms"
    )
    screen.shell("host1", f"evpnctl show mac --mac {pod.mac}", source.evpnctl("show", "mac", "--mac", pod.mac))
    _show_forwarding(source, screen)

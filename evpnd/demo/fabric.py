"""The demo's network: three hosts around a spine, pods on two VNIs, an evpnd on each host and on the spine.

Owns addresses, devices, the daemons' configuration files and processes. The underlay is routed by static routes: a /31
to each host, a loopback address a host as VTEP. The spine's evpnd is a route reflector (RFC 4456) without a data plane.

Must not know: what happens in the demo, how it is shown.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evpnd.client import ask
from evpnd.demo.namespaces import Namespace, NotPossible, die_with_parent_in
from evpnd.demo.ping import announce
from evpnd.errors import EvpndError
from evpnd.evpn.values import mac_from_text
from evpnd.tables import render
from evpnd.views import VIEWS

ASN = 65000
BLUE, RED = 100, 200
UNDERLAY_MTU = 1600  # what VXLAN adds must fit
AF_BRIDGE = 7
ZERO_MAC = "00:00:00:00:00:00"
STOP_S = 3.0


@dataclass(slots=True)
class Pod:
    """A network namespace with one address on one VNI, on one host at a time."""

    name: str
    vni: int
    number: int
    namespace: Namespace
    host: Host
    device: str = "eth0"

    @property
    def mac(self) -> str:
        return f"02:00:00:00:{self.vni // 100:02x}:{self.number:02x}"

    @property
    def address(self) -> str:
        return f"192.168.0.{self.number}"


class Speaker:
    """A namespace with an evpnd."""

    def __init__(self, name: str, address: str, directory: Path) -> None:
        self.name, self.address = name, address
        self.namespace = Namespace(name)
        self.socket = directory / f"{name}.sock"
        self.log = directory / f"{name}.log"
        self._config = directory / f"{name}.toml"
        self._process: subprocess.Popen[bytes] | None = None
        self.namespace.address("lo", address, 32)

    def start(self, peers: list[tuple[str, bool]]) -> None:
        """Start evpnd with these peers: address, and whether it is a client of this reflector."""
        lines = ["[bgp]", f"asn = {ASN}", f'router_id = "{self.address}"', "connect_retry = 1"]
        for address, client in peers:
            lines += ["[[bgp.peer]]", f'address = "{address}"', 'asn = "internal"']
            lines += ["route_reflector_client = true"] if client else []
        lines += ["[control]", f'socket = "{self.socket}"']
        self._config.write_text("\n".join(lines) + "\n")
        try:
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "evpnd.cli", "run", "--config", str(self._config)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the demo, which ends its daemons in order
                    preexec_fn=functools.partial(die_with_parent_in, self.namespace.descriptor),
                )
        except PermissionError as error:
            # The root of a user namespace may do no more than its user with files that aren't the user's.
            raise NotPossible(
                f"{sys.executable} can't be run here ({error.strerror}): put the clone where its user may read it all"
            ) from error

    def stopped_by_itself(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def terminate(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        if self._process is not None:
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.namespace.close()

    def ask(self, command: str, **filters: object) -> list[dict[str, object]]:
        """Rows of `evpnctl show`; none as long as nobody answers."""
        try:
            rows = ask(str(self.socket), command, filters)
        except EvpndError:
            return []
        return rows if isinstance(rows, list) else []

    def table(self, command: str, width: int, **filters: object) -> str:
        """What evpnctl prints here, on a terminal of this width."""
        return "\n".join(render(VIEWS[command], ask(str(self.socket), command, filters), width))

    def established(self) -> int:
        return sum(row["state"] == "established" for row in self.ask("show.peers"))


class Host(Speaker):
    """A worker: a bridge and a VXLAN device a VNI."""

    def add_vni(self, vni: int) -> None:
        space = self.namespace
        space.add_link(f"br{vni}", "bridge")
        space.add_link(f"vx{vni}", "vxlan", vxlan_id=vni, vxlan_local=self.address, vxlan_port=4789, vxlan_learning=0)
        space.link(f"vx{vni}", master=space.index(f"br{vni}"), mtu=UNDERLAY_MTU - 50)
        space.ip.brport("set", index=space.index(f"vx{vni}"), learning=0)
        for device in (f"br{vni}", f"vx{vni}"):
            space.link(device, state="up")

    def plug(self, pod: Pod, device: str) -> None:
        """Connect a pod's `device` to its VNI's bridge."""
        space = self.namespace
        space.connect(pod.name, pod.namespace, device)
        space.link(pod.name, master=space.index(f"br{pod.vni}"), state="up")
        pod.namespace.link(device, state="up")

    def forwarding(self, vni: int) -> Iterator[tuple[str, str]]:
        """The VXLAN device's table: MAC (zero: flooding) and remote VTEP."""
        index = self.namespace.index(f"vx{vni}")
        for entry in self.namespace.ip.get_neighbours(family=AF_BRIDGE, ifindex=index):
            mac, to = entry.get("lladdr"), entry.get("dst")
            if mac and to:
                yield mac, to


class Fabric:
    """All of it; a context manager that leaves nothing behind."""

    def __init__(self, directory: Path) -> None:
        self._closing = contextlib.ExitStack()
        try:
            self._build(directory)
        except BaseException:
            self._closing.close()
            raise

    def _build(self, directory: Path) -> None:
        self.spine = Speaker("spine", "10.255.0.254", directory)
        self._closing.callback(self.spine.close)
        self.spine.namespace.sysctl("ipv4/ip_forward", "1")
        self.hosts = []
        for number in (1, 2, 3):
            host = Host(f"host{number}", f"10.255.0.{number}", directory)
            self._closing.callback(host.close)
            self.hosts.append(host)
            self._cable(host, number)
            for vni in (BLUE, RED):
                host.add_vni(vni)
        one, two, three = self.hosts
        self.web = self._pod("web", BLUE, 1, one)
        self.db = self._pod("db", BLUE, 2, two)
        self.app = self._pod("app", BLUE, 3, three)
        self.eve = self._pod("eve", RED, 1, one)  # eve and bob have the addresses of web and app, on another VNI
        self.bob = self._pod("bob", RED, 3, three)

    def _cable(self, host: Host, number: int) -> None:
        spine, space = self.spine.namespace, host.namespace
        spine.connect(host.name, space, "uplink")
        for end, device, last in ((spine, host.name, 0), (space, "uplink", 1)):
            end.address(device, f"10.0.{number}.{last}", 31)
            end.link(device, mtu=UNDERLAY_MTU, state="up")
        space.route("default", f"10.0.{number}.0")
        spine.route(f"{host.address}/32", f"10.0.{number}.1")

    def _pod(self, name: str, vni: int, number: int, host: Host) -> Pod:
        namespace = Namespace(name)
        self._closing.callback(namespace.close)
        pod = Pod(name, vni, number, namespace, host)
        host.plug(pod, "eth0")
        namespace.link("eth0", address=pod.mac)
        namespace.address("eth0", pod.address, 24)
        return pod

    @property
    def speakers(self) -> list[Speaker]:
        return [self.spine, *self.hosts]

    def start(self) -> None:
        self.spine.start([(f"10.0.{number}.1", True) for number in (1, 2, 3)])
        for number, host in enumerate(self.hosts, 1):
            host.start([(f"10.0.{number}.0", False)])

    def __enter__(self) -> Fabric:
        return self

    def __exit__(self, *_: object) -> None:
        for speaker in self.speakers:
            speaker.terminate()  # all at once, and then wait for each
        self._closing.close()


def prepare_move(pod: Pod, target: Host) -> str:
    """The pod's new device: its port on the target is there first, silent, as a hypervisor makes it."""
    new = "eth1" if pod.device == "eth0" else "eth0"
    target.plug(pod, new)
    pod.namespace.sysctl(f"ipv4/conf/{pod.device}/rp_filter", "1")  # soon the old place answers nobody any more
    return new


def move(pod: Pod, target: Host, device: str) -> None:
    """A live migration's last step: MAC and address are at another place, which announces them."""
    space, old = pod.namespace, pod.device
    space.remove_address(old, pod.address, 24)
    space.link(old, address=f"02:00:00:00:ff:{pod.number:02x}")
    space.link(device, address=pod.mac)
    space.address(device, pod.address, 24)
    announce(space, device, mac_from_text(pod.mac), pod.address)
    pod.host, pod.device = target, device

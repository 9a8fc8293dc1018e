"""The speakers that are measured: how each is configured and started for a scene.

All speak iBGP with the load program at 10.0.0.2, at their defaults for data centres; each writes its log into the
scene's directory. What they measure up to is none of this module's concern.
"""

from __future__ import annotations

import subprocess
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from interop.bench.namespace import BenchError, Namespace
from interop.bench.wire import LOCAL_ASN

CHECKOUT = Path(__file__).resolve().parents[2]
ADDRESS, PEER, VTEPS = "10.0.0.1", "10.0.0.2", "10.9.0.0/24"


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a target runs: its namespace, a directory for its files, the VNIs whose devices are there."""

    namespace: Namespace
    directory: Path
    vnis: range


class Target(ABC):
    """A speaker. `start` leaves it running in the ground's namespace, which ends it when it closes."""

    name: str
    daemons: tuple[str, ...]  # command names whose memory counts

    def missing(self) -> str:
        """Why it cannot run on this machine; empty when it can."""
        return ""

    @abstractmethod
    def version(self) -> str: ...

    @abstractmethod
    def start(self, ground: Ground) -> None: ...


def _log(ground: Ground, name: str, command: list[str]) -> subprocess.Popen[bytes]:
    with (ground.directory / f"{name}.log").open("wb") as log:
        return ground.namespace.start(command, log)


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@cache
def peers_tree(which: str = "newest") -> str:
    """The tree of newest or older peers that interop/peers makes, or / for this machine; empty when it cannot."""
    done = subprocess.run([str(CHECKOUT / "interop/peers"), which], stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _enter_tree(namespace: Namespace, tree: str) -> None:
    """Give the tree what a daemon in it needs, in the namespace's own mounts."""
    script = 'mount --rbind /proc "$1/proc" && mount --rbind /sys "$1/sys" && mount --rbind /dev "$1/dev"'
    namespace.run("sh", "-ec", script, "sh", tree)


class Frr(Target):
    """FRR's zebra and bgpd (mgmtd too since 10) of the newest or of the older peers."""

    daemons = ("zebra", "bgpd", "mgmtd")
    _CONFIG = f"""frr defaults datacenter
hostname bench
router bgp {LOCAL_ASN}
 bgp router-id {ADDRESS}
 no bgp default ipv4-unicast
 neighbor {PEER} remote-as {LOCAL_ASN}
 address-family l2vpn evpn
  neighbor {PEER} activate
  advertise-all-vni
 exit-address-family
"""

    def __init__(self, name: str, which: str) -> None:
        self.name = name
        self._which = which

    @property
    def _tree(self) -> str:
        """Empty when it is this machine."""
        return peers_tree(self._which).rstrip("/")

    def missing(self) -> str:
        return "" if peers_tree(self._which) else "interop/peers made no tree"

    def _chroot(self, *command: str) -> list[str]:
        return [*(("chroot", self._tree) if self._tree else ()), *command]

    def version(self) -> str:
        return _output(*self._chroot("/usr/lib/frr/bgpd", "--version")).split("\n")[0].removeprefix("bgpd version ")

    def start(self, ground: Ground) -> None:
        namespace = ground.namespace
        if self._tree:
            _enter_tree(namespace, self._tree)
        configuration = ground.directory / "etc"
        configuration.mkdir()
        (configuration / "bgpd.conf").write_text(self._CONFIG)
        (configuration / "zebra.conf").write_text("hostname bench\n")
        (configuration / "vtysh.conf").write_text("")
        script = 'mount -t tmpfs tmpfs "$1/run" && mkdir -p "$1/run/frr" && mount --bind "$2" "$1/etc/frr"'
        namespace.run("sh", "-ec", script, "sh", self._tree, str(configuration))
        namespace.run(*self._chroot("chown", "-R", "frr:frr", "/run/frr", "/etc/frr"))
        if Path(f"{self._tree}/usr/lib/frr/mgmtd").exists():
            self._daemon(ground, "mgmtd")
        self._daemon(ground, "zebra", "-s", "90000000")  # the receive buffer that Debian's configuration gives it
        self._daemon(ground, "bgpd")

    def _daemon(self, ground: Ground, name: str, *options: str) -> None:
        if name != "mgmtd":
            options = (*options, "-f", f"/etc/frr/{name}.conf")
        options = (*options, "--log", "stdout")
        process = _log(ground, name, self._chroot(f"/usr/lib/frr/{name}", *options))
        inside = f"/proc/{ground.namespace.pid}/root{self._tree}/run/frr/{name}.vty"
        for _ in range(2000):
            if Path(inside).exists():
                return
            if process.poll() is not None:
                break
            time.sleep(0.005)
        raise BenchError(f"{name} did not start: {(ground.directory / f'{name}.log').read_text()[-800:]}")


class Bird(Target):
    """BIRD 3 of the tree: one bridge and one evpn protocol a VNI."""

    name = "bird-3.4"
    daemons = ("bird",)

    def missing(self) -> str:
        return "" if peers_tree() else "interop/peers made no tree"

    def version(self) -> str:
        return _output("chroot", peers_tree(), "bird", "--version").strip()

    def start(self, ground: Ground) -> None:
        _enter_tree(ground.namespace, peers_tree())
        configuration = Path("/run/bird.conf")
        script = 'mount -t tmpfs tmpfs "$1/run" && cat > "$1$2"'
        ground.namespace.run(
            "sh", "-ec", script, "sh", peers_tree(), str(configuration), text=self._configuration(ground.vnis)
        )
        command = ["chroot", peers_tree(), "bird", "-f", "-c", str(configuration), "-s", "/run/bird.ctl"]
        _log(ground, "bird", command)

    @staticmethod
    def _configuration(vnis: range) -> str:
        parts = [
            f"""log stderr {{ warning, error, fatal, bug }};
router id {ADDRESS};
evpn table evpntab;
protocol device {{ }}
protocol static {{ ipv4; route {VTEPS} via {PEER}; }}
protocol bgp load {{
  local {ADDRESS} as {LOCAL_ASN};
  neighbor {PEER} as {LOCAL_ASN};
  evpn {{ table evpntab; import all; export all; }};
}}
"""
        ]
        for vni in vnis:
            parts.append(
                f"""eth table eth{vni};
protocol bridge bridge{vni} {{ eth {{ table eth{vni}; import all; export all; }}; bridge device "br{vni}"; }}
protocol evpn evpn{vni} {{
  eth {{ table eth{vni}; }};
  evpn {{ table evpntab; }};
  rd {ADDRESS}:{vni};
  route target (rt, {LOCAL_ASN}, {vni});
  encapsulation vxlan {{ tunnel device "vx{vni}"; router address {ADDRESS}; }};
  vni {vni};
}}
"""
            )
        return "".join(parts)


class Evpnd(Target):
    """evpnd of this checkout, under the Python that runs the benchmark."""

    name = "evpnd"
    daemons = ("evpnd", "python", "python3", "python3.11", "python3.12", "python3.13")
    _CONFIG = f"""[bgp]
asn = {LOCAL_ASN}
router_id = "{ADDRESS}"

[[bgp.peer]]
address = "{PEER}"
asn = "internal"

[control]
socket = "/run/evpnd/evpnd.sock"
"""

    def missing(self) -> str:
        return "" if (CHECKOUT / "evpnd/daemon.py").exists() else "evpnd/daemon.py is not there"

    def version(self) -> str:
        return _output(*self._command("--version")).strip()

    @staticmethod
    def _command(*args: str) -> list[str]:
        entry = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from evpnd.cli import main; sys.exit(main())"
        return [sys.executable, "-c", entry, *args]

    def start(self, ground: Ground) -> None:
        configuration = ground.directory / "evpnd.toml"
        configuration.write_text(self._CONFIG)
        ground.namespace.run("sh", "-ec", "mount -t tmpfs tmpfs /run && mkdir -p /run/evpnd")
        _log(ground, "evpnd", self._command("run", "--config", str(configuration)))


def all_targets() -> dict[str, Target]:
    targets: list[Target] = [Evpnd(), Frr("frr-8.4", "older"), Frr("frr-10.7", "newest"), Bird()]
    return {target.name: target for target in targets}

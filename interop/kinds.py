"""The kinds of nodes: how each daemon is started, asked, stopped.

Owns one class a daemon, over a place (interop.container) where it runs: in namespaces its daemon is started here; in a
container its image does so, and starts it again when it ends. Every VTEP can be asked the same things: is the session
up, which remote MACs and VTEPs does it know, what does the kernel hold.

Must not know: topologies, tests.
"""

from __future__ import annotations

import functools
import json
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from interop.container import REPOSITORY, Namespaces, Place
from interop.topology import Node

ZERO_MAC = "00:00:00:00:00:00"


@functools.cache
def peers_tree(which: str) -> Path:
    """The tree of the newest or the older peers, made when it isn't there; / where the machine has the older itself."""
    made = subprocess.run([str(REPOSITORY / "interop/peers"), which], stdout=subprocess.PIPE, text=True, check=True)
    return Path(made.stdout.strip())


class LabNode:
    """A node without a daemon: a pod, a switch."""

    peers: ClassVar[str] = ""  # whose files it runs on: a tree of interop/peers, or this machine
    daemon: ClassVar[str] = ""  # the name of its process, which stays in the foreground
    command: ClassVar[str] = ""
    logs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str, node: Node, place: Place | None = None) -> None:
        self.name, self.node = name, node
        self.place = place or Namespaces(name, peers_tree(self.peers) if self.peers else Path("/"))

    @property
    def pid(self) -> int:
        """A process in the node's namespaces."""
        return self.place.pid

    def run(self, command: Sequence[str] | str, *, check: bool = True, timeout: float = 30, stdin: str = "") -> str:
        """Standard output of a command, which a string gives to the shell."""
        return self.place.run(command, check=check, timeout=timeout, stdin=stdin)

    def spawn(self, command: Sequence[str]) -> subprocess.Popen[str]:
        return self.place.spawn(command)

    def path(self, path: str) -> Path:
        return self.place.path(path)

    def write(self, path: str, text: str) -> None:
        self.place.write(path, text)

    def read(self, path: str) -> str:
        return self.place.read(path)

    def provide(self) -> None:
        """What the node has before its daemon starts: files and kernel settings."""
        for path, text in self.node.files.items():
            self.write(path, text)
            self.path(path).chmod(0o755 if text.startswith("#!") else 0o644)
        for name, value in self.node.sysctls.items():
            self.run(["sh", "-c", 'echo "$2" >"$1"', "sh", f"/proc/sys/{name.replace('.', '/')}", value])

    def execute(self) -> None:
        """The commands for its links and devices."""
        if self.node.exec:
            self.run("\n".join(self.node.exec))

    def start(self) -> None:
        """Start the daemon, and let it be started again from now on."""
        if not self.daemon:
            return
        if not self.place.supervised:
            self.background(self.daemon, self.node.command or self.command)
            return
        self.place.thaw()
        for _ in range(200):
            if self.process(self.daemon):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.name}: expected that {self.daemon} runs within 20 s\n{self.place.printed()[-2000:]}")

    def stop(self) -> None:
        """End the daemon in its own way; it stays away until start()."""
        self.freeze()
        self.end(self.daemon)

    def kill(self) -> None:
        """End the daemon with SIGKILL; it stays away until start()."""
        self.freeze()
        self.end(self.daemon, "KILL")

    def freeze(self) -> None:
        if self.place.supervised and self.daemon:
            self.place.freeze()

    def restart(self) -> None:
        self.stop()
        self.start()

    def json(self, command: str) -> Any:
        return json.loads(self.run(command) or "null")

    def session(self, peer: str) -> str:
        """What the daemon says of its session with this peer: the state, and why it is not up."""
        return f"{type(self).__name__} tells nothing of {peer}"

    def ping(self, address: str, count: int = 3) -> int:
        """How many of `count` echoes came back."""
        seen = self.run(["ping", "-n", "-c", str(count), "-i", "0.05", "-W", "1", address], check=False, timeout=60)
        return seen.count(" bytes from ")

    def reaches(self, address: str) -> bool:
        return self.ping(address, 1) == 1

    def fdb(self, device: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.json(f"bridge -j fdb show dev {device}")
        return rows

    def kernel_macs(self, device: str) -> dict[str, str]:
        """Remote MACs in the VXLAN device's own table, and where their frames go."""
        return {row["mac"]: row["dst"] for row in self.fdb(device) if "dst" in row and row["mac"] != ZERO_MAC}

    def kernel_floods(self, device: str) -> set[str]:
        return {row["dst"] for row in self.fdb(device) if "dst" in row and row["mac"] == ZERO_MAC}

    def bridge_macs(self, device: str) -> set[str]:
        """MACs that the bridge sends to this port, learned or installed."""
        return {row["mac"] for row in self.fdb(device) if "master" in row and row.get("state") != "permanent"}

    def report(self) -> str:
        parts = [self.run("ip -br link; bridge fdb show | grep -v permanent || :", check=False)]
        printed = self.place.printed()
        if printed:
            parts.append(f"--- printed\n{printed[-6000:]}")
        for log in self.logs:
            text = self.read(log)
            parts.append(f"--- {log}\n{text[-6000:]}")
        return "".join(parts)

    # Foreground daemons are started by these; those that go to the background themselves have files of their own.

    def background(self, name: str, command: str) -> None:
        self.run(f"setsid {command} </dev/null >>/tmp/{name}.log 2>&1 & echo $! >/run/lab/{name}.pid")

    def process(self, name: str) -> int:
        """The daemon's process number inside the node; 0 when it does not run."""
        number = self.read(f"/run/lab/{name}.pid").strip()
        for found, command in self.place.processes():
            if str(found) == number or (command == name and not number):
                return found
        return 0

    def end(self, name: str, how: str = "TERM") -> None:
        number = self.process(name)
        if number == 1:
            raise RuntimeError(
                f"{self.name}: {name} is the container's first process, which can't end alone: expected an entrypoint"
                " that starts it again"
            )
        if number:
            self.run(f"kill -{how} {number}")
            self._await_end([number])

    def _await_end(self, numbers: Sequence[int]) -> None:
        for _ in range(200):
            if not {number for number, _ in self.place.processes()} & set(numbers):
                return
            time.sleep(0.05)


class Vtep(LabNode):
    """A node with a daemon that speaks EVPN and owns a kernel's tables."""

    tidy: ClassVar[bool] = True  # takes a MAC that became local out of the VXLAN device's own table, too

    def established(self, peer: str) -> bool:
        raise NotImplementedError

    def macs(self, vni: int) -> dict[str, str]:
        """The remote MACs that the daemon itself reports, each with its VTEP."""
        raise NotImplementedError


class Evpnd(Vtep):
    daemon = "evpnd"
    command = "evpnd run --log-level debug"
    logs = ("/tmp/evpnd.log",)

    def kill(self) -> None:
        """In a container it comes back by itself, as under systemd."""
        self.end(self.daemon, "KILL")

    def show(self, what: str) -> Any:
        return self.json(f"evpnctl --json show {what}")

    def established(self, peer: str) -> bool:
        return any(row["address"] == peer and row["state"] == "established" for row in self.show("peers"))

    def session(self, peer: str) -> str:
        rows = [row for row in self.show("peers") if row["address"] == peer]
        if not rows:
            return f"no such peer: {', '.join(row['address'] for row in self.show('peers'))}"
        row = self.show(f"peer {peer}")
        return f"{row['state']}; {row['problem'] or row['last_error'] or 'no error told'}"

    def macs(self, vni: int) -> dict[str, str]:
        return {row["mac"]: row["vtep"] for row in self.show(f"mac --vni {vni}") if row["kind"] == "remote"}


def _ending(name: str) -> int:
    return {"bgpd": 0, "zebra": 2, "mgmtd": 3}.get(name, 1)


class Frr(Vtep):
    """FRR of Debian 12 (8.4)."""

    peers = "older"
    tidy = False

    daemons: ClassVar[tuple[str, ...]] = ("zebra -d -A 127.0.0.1 -s 16000000", "bgpd -d -A 127.0.0.1")
    logs = ("/tmp/frr.log",)

    def provide(self) -> None:
        self.write("/etc/frr/vtysh.conf", "service integrated-vtysh-config\n")
        super().provide()

    def start(self) -> None:
        """By FRR's own script where the node says which daemons it wants (/etc/frr/daemons)."""
        if self.place.supervised and self.process("bgpd"):
            return
        if self.place.supervised or "/etc/frr/daemons" in self.node.files:
            self._watch(signal.SIGCONT)  # vtysh asks it, too; it waits some seconds before it starts anything itself
            self.run(
                "mkdir -p /run/frr; chown frr:frr /run/frr\n"
                "/usr/lib/frr/watchfrr.sh start all </dev/null >/tmp/start.log 2>&1",
                timeout=60,
            )
            return
        # mgmtd keeps its standard output open for ever
        commands = [f"/usr/lib/frr/{daemon} </dev/null >/tmp/start.log 2>&1" for daemon in self.daemons]
        self.run("\n".join(["mkdir -p /run/frr; chown frr:frr /run/frr", *commands, "vtysh -b >/dev/null"]), timeout=60)

    def _watch(self, order: signal.Signals) -> None:
        """Let watchfrr, where it runs, look away or look again: it would start at once what has ended."""
        number = self.process("watchfrr")
        if number:
            self.run(f"kill -{order.value} {number}")

    def _end(self, how: str) -> None:
        # bgpd first: it says goodbye to its peers, and zebra then removes what bgpd had asked for.
        self._watch(signal.SIGSTOP)
        names = {path.stem for path in self.path("/run/frr").glob("*.pid")} - {"watchfrr"}
        for name in sorted(names, key=_ending):
            number = self.read(f"/run/frr/{name}.pid").strip()
            self.run(f"kill -{how} {number} || :")
            self._await_end([int(number)])

    def stop(self) -> None:
        self._end("TERM")

    def kill(self) -> None:
        self._end("KILL")

    def vtysh(self, command: str) -> Any:
        return json.loads(self.run(["vtysh", "-c", f"{command} json"]) or "null")

    def configure(self, *lines: str) -> None:
        self.run(["vtysh", "-c", "configure", *(part for line in lines for part in ("-c", line))])

    def established(self, peer: str) -> bool:
        summary = self.vtysh("show bgp l2vpn evpn summary")
        return bool(summary.get("peers", {}).get(peer, {}).get("state") == "Established")

    def session(self, peer: str) -> str:
        row = self.vtysh(f"show bgp neighbors {peer}").get(peer, {})
        if not row:
            return "no such peer"
        return f"{row.get('bgpState')}; last reset: {row.get('lastResetDueTo', 'none')}"

    def macs(self, vni: int) -> dict[str, str]:
        table = self.vtysh(f"show evpn mac vni {vni}").get("macs", {})
        return {mac: row["remoteVtep"] for mac, row in table.items() if row.get("type") == "remote"}


class NewerFrr(Frr):
    """The newest FRR (10.7), which has a management daemon besides."""

    peers = "newest"
    daemons = ("mgmtd -d -A 127.0.0.1", *Frr.daemons)


class Bird(Vtep):
    """The newest BIRD (3.4); Debian 12's 2.0 has no EVPN."""

    peers = "newest"
    daemon = "bird"
    command = "bird -f -c /etc/bird/bird.conf -s /run/bird.ctl"
    logs = ("/tmp/bird.log",)

    def birdc(self, command: str) -> str:
        return self.run(["birdc", "-s", "/run/bird.ctl", *command.split()])

    def established(self, peer: str) -> bool:
        text = self.birdc("show protocols all")
        after = text.partition(f"Neighbor address: {peer}\n")
        state = after[0].rpartition("BGP state:")[2].split("\n")[0].strip()
        return bool(after[1]) and state == "Established"

    def session(self, peer: str) -> str:
        for text in re.split(r"\n(?=\S)", self.birdc("show protocols all")):
            if f"Neighbor address: {peer}\n" in text:
                told = re.findall(r"(BGP state|Last error):\s+(.*)", text)
                return "; ".join(value if name == "BGP state" else f"last error: {value}" for name, value in told)
        return "no such peer"

    def macs(self, vni: int) -> dict[str, str]:
        # BIRD has no view of its own by VNI: the tunnel entries that it installed are its report.
        return self.kernel_macs(f"vx{vni}")


class Gobgp(LabNode):
    """GoBGP: no Linux data plane for EVPN, so a reflector and a peer on the wire."""

    peers = "older"
    daemon = "gobgpd"
    command = "gobgpd -f /etc/gobgp/gobgpd.toml --pprof-disable"
    logs = ("/tmp/gobgpd.log",)

    def established(self, peer: str) -> bool:
        rows = self.json("gobgp -j neighbor") or []
        states = {row["state"]["neighbor_address"]: row["state"].get("session_state") for row in rows}
        return states.get(peer) == 6  # in GoBGP's numbers

    def session(self, peer: str) -> str:
        lines = self.run(f"gobgp neighbor {peer}", check=False).splitlines()
        return "; ".join(line.strip() for line in lines if "BGP state" in line or "rror" in line) or "no such peer"

    def routes(self, family: str = "evpn") -> list[dict[str, Any]]:
        table = self.json(f"gobgp -j global rib -a {family}") or {}
        return [path for paths in table.values() for path in paths]


class NewerGobgp(Gobgp):
    peers = "newest"


class Exabgp(LabNode):
    """ExaBGP: says what its configuration says, and prints what it hears."""

    peers = "newest"
    daemon = "exabgp"
    command = "env exabgp.daemon.user=root exabgp.log.level=INFO exabgp server /etc/exabgp/exabgp.conf"
    logs = ("/tmp/exabgp.log", "/tmp/heard.json")

    def heard(self) -> list[dict[str, Any]]:
        """Its events, as it printed them."""
        lines = self.read("/tmp/heard.json").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


class Openbgpd(LabNode):
    """OpenBGPD: carries EVPN routes and has no data plane for them, so a reflector."""

    peers = "newest"
    logs = ("/tmp/openbgpd.log",)

    def start(self) -> None:
        self.run("mkdir -p /run/openbgpd")
        self.background("openbgpd", "/usr/sbin/bgpd -d -v -f /etc/bgpd.conf")

    def stop(self) -> None:
        self.end("openbgpd")

    def kill(self) -> None:
        self.end("openbgpd", "KILL")

    def established(self, peer: str) -> bool:
        rows = self.json(f"bgpctl -j show neighbor {peer}").get("neighbors", [])
        return bool(rows) and rows[0]["state"] == "Established"

    def session(self, peer: str) -> str:
        rows = self.json(f"bgpctl -j show neighbor {peer}").get("neighbors", [])
        return (
            f"{rows[0]['state']}; last error: {rows[0].get('last_error_received', 'none')}" if rows else "no such peer"
        )


KINDS: dict[str, type[LabNode]] = {
    "linux": LabNode,
    "evpnd": Evpnd,
    "frr8": Frr,
    "frr": NewerFrr,
    "bird": Bird,
    "gobgp3": Gobgp,
    "gobgp": NewerGobgp,
    "exabgp": Exabgp,
    "openbgpd": Openbgpd,
}

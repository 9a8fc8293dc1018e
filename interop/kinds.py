"""The kinds of nodes: how each daemon is started, asked, stopped.

Owns one class a daemon over interop.container. Every VTEP can be asked the same things: is the session up, which
remote MACs and VTEPs does it know, what does the kernel hold.

Must not know: topologies, tests.
"""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from interop.container import REPOSITORY, Container
from interop.topology import Node

ZERO_MAC = "00:00:00:00:00:00"


@functools.cache
def peers_tree() -> Path:
    """The tree of newer peers; made when it isn't there."""
    made = subprocess.run([str(REPOSITORY / "interop/peers")], stdout=subprocess.PIPE, text=True, check=True)
    return Path(made.stdout.strip())


class LabNode(Container):
    """A node without a daemon: a pod, a switch."""

    newer: ClassVar[bool] = False  # runs on the tree of newer peers
    logs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str, node: Node) -> None:
        super().__init__(name, peers_tree() if self.newer else Path("/"))
        self.node = node

    def prepare(self) -> None:
        for path, text in self.node.files.items():
            self.write(path, text)
        if self.node.exec:
            self.run("\n".join(self.node.exec))

    def start(self) -> None:
        """Start the daemon."""

    def stop(self) -> None:
        """End the daemon in its own way."""

    def kill(self) -> None:
        """End the daemon with SIGKILL."""

    def restart(self) -> None:
        self.stop()
        self.start()

    def json(self, command: str) -> Any:
        return json.loads(self.run(command) or "null")

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
        return int(number) if number and self.path(f"/proc/{number}").exists() else 0

    def end(self, name: str, signal: str = "TERM") -> None:
        number = self.process(name)
        if number:
            # A shell's kill and a wait that asks the kernel: the node's first process takes no notice of children.
            self.run(
                f"kill -{signal} {number}; for i in $(seq 200); do [ -d /proc/{number} ] || exit 0; sleep 0.05; done"
            )


class Vtep(LabNode):
    """A node with a daemon that speaks EVPN and owns a kernel's tables."""

    tidy: ClassVar[bool] = True  # takes a MAC that became local out of the VXLAN device's own table, too

    def established(self, peer: str) -> bool:
        raise NotImplementedError

    def macs(self, vni: int) -> dict[str, str]:
        """The remote MACs that the daemon itself reports, each with its VTEP."""
        raise NotImplementedError


class Evpnd(Vtep):
    logs = ("/tmp/evpnd.log",)

    def start(self) -> None:
        self.background("evpnd", "evpnd run --log-level debug")

    def stop(self) -> None:
        self.end("evpnd")

    def kill(self) -> None:
        self.end("evpnd", "KILL")

    def show(self, what: str) -> Any:
        return self.json(f"evpnctl --json show {what}")

    def established(self, peer: str) -> bool:
        return any(row["address"] == peer and row["state"] == "established" for row in self.show("peers"))

    def macs(self, vni: int) -> dict[str, str]:
        return {row["mac"]: row["vtep"] for row in self.show(f"mac --vni {vni}") if row["kind"] == "remote"}


class Frr(Vtep):
    """FRR of this machine (8.4)."""

    tidy = False

    daemons: ClassVar[tuple[str, ...]] = ("zebra -d -A 127.0.0.1 -s 16000000", "bgpd -d -A 127.0.0.1")
    logs = ("/tmp/frr.log",)

    def prepare(self) -> None:
        self.write("/etc/frr/vtysh.conf", "service integrated-vtysh-config\n")
        super().prepare()

    def start(self) -> None:
        # mgmtd keeps its standard output open for ever
        commands = [f"/usr/lib/frr/{daemon} </dev/null >/tmp/start.log 2>&1" for daemon in self.daemons]
        self.run("\n".join(["mkdir -p /run/frr; chown frr:frr /run/frr", *commands, "vtysh -b >/dev/null"]), timeout=60)

    def _end(self, signal: str) -> None:
        # bgpd first: it says goodbye to its peers, and zebra then removes what bgpd had asked for.
        names = [daemon.split()[0] for daemon in reversed(self.daemons)]
        self.run(
            f"for name in {' '.join(names)}; do read -r pid </run/frr/$name.pid && kill -{signal} $pid\n"
            "for i in $(seq 200); do [ -d /proc/$pid ] || break; sleep 0.05; done; done"
        )

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

    def macs(self, vni: int) -> dict[str, str]:
        table = self.vtysh(f"show evpn mac vni {vni}").get("macs", {})
        return {mac: row["remoteVtep"] for mac, row in table.items() if row.get("type") == "remote"}


class NewerFrr(Frr):
    """FRR of the tree (10.7), which has a management daemon besides."""

    newer = True
    daemons = ("mgmtd -d -A 127.0.0.1", *Frr.daemons)


class Bird(Vtep):
    """BIRD of the tree (3.4); Debian's 2.0 has no EVPN."""

    newer = True
    logs = ("/tmp/bird.log",)

    def start(self) -> None:
        self.background("bird", "bird -f -c /etc/bird/bird.conf -s /run/bird.ctl")

    def stop(self) -> None:
        self.end("bird")

    def kill(self) -> None:
        self.end("bird", "KILL")

    def birdc(self, command: str) -> str:
        return self.run(["birdc", "-s", "/run/bird.ctl", *command.split()])

    def established(self, peer: str) -> bool:
        text = self.birdc("show protocols all")
        after = text.partition(f"Neighbor address: {peer}\n")
        state = after[0].rpartition("BGP state:")[2].split("\n")[0].strip()
        return bool(after[1]) and state == "Established"

    def macs(self, vni: int) -> dict[str, str]:
        # BIRD has no view of its own by VNI: the tunnel entries that it installed are its report.
        return self.kernel_macs(f"vx{vni}")


class Gobgp(LabNode):
    """GoBGP: no Linux data plane for EVPN, so a reflector and a peer on the wire."""

    logs = ("/tmp/gobgpd.log",)

    def start(self) -> None:
        self.background("gobgpd", "gobgpd -f /etc/gobgp/gobgpd.toml --pprof-disable")

    def stop(self) -> None:
        self.end("gobgpd")

    def kill(self) -> None:
        self.end("gobgpd", "KILL")

    def established(self, peer: str) -> bool:
        rows = self.json("gobgp -j neighbor") or []
        states = {row["state"]["neighbor_address"]: row["state"].get("session_state") for row in rows}
        return states.get(peer) == 6  # in GoBGP's numbers

    def routes(self, family: str = "evpn") -> list[dict[str, Any]]:
        table = self.json(f"gobgp -j global rib -a {family}") or {}
        return [path for paths in table.values() for path in paths]


class NewerGobgp(Gobgp):
    newer = True


class Exabgp(LabNode):
    """ExaBGP: says what its configuration says, and prints what it hears."""

    newer = True
    logs = ("/tmp/exabgp.log", "/tmp/heard.json")

    def start(self) -> None:
        self.background(
            "exabgp", "env exabgp.daemon.user=root exabgp.log.level=INFO exabgp server /etc/exabgp/exabgp.conf"
        )

    def stop(self) -> None:
        self.end("exabgp")

    def kill(self) -> None:
        self.end("exabgp", "KILL")

    def heard(self) -> list[dict[str, Any]]:
        """Its events, as it printed them."""
        lines = self.read("/tmp/heard.json").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


KINDS: dict[str, type[LabNode]] = {
    "linux": LabNode,
    "evpnd": Evpnd,
    "frr8": Frr,
    "frr": NewerFrr,
    "bird": Bird,
    "gobgp3": Gobgp,
    "gobgp": NewerGobgp,
    "exabgp": Exabgp,
}

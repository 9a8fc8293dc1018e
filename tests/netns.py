"""Network namespaces for tests: made empty, entered by the test's own thread, gone when the test ends."""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3

_REMEDY = (
    "this test needs a network namespace of its own: run it as root, or under "
    "`unshare --user --map-root-user --net --mount`"
)
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def namespace() -> Iterator[None]:
    """A fresh network namespace for this thread, its children and the sockets made meanwhile; `lo` is up."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.unshare(CLONE_NEWNET):
            pytest.fail(f"{_REMEDY} ({os.strerror(ctypes.get_errno())})")
        try:
            run("ip link set lo up")
            yield
        finally:
            if _libc.setns(before, CLONE_NEWNET):
                os._exit(70)  # every further test would run in the wrong namespace
    finally:
        os.close(before)


def run(*commands: str) -> str:
    """Run commands one after the other; what fails fails the test, with what it said."""
    said = ""
    for command in commands:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"`{command}` said: {done.stderr.strip() or done.stdout.strip()}"
        said += done.stdout
    return said


def make_vni(vni: int, *, local: str = "10.0.0.1", learning: bool = False, beside: bool = True) -> None:
    """The classic model: br{vni} with vx{vni} and a port p{vni}, whose other end h{vni} stands for a host.

    Kernels with VLAN filtering make an entry of VLAN 1 beside each that is added to the bridge by hand, as they do for
    users; not so without `beside`.
    """
    state = "on" if learning else "off"
    run(
        f"ip link add br{vni} type bridge {'' if beside else 'vlan_default_pvid 0'}",
        f"ip link set br{vni} addrgenmode none",
        f"ip link add vx{vni} type vxlan id {vni} local {local} dstport 4789 nolearning",
        f"ip link set vx{vni} addrgenmode none master br{vni}",
        f"bridge link set dev vx{vni} learning {state}",
        f"ip link add p{vni} type veth peer name h{vni}",
        f"ip link set p{vni} addrgenmode none master br{vni}",
        f"ip link set h{vni} addrgenmode none",
        f"ip link set br{vni} up",
        f"ip link set vx{vni} up",
        f"ip link set p{vni} up",
        f"ip link set h{vni} up",
    )
    until(lambda: port_state(f"p{vni}") == "forwarding", f"p{vni} forwards")


def port_state(name: str) -> str:
    return str(json.loads(run(f"bridge -j link show dev {name}"))[0]["state"])


def index(name: str) -> int:
    return socket.if_nametoindex(name)


def fdb(name: str) -> set[tuple[str, ...]]:
    """The FDB entries of a device that are not the kernel's own: (MAC, "bridge" or VTEP, mark, ...)."""
    rows: set[tuple[str, ...]] = set()
    for row in json.loads(run(f"bridge -j -d fdb show dev {name}")):
        if row["mac"].startswith(("33:33:", "01:00:5e")):
            continue
        marks = [word for word in ("extern_learn", "sticky") if word in row.get("flags", [])]
        state = row.get("state", "")
        if state == "permanent" and "dst" not in row:
            continue  # the address of a port or of the bridge
        rows.add((row["mac"], row.get("dst", "bridge"), *marks, *([state] if state else [])))
    return rows


def remote(mac: str, vtep: str) -> set[tuple[str, ...]]:
    """What fdb() shows of one remote MAC that evpnd installed: both halves."""
    return {(mac, "bridge", "extern_learn"), (mac, vtep, "extern_learn")}


def registered(vtep: str) -> tuple[str, ...]:
    """What fdb() shows beside a flood entry of evpnd in a list in which others have some as well."""
    return ("03:65:76:70:6e:64", vtep, "extern_learn", "permanent")


def send_frame(name: str, source: str, target: str = "ff:ff:ff:ff:ff:ff") -> None:
    """An Ethernet frame out of a device, from which a bridge at the other end learns `source`."""
    send_frames(name, [bytes.fromhex(source.replace(":", ""))], bytes.fromhex(target.replace(":", "")))


def send_frames(name: str, sources: list[bytes], target: bytes = b"\xff" * 6) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as sock:
        sock.bind((name, 0))
        for source in sources:
            sock.send(struct.pack("!6s6sH", target, source, 0x88B5) + bytes(46))


def until(check: Any, what: str, timeout_s: float = 5.0) -> Any:
    """Wait, without an event loop, for a check to be true."""
    end = time.monotonic() + timeout_s
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout_s} s: {what}"
        time.sleep(0.01)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))

"""The benchmarks of whole speakers: each takes a target, sets a scene, and yields its results."""

from __future__ import annotations

import random
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from interop.bench import kernel, wire
from interop.bench.events import Kind
from interop.bench.namespace import BenchError
from interop.bench.results import Result
from interop.bench.scene import Scene
from interop.bench.targets import Evpnd, Target

Say = Callable[[str], None]

_VNI = 100
_VTEPS = 10
_NEW = (Kind.BRIDGE_NEW, Kind.VXLAN_NEW)
_GONE = (Kind.BRIDGE_DEL, Kind.VXLAN_DEL)
_SETTLE_S = 1.0
_DUMP_LIMIT = 150_000
_SAMPLE = 5_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything; the defaults are those that the goals speak of."""

    macs: int = 100_000
    per_update: int = 50
    changes: int = 300
    local: int = 10_000
    million: int = 1_000_000
    vnis: int = 1_000
    runs: int = 3


def _ready(scene: Scene) -> None:
    """Target up, session up, the flood lists there, all quiet."""
    scene.start_target()
    scene.establish()
    scene.load.call("prepare", name="floods", kind="floods", vnis=[_VNI, _VNI + 1], vteps=_VTEPS)
    scene.load.call("prepare", name="end", kind="end")
    scene.load.call("send", name="floods")
    scene.load.call("send", name="end")
    time.sleep(_SETTLE_S)


def _prepare_macs(scene: Scene, name: str, first: int, count: int, per_update: int, **form: bool) -> None:
    numbers = {"first": first, "count": count, "per_update": per_update}
    scene.load.call("prepare", name=name, kind="macs", vteps=_VTEPS, vni=_VNI, **numbers, **form)


def _send_and_watch(scene: Scene, name: str, kinds: tuple[Kind, ...], count: int, left: int, timeout_s: float) -> float:
    """Send a blob; seconds until the kernel had told of `count` events of each kind and is seen to have `left` MACs."""
    before = scene.clock.counts()
    start = int(scene.load.call("send", name=name)["start_ns"])
    deadline = time.monotonic() + timeout_s
    scene.wait_for_events({kind: before[kind] + count for kind in kinds}, timeout_s)
    while (seen := _macs_in_kernel(scene, left)) != left:
        scene.load.call("drained")  # says so when the session is lost
        if time.monotonic() > deadline:
            raise BenchError(f"{seen:,} MACs in the kernel after {timeout_s:.0f} s, not {left:,}")
        time.sleep(0.5)
    return (max(scene.clock.time_ns(kind, scene.clock.count(kind) - 1) for kind in kinds) - start) / 1e9


def _macs_in_kernel(scene: Scene, expected: int) -> int:
    """By a dump; of a table too big for that by a sample, which stands for all of `expected`."""
    if expected <= _DUMP_LIMIT:
        return kernel.dump(scene.here).macs(wire.MAC_PREFIX)
    ifindex = kernel.interface_index(scene.here, f"vx{_VNI}")
    sample = [wire.mac(number) for number in random.sample(range(expected), _SAMPLE)]
    return expected * kernel.holds(scene.here, ifindex, sample) // _SAMPLE


def macs(target: Target, sizes: Sizes, say: Say) -> Iterator[Result]:
    """Many remote MACs, each a route without IP address."""
    return _table("macs", target, sizes, say, with_ip=False)


def hosts(target: Target, sizes: Sizes, say: Say) -> Iterator[Result]:
    """As many remote MACs, each in a route that carries an IP address too."""
    return _table("hosts", target, sizes, say, with_ip=True)


def _table(benchmark: str, target: Target, sizes: Sizes, say: Say, *, with_ip: bool) -> Iterator[Result]:
    """A large table: its way into the kernel, the memory it takes, its withdrawal."""
    values: dict[str, list[float]] = {"add": [], "withdraw": [], "resident": [], "cpu": []}
    daemons: dict[str, object] = {}
    failure = ""
    for run in range(sizes.runs):
        try:
            with Scene(target, range(_VNI, _VNI + 1)) as scene:
                _ready(scene)
                _prepare_macs(scene, "macs", 0, sizes.macs, sizes.per_update, with_ip=with_ip)
                _prepare_macs(scene, "gone", 0, sizes.macs, sizes.per_update, with_ip=with_ip, gone=True)
                cpu = scene.cpu_s()
                values["add"].append(_send_and_watch(scene, "macs", _NEW, sizes.macs, sizes.macs, 60))
                values["cpu"].append(scene.cpu_s() - cpu)
                time.sleep(_SETTLE_S)
                resident = scene.resident_octets()
                daemons = {name: round(octets / 1e6, 1) for name, octets in resident.items()}
                values["resident"].append(sum(resident.values()) / 1e6)
                values["withdraw"].append(_send_and_watch(scene, "gone", _GONE, sizes.macs, 0, 60))
                say(f"run {run + 1}: " + ", ".join(f"{name} {found[-1]:.2f}" for name, found in values.items()))
        except BenchError as error:
            failure = str(error)
            say(f"run {run + 1}: {failure}")
            break
    for name, found in values.items():
        yield Result(f"{benchmark}.{name}", target.name, tuple(found), failure, daemons if name == "resident" else {})


def kernel_alone(sizes: Sizes, say: Say) -> Iterator[Result]:
    """What the kernel itself takes for the same entries, written in batches encoded beforehand."""
    values: dict[str, list[float]] = {"add": [], "withdraw": []}
    with Scene(Evpnd(), range(_VNI, _VNI + 1)) as scene:  # its target is never started
        ifindex = kernel.interface_index(scene.here, f"vx{_VNI}")
        addresses = [wire.mac(number) for number in range(sizes.macs)]
        with scene.here.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as channel:
            for _ in range(sizes.runs):
                for name, kinds in (("add", _NEW), ("withdraw", _GONE)):
                    batches = kernel.fdb_batches(ifindex, addresses, wire.vtep(0), gone=name == "withdraw")
                    before = scene.clock.counts()
                    start = time.monotonic_ns()
                    for batch in batches:
                        channel.send(batch)
                    if not scene.wait_for_events({kind: before[kind] + sizes.macs for kind in kinds}, 30):
                        raise BenchError("the kernel did not take the batches")
                    end = max(scene.clock.time_ns(kind, scene.clock.count(kind) - 1) for kind in kinds)
                    values[name].append((end - start) / 1e9)
    say(", ".join(f"{name} {statistics.median(found):.3f}" for name, found in values.items()))
    for name, found in values.items():
        yield Result(f"macs.{name}", "kernel", tuple(found))


def latency(target: Target, sizes: Sizes, say: Say) -> Iterator[Result]:
    """Single changes, new MACs and withdrawals in turn, at random moments, with 10,000 MACs in the table."""
    table = 10_000
    times: dict[str, list[float]] = {"add": [], "withdraw": []}
    failure = ""
    try:
        with Scene(target, range(_VNI, _VNI + 1)) as scene:
            _ready(scene)
            _prepare_macs(scene, "table", 0, table, sizes.per_update)
            _send_and_watch(scene, "table", _NEW, table, table, 60)
            _prepare_macs(scene, "add", table, sizes.changes, 1)
            _prepare_macs(scene, "withdraw", table, sizes.changes, 1, gone=True)
            time.sleep(_SETTLE_S)
            for number in range(sizes.changes):
                for name, kinds in (("add", _NEW), ("withdraw", _GONE)):
                    times[name].append(_one_change(scene, name, number, kinds))
                    time.sleep(random.uniform(0.01, 0.04))
    except BenchError as error:
        failure = str(error)
    pooled = sorted(times["add"] + times["withdraw"])
    details: dict[str, object] = {}
    for name, listed in times.items():
        if listed:
            details[name] = {"median": statistics.median(listed), "max": max(listed)}
    if failure:
        say(failure)
        pooled = []
    found = {}
    if pooled:
        found = {"median": statistics.median(pooled), "p99": pooled[int(len(pooled) * 0.99)]}
        say(f"median {found['median']:.2f} ms, p99 {found['p99']:.2f} ms; {details}")
    for name in ("median", "p99"):
        yield Result(f"latency.{name}", target.name, (found[name],) if found else (), failure, details)


def _one_change(scene: Scene, name: str, number: int, kinds: tuple[Kind, ...]) -> float:
    """Milliseconds from the write of one UPDATE to the later of the kernel's two events."""
    wanted = {kind: scene.clock.count(kind) for kind in kinds}
    start = scene.load.call("send", name=name, number=number)["start_ns"]
    if not scene.wait_for_events({kind: count + 1 for kind, count in wanted.items()}, 5):
        raise BenchError(f"{name} number {number}: no kernel event within 5 s")
    return float(max(scene.clock.time_ns(kind, count) for kind, count in wanted.items()) - start) / 1e6


def local(target: Target, sizes: Sizes, say: Say) -> Iterator[Result]:
    """Many hosts speak at once behind a local port: until all are in UPDATEs at the peer."""
    last, half = [], []
    failure = ""
    try:
        with Scene(target, range(_VNI, _VNI + 1)) as scene:
            _ready(scene)
            already = scene.load.call("heard")["macs"]
            start = _appear(scene, sizes.local)
            deadline = time.monotonic() + 120
            while (heard := scene.load.call("heard")["macs"] - already) < sizes.local:
                if time.monotonic() > deadline:
                    raise BenchError(f"{heard:,} of {sizes.local:,} local MACs advertised after 120 s")
                time.sleep(0.02)
            times = scene.load.call("heard_times")["macs"][already:]
            last.append((times[-1] - start) / 1e9)
            half.append((times[len(times) // 2] - start) / 1e9)
            say(f"half {half[-1]:.2f} s, last {last[-1]:.2f} s")
    except BenchError as error:
        failure = str(error)
        say(failure)
    yield Result("local.last", target.name, tuple(last), failure)
    yield Result("local.half", target.name, tuple(half), failure)


def _appear(scene: Scene, count: int) -> int:
    """Send a frame from each of `count` MACs into the bridge, addressed to the bridge itself; when that began."""
    bridge = kernel.hardware_address(scene.here, f"br{_VNI}")
    before = scene.clock.count(Kind.BRIDGE_NEW)
    frames = [bridge + wire.mac(number) + b"\x88\xb5" + bytes(46) for number in range(count)]
    with scene.here.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as pod:
        pod.bind(("pod", 0))
        start = time.monotonic_ns()
        for frame in frames:
            pod.send(frame)
    time.sleep(0.05)
    learned = scene.clock.count(Kind.BRIDGE_NEW) - before
    if learned < count:
        raise BenchError(f"the bridge learned {learned:,} of {count:,} MACs")
    return start


def million(target: Target, sizes: Sizes, say: Say) -> Iterator[Result]:
    """Ten times as many remote MACs: reached, in time that grows as their number does."""
    names = ("add", "growth", "resident")
    values: dict[str, tuple[float, ...]] = dict.fromkeys(names, ())
    failure = ""
    try:
        with Scene(target, range(_VNI, _VNI + 1), shift=20) as scene:
            _ready(scene)
            _prepare_macs(scene, "macs", 0, sizes.million, sizes.per_update)
            first = scene.clock.counts()[Kind.VXLAN_NEW]
            sent = time.monotonic_ns()
            took = _send_and_watch(scene, "macs", _NEW, sizes.million, sizes.million, 300)
            middle = (scene.clock.time_ns(Kind.VXLAN_NEW, first + sizes.million // 2) - sent) / 1e9
            resident = sum(scene.resident_octets().values()) / 1e6
            values = {"add": (took,), "growth": ((took - middle) / middle,), "resident": (resident,)}
            say(f"{took:.2f} s, first half {middle:.2f} s, {resident:.0f} MB")
    except BenchError as error:
        failure = str(error)
        say(failure)
    for name in names:
        yield Result(f"million.{name}", target.name, values[name], failure)


def vnis(target: Target, sizes: Sizes, say: Say) -> Iterator[Result]:
    """Many VNIs with ten remote VTEPs each: from the daemon's start until kernel and peer know all of it."""
    values: dict[str, list[float]] = {"converged": [], "resident": []}
    failure = ""
    numbers = range(_VNI, _VNI + sizes.vnis)
    try:
        with Scene(target, numbers) as scene:
            scene.load.call("prepare", name="floods", kind="floods", vnis=[numbers.start, numbers.stop], vteps=_VTEPS)
            scene.load.call("prepare", name="end", kind="end")
            start = scene.start_target()
            up = scene.establish()
            scene.load.call("send", name="floods")
            scene.load.call("send", name="end")
            end = _all_flooded(scene, sizes.vnis)
            values["converged"].append((end - start) / 1e9)
            values["resident"].append(sum(scene.resident_octets().values()) / 1e6)
            say(f"session after {(up - start) / 1e9:.2f} s, converged after {values['converged'][-1]:.2f} s")
    except BenchError as error:
        failure = str(error)
        say(failure)
    for name, found in values.items():
        yield Result(f"vnis.{name}", target.name, tuple(found), failure)


def _all_flooded(scene: Scene, count: int) -> int:
    """Wait until every flood list has every VTEP and the peer has a type 3 of every VNI; when that was."""
    deadline = time.monotonic() + 120
    scene.wait_for_events({Kind.VXLAN_NEW: count * _VTEPS}, 120)
    while (seen := kernel.dump(scene.here).floods()) < count * _VTEPS or scene.load.call("heard")["floods"] < count:
        if time.monotonic() > deadline:
            heard = scene.load.call("heard")["floods"]
            raise BenchError(f"after 120 s {seen:,} of {count * _VTEPS:,} flood entries, {heard:,} type 3 at the peer")
        time.sleep(0.1)
    programmed = scene.clock.time_ns(Kind.VXLAN_NEW, scene.clock.count(Kind.VXLAN_NEW) - 1)
    heard_ns: int = scene.load.call("heard_times")["floods"][count - 1]
    return max(programmed, heard_ns)


BENCHMARKS: dict[str, Callable[[Target, Sizes, Say], Iterator[Result]]] = {
    "macs": macs,
    "hosts": hosts,
    "latency": latency,
    "local": local,
    "million": million,
    "vnis": vnis,
}

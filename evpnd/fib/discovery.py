"""Which VNIs this host has, as a function of its devices, and why one of them can't be used.

Owns the device models. Today the classic one: a VXLAN device a VNI on a bridge of its own; the VLAN-aware models will
be further branches of `_candidates`, with a VLAN in VniDevice. Pure: the same links in any order give the same answer.
VNIs and their VTEP: RFC 8365 section 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from evpnd.fib.link import Link


@dataclass(frozen=True, slots=True)
class VniDevice:
    """One VNI on this host. `problem` is the first condition that keeps it from working, None when it works."""

    vni: int
    ifindex: int
    name: str
    bridge: int
    bridge_name: str
    vtep: bytes | None
    vlan: int = 0
    mtu: int = 0
    bridge_mac: bytes = b""
    problem: str | None = None
    warnings: tuple[str, ...] = ()


Known = dict[int, tuple[Link, Link | None, VniDevice]]  # device: what its VniDevice was made from


def discover(links: Mapping[int, Link], known: Known | None = None) -> dict[int, VniDevice]:
    """The VNIs by number. Of several devices with one VNI the first that works counts, by index.

    `known`, kept by the caller from one call to the next, saves the work for devices that have not changed.
    """
    found: dict[int, VniDevice] = {}
    spare: dict[int, list[VniDevice]] = {}
    for device in _apart(list(_candidates(links, {} if known is None else known))):
        other = found.get(device.vni)
        if other is not None:
            first, second = sorted((device, other), key=_rank)
            spare.setdefault(device.vni, []).append(second)
            device = first
        found[device.vni] = device
    for vni, devices in spare.items():
        names = ", ".join(sorted(device.name for device in devices))
        found[vni] = _with_warning(found[vni], f"VNI {vni} is also on {names}, which is not used")
    return dict(sorted(found.items()))


def _apart(devices: list[VniDevice]) -> Iterator[VniDevice]:
    """A bridge that knows no VLANs makes one segment of all its ports, and tenants must not meet there: where it has
    devices of several VNIs none of them works, whichever came first and whichever is up."""
    vnis: dict[int, set[int]] = {}
    for device in devices:
        vnis.setdefault(device.bridge, set()).add(device.vni)
    for device in devices:
        if device.problem is None and len(vnis[device.bridge]) > 1:
            numbers = ", ".join(map(str, sorted(vnis[device.bridge])))
            text = f"{device.bridge_name} has devices of several VNIs ({numbers}), expected a bridge for each"
            device = replace(device, problem=text)
        yield device


def _rank(device: VniDevice) -> tuple[bool, int]:
    return device.problem is not None, device.ifindex


def unusable(links: Mapping[int, Link]) -> dict[str, str]:
    """VXLAN devices that can't be a VNI of ours at all, by name, with the reason."""
    reasons = {}
    for link in links.values():
        if link.vxlan is not None and link.vxlan.collect_metadata:
            reasons[link.name] = f"{link.name} is a single VXLAN device (external), which evpnd does not use yet"
    return reasons


def _candidates(links: Mapping[int, Link], known: Known) -> Iterator[VniDevice]:
    for ifindex in known.keys() - links.keys():
        del known[ifindex]
    for ifindex, link in links.items():
        if link.vxlan is None or link.vxlan.collect_metadata:
            continue
        bridge = links.get(link.master)
        before = known.get(ifindex)
        if before is None or before[0] is not link or before[1] is not bridge:
            before = known[ifindex] = (link, bridge, _classic(link, bridge))
        yield before[2]


def _classic(link: Link, bridge: Link | None) -> VniDevice:
    vxlan = link.vxlan
    assert vxlan is not None
    if bridge is not None and bridge.kind != "bridge":
        bridge = None
    return VniDevice(
        vni=vxlan.vni,
        ifindex=link.index,
        name=link.name,
        bridge=bridge.index if bridge else 0,
        bridge_name=bridge.name if bridge else "",
        vtep=vxlan.local,
        mtu=link.mtu,
        bridge_mac=bridge.mac if bridge else b"",
        problem=_problem(link, bridge),
        warnings=_warnings(link),
    )


def _problem(link: Link, bridge: Link | None) -> str | None:
    if bridge is None:
        return f"{link.name} is not in a bridge"
    if not link.up:
        return f"{link.name} is down"
    if not bridge.up:
        return f"{bridge.name} is down"
    if link.vxlan is not None and link.vxlan.local is None:
        return f"{link.name} has no local address"
    if bridge.vlan_filtering:
        return f"{bridge.name} is VLAN-aware, which evpnd does not use yet"
    return None


def _warnings(link: Link) -> tuple[str, ...]:
    """Settings under which the kernel learns remote MACs by itself, beside what evpnd installs."""
    notes = []
    if link.vxlan is not None and link.vxlan.learning:
        notes.append(f"{link.name} learns from traffic; expected nolearning")
    if link.port is not None and link.port.learning:
        notes.append(f"{link.name} learns as a bridge port; expected learning off")
    return tuple(notes)


def _with_warning(device: VniDevice, note: str) -> VniDevice:
    return replace(device, warnings=(*device.warnings, note))

"""The rows of VNIs, of their MACs, and of the VTEPs behind which these are.

Must not know tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from evpnd.bgp.decision import evpn_rank
from evpnd.bgp.path import Path
from evpnd.evpn.extended_community import to_text
from evpnd.evpn.macvrf import MacVrf
from evpnd.evpn.mobility import LocalMac
from evpnd.evpn.values import ip_text, mac_from_text, mac_text, rd_text
from evpnd.requests import Filters
from evpnd.show.running import PAUSE, Row, Running, listed, vrf_of


class Vnis:
    """`show vni`, `show mac`, `show vteps`."""

    def __init__(self, daemon: Running) -> None:
        self._daemon = daemon
        self._speaker = daemon.speaker

    def vnis(self, filters: Filters) -> list[Row]:
        """The VNIs, working or not."""
        instances = self._speaker.instances
        if "vni" in filters:
            vrf_of(self._speaker, filters["vni"])
        foreign = self._daemon.kernel.foreign_floods()
        rows = []
        for vni, device in sorted(instances.vnis.items()):
            if filters.get("vni", vni) != vni:
                continue
            row: Row = {
                "vni": vni,
                "device": device.name,
                "bridge": device.bridge_name or None,
                "vtep": ip_text(device.vtep) if device.vtep else None,
                "problem": device.problem,
                "warnings": [*device.warnings, *_foreign(device.name, foreign.get(device.ifindex, ()))],
            }
            vrf = instances.by_vni.get(vni)
            if vrf is not None:
                unreached = len(vrf.unreached - vrf.local.keys())
                row["warnings"] += _warnings(vrf, unreached)
                row |= {
                    "rd": rd_text(vrf.rd),
                    "import_targets": vrf.imports.text(),
                    "export_targets": [to_text(target).removeprefix("rt:") for target in vrf.exports],
                    "local_macs": len(vrf.local),
                    "remote_macs": vrf.count_remote(),
                    "unreached_macs": unreached,
                    "remote_vteps": len(vrf.vteps()),
                    "advertise": vrf.advertise,
                    "flooding": vrf.flooding,
                }
            rows.append(row)
        if "vni" not in filters:
            unusable = self._daemon.kernel.unusable
            rows += [{"vni": None, "device": name, "problem": reason} for name, reason in sorted(unusable.items())]
        return rows

    def _vrfs(self, filters: Filters) -> list[MacVrf]:
        if "vni" in filters:
            vrf = vrf_of(self._speaker, filters["vni"])
            return [] if vrf is None else [vrf]
        return [vrf for _, vrf in sorted(self._speaker.instances.by_vni.items())]

    def macs(self, filters: Filters) -> Iterator[Row | None]:
        """Each MAC of each VNI with its owner, and those that can't be reached."""
        vrfs = self._vrfs(filters)
        mac = mac_from_text(str(filters["mac"])) if "mac" in filters else None
        return (row for vrf in vrfs for row in self._macs(vrf, mac))

    def _macs(self, vrf: MacVrf, wanted: bytes | None) -> Iterator[Row | None]:
        macs = [wanted] if wanted is not None else listed(_known(vrf))
        for count, mac in enumerate(macs, 1):
            if count % PAUSE == 0:
                yield None
            if (row := self._mac_row(vrf, mac)) is not None:
                yield row

    def _mac_row(self, vrf: MacVrf, mac: bytes) -> Row | None:
        if (local := vrf.local.get(mac)) is not None:
            return self._local_row(vrf, mac, local)
        if (winner := vrf.remote_winner(mac)) is not None:
            return _remote_row(vrf, mac, winner, "remote", vrf.conflict(mac) or self._failure(vrf, mac))
        if (unreached := self._unreached(vrf, mac)) is not None:
            return _remote_row(vrf, mac, unreached, "unreached", f"not installed: {_why_not(vrf, unreached.next_hop)}")
        return None

    def _unreached(self, vrf: MacVrf, mac: bytes) -> Path | None:
        """The best of the paths of a MAC none of whose next hops can be used from here."""
        paths = [(evpn_rank(path), key, path) for key in vrf.keys_of(mac) if (path := self._speaker.rib.best(key))]
        return min(paths)[2] if paths else None

    def _local_row(self, vrf: MacVrf, mac: bytes, local: LocalMac) -> Row:
        link = self._daemon.kernel.links.get(local.port)
        return {
            "vni": vrf.vni,
            "mac": mac_text(mac),
            "kind": "local",
            "sticky": local.sticky,
            "port": link.name if link is not None else str(local.port),
            "sequence": local.sequence,
            "ips": [],
            "problem": vrf.conflict(mac),
        }

    def _failure(self, vrf: MacVrf, mac: bytes) -> str | None:
        failure = self._daemon.kernel.failures.get(vrf.intent(mac))
        return None if failure is None else f"not in the kernel: {failure.text}"

    def vteps(self, filters: Filters) -> Iterator[Row | None]:
        """The remote VTEPs of each VNI: those in the flood list, and those that have MACs."""
        vrfs = self._vrfs(filters)
        return (row for vrf in vrfs for row in self._vteps(vrf))

    def _vteps(self, vrf: MacVrf) -> Iterator[Row | None]:
        macs: Counter[bytes] = Counter()
        for count, mac in enumerate(list(vrf.remote), 1):
            if count % PAUSE == 0:
                yield None
            path = None if mac in vrf.local else vrf.remote_winner(mac) or self._unreached(vrf, mac)
            if path is not None:
                macs[path.next_hop] += 1
        keys = {vtep: key for key, vtep in (*vrf.no_flood.items(), *vrf.flood.items())}
        for vtep in sorted(macs.keys() | keys.keys()):
            key = keys.get(vtep)
            path = self._speaker.rib.best(key) if key is not None else None
            yield {
                "vni": vrf.vni,
                "vtep": ip_text(vtep),
                "flood": key in vrf.flood,
                "macs": macs[vtep],
                "rd": rd_text(key[1:9]) if key is not None else None,
                "peer": path.source.name if path is not None else None,
                "problem": _vtep_problem(vrf, vtep, key),
            }


def _foreign(device: str, vteps: Collection[bytes]) -> Iterator[str]:
    """What others wrote to a device's flood list, the device's own remote too, is flooded to whatever routes say."""
    if vteps:
        text = f"the flood list has entries without evpnd's mark, which stay: {', '.join(map(ip_text, sorted(vteps)))}"
        yield f"{text}; `bridge fdb del 00:00:00:00:00:00 dev {device} dst ADDRESS self` removes one"


def _warnings(vrf: MacVrf, unreached: int) -> Iterator[str]:
    """What routes say that can't be followed from here."""
    if unreached:
        text = f"MACs without a route to a VTEP that can be reached from here: {unreached}"
        yield f"{text}; `evpnctl show mac --vni {vrf.vni}` lists them as unreached"
    if vrf.no_flood:
        text = f"VTEPs that can't be flooded to: {len(set(vrf.no_flood.values()))}"
        yield f"{text}; `evpnctl show vteps --vni {vrf.vni}` says why"


def _why_not(vrf: MacVrf, vtep: bytes) -> str:
    return f"{ip_text(vtep)} is {vrf.why_not(vtep)}"


def _vtep_problem(vrf: MacVrf, vtep: bytes, key: bytes | None) -> str | None:
    if not vrf.reaches(vtep):
        return f"not used: {_why_not(vrf, vtep)}"
    if not vrf.flooding:
        return "no flooding to it: that is off in the configuration"
    return None if key is not None else "no type 3 route: no flooding to it"


def _remote_row(vrf: MacVrf, mac: bytes, path: Path, kind: str, problem: str | None) -> Row:
    return {
        "vni": vrf.vni,
        "mac": mac_text(mac),
        "kind": kind,
        "sticky": path.sticky,
        "vtep": ip_text(path.next_hop),
        "sequence": path.sequence,
        "ips": vrf.addresses(mac),
        "peer": path.source.name,
        "problem": problem,
    }


def _known(vrf: MacVrf) -> list[bytes]:
    """All MACs of a VNI; most of them are remote, and a union of sets would hold up the loop."""
    local, remote = vrf.local, vrf.remote
    others = [mac for mac in vrf.conflicts if mac not in remote and mac not in local]
    return [*remote, *(mac for mac in local if mac not in remote), *others]

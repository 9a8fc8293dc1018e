"""A MAC-VRF: one VNI's MACs and flood list, from imported routes and local learning (RFC 7432 sections 7-11, 15).

Owns who has each MAC. What the kernel should hold follows from it and is told to `fdb` as intents; what peers should
hear goes into the Loc-RIB as paths of the local source. Both are level-triggered: saying the same twice changes
nothing. Candidates are kept as keys, their paths are read from the Loc-RIB: there is no second copy of the best path.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Protocol

from evpnd.bgp.attributes import PathAttributes, PmsiTunnel, build
from evpnd.bgp.decision import evpn_rank
from evpnd.bgp.path import Path
from evpnd.bgp.rib import AdjRibIn, Rib
from evpnd.evpn.addresses import is_host_address, is_host_mac
from evpnd.evpn.extended_community import encapsulation, mac_mobility
from evpnd.evpn.mobility import Conflict, LocalMac, Verdict, judge, sequence_after_move
from evpnd.evpn.targets import ImportRule
from evpnd.evpn.values import ip_text
from evpnd.fib.discovery import VniDevice
from evpnd.fib.intent import fdb_prefix, fdb_value, flood_key, flood_value
from evpnd.fib.mirror import LocalEntry

VXLAN = 8  # RFC 8365 section 11, tunnel encapsulation types
INGRESS_REPLICATION = 6  # RFC 6514 section 5, PMSI tunnel types
NO_ESI = bytes(10)
TAG_0 = bytes(4)
IP_IN_KEY = slice(21, None)  # behind route type, RD (8), Ethernet tag (4), MAC length, MAC (6), IP length


_NOWHERE: Mapping[bytes, str] = {}


class Fdb(Protocol):
    """Where intents go: the kernel's facade."""

    def set(self, key: bytes, value: bytes) -> None:
        """The kernel should hold this."""

    def unset(self, key: bytes) -> None:
        """The kernel should no longer hold this."""

    def adopted(self, key: bytes) -> bool:
        """Whether the kernel has something of an earlier run there, of which nobody has spoken yet."""


def mac_key(rd: bytes, mac: bytes) -> bytes:
    """The key of a MAC-only type 2 route: type, RD, tag, MAC length, MAC, IP length (RFC 7432 section 7.2)."""
    return b"\x02" + rd + TAG_0 + b"\x30" + mac + b"\x00"


def multicast_key(rd: bytes, originator: bytes) -> bytes:
    """The key of a type 3 route: type, RD, tag, IP length, originator (RFC 7432 section 7.3)."""
    return b"\x03" + rd + TAG_0 + bytes((8 * len(originator),)) + originator


class MacVrf:
    """One VNI that works: its device is up, in a bridge, and has a VTEP address."""

    def __init__(
        self,
        device: VniDevice,
        rd: bytes,
        imports: ImportRule,
        exports: tuple[bytes, ...],
        *,
        rib: Rib,
        local_in: AdjRibIn,
        fdb: Fdb,
        here: Mapping[bytes, str] = _NOWHERE,
        advertise: bool = True,
        flooding: bool = True,
    ) -> None:
        assert device.vtep is not None
        self.device = device
        self.vni = device.vni
        self.vtep: bytes = device.vtep
        self.rd = rd
        self.imports = imports
        self.exports = exports
        self.advertise = advertise
        self.flooding = flooding
        self.local: dict[bytes, LocalMac] = {}
        self.remote: dict[bytes, bytes | tuple[bytes, ...]] = {}  # MAC -> key or keys of imported routes
        self.flood: dict[bytes, bytes] = {}  # key of an imported type 3 route -> VTEP
        self.no_flood: dict[bytes, bytes] = {}  # the same, of those that can't be reached
        self.unreached: set[bytes] = set()  # MACs in `remote` none of whose routes can be used from here
        self.conflicts: dict[bytes, Conflict] = {}  # MACs that would be local but for a remote route
        self._rib = rib
        self._local_in = local_in
        self._fdb = fdb
        self._here = here  # addresses that are this host's, or a subnet's broadcast address, in words
        self._prefix = fdb_prefix(device.ifindex, device.vlan)
        self._label = device.vni.to_bytes(3, "big")
        self._attributes: dict[tuple[int, bool], PathAttributes] = {}

    def open(self) -> None:
        """Announce that this host is part of the VNI (RFC 7432 section 11.1)."""
        if not (self.advertise and self.flooding):
            return
        pmsi = PmsiTunnel(0, INGRESS_REPLICATION, self._label, self.vtep)
        attributes = build(extended_communities=self._communities(), pmsi=pmsi)
        self._rib.announce(self._local_in, attributes, self.vtep, [(multicast_key(self.rd, self.vtep), b"")])

    def close(self) -> None:
        """The VNI stops working: withdraw its routes, and want nothing in the kernel any more."""
        self._rib.withdraw(self._local_in, [multicast_key(self.rd, self.vtep)])
        self._rib.withdraw(self._local_in, [mac_key(self.rd, mac) for mac in self.local])
        for mac in self.remote:
            self._fdb.unset(self._prefix + mac)
        for vtep in self.vteps():
            self._fdb.unset(flood_key(self.device.ifindex, 0, vtep))
        # What comes after it may use the same device: nothing may be taken back from there a second time.
        self.local, self.remote, self.flood, self.no_flood, self.unreached = {}, {}, {}, {}, set()

    def _communities(self, *more: bytes) -> tuple[bytes, ...]:
        return (*self.exports, encapsulation(VXLAN), *more)

    # Remote routes

    def add_mac(self, key: bytes, mac: bytes, path: Path) -> None:
        """The best path of an imported type 2 route is now this one."""
        held = self.remote.get(mac)
        if held is None:
            if not is_host_mac(mac):
                return
            self.remote[mac] = key
            if mac not in self.local and self.usable(path):
                self._fdb.set(self._prefix + mac, _value(path))
                return
        elif held.__class__ is tuple:
            if key not in held:
                self.remote[mac] = (*held, key)
        elif held != key:
            self.remote[mac] = (held, key)  # type: ignore[assignment]
        self.resolve(mac)

    def remove_mac(self, key: bytes, mac: bytes) -> None:
        """An imported type 2 route is gone."""
        held = self.remote.get(mac)
        if held == key:
            del self.remote[mac]
            self.unreached.discard(mac)
            self._fdb.unset(self._prefix + mac)
            if mac in self.conflicts:
                self._end_conflict(mac)
            return
        if held.__class__ is tuple and key in held:
            rest = tuple(other for other in held if other != key)
            self.remote[mac] = rest[0] if len(rest) == 1 else rest
            self.resolve(mac)

    def usable(self, path: Path) -> bool:
        """Whether frames can be sent to the path's next hop from here."""
        return self.reaches(path.next_hop)

    def reaches(self, vtep: bytes) -> bool:
        """Whether this can be another VTEP, of our address family."""
        same_kind = len(vtep) == len(self.vtep)
        return same_kind and vtep != self.vtep and vtep not in self._here and is_host_address(vtep)

    def why_not(self, vtep: bytes) -> str:
        """What an address is instead of a VTEP that can be reached, in words."""
        return self._here.get(vtep, "no VTEP that can be reached from here")

    def recheck(self, addresses: Container[bytes], macs: bool) -> None:
        """It changed whether these addresses can be other VTEPs'; `macs`: some are next hops of imported routes."""
        for mac in list(self.remote) if macs else ():
            paths = map(self._rib.best, self.keys_of(mac))
            if any(path is not None and path.next_hop in addresses for path in paths):
                self.resolve(mac)
        for key, vtep in [*self.flood.items(), *self.no_flood.items()]:
            if vtep in addresses:
                self.remove_vtep(key)
                self._flood_to(key, vtep)

    def keys_of(self, mac: bytes) -> tuple[bytes, ...]:
        """The keys of the imported routes for a MAC."""
        held = self.remote.get(mac, ())
        return held if isinstance(held, tuple) else (held,)

    def remote_winner(self, mac: bytes) -> Path | None:
        """The path that says best where a remote MAC is, by the EVPN rules; lowest key among equals."""
        candidates = [
            (evpn_rank(path), key, path)
            for key in self.keys_of(mac)
            if (path := self._rib.best(key)) is not None and self.usable(path)
        ]
        return min(candidates)[2] if candidates else None

    def intent(self, mac: bytes) -> bytes:
        """The key of what the kernel should hold for a remote MAC."""
        return self._prefix + mac

    def addresses(self, mac: bytes) -> list[str]:
        """The IP addresses that imported routes give for a MAC."""
        return sorted(ip_text(key[IP_IN_KEY]) for key in self.keys_of(mac) if len(key) > IP_IN_KEY.start)

    def resolve(self, mac: bytes) -> None:
        """Decide who has a MAC, and want that in the kernel and in the Loc-RIB."""
        winner, conflict = self.remote_winner(mac), self.conflicts.get(mac)
        if winner is None and mac in self.remote:
            self.unreached.add(mac)
        else:
            self.unreached.discard(mac)
        if conflict is not None and (winner is None or (conflict.sticky and not winner.sticky)):
            self._end_conflict(mac)
        local = self.local.get(mac)
        if winner is not None and local is not None:
            if local.arrived:
                self._tell_of_arrival(mac, local, winner)
            if judge(local, self.vtep, winner.sequence, winner.sticky, winner.next_hop) is Verdict.YIELD:
                if local.entry.state == "static":
                    self.conflicts[mac] = Conflict(local.entry, winner.sticky)
                self._retract(mac)
            else:
                winner = None
        if winner is not None:
            self._fdb.set(self._prefix + mac, _value(winner))
        else:
            self._fdb.unset(self._prefix + mac)

    def _tell_of_arrival(self, mac: bytes, local: LocalMac, remote: Path) -> None:
        """The first to advertise a MAC that moved here while evpnd was away: what evpnd would have said then."""
        local.arrived = False
        if local.sticky or not remote.sticky:
            local.sequence = sequence_after_move(remote.sequence, local.sequence)
            self._originate(mac, local)

    def forget_arrivals(self) -> None:
        """All peers have spoken: who advertises a MAC of ours from now on has it from a later move."""
        for local in self.local.values():
            local.arrived = False

    # Local MACs

    def learn(self, mac: bytes, entry: LocalEntry) -> None:
        """The kernel has the MAC on one of our ports: new, moved between ports, or come from a remote VTEP."""
        if not is_host_mac(mac):
            return
        before = self.conflicts.pop(mac, None)
        held = self.local.get(mac)
        if held is not None:
            was_sticky, held.entry = held.sticky, entry
            if was_sticky == entry.sticky:
                return
        else:
            winner = self.remote_winner(mac)
            if winner is not None and winner.sticky and not entry.sticky:
                # RFC 7432 section 15.2: a sticky MAC elsewhere doesn't move here; put it back. (What was static and is
                # no longer gives way at last: then there is nothing to complain of.)
                if before is None or before.entry.state == entry.state:
                    self.conflicts[mac] = Conflict(entry, sticky=True)
                self.resolve(mac)
                return
            sequence = sequence_after_move(None if winner is None else winner.sequence)
            # An entry of ours that lost its bridge's half to a local port: the MAC was remote when evpnd was last here.
            arrived = winner is None and self._fdb.adopted(self._prefix + mac)
            held = self.local[mac] = LocalMac(entry, sequence, arrived)
        self._originate(mac, held)
        if mac in self.remote:
            self.resolve(mac)

    def forget(self, mac: bytes) -> None:
        """The MAC aged out, or its entry or port was deleted."""
        conflict = self.conflicts.get(mac)
        if conflict is not None and conflict.entry.state == "static":
            del self.conflicts[mac]
        if mac in self.local:
            self._retract(mac)
            if mac in self.remote:
                self.resolve(mac)

    def conflict(self, mac: bytes) -> str | None:
        """What is wrong with a MAC that is on one of our ports, too; None when nothing is."""
        conflict = self.conflicts.get(mac)
        if conflict is None or not conflict.sticky:
            return None
        how = "static" if conflict.entry.state == "static" else "learned"
        return f"{how} here, but a remote VTEP advertises it as sticky"

    def _end_conflict(self, mac: bytes) -> None:
        """The remote route no longer forbids: a static entry is still on its port, a learned one was taken over."""
        entry = self.conflicts.pop(mac).entry
        if entry.state == "static":
            self.learn(mac, entry)

    def _originate(self, mac: bytes, held: LocalMac) -> None:
        if not self.advertise:
            return
        shape = (held.sequence, held.sticky)
        attributes = self._attributes.get(shape)
        if attributes is None:
            mobility = (mac_mobility(held.sequence, held.sticky),) if any(shape) else ()
            attributes = build(extended_communities=self._communities(*mobility))
            self._attributes[shape] = attributes
        self._rib.announce(self._local_in, attributes, self.vtep, [(mac_key(self.rd, mac), NO_ESI + self._label)])

    def _retract(self, mac: bytes) -> None:
        del self.local[mac]
        self._rib.withdraw(self._local_in, [mac_key(self.rd, mac)])

    # Flood list

    def add_vtep(self, key: bytes, path: Path) -> None:
        """The best path of an imported type 3 route: flood to its tunnel's endpoint, if it has such a tunnel."""
        pmsi = path.attributes.pmsi
        vtep = b"" if pmsi is None or pmsi.tunnel_type != INGRESS_REPLICATION else pmsi.endpoint
        self.remove_vtep(key, unless=vtep)
        if self.flooding and vtep:
            self._flood_to(key, vtep)

    def _flood_to(self, key: bytes, vtep: bytes) -> None:
        if self.reaches(vtep):
            self.flood[key] = vtep
            self._fdb.set(flood_key(self.device.ifindex, 0, vtep), flood_value())
        else:
            self.no_flood[key] = vtep

    def remove_vtep(self, key: bytes, unless: bytes = b"") -> None:
        """An imported type 3 route is gone, or names another VTEP."""
        self.no_flood.pop(key, None)
        vtep = self.flood.get(key)
        if vtep is None or vtep == unless:
            return
        del self.flood[key]
        if vtep not in self.flood.values():
            self._fdb.unset(flood_key(self.device.ifindex, 0, vtep))

    def vteps(self) -> set[bytes]:
        """The VTEPs that broadcast, unknown unicast and multicast frames go to."""
        return set(self.flood.values())

    def count_remote(self) -> int:
        """How many MACs are another VTEP's: those that the kernel should hold."""
        here = sum(1 for mac in self.local if mac in self.remote and mac not in self.unreached)
        return len(self.remote) - len(self.unreached) - here

    def macs(self) -> Iterator[tuple[bytes, LocalMac | Path]]:
        """Each MAC with its owner: a local one, or the winning remote path."""
        yield from self.local.items()
        for mac in self.remote:
            if mac not in self.local and (winner := self.remote_winner(mac)) is not None:
                yield mac, winner


def _value(path: Path) -> bytes:
    value = path.fdb_value
    if value is None:
        value = path.fdb_value = fdb_value(path.next_hop, sticky=path.sticky)
    return value

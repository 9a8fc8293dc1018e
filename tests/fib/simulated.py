"""A bridge with one VXLAN port and two others, as far as its FDB goes: as test_kernel_facts.py finds the kernel.

Takes the very bytes that the reconciler plans, and tells of changes in the messages that the kernel would send. Only
for property tests over many orders of events; everything else is tested on the real kernel.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from evpnd.fib import netlink
from evpnd.fib.link import BridgePort, Link, Vxlan
from evpnd.fib.mirror import Mirror
from evpnd.fib.neighbour import (
    NTF_EXT_LEARNED,
    NTF_MASTER,
    NTF_SELF,
    NTF_STICKY,
    NUD_NOARP,
    NUD_REACHABLE,
    ZERO_MAC,
    FdbEntry,
    decode_fdb,
)

BRIDGE, DEVICE, PORT_A, PORT_B = 2, 3, 4, 5
VTEP = bytes([10, 0, 0, 1])

Refused = list[tuple[bytes, int, str, bool]]


@dataclass(slots=True)
class Row:
    """A bridge's entry: where, and how."""

    port: int
    state: int
    flags: int


@dataclass(slots=True)
class Host:
    """The simulated kernel; `events` wait to be read, in order."""

    bridge: dict[bytes, Row] = field(default_factory=dict)
    device: dict[bytes, tuple[bytes, int, int]] = field(default_factory=dict)  # MAC: VTEP, state, flags
    flood: set[bytes] = field(default_factory=set)
    flood_flags: int = 0
    bridged: bool = True
    up: bool = True
    present: bool = True
    full: set[bytes] = field(default_factory=set)  # MACs for which the VXLAN device has no room
    events: list[tuple[FdbEntry, bool] | Link | int] = field(default_factory=list)

    def links(self) -> list[Link]:
        rows = [Link(BRIDGE, "br", True, kind="bridge")]
        rows += [Link(port, f"p{port}", True, BRIDGE, kind="veth", port=BridgePort(3)) for port in (PORT_A, PORT_B)]
        return [*rows, self.vxlan_link()] if self.present else rows

    def vxlan_link(self) -> Link:
        return Link(DEVICE, "vx", self.up, BRIDGE if self.bridged else 0, kind="vxlan", vxlan=Vxlan(100, VTEP))

    # Messages

    def _tell_bridge(self, mac: bytes, row: Row, new: bool) -> None:
        self._tell(FdbEntry(row.port, row.state, row.flags, mac, BRIDGE), new)

    def _tell_device(self, mac: bytes, new: bool) -> None:
        dst, state, flags = self.device[mac]
        self._tell(FdbEntry(DEVICE, state, flags | NTF_SELF, mac, dst=dst), new)

    def _tell_flood(self, dst: bytes, new: bool) -> None:
        self._tell(FdbEntry(DEVICE, 0xC0, self.flood_flags | NTF_SELF, ZERO_MAC, dst=dst), new)

    def _tell(self, entry: FdbEntry, new: bool) -> None:
        echo = new and entry.flags & NTF_EXT_LEARNED and entry.state == NUD_REACHABLE
        if not echo:  # the socket's filter
            self.events.append((entry, new))

    def dump(self) -> list[FdbEntry]:
        rows = [FdbEntry(row.port, row.state, row.flags, mac, BRIDGE) for mac, row in self.bridge.items()]
        rows += [FdbEntry(DEVICE, s, f | NTF_SELF, mac, dst=dst) for mac, (dst, s, f) in self.device.items()]
        return rows + [FdbEntry(DEVICE, 0xC0, self.flood_flags | NTF_SELF, ZERO_MAC, dst=d) for d in self.flood]

    # What evpnd sends

    def take(self, datagrams: list[bytes], keys_of: dict[bytes, bytes]) -> Refused:
        """Carry requests out; `keys_of` finds the intent's key by MAC or VTEP, as the reply to a real request would."""
        refused: Refused = []
        for datagram in datagrams:
            for message in netlink.split_messages(datagram):
                entry = decode_fdb(message.body)
                assert entry is not None
                code = self._carry_out(entry, message.type, message.flags)
                if code:
                    whole = entry.flags & 6 == 6
                    key = keys_of[entry.dst if entry.mac == ZERO_MAC else entry.mac]
                    refused.append((key, code, "refused", whole))
        return refused

    def _carry_out(self, entry: FdbEntry, message_type: int, flags: int) -> int:
        if not self.present:
            return errno.ENODEV
        if entry.mac == ZERO_MAC:
            return self._carry_out_flood(entry, message_type)
        if message_type == netlink.RTM_DELNEIGH:
            return self._delete(entry)
        if entry.flags & NTF_MASTER and self.bridged:
            self._add_to_bridge(entry)
        if entry.flags & NTF_SELF:
            return self._add_to_device(entry)
        return 0

    def _delete(self, entry: FdbEntry) -> int:
        if entry.flags & NTF_MASTER and self.bridged:
            row = self.bridge.get(entry.mac)
            if row is None or row.port != DEVICE:
                return errno.ENOENT  # and the other half is not looked at
            del self.bridge[entry.mac]
            self._tell_bridge(entry.mac, row, False)
        if entry.flags & NTF_SELF:
            if entry.mac not in self.device:
                return errno.ENOENT
            self._tell_device(entry.mac, False)
            del self.device[entry.mac]
        return 0

    def _add_to_bridge(self, entry: FdbEntry) -> None:
        row = self.bridge.get(entry.mac)
        claim = entry.flags & NTF_EXT_LEARNED
        if row is None:
            sticky = 0 if claim else entry.flags & NTF_STICKY
            row = self.bridge[entry.mac] = Row(DEVICE, NUD_REACHABLE if claim else entry.state, claim | sticky)
        elif claim:
            if row.port == DEVICE and row.flags & NTF_EXT_LEARNED:
                return
            row.port, row.flags = DEVICE, row.flags | NTF_EXT_LEARNED
        else:
            row.port, row.state = DEVICE, entry.state
            row.flags = row.flags & ~NTF_STICKY | entry.flags & NTF_STICKY
        self._tell_bridge(entry.mac, row, True)

    def _add_to_device(self, entry: FdbEntry) -> int:
        old = self.device.get(entry.mac)
        if old is None and entry.mac in self.full:
            return errno.ENOSPC
        by_user = old is not None and not old[2] & NTF_EXT_LEARNED
        state, flags = (old[1], old[2]) if old is not None and by_user else (NUD_REACHABLE, NTF_EXT_LEARNED)
        self.device[entry.mac] = (entry.dst, state, flags)
        self._tell_device(entry.mac, True)
        return 0

    def _carry_out_flood(self, entry: FdbEntry, message_type: int) -> int:
        if message_type == netlink.RTM_DELNEIGH:
            if entry.dst in self.flood:
                self.flood.discard(entry.dst)
                self._tell_flood(entry.dst, False)
            return 0
        if entry.dst not in self.flood:
            self.flood.add(entry.dst)
            self.flood_flags = entry.flags & NTF_EXT_LEARNED
            self._tell_flood(entry.dst, True)
        return 0

    # What happens otherwise

    def learn(self, mac: bytes, port: int) -> None:
        """A frame from `mac` comes in at a port."""
        row = self.bridge.get(mac)
        if row is None:
            row = self.bridge[mac] = Row(port, NUD_REACHABLE, 0)
        elif row.flags & NTF_STICKY or row.port == port:
            return
        else:
            row.port, row.flags = port, row.flags & ~NTF_EXT_LEARNED
        self._tell_bridge(mac, row, True)

    def make_static(self, mac: bytes, port: int) -> None:
        row = self.bridge.setdefault(mac, Row(port, 0, 0))
        row.port, row.state, row.flags = port, NUD_NOARP, row.flags & ~NTF_STICKY
        self._tell_bridge(mac, row, True)

    def forget(self, mac: bytes) -> None:
        """An entry ages, is deleted or flushed, whosever it is."""
        row = self.bridge.pop(mac, None)
        if row is not None:
            self._tell_bridge(mac, row, False)

    def forget_remote(self, mac: bytes) -> None:
        if mac in self.device:
            self._tell_device(mac, False)
            del self.device[mac]

    def redirect(self, mac: bytes) -> None:
        """Somebody writes a VXLAN device's entry by hand."""
        if not self.present:
            return
        self.device[mac] = (bytes([10, 0, 0, 9]), NUD_NOARP, 0)
        self._tell_device(mac, True)

    def set_up(self, up: bool) -> None:
        if not self.present:
            return
        self.up = up
        if not up:
            for mac in [mac for mac, (_, state, _) in self.device.items() if not state & NUD_NOARP]:
                self.forget_remote(mac)
        self._tell_link()

    def set_bridged(self, bridged: bool) -> None:
        if not self.present:
            return
        self.bridged = bridged
        self._tell_link()
        if not bridged:
            for mac in [mac for mac, row in self.bridge.items() if row.port == DEVICE]:
                self.forget(mac)

    def _tell_link(self) -> None:
        self.events.append(self.vxlan_link())

    def remove(self) -> None:
        if self.present:
            if self.bridged:
                self.set_bridged(False)
            for mac in list(self.device):
                self.forget_remote(mac)
            for dst in list(self.flood):
                self.flood.discard(dst)
                self._tell_flood(dst, False)
            self.present = False
            self.events.append(DEVICE)

    def create(self) -> None:
        if not self.present:
            self.present, self.bridged, self.up = True, True, True
            self._tell_link()


def deliver(mirror: Mirror, event: tuple[FdbEntry, bool] | Link | int, host: Host) -> None:
    """One message to the mirror, with the question that the facade asks when the message may be old."""
    if isinstance(event, Link):
        mirror.set_link(event)
    elif isinstance(event, int):
        mirror.remove_link(event)
    else:
        entry, new = event
        if new and mirror.is_contested(entry):
            row = host.bridge.get(entry.mac)
            now = None if row is None else FdbEntry(row.port, row.state, row.flags, entry.mac, BRIDGE)
            mirror.arbitrate(entry, now)
        else:
            mirror.apply(entry, new)

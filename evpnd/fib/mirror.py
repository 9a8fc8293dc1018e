"""What the kernel holds, as far as its messages tell: devices, our FDB entries, others' entries, local MACs.

One owner of that knowledge; `apply` takes one FDB message, `set_link` and `remove_link` one device. What follows from a
change is noted in `notes` for the reconciler and the daemon, who take it from there. Must not know what is desired, nor
do I/O. The kernel's habits this rests on are tested in tests/fib/test_kernel_facts.py.
Local MACs as the source of type 2 routes: RFC 7432 section 9.1.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Literal, NamedTuple

from evpnd.fib.intent import (
    ALTERED,
    FLOOD,
    FLOOD_REGISTER,
    device_of,
    fdb_key_of,
    fdb_prefix,
    fdb_value,
    is_sticky,
    is_whole,
    remains_of,
)
from evpnd.fib.link import BridgePort, Link, with_port
from evpnd.fib.neighbour import (
    NTF_EXT_LEARNED,
    NTF_STICKY,
    NUD_NOARP,
    NUD_PERMANENT,
    ZERO_MAC,
    FdbEntry,
)

BRIDGE_HALF = 1
DEVICE_HALF = 2

_VLAN = Struct("=H")


class LocalEntry(NamedTuple):
    """Where a bridge has a MAC that is not behind VXLAN.

    dynamic: learned from traffic. static: somebody's intent (a pod's, a VM's). permanent: the host's own, such as the
    address of the bridge or of a port; not a MAC to advertise, but one that no remote entry may displace. sticky: it
    may not move to another port (RFC 7432 section 15.2).
    """

    port: int
    state: Literal["dynamic", "static", "permanent"]
    sticky: bool = False


def local_key(vlan: int, mac: bytes) -> bytes:
    """The key of a MAC within one bridge: the last eight octets of an FDB intent's key."""
    return _VLAN.pack(vlan) + mac


def split_local_key(key: bytes) -> tuple[int, bytes]:
    return int(_VLAN.unpack_from(key)[0]), key[2:]


@lru_cache(maxsize=4096)
def local_entry(port: int, state: int, flags: int = 0) -> LocalEntry:
    if state & NUD_PERMANENT:
        return LocalEntry(port, "permanent")
    return LocalEntry(port, "static" if state & NUD_NOARP else "dynamic", bool(flags & NTF_STICKY))


class Notes:
    """What happened since the last look; dicts serve as ordered sets, so that a flap is one note."""

    __slots__ = ("disturbed", "left", "links", "local", "released", "seized", "shared")

    def __init__(self) -> None:
        self.disturbed: dict[bytes, None] = {}  # keys of ours that the kernel lost or others changed
        self.seized: dict[bytes, LocalEntry] = {}  # keys whose MAC a local port took
        self.released: dict[bytes, None] = {}  # keys from whose way a local or foreign entry went
        self.local: dict[tuple[int, bytes], LocalEntry | None] = {}  # (bridge, local key): what is there now
        self.links: dict[int, None] = {}  # devices that came, went or changed
        self.left: dict[int, None] = {}  # VXLAN devices that left their bridge
        self.shared: dict[int, None] = {}  # VXLAN devices whose flood list others began to write


class Mirror:
    """The kernel's state, by kinds."""

    __slots__ = ("foreign", "links", "notes", "occupied", "owned", "shared_floods", "unread", "vxlan_ports", "witness")

    def __init__(self) -> None:
        self.links: dict[int, Link] = {}
        self.vxlan_ports: dict[int, tuple[int, ...]] = {}  # bridge: its ports that are VXLAN devices
        self.owned: dict[bytes, bytes] = {}  # intent key: value, or what is left of one
        self.foreign: dict[bytes, int] = {}  # intent key: the halves that somebody else made by hand
        self.shared_floods: set[int] = set()  # VXLAN devices with a flood list that others wrote to, as well or before
        self.occupied: dict[int, dict[bytes, LocalEntry]] = {}  # bridge: local key: entry
        self.unread: set[int] = set()  # VXLAN devices whose entries nobody has read yet: they may hold any
        self.notes = Notes()
        self.witness: set[bytes | tuple[int, bytes]] | None = None  # what changes while an audit reads a dump

    # Devices

    def set_link(self, link: Link) -> None:
        old = self.links.get(link.index)
        if old == link:
            return
        self.links[link.index] = link
        self.notes.links[link.index] = None
        self._place(link.index, old, link)

    def set_port(self, ifindex: int, port: BridgePort) -> None:
        link = self.links.get(ifindex)
        if link is not None and link.port is not None and link.port != port:
            self.links[ifindex] = with_port(link, port)
            self.notes.links[ifindex] = None

    def remove_link(self, ifindex: int) -> None:
        """The kernel told of the device's entries before; what is kept of it by index goes here."""
        old = self.links.pop(ifindex, None)
        if old is None:
            return
        self.notes.links[ifindex] = None
        self._place(ifindex, old, None)
        self.shared_floods.discard(ifindex)
        self.unread.discard(ifindex)
        for key, entry in self.occupied.pop(ifindex, {}).items():
            if entry.state != "permanent":
                self.notes.local[ifindex, key] = None

    def _place(self, ifindex: int, old: Link | None, new: Link | None) -> None:
        before = old.master if old is not None and old.vxlan else 0
        after = new.master if new is not None and new.vxlan else 0
        if before == after:
            return
        if before:
            self.notes.left[ifindex] = None
            ports = tuple(p for p in self.vxlan_ports.get(before, ()) if p != ifindex)
            self.vxlan_ports[before] = ports
            if not ports:
                del self.vxlan_ports[before]
        if after:
            self.vxlan_ports[after] = (*self.vxlan_ports.get(after, ()), ifindex)

    def is_vxlan(self, ifindex: int) -> bool:
        link = self.links.get(ifindex)
        return link is not None and link.vxlan is not None

    def holds_ours(self, ifindex: int) -> bool:
        """May entries of ours be in this device's table?"""
        return self.is_vxlan(ifindex) or ifindex in self.vxlan_ports

    def bridge_of(self, ifindex: int) -> int | None:
        """The bridge that a device is a port of; None when it is none, or is gone."""
        link = self.links.get(ifindex)
        master = self.links.get(link.master) if link is not None and link.master else None
        return master.index if master is not None and master.kind == "bridge" else None

    # FDB messages

    def is_unused(self, entry: FdbEntry) -> bool:
        """An entry with a VLAN in a bridge that looks at none: the kernel makes one beside each that is added by hand,
        for the port's default VLAN, and takes it away with that one."""
        if not entry.vlan or not entry.master:
            return False
        bridge = self.links.get(entry.master)
        return bridge is not None and not bridge.vlan_filtering

    def apply(self, entry: FdbEntry, new: bool) -> None:
        """One RTM_NEWNEIGH (new) or RTM_DELNEIGH, in the order in which the kernel sent them."""
        if self.is_unused(entry):
            return
        if self.is_vxlan(entry.ifindex):
            self._apply_remote(entry, new)
        elif entry.master:
            self._apply_local(entry, new)

    def _apply_remote(self, entry: FdbEntry, new: bool) -> None:
        key = fdb_key_of(entry, entry.vlan)
        if key is None:
            return
        self.seen(key)
        if new and entry.master:
            self.vacate(entry.master, local_key(entry.vlan, entry.mac))
        held = self.owned.get(key)
        half = BRIDGE_HALF if entry.master else DEVICE_HALF
        if new and entry.mac == ZERO_MAC and is_foreign(entry):
            self.share(entry.ifindex)
        if held is None:
            if entry.mac != FLOOD_REGISTER:
                self._apply_foreign(entry, key, half, new)
        elif not new:
            self._disturb(key, remains_of(held))
        elif is_whole(held) and not _is_as_written(entry, half, held):
            self._disturb(key, ALTERED)

    def seen(self, key: bytes | tuple[int, bytes]) -> None:
        """Something happened to this: what a dump under way says of it may be older."""
        if self.witness is not None:
            self.witness.add(key)

    def _disturb(self, key: bytes, how: bytes) -> None:
        self.owned[key] = how
        self.notes.disturbed[key] = None

    def _apply_foreign(self, entry: FdbEntry, key: bytes, half: int, new: bool) -> None:
        halves = self.foreign.get(key, 0)
        if not new:
            if halves:
                self.forget_foreign(key, halves & ~half)
        elif is_foreign(entry):
            self.note_foreign(key, halves | half)

    def note_foreign(self, key: bytes, halves: int) -> None:
        self.foreign[key] = halves
        if key[0] == FLOOD:
            self.share(device_of(key))

    def share(self, ifindex: int) -> None:
        """A flood list is not evpnd's alone. (Its marks stay a user's when the user's entries go.)"""
        if ifindex not in self.shared_floods:
            self.shared_floods.add(ifindex)
            self.notes.shared[ifindex] = None

    def forget_foreign(self, key: bytes, halves: int) -> None:
        if halves:
            self.foreign[key] = halves
            return
        del self.foreign[key]
        self.notes.released[key] = None

    def _apply_local(self, entry: FdbEntry, new: bool) -> None:
        key = local_key(entry.vlan, entry.mac)
        if not new:
            here = self.occupied.get(entry.master, {}).get(key)
            # A port's own address that is the bridge's, too, becomes that alone without a word when the port leaves.
            if here is not None and (here.port == entry.ifindex or here.state == "permanent"):
                self.vacate(entry.master, key)
            return
        self.occupy(entry.master, key, local_entry(entry.ifindex, entry.state, entry.flags))

    def occupy(self, bridge: int, key: bytes, entry: LocalEntry) -> None:
        """A MAC is on a port that is not VXLAN: remember, and note that an entry of ours lost its bridge's half."""
        macs = self.occupied.setdefault(bridge, {})
        old = macs.get(key)
        if old == entry:
            return
        macs[key] = entry
        self.seen((bridge, key))
        if entry.state != "permanent":
            self.notes.local[bridge, key] = entry
        elif old is not None and old.state != "permanent":
            self.notes.local[bridge, key] = None
        for intent in self.rivals(bridge, key):
            self.seen(intent)
            if intent in self.owned:
                self.owned[intent] = remains_of(self.owned[intent])
            self.notes.seized[intent] = entry

    def vacate(self, bridge: int, key: bytes) -> None:
        macs = self.occupied.get(bridge)
        old = macs.pop(key, None) if macs else None
        if old is None:
            return
        self.seen((bridge, key))
        if old.state != "permanent":
            self.notes.local[bridge, key] = None
        for intent in self.rivals(bridge, key):
            self.notes.released[intent] = None

    def find_local(self, bridge: int, vlan: int, mac: bytes) -> LocalEntry | None:
        return self.occupied.get(bridge, {}).get(local_key(vlan, mac))

    def rivals(self, bridge: int, key: bytes) -> list[bytes]:
        """The keys under which the same MAC would be behind the bridge's VXLAN ports."""
        vlan, mac = split_local_key(key)
        return [fdb_prefix(ifindex, vlan) + mac for ifindex in self.vxlan_ports.get(bridge, ())]

    def is_contested(self, entry: FdbEntry) -> bool:
        """A local port is said to have a MAC that we have written too: the message may be older than our entry."""
        if not entry.master or self.is_vxlan(entry.ifindex) or self.is_unused(entry):
            return False
        return any(key in self.owned for key in self.rivals(entry.master, local_key(entry.vlan, entry.mac)))

    def arbitrate(self, entry: FdbEntry, now: FdbEntry | None) -> None:
        """Take such a message with the bridge's answer to the question where the MAC is now."""
        if now is not None and not self.is_vxlan(now.ifindex):
            self.apply(now, True)
            return
        key = local_key(entry.vlan, entry.mac)
        self.vacate(entry.master, key)
        if now is None:
            # It was learned and is gone again, and so is our entry that it replaced.
            for intent in self.rivals(entry.master, key):
                if intent in self.owned:
                    self.seen(intent)
                    self._disturb(intent, remains_of(self.owned[intent]))


def is_foreign(entry: FdbEntry) -> bool:
    """Made by hand or by another program, so not to be touched; what traffic taught the kernel is nobody's."""
    if entry.mac == ZERO_MAC:
        return not entry.flags & NTF_EXT_LEARNED
    return not entry.flags & NTF_EXT_LEARNED and not entry.is_dynamic


def _is_as_written(entry: FdbEntry, half: int, held: bytes) -> bool:
    """Does a message show what we wrote? (A flood list's flags and state are those of its last writer.)"""
    if entry.mac in (ZERO_MAC, FLOOD_REGISTER):
        return True
    sticky = is_sticky(held)
    if half == BRIDGE_HALF:
        if sticky:
            return bool(entry.flags & NTF_STICKY)
        return bool(entry.flags & NTF_EXT_LEARNED) and not entry.flags & NTF_STICKY and entry.is_dynamic
    if not entry.flags & NTF_EXT_LEARNED or entry.detour:
        return False
    return fdb_value(entry.dst, sticky=sticky, src_vni=entry.src_vni, nh_id=entry.nh_id) == held

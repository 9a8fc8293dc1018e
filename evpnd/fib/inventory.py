"""Reads devices into the mirror: their own messages, and dumps of all of them while such messages go on coming.

Owns what was heard of devices since a dump began: that is no older than the dump, which may be, so it stays. A message
of family AF_BRIDGE tells of one side of a device only, that of a bridge's port: the rest of it is still the dump's to
tell. Must not do I/O.
"""

from __future__ import annotations

from evpnd.fib import link as links
from evpnd.fib import netlink
from evpnd.fib.link import BridgePort, Link
from evpnd.fib.mirror import Mirror
from evpnd.fib.neighbour import AF_BRIDGE
from evpnd.fib.netlink import NLM_F_DUMP_INTR, Message, split_messages


class Inventory:
    """`begin` before a dump is asked for, `feed` all of it, then `finish`; `hear` whatever comes unasked."""

    __slots__ = ("_heard", "_mirror", "_ports", "_reading", "_seen", "torn")

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._reading = False
        self._forget()

    def _forget(self) -> None:
        self._seen: dict[int, Link] = {}
        self._heard: set[int] = set()  # devices that were told of as a whole, or as gone
        self._ports: dict[int, BridgePort] = {}  # devices of which a bridge told its side
        self.torn = False  # devices changed while the kernel walked them: it may have left some out

    def hear(self, message: Message) -> None:
        """RTM_NEWLINK or RTM_DELLINK."""
        ifindex = links.link_index(message.body)
        if links.link_family(message.body) == AF_BRIDGE:
            # (RTM_DELLINK means here that a port left its bridge, which the device's own message tells, too.)
            change = links.decode_port_change(message.body) if message.type == netlink.RTM_NEWLINK else None
            if change is not None:
                self._mirror.set_port(*change)
                if self._reading:
                    self._ports[ifindex] = change[1]
            return
        if self._reading:
            self._heard.add(ifindex)
        if message.type == netlink.RTM_NEWLINK:
            self._mirror.set_link(links.decode_link(message.body))
        else:
            self._mirror.remove_link(ifindex)

    def begin(self) -> None:
        """A dump is going to be asked for; what was heard before is older than it."""
        self._forget()
        self._reading = True

    def feed(self, data: bytes) -> bool:
        """One datagram of the dump; whether it was the last."""
        for message in split_messages(data):
            ended = netlink.ends_dump(message)
            self.torn |= bool(message.flags & NLM_F_DUMP_INTR)
            if ended:
                return True
            if message.type == netlink.RTM_NEWLINK:
                link = links.decode_link(message.body)
                self._seen[link.index] = link
        return False

    def finish(self) -> bool:
        """Bring the mirror to what the dump said; False when it may lack some."""
        for link in self._seen.values():
            if link.index not in self._heard:
                self._mirror.set_link(link)
                if link.index in self._ports:
                    self._mirror.set_port(link.index, self._ports[link.index])
        whole = not self.torn
        if whole:
            for ifindex in self._mirror.links.keys() - self._seen.keys() - self._heard:
                self._mirror.remove_link(ifindex)
        self._reading = False
        self._forget()
        return whole

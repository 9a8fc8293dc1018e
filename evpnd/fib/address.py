"""RTM_NEWADDR and RTM_DELADDR: which IP addresses this host has, and which ones are its subnets' broadcast addresses.

Owns the addresses by device, read as evpnd.fib.inventory reads devices: what was heard since a dump began stays. Must
not know what addresses are used for, nor do I/O. Layout: linux/if_addr.h; directed broadcast: RFC 919 section 7.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from struct import Struct
from typing import NamedTuple

from evpnd.errors import NetlinkError
from evpnd.fib.link import Link
from evpnd.fib.netlink import (
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    RTM_GETADDR,
    RTM_NEWADDR,
    Message,
    decode_attributes,
    encode_message,
    ends_dump,
    split_messages,
)

IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_BROADCAST = 4

_IFADDRMSG = Struct("=BBBBI")


class Address(NamedTuple):
    """An address of a device; `broadcast` is what is set as such, mostly nothing."""

    ifindex: int
    ip: bytes
    prefix_length: int
    broadcast: bytes = b""

    def broadcasts(self) -> Iterator[bytes]:
        """The broadcast addresses that come with it (of IPv4 only; a subnet of two hosts has none, RFC 3021)."""
        if self.broadcast:
            yield self.broadcast
        if len(self.ip) == 4 and self.prefix_length < 31:
            hosts = (1 << (32 - self.prefix_length)) - 1
            yield (int.from_bytes(self.ip, "big") | hosts).to_bytes(4, "big")


def decode_address(body: bytes) -> Address | None:
    """The address in a message's body; None when it says none."""
    if len(body) < _IFADDRMSG.size:
        raise NetlinkError(errno.EBADMSG, f"address message of {len(body)} octets")
    _, prefix_length, _, _, ifindex = _IFADDRMSG.unpack_from(body)
    attributes = decode_attributes(body, _IFADDRMSG.size)
    ip = attributes.get(IFA_LOCAL, attributes.get(IFA_ADDRESS, b""))  # IFA_ADDRESS may be the other end's
    return Address(ifindex, ip, prefix_length, attributes.get(IFA_BROADCAST, b"")) if ip else None


def encode_address_dump(sequence: int = 0) -> bytes:
    """Ask for the addresses of all devices."""
    return encode_message(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, _IFADDRMSG.pack(0, 0, 0, 0, 0), sequence)


Key = tuple[int, bytes, int]


class Addresses:
    """`begin` before a dump is asked for, `feed` all of it, then `finish`; `hear` whatever comes unasked."""

    __slots__ = ("_heard", "_reading", "_seen", "changed", "known", "torn")

    def __init__(self) -> None:
        self.known: dict[Key, Address] = {}
        self.changed = False  # since somebody set it to False
        self._reading = False
        self._forget()

    def _forget(self) -> None:
        self._seen: dict[Key, Address] = {}
        self._heard: set[Key] = set()
        self.torn = False

    def hear(self, message: Message) -> None:
        """RTM_NEWADDR or RTM_DELADDR."""
        address = decode_address(message.body)
        if address is None:
            return
        key = address[:3]
        if self._reading:
            self._heard.add(key)
        self._set(key, address if message.type == RTM_NEWADDR else None)

    def _set(self, key: Key, address: Address | None) -> None:
        if self.known.get(key) == address:
            return
        self.changed = True
        if address is None:
            del self.known[key]
        else:
            self.known[key] = address

    def begin(self) -> None:
        self._forget()
        self._reading = True

    def feed(self, data: bytes) -> bool:
        """One datagram of the dump; whether it was the last."""
        for message in split_messages(data):
            ended = ends_dump(message)
            self.torn |= bool(message.flags & NLM_F_DUMP_INTR)
            if ended:
                return True
            address = decode_address(message.body) if message.type == RTM_NEWADDR else None
            if address is not None:
                self._seen[address[:3]] = address
        return False

    def finish(self) -> bool:
        """Take over what the dump said; False when it may lack something."""
        for key, address in self._seen.items():
            if key not in self._heard:
                self._set(key, address)
        whole = not self.torn
        if whole:
            for key in self.known.keys() - self._seen.keys() - self._heard:
                self._set(key, None)
        self._reading = False
        self._forget()
        return whole


def taken(links: Mapping[int, Link], addresses: Mapping[Key, Address]) -> dict[bytes, str]:
    """The addresses at which no other host can be, with what they are in words.

    Those of devices in a VRF are left out: there they may be what is another host's in the underlay.
    """
    own: dict[bytes, str] = {}
    broadcast: dict[bytes, str] = {}
    for address in addresses.values():
        link = links.get(address.ifindex)
        master = links.get(link.master) if link is not None else None
        if link is None or (master is not None and master.kind == "vrf"):
            continue
        own.setdefault(address.ip, f"this host's own address on {link.name}")
        for ip in address.broadcasts():
            broadcast.setdefault(ip, f"the broadcast address of a subnet on {link.name}")
    return broadcast | own

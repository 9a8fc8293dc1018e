"""A BGP peer that says whatever a test wants, in a lab node's network: sockets and octets, no daemon.

Owns one connection with the thread that keeps it alive and reads it. What it hears is kept as routes by key.

Must not know: topologies, what its messages should lead to.
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

from evpnd.bgp.attributes import AttributeCache, PathAttributes, PmsiTunnel, build
from evpnd.bgp.family import L2VPN_EVPN
from evpnd.bgp.framing import KEEPALIVE, MAX_EXTENDED, NOTIFICATION, OPEN, UPDATE, frame, split_messages
from evpnd.bgp.message import Notification, decode_notification, encode_open
from evpnd.bgp.negotiation import make_open
from evpnd.bgp.peer_config import PeerConfig
from evpnd.bgp.update import Context, UpdateDecoder, end_of_rib, pack_updates, pack_withdrawals
from evpnd.evpn.extended_community import encapsulation, mac_mobility, route_target_from_text
from evpnd.evpn.macvrf import mac_key, multicast_key
from evpnd.evpn.nlri import join_entry, split_entries, split_keys
from evpnd.evpn.values import ip_from_text, mac_from_text, rd_from_text
from interop.kinds import LabNode

CLONE_NEWNET = 0x40000000
VXLAN = 8
INGRESS_REPLICATION = 6

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def network_of(node: LabNode) -> Iterator[None]:
    """What this thread opens meanwhile is in the node's network."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(f"/proc/{node.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            if _libc.setns(before, CLONE_NEWNET):
                os._exit(70)  # everything further would be in the wrong network
    finally:
        os.close(there)
        os.close(before)


def attributes(*targets: str, mobility: tuple[int, bool] | None = None, **more: Any) -> PathAttributes:
    communities = [route_target_from_text(target) for target in targets] + [encapsulation(VXLAN)]
    if mobility is not None:
        communities.append(mac_mobility(*mobility))
    return build(extended_communities=communities, local_pref=100, **more)


def mac_nlri(rd: str, mac: str, vni: int, ip: str = "") -> bytes:
    key = mac_key(rd_from_text(rd), mac_from_text(mac))
    if ip:
        octets = ip_from_text(ip)
        key = key[:-1] + bytes((8 * len(octets),)) + octets
    return join_entry(key, bytes(10) + vni.to_bytes(3, "big"))


def multicast_nlri(rd: str, originator: str) -> bytes:
    return join_entry(multicast_key(rd_from_text(rd), ip_from_text(originator)), b"")


class Stranger:
    """One established session from `node` (address `local`) to `remote`; a context manager that breaks it off."""

    def __init__(
        self, node: LabNode, local: str, remote: str, *, asn: int, remote_asn: int = 0, **options: Any
    ) -> None:
        config = PeerConfig(
            address=remote,
            asn=remote_asn or asn,
            local_asn=asn,
            router_id=ip_from_text(local),
            local_address=local,
            **({"hold_time_s": 9} | options),
        )
        self.address = local
        self.routes: dict[bytes, PathAttributes] = {}
        self.end_of_rib = 0
        self.notification: Notification | None = None
        self.closed = threading.Event()
        self._writing = threading.Lock()
        self.reading = threading.Event()
        self.reading.set()
        self._decoder = UpdateDecoder(Context(ebgp=config.is_ebgp), AttributeCache())
        with network_of(node):
            self.socket = socket.socket()
            self.socket.bind((local, 0))
            self.socket.settimeout(5)
            self.socket.connect((remote, 179))
        self._inbox = b""
        try:
            self.raw(encode_open(make_open(config)))
            self._await(OPEN)
            self.raw(frame(KEEPALIVE, b""))
            self._await(KEEPALIVE)
        except BaseException:
            self.socket.close()
            raise
        self.socket.settimeout(None)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._reader.start()
        self._keeper.start()

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.closed.set()
        self.reading.set()
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(5)
        self._keeper.join(5)
        self.socket.close()

    # What it says

    def writing(self) -> threading.Lock:
        """While this is held nobody else writes, not even a KEEPALIVE."""
        return self._writing

    def raw(self, data: bytes) -> None:
        with self._writing:
            self.socket.sendall(data)

    def announce(self, attributes_: PathAttributes, next_hop: str, nlris: Iterable[bytes]) -> None:
        self.raw(b"".join(pack_updates(attributes_, L2VPN_EVPN, ip_from_text(next_hop), list(nlris))))

    def withdraw(self, nlris: Iterable[bytes]) -> None:
        self.raw(b"".join(pack_withdrawals(L2VPN_EVPN, list(nlris))))

    def finish(self) -> None:
        self.raw(end_of_rib(L2VPN_EVPN))

    def mac(self, mac: str, vni: int, target: str, *, next_hop: str = "", ip: str = "", **more: Any) -> bytes:
        """Announce one MAC; its NLRI, to withdraw it."""
        vtep = next_hop or self.address
        nlri = mac_nlri(f"{self.address}:{vni & 0xFFFF}", mac, vni, ip)
        self.announce(attributes(target, **more), vtep, [nlri])
        return nlri

    def flood(self, vni: int, target: str, *, endpoint: str = "", next_hop: str = "") -> bytes:
        """Announce a type 3 route; its NLRI."""
        pmsi = PmsiTunnel(0, INGRESS_REPLICATION, vni.to_bytes(3, "big"), ip_from_text(endpoint or self.address))
        nlri = multicast_nlri(f"{self.address}:{vni & 0xFFFF}", self.address)
        self.announce(attributes(target, pmsi=pmsi), next_hop or self.address, [nlri])
        return nlri

    # What it hears

    def _await(self, wanted: int) -> None:
        while True:
            messages, _ = split_messages(self._inbox)
            if messages:
                kind, body = messages[0]
                size = len(body) + 19
                self._inbox = self._inbox[size:]
                if kind == NOTIFICATION:
                    raise ConnectionError(decode_notification(body).text())
                assert kind == wanted, kind
                return
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("closed before the session was up")
            self._inbox += data

    def _read(self) -> None:
        buffer = self._inbox
        while True:
            messages, used = split_messages(buffer, MAX_EXTENDED)
            buffer = buffer[used:]
            for kind, body in messages:
                self._take(kind, body)
            self.reading.wait()
            try:
                data = self.socket.recv(1 << 20)
            except OSError:
                break
            if not data or self.closed.is_set():
                break
            buffer += data
        self.closed.set()

    def _take(self, kind: int, body: bytes) -> None:
        if kind == NOTIFICATION:
            self.notification = decode_notification(body)
        elif kind == UPDATE:
            update = self._decoder.decode(body)
            self.end_of_rib += update.end_of_rib is not None
            for unreach in update.unreach:
                for key in split_keys(unreach.nlri):
                    self.routes.pop(key, None)
            for reach in update.reach:
                for key, _ in split_entries(reach.nlri):
                    self.routes[key] = update.attributes

    def _keep(self) -> None:
        while not self.closed.wait(2):
            try:
                self.raw(frame(KEEPALIVE, b""))
            except OSError:
                return

"""Network namespaces without root's help, and the devices in them.

Owns entering and leaving namespaces, and becoming root of a user namespace where the user isn't (user_namespaces(7)).
A namespace is held by a file descriptor: it vanishes with the process, however that ends.

Must not know: what the demo shows.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evpnd.errors import EvpndError

if TYPE_CHECKING:
    from pyroute2 import IPRoute

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
SIGKILL = 9

_libc = ctypes.CDLL(None, use_errno=True)
_THIS = "/proc/thread-self/ns/net"


class NotPossible(EvpndError):
    """This machine does not let the demo run; the text says what is missing, in one line."""


def _call(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become_able() -> None:
    """Make sure that this process may make network namespaces; NotPossible says why it may not.

    Without the right it becomes root of a user namespace of its own. Must be called while there is one thread.
    """
    try:
        _call(_libc.unshare(CLONE_NEWNET))
        return
    except OSError:
        uid, gid = os.getuid(), os.getgid()
    try:
        _call(_libc.unshare(CLONE_NEWUSER))
        # Whoever maps himself must give up setgroups first (user_namespaces(7)).
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        _call(_libc.unshare(CLONE_NEWNET))
    except OSError as error:
        raise NotPossible(
            f"user namespaces are not allowed here ({error.strerror}): run it as root, or allow them by sysctl "
            "kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0, where these exist"
        ) from error


def die_with_parent_in(descriptor: int) -> None:
    """For a new process, before it becomes another program: enter the namespace, and end when the demo does."""
    _call(_libc.setns(descriptor, CLONE_NEWNET))
    _call(_libc.prctl(PR_SET_PDEATHSIG, SIGKILL))


class Namespace:
    """One network namespace, with a netlink socket in it."""

    def __init__(self, name: str) -> None:
        from pyroute2 import IPRoute

        self.name = name
        home = os.open(_THIS, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call(_libc.unshare(CLONE_NEWNET))
            self.descriptor = os.open(_THIS, os.O_RDONLY | os.O_CLOEXEC)
            self.ip: IPRoute = IPRoute()
            self.ip.get_links()  # the socket is opened by its first use, which must be here
            for scope in ("all", "default"):
                _sysctl(f"ipv6/conf/{scope}/disable_ipv6", "1")  # no chatter in the tables that are shown
        finally:
            _call(_libc.setns(home, CLONE_NEWNET))
            os.close(home)
        self.link("lo", state="up")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is in the namespace: sockets that it opens stay there."""
        home = os.open(_THIS, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call(_libc.setns(self.descriptor, CLONE_NEWNET))
            yield
        finally:
            _call(_libc.setns(home, CLONE_NEWNET))
            os.close(home)

    def sysctl(self, key: str, value: str) -> None:
        with self.entered():
            _sysctl(key, value)

    def index(self, device: str) -> int:
        return int(self.ip.link_lookup(ifname=device)[0])

    def link(self, device: str, **changes: Any) -> None:
        self.ip.link("set", index=self.index(device), **changes)

    def add_link(self, device: str, kind: str, **settings: Any) -> None:
        try:
            self.ip.link("add", ifname=device, kind=kind, **settings)
        except Exception as error:
            # pyroute2's errors have the kernel's number in `code`.
            if getattr(error, "code", 0) in (errno.EOPNOTSUPP, errno.ENODEV):
                raise NotPossible(f"the kernel lacks {kind} devices: modprobe {kind}") from error
            raise

    def remove_link(self, device: str) -> None:
        self.ip.link("del", index=self.index(device))

    def address(self, device: str, address: str, prefix_length: int) -> None:
        self.ip.addr("add", index=self.index(device), address=address, prefixlen=prefix_length)

    def remove_address(self, device: str, address: str, prefix_length: int) -> None:
        self.ip.addr("del", index=self.index(device), address=address, prefixlen=prefix_length)

    def route(self, destination: str, gateway: str) -> None:
        self.ip.route("add", dst=destination, gateway=gateway)

    def connect(self, device: str, other: Namespace, other_device: str) -> None:
        """Lay a cable: a veth pair, both ends down."""
        peer = {"ifname": other_device, "net_ns_fd": other.descriptor}
        self.add_link(device, "veth", peer=peer)

    def close(self) -> None:
        self.ip.close()
        os.close(self.descriptor)


def _sysctl(key: str, value: str) -> None:
    path = Path("/proc/sys/net") / key
    if path.exists():  # a kernel without IPv6 has no such key
        path.write_text(value)

"""Makes the kernel hold what is desired: compares the two for the keys that changed, and plans the requests.

Owns the desired state, the set of dirty keys, and what failed with the time of its next try. Level-triggered: a plan
depends on desired and mirror only, not on the order of what happened. Must not do I/O nor read a clock.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain, islice

from evpnd.fib.intent import ALTERED, FDB, FLOOD, KINDS, LOST, Template, device_of, is_sticky, remains_of
from evpnd.fib.mirror import LocalEntry, Mirror

RETRY_FIRST_S = 1.0
RETRY_MAX_S = 60.0
IN_LIST = "it is in the flood list already, without evpnd's mark: it stays there when the route goes"
DATAGRAM = 96  # keys a datagram: see evpnd.fib.mmsg

_NOBODY: dict[bytes, LocalEntry] = {}


@dataclass(slots=True)
class Failure:
    """An intent that is not in the kernel, and why; `retry_at` is infinite when something else must go first."""

    errno: int
    text: str
    count: int
    retry_at: float


@dataclass(slots=True)
class Batch:
    """Requests to be sent together; `keys` are those they are about."""

    datagrams: list[bytes]
    keys: list[bytes]
    deletes: int

    def __len__(self) -> int:
        return len(self.keys)


class Reconciler:
    """desired against mirror.owned, for dirty keys."""

    __slots__ = ("deletes", "desired", "dirty", "failures", "held", "mirror", "recent", "swept", "unproven", "yielded")

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.desired: dict[bytes, bytes] = {}
        self.dirty: dict[bytes, None] = {}
        self.failures: dict[bytes, Failure] = {}
        self.held: dict[int, dict[bytes, None]] = {}  # device: keys that wait for it to be a port of a bridge
        self.yielded: set[bytes] = set()  # desired, but a local port has the MAC and nobody asked for it since
        self.recent: list[list[bytes]] = []  # keys sent to a kernel in a state that is not yet read of
        self.unproven: dict[bytes, None] = {}  # of tables that were not read: to be asked about before they are written
        self.deletes = 0  # how many were planned so far
        self.swept = False  # before, entries adopted from an earlier run stay although not desired

    def set(self, key: bytes, value: bytes) -> None:
        self.desired[key] = value
        self.dirty[key] = None
        if self.yielded:
            self.yielded.discard(key)
        if self.failures:
            self._due_now(key)

    def unset(self, key: bytes) -> None:
        self.desired.pop(key, None)
        self.dirty[key] = None
        if self.yielded:
            self.yielded.discard(key)

    def _due_now(self, key: bytes) -> None:
        failure = self.failures.get(key)
        if failure is not None:
            failure.retry_at = -math.inf

    # From the mirror's notes to dirty keys

    def absorb(self) -> None:
        """Take what happened in the kernel; `notes.local` and `notes.links` are left for the daemon."""
        notes = self.mirror.notes
        for key, entry in notes.seized.items():
            if key not in self.desired:
                continue
            if entry.state == "permanent":  # nobody is told of these, so nobody would ask for the key again
                self.dirty[key] = None
            else:
                self.yielded.add(key)
        for key in notes.released:
            if key in self.desired:
                self.yielded.discard(key)
                self._due_now(key)
                self.dirty[key] = None
        for key in notes.disturbed:
            if key not in self.yielded:
                self.dirty[key] = None
        if self.held:
            for ifindex in notes.links:
                if ifindex in self.held and self.mirror.bridge_of(ifindex) is not None:
                    self.dirty.update(self.held.pop(ifindex))
        if notes.shared:
            self._register(notes.shared)
            notes.shared = {}
        notes.seized, notes.released, notes.disturbed = {}, {}, {}
        if notes.left:
            self._recheck({ifindex for ifindex in notes.left if ifindex in self.mirror.links})
            notes.left = {}

    def _recheck(self, devices: Collection[int]) -> None:
        """Devices left their bridge: what was sent after that, and before it was known, has a device's half only."""
        owned = self.mirror.owned
        for key in chain.from_iterable(self.recent) if devices else ():
            if key in owned and key[0] == FDB and device_of(key) in devices:
                owned[key] = remains_of(owned[key])
                if key not in self.yielded:
                    self.dirty[key] = None

    def _register(self, devices: Collection[int]) -> None:
        """Others began to write these devices' flood lists: what is ours there needs its entry in the register."""
        owned = self.mirror.owned
        for key in [key for key in owned if key[0] == FLOOD and device_of(key) in devices]:
            owned[key] = LOST
            if key in self.desired:
                self.dirty[key] = None

    def caught_up(self, in_flight: Iterable[list[bytes]]) -> None:
        """All is read that the kernel told so far; `in_flight`: keys of batches that it may yet get."""
        self.recent = list(in_flight)

    def sweep(self) -> int:
        """From now on what is not desired goes; how many entries go now."""
        self.swept = True
        stale = self.mirror.owned.keys() - self.desired.keys()
        self.dirty.update(dict.fromkeys(stale))
        return len(stale)

    def adopted(self, key: bytes) -> bool:
        """Whether the kernel has something of an earlier run there, of which nobody has spoken yet."""
        return not self.swept and key in self.mirror.owned and key not in self.desired

    @property
    def stale(self) -> int:
        """How many entries the kernel holds that nobody desires (yet)."""
        owned = self.mirror.owned
        return len(owned) - sum(map(self.desired.__contains__, owned))

    # Planning

    def plan(self, limit: int, now: float) -> Batch | None:
        """The requests for up to `limit` dirty keys; None when nothing is to be sent for them.

        What is planned counts as held by the kernel from here on; `settle` takes back what it refused.
        """
        keys = take(self.dirty, limit)
        adds: dict[int, list[bytes]] = {}
        deletes: dict[int, list[bytes]] = {}
        sent: list[bytes] = []
        removed = 0
        scope, writer = b"", None
        scope_size = 0
        desired, owned, failures, yielded = self.desired, self.mirror.owned, self.failures, self.yielded
        waiting = self.held
        for key in keys:
            value, held = desired.get(key), owned.get(key)
            if value == held:
                if failures or waiting:
                    self._forget_trouble(key)
                continue
            if writer is None or not key.startswith(scope) or len(key) - scope_size != writer.size:
                scope_size = KINDS[key[0]].scope_size
                scope = key[:scope_size]
                writer = _Writer(self.mirror, scope, len(key) - scope_size)
            if value is None:
                if failures or waiting:
                    self._forget_trouble(key)
                assert held is not None
                del owned[key]
                if writer.exists:
                    deletes.setdefault(writer.order, []).append(key[scope_size:].join(writer.delete(held)))
                    sent.append(key)
                    removed += 1
                continue
            if not writer.ready:
                if not writer.exists:
                    owned.pop(key, None)
                elif held is not None:
                    owned[key] = remains_of(held)
                self.held.setdefault(writer.ifindex, {})[key] = None
                continue
            if yielded and key in yielded:
                continue
            if writer.guarded and self._is_blocked(key, writer):
                continue
            if failures and key in failures and failures[key].retry_at > now:
                continue
            if writer.unread and held is None:
                self.unproven[key] = None
                continue
            adds.setdefault(writer.order, []).append(key[scope_size:].join(writer.add(value, held)))
            owned[key] = value
            sent.append(key)
        if not sent:
            return None
        self.deletes += removed
        self.recent.append(sent)
        if self.mirror.witness is not None:
            self.mirror.witness.update(sent)
        requests = [request for order in sorted(adds) for request in adds[order]]
        for order in sorted(deletes, reverse=True):
            requests += deletes[order]
        datagrams = [b"".join(requests[i : i + DATAGRAM]) for i in range(0, len(requests), DATAGRAM)]
        return Batch(datagrams, sent, removed)

    def _forget_trouble(self, key: bytes) -> None:
        """An intent is no more, or is in the kernel."""
        self.failures.pop(key, None)
        ifindex = device_of(key)
        waiting = self.held.get(ifindex)
        if waiting is not None:
            waiting.pop(key, None)
            if not waiting:
                del self.held[ifindex]

    def _is_blocked(self, key: bytes, writer: _Writer) -> bool:
        """Others' entries are in the way; a MAC that a local port merely learned is taken over."""
        if key in self.mirror.foreign:
            text = IN_LIST if key[0] == FLOOD else "somebody else's entry is there"
            self.failures[key] = Failure(errno.EEXIST, text, 1, math.inf)
            return True
        if key[0] != FDB:
            return False
        entry = writer.occupied.get(key[5:])
        if entry is None:
            return False
        if entry.state == "dynamic":
            self.mirror.vacate(writer.bridge, key[5:])
            self.mirror.notes.released.pop(key, None)
            return False
        port = self.mirror.links.get(entry.port)
        name = port.name if port else str(entry.port)
        text = f"the MAC is {entry.state} on {name}"
        if entry.state == "permanent" and port is not None and key.endswith(port.mac):
            text = f"{name} has the MAC for its own address"
        self.failures[key] = Failure(errno.EEXIST, text, 1, math.inf)
        return True

    # What became of a batch

    def settle(self, keys: Iterable[bytes], refused: list[tuple[bytes, int, str, bool]], now: float) -> None:
        """A batch was sent; what the kernel refused of it: (key, errno, text, was a delete of both halves)."""
        if self.failures:
            for key in self.failures.keys() & set(keys) - {key for key, *_ in refused}:
                del self.failures[key]
        for key, code, text, whole in refused:
            if code == errno.ENOENT and not whole:
                continue  # a half that was to go is not there
            wanted = key in self.desired
            if code == errno.ENOENT or not wanted:
                # One half was missing, so the other was not looked at: again, half by half. What can't be deleted for
                # another reason is found by the next audit.
                if code == errno.ENOENT:
                    self.mirror.owned.setdefault(key, LOST)
                    self.dirty[key] = None
                continue
            self.mirror.owned[key] = remains_of(self.desired[key])
            self._fail(key, code, text, now)

    def _fail(self, key: bytes, code: int, text: str, now: float) -> None:
        before = self.failures.get(key)
        count = before.count + 1 if before else 1
        wait = min(RETRY_FIRST_S * 2 ** min(count - 1, 16), RETRY_MAX_S)
        self.failures[key] = Failure(code, text, count, now + wait)

    def lose(self, keys: Iterable[bytes]) -> None:
        """A batch may or may not have reached the kernel: an audit finds out, and until then nothing is certain."""
        owned = self.mirror.owned
        for key in keys:
            owned[key] = ALTERED
            self.dirty[key] = None

    def retry(self, now: float) -> None:
        """Make due failures dirty."""
        for key, failure in list(self.failures.items()):
            if key not in self.desired:
                del self.failures[key]
            elif failure.retry_at <= now:
                self.dirty[key] = None


def take(keys: dict[bytes, None], limit: int) -> list[bytes]:
    """Some of the keys, which are then no longer there."""
    if len(keys) <= limit:
        taken = list(keys)
        keys.clear()
        return taken
    taken = list(islice(keys, limit))
    for key in taken:
        del keys[key]
    return taken


class _Writer:
    """What is the same for all keys of one scope: is the device there, and the templates of its requests."""

    __slots__ = (
        "bridge",
        "exists",
        "guarded",
        "ifindex",
        "kind",
        "last",
        "occupied",
        "order",
        "ready",
        "scope",
        "shared",
        "size",
        "template",
        "unread",
    )

    def __init__(self, mirror: Mirror, scope: bytes, size: int) -> None:
        self.kind = KINDS[scope[0]]
        self.scope = scope
        self.size = size
        self.order = self.kind.order
        self.ifindex = device_of(scope)
        bridge = mirror.bridge_of(self.ifindex)
        self.exists = self.ifindex in mirror.links
        self.ready = bridge is not None and mirror.is_vxlan(self.ifindex)
        self.bridge = bridge or 0
        self.occupied = mirror.occupied.get(self.bridge, _NOBODY)
        self.guarded = bool(self.occupied or mirror.foreign)
        self.shared = self.ifindex in mirror.shared_floods
        self.unread = self.ifindex in mirror.unread
        self.last: bytes | None = None
        self.template: Template = ()

    def add(self, value: bytes, held: bytes | None) -> Template:
        if held == ALTERED or (held and is_sticky(held) and not is_sticky(value)):
            return self.kind.replace_altered(self.scope, self.size, value, self.shared)
        if value is not self.last:
            self.template = self.kind.add(self.scope, self.size, value, self.shared)
            self.last = value
        return self.template

    def delete(self, held: bytes) -> Template:
        return self.kind.delete(self.scope, self.size, held, self.shared)

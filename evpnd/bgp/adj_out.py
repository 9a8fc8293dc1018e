"""The Adj-RIB-Out: one for each update group, with the messages that bring its members up to date.

Peers whose export is equal share an UpdateGroup: one table of what they are told, one encoding, written to each as its
socket takes it. A member that can't take more only collects the keys that changed meanwhile (its `lag`), so memory is
bounded by the number of routes, not by their changes. Updates are packed by attribute set; MP_REACH comes first
(RFC 7606 section 5.1). A peer is never told of its own path. Synchronous; the transport is the member's `port`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from evpnd.bgp.family import Family
from evpnd.bgp.path import Path, Source
from evpnd.bgp.policy import Exported, ExportPolicy
from evpnd.bgp.update import end_of_rib, pack_updates, pack_withdrawals
from evpnd.evpn.nlri import join_entry

CHUNK = 2000  # routes encoded at a time for a member that catches up

Changes = Mapping[bytes, Exported | None]  # key -> what was told before
Piece = tuple[bytes, int]  # whole messages of one type, and how many they are


class Port(Protocol):
    """Where a member's messages go."""

    @property
    def writable(self) -> bool:
        """False while the socket takes no more."""

    def send(self, data: bytes, messages: int) -> None:
        """Queue the octets of so many whole messages, all of one type."""


class Member:
    """One peer of a group: `backlog` is the table it is still being sent, `lag` what changed meanwhile.

    `again` are the marks around a further table that it asked for before it took this one.
    """

    __slots__ = ("again", "backlog", "lag", "port", "source")

    def __init__(self, port: Port, source: Source) -> None:
        self.port = port
        self.source = source
        self.again: tuple[bytes, bytes] | None = None
        self.backlog: deque[Piece] = deque()
        self.lag: dict[bytes, Exported | None] = {}

    @property
    def live(self) -> bool:
        """Whether it has been told everything and takes more."""
        return not self.backlog and not self.lag and self.port.writable


class UpdateGroup:
    """The peers with one export policy in one family, and what they are told."""

    def __init__(self, policy: ExportPolicy, family: Family) -> None:
        self.policy = policy
        self.family = family
        self.advertised: dict[bytes, Exported] = {}
        self.members: dict[Source, Member] = {}
        self._snapshot: list[Piece] | None = None

    def exported(self, path: Path) -> Exported | None:
        """The path under this group's policy; computed once a path."""
        try:
            return path.exports[self]  # type: ignore[no-any-return]
        except KeyError:
            exported = path.exports[self] = self.policy.export(path)
            return exported

    def fill(self, table: Mapping[bytes, Path | tuple[Path, ...]]) -> None:
        """Start from the whole Loc-RIB, for a group that had no members."""
        self.advertised = {
            key: exported
            for key, found in table.items()
            if (exported := self.exported(found if isinstance(found, Path) else found[0])) is not None
        }
        self._snapshot = None

    def join(self, port: Port, source: Source) -> Member:
        """A session is established: it is sent the table, then End-of-RIB (RFC 4724 section 2)."""
        member = self.members[source] = Member(port, source)
        self.resend(member, closing=end_of_rib(self.family))
        return member

    def leave(self, source: Source) -> None:
        """The session ended."""
        self.members.pop(source, None)
        if not self.members:
            self.advertised, self._snapshot = {}, None  # the next one starts from the Loc-RIB as it is then

    def resend(self, member: Member, opening: bytes = b"", closing: bytes = b"") -> None:
        """Send the whole table once more, between two messages (RFC 2918, RFC 7313 section 4).

        While one is under way, one more answers all who ask meanwhile: memory is bounded, whatever a peer asks for.
        """
        if member.backlog:
            member.again = (opening, closing)
            return
        if opening:
            member.backlog.append((opening, 1))
        if any(exported.source is member.source for exported in self._sources()):
            told: dict[bytes, Exported | None] = dict.fromkeys(self.advertised)
            member.backlog.extend(self._encode(self._seen_by(member, told)))
        else:
            if self._snapshot is None:
                self._snapshot = list(self._encode({key: (new, None) for key, new in self.advertised.items()}))
            member.backlog.extend(self._snapshot)
        if closing:
            member.backlog.append((closing, 1))
        for key, old in member.lag.items():  # what it lags behind is now what this table says
            now = self.advertised.get(key)
            member.lag[key] = old if now is None or now.source is member.source else now
        self.drain(member)

    def _sources(self) -> set[Exported]:
        return set(self.advertised.values())

    def apply(self, keys: Iterable[bytes], best: Callable[[bytes], Path | None]) -> None:
        """The best paths of these keys changed: tell the members."""
        advertised = self.advertised
        changes: dict[bytes, Exported | None] = {}
        sources: set[Source] = set()
        for key in keys:
            path = best(key)
            new = self.exported(path) if path is not None else None
            old = advertised.get(key)
            if new is old:
                continue
            if new is None:
                del advertised[key]
            else:
                advertised[key] = new
                sources.add(new.source)
            if old is not None:
                sources.add(old.source)
            changes[key] = old
        if not changes:
            return
        self._snapshot = None
        self._tell(changes, sources)

    def _tell(self, changes: Changes, sources: set[Source]) -> None:
        shared: list[Piece] | None = None
        for source, member in self.members.items():
            if not member.live:
                for key, old in changes.items():
                    member.lag.setdefault(key, old)
            elif source in sources:
                for piece in self._encode(self._seen_by(member, changes)):
                    member.port.send(*piece)
            else:
                if shared is None:
                    shared = list(self._encode({key: (self.advertised.get(key), old) for key, old in changes.items()}))
                for piece in shared:
                    member.port.send(*piece)

    def drain(self, member: Member) -> None:
        """The member's socket takes more: first the rest of the table, then what changed meanwhile."""
        port = member.port
        while member.backlog and port.writable:
            port.send(*member.backlog.popleft())
        if member.again is not None and not member.backlog:
            marks, member.again = member.again, None
            self.resend(member, *marks)
        while not member.backlog and member.lag and port.writable:
            keys = list(member.lag)[:CHUNK]
            part = {key: member.lag.pop(key) for key in keys}
            for piece in self._encode(self._seen_by(member, part)):
                port.send(*piece)

    def _seen_by(self, member: Member, changes: Changes) -> dict[bytes, tuple[Exported | None, Exported | None]]:
        """The changes as one member sees them: its own paths don't exist for it."""
        seen: dict[bytes, tuple[Exported | None, Exported | None]] = {}
        for key, old in changes.items():
            new = self.advertised.get(key)
            if new is not None and new.source is member.source:
                new = None
            if old is not None and old.source is member.source:
                old = None
            if new is not None or old is not None:
                seen[key] = (new, old)
        return seen

    def _encode(self, changes: Mapping[bytes, tuple[Exported | None, Exported | None]]) -> Iterable[Piece]:
        """Messages for key -> (new, old), withdrawals first, announcements by attribute set and next hop."""
        buckets: dict[tuple[object, bytes], tuple[Exported, list[bytes]]] = {}
        withdrawn: list[bytes] = []
        for key, (new, old) in changes.items():
            if new is None:
                if old is not None:
                    withdrawn.append(join_entry(key, old.body))
                continue
            if new.same(old):
                continue
            identity = (new.attributes, new.next_hop)
            bucket = buckets.get(identity)
            if bucket is None:
                bucket = buckets[identity] = (new, [])
            bucket[1].append(join_entry(key, new.body))
        limit = self.policy.limit
        if withdrawn:
            yield from _joined(pack_withdrawals(self.family, withdrawn, limit))
        for exported, nlris in buckets.values():
            yield from _joined(
                pack_updates(exported.attributes, self.family, exported.next_hop, nlris, limit, as4=self.policy.as4)
            )


def _joined(messages: list[bytes], size: int = 16) -> Iterable[Piece]:
    """Messages in writes of a few at a time, so that a slow socket stops us early."""
    for start in range(0, len(messages), size):
        some = messages[start : start + size]
        yield b"".join(some), len(some)

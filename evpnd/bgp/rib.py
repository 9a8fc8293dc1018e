"""The RIBs: one Adj-RIB-In for each source of routes, and the Loc-RIB with the paths of every key (RFC 4271 3.2).

Owns which paths are known and which one is best; knows nothing of sessions, instances or the kernel. Keys and bodies
are the octets of evpnd.evpn.nlri: the key identifies the route, the body holds the rest of its NLRI.

A Path carries no key (see evpnd.bgp.path), so "nothing changed" is an identity test.
"""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakValueDictionary

from evpnd.bgp.attributes import PathAttributes
from evpnd.bgp.decision import best_of
from evpnd.bgp.path import Path, Source


class AdjRibIn:
    """The paths of one source after import policy; `stale` holds keys kept over a restart (RFC 4724 section 4.2)."""

    __slots__ = ("_shared", "paths", "source", "stale")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.paths: dict[bytes, Path] = {}
        self.stale: set[bytes] = set()
        self._shared: WeakValueDictionary[tuple[PathAttributes, bytes, bytes], Path] = WeakValueDictionary()

    def path(self, attributes: PathAttributes, next_hop: bytes, body: bytes) -> Path:
        """The one Path of this source with these three values."""
        identity = (attributes, next_hop, body)
        path = self._shared.get(identity)
        if path is None:
            path = Path(self.source, attributes, next_hop, body)
            self._shared[identity] = path
        return path

    def source_changed(self) -> None:
        """The source says something else of itself than before."""
        for path in list(self._shared.values()):
            path.source_changed()


class Rib:
    """The Loc-RIB. `table` maps a key to its only path, or to a tuple of paths with the best first."""

    def __init__(self) -> None:
        self.table: dict[bytes, Path | tuple[Path, ...]] = {}
        self._dirty: dict[bytes, Path | None] = {}

    def best(self, key: bytes) -> Path | None:
        """The best path of a key, or None."""
        found = self.table.get(key)
        return found[0] if type(found) is tuple else found  # type: ignore[return-value]

    def paths(self, key: bytes) -> tuple[Path, ...]:
        """All paths of a key, the best first."""
        found = self.table.get(key)
        if found is None:
            return ()
        return found if isinstance(found, tuple) else (found,)

    def announce(
        self, rib_in: AdjRibIn, attributes: PathAttributes, next_hop: bytes, entries: Iterable[tuple[bytes, bytes]]
    ) -> None:
        """Take (key, body) entries from one UPDATE of a source; implicit withdraw of what it said of them before."""
        paths, table, dirty, stale = rib_in.paths, self.table, self._dirty, rib_in.stale
        body_of_path: bytes | None = None
        path: Path | None = None
        for key, body in entries:
            if body != body_of_path:
                path, body_of_path = rib_in.path(attributes, next_hop, body), body
            assert path is not None
            old = paths.get(key)
            if stale:
                stale.discard(key)
            if old is path:
                continue
            paths[key] = path
            current = table.get(key)
            if current is old:  # no path from any other source
                table[key] = path
                if key not in dirty:
                    dirty[key] = old
            else:
                self._rank(key, current, old, path)

    def withdraw(self, rib_in: AdjRibIn, keys: Iterable[bytes]) -> None:
        """Forget what a source said of these keys; unknown keys are no error (RFC 4271 section 3.1)."""
        paths, table, dirty = rib_in.paths, self.table, self._dirty
        for key in keys:
            old = paths.pop(key, None)
            rib_in.stale.discard(key)
            if old is None:
                continue
            if table.get(key) is old:
                del table[key]
                if key not in dirty:
                    dirty[key] = old
            else:
                self._rank(key, table.get(key), old, None)

    def _rank(self, key: bytes, current: Path | tuple[Path, ...] | None, old: Path | None, new: Path | None) -> None:
        """Several sources know the key: replace `old` by `new` among them and choose again."""
        paths = [current] if isinstance(current, Path) else list(current or ())
        before = paths[0] if paths else None
        paths = [path for path in paths if path is not old]
        if new is not None:
            paths.append(new)
        best = best_of(key, paths)
        if best is None:
            del self.table[key]
        elif len(paths) == 1:
            self.table[key] = best
        else:
            self.table[key] = (best, *(path for path in paths if path is not best))
        if best is not before and key not in self._dirty:
            self._dirty[key] = before

    def source_changed(self, rib_in: AdjRibIn) -> None:
        """A source came back as another router than it was: rank what was kept of it anew, and tell of it anew."""
        rib_in.source_changed()
        for key, path in rib_in.paths.items():
            current = self.table[key]
            if type(current) is tuple:
                self._rank(key, current, None, None)
            if self.best(key) is path:
                self._dirty.setdefault(key, path)

    def take_changes(self) -> dict[bytes, Path | None]:
        """The keys whose best path may differ from when changes were last taken, each with its best path of then."""
        changes, self._dirty = self._dirty, {}
        return changes

    @property
    def changed(self) -> bool:
        """Whether take_changes() would return anything."""
        return bool(self._dirty)

    def mark_stale(self, rib_in: AdjRibIn) -> None:
        """The source restarts and keeps forwarding: its paths stay until confirmed or swept (RFC 4724 section 4.2)."""
        rib_in.stale = set(rib_in.paths)

    def sweep_stale(self, rib_in: AdjRibIn) -> int:
        """Withdraw what the source did not confirm; the number of routes removed."""
        stale, rib_in.stale = rib_in.stale, set()
        self.withdraw(rib_in, stale)
        return len(stale)

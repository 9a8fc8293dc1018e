"""How a route type of one length lies in the NLRI, described once and used for runs of equal routes at C speed.

Owns Layout: which octets must hold which value, how the octets become the fields of a route, and how they are cut into
the key and the rest. It does not know any route type; each module of this package describes its own.

Offsets count from the route type octet: the value starts at 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from struct import Struct
from typing import Any

HEADER = 2  # route type and length octets, RFC 7432 section 7


class Layout:
    """One (route type, length) pair.

    `fields` unpacks a whole NLRI into the route's fields in order. `key_end` and `tail` cut it into
    (key, body): the plain cut takes the first `key` octets of the value as key and the rest as body; with `esi`, the
    ten octets of the ESI after the RD belong to the body as well (RFC 7432 section 7.2, RFC 9136 section 3.1).
    """

    __slots__ = ("check", "entry", "esi", "fixed", "header", "make", "most", "octets", "stride", "unpack", "unpack_one")

    def __init__(
        self,
        route: type[tuple[Any, ...]],
        fields: str,
        *,
        key: int,
        tail: int,
        esi: bool = False,
        fixed: tuple[tuple[int, int, str], ...] = (),
        most: tuple[int, int, str] | None = None,
        check: Callable[[bytes], str | None] | None = None,
    ) -> None:
        whole = Struct(f">2x{fields}")
        self.unpack: Callable[[bytes], Iterator[tuple[Any, ...]]] = whole.iter_unpack
        self.unpack_one: Callable[[bytes], tuple[Any, ...]] = whole.unpack
        self.make: Callable[[tuple[Any, ...]], Any] = partial(tuple.__new__, route)
        self.stride = whole.size
        # type octet, RD, ESI, rest of the key, labels and the like; or type octet, key, body
        self.entry = Struct(f">sx8s10s{key - 8}s{tail}s" if esi else f">sx{key}s{tail}s")
        self.esi = esi
        self.fixed = fixed
        self.octets = tuple((offset, value) for offset, value, _ in fixed)
        self.most = most
        self.check = check
        self.header = bytes((route.TYPE, self.stride - HEADER))  # type: ignore[attr-defined]
        if self.entry.size != self.stride:
            raise ValueError(f"{route.__name__}: key and body make {self.entry.size} octets of {self.stride}")

    def routes(self, run: bytes) -> Iterator[Any]:
        """The routes of a run of NLRIs of this layout."""
        return map(self.make, self.unpack(run))

    def entries(self, run: bytes) -> list[tuple[bytes, bytes]]:
        """(key, body) of each NLRI in the run; equal bodies, which are most of a run, are one object."""
        if self.esi:
            bodies: dict[bytes, bytes] = {}
            one = bodies.setdefault
            return [
                (kind + rd + key, one(body := esi + tail, body))
                for kind, rd, esi, key, tail in self.entry.iter_unpack(run)
            ]
        return [(kind + key, tail) for kind, key, tail in self.entry.iter_unpack(run)]

    def keys(self, run: bytes) -> list[bytes]:
        """The key of each NLRI in the run."""
        if self.esi:
            return [kind + rd + key for kind, rd, _, key, _ in self.entry.iter_unpack(run)]
        return [kind + key for kind, key, _ in self.entry.iter_unpack(run)]

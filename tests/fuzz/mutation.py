"""Mutated octets, cheaply and the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

INTERESTING = (0, 1, 2, 4, 0x10, 0x20, 0x30, 0x40, 0x7F, 0x80, 0x90, 0xC0, 0xFE, 0xFF)


def mutations(seeds: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` damaged versions of `seeds`: octets changed, put in, taken out, repeated, swapped, cut off, joined."""
    chance = random.Random(seed)
    for _ in range(count):
        octets = bytearray(seeds[int(chance.random() * len(seeds))])
        while True:
            _KINDS[int(chance.random() * len(_KINDS))](octets, chance, seeds)
            if chance.random() < 0.6:
                break
        yield bytes(octets)


def _at(octets: bytearray, chance: random.Random) -> int:
    return int(chance.random() * (len(octets) or 1))


def _change(octets: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> None:
    if octets:
        octets[_at(octets, chance)] = int(chance.random() * 256)


def _change_to_interesting(octets: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> None:
    if octets:
        octets[_at(octets, chance)] = INTERESTING[int(chance.random() * len(INTERESTING))]


def _nudge(octets: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> None:
    """A length by one too long or too short."""
    if octets:
        at = _at(octets, chance)
        octets[at] = (octets[at] + (1 if chance.random() < 0.5 else -1)) & 0xFF


def _flip(octets: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> None:
    if octets:
        octets[_at(octets, chance)] ^= 1 << int(chance.random() * 8)


def _insert(octets: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> None:
    octets.insert(_at(octets, chance), int(chance.random() * 256))


def _remove(octets: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> None:
    at = _at(octets, chance)
    del octets[at : at + 1 + int(chance.random() * 8)]


def _repeat(octets: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> None:
    at = _at(octets, chance)
    octets[at:at] = octets[at : at + 1 + int(chance.random() * 40)]


def _cut(octets: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> None:
    del octets[_at(octets, chance) :]


def _splice(octets: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> None:
    """The end of another seed."""
    other = seeds[int(chance.random() * len(seeds))]
    octets[_at(octets, chance) :] = other[int(chance.random() * len(other)) :]


_KINDS: tuple[Callable[[bytearray, random.Random, Sequence[bytes]], None], ...] = (
    _change,
    _change,
    _change_to_interesting,
    _change_to_interesting,
    _nudge,
    _nudge,
    _flip,
    _insert,
    _remove,
    _repeat,
    _cut,
    _splice,
)

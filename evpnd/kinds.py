"""The kinds of value a configuration key may hold: each is a check, a canonical form and the words for both.

A kind turns what TOML gave into the value of the dataclass, or raises ValueError with what is wrong; the caller adds
what was expected (`expected`), which is also what the configuration reference prints.

Must not know: which keys exist, files. RFCs: RFC 4364 section 4.2 (route distinguishers), RFC 4360 and
RFC 5668 (route targets), RFC 7300 and RFC 7607 (AS numbers that nobody may use).
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from evpnd.evpn.values import TYPE_AS4, administrator_from_text, administrator_text

Value = object
_TYPE_NAMES = ((bool, "a boolean"), (int, "an integer"), (float, "a float"), (str, "a string"), (list, "an array"))
_UNUSABLE_ASNS = {0: "RFC 7607", 23456: "AS_TRANS, RFC 6793", 65535: "RFC 7300", 0xFFFFFFFF: "RFC 7300"}
_MAX32 = 0xFFFFFFFF


class ItemErrors(ValueError):
    """What is wrong with the items of an array: (index, text) of each bad one."""

    def __init__(self, items: list[tuple[int, str]]) -> None:
        self.items = items
        super().__init__("; ".join(text for _, text in items))


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value may be, in words, and the function that makes sure."""

    expected: str
    parse: Callable[[Value], Value]


def type_name(value: Value) -> str:
    """The TOML type of a value, with its article."""
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "a table")


def shown(value: Value) -> str:
    """A value as the user wrote it, more or less, on one line and not too long."""
    if not isinstance(value, bool | int | float | str | list):
        return type_name(value)
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:56] + " ..."


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that a misspelt one most likely meant."""
    return next(iter(get_close_matches(word.lower().replace("-", "_"), list(known), 1, 0.6)), None) or next(
        iter(get_close_matches(word.lower(), list(known), 1, 0.6)), None
    )


def _typed(value: Value, kind: type) -> None:
    if type(value) is not kind:
        hint = " in quotes" if kind is int and isinstance(value, str) and value.isdigit() else ""
        raise ValueError(f"{shown(value)} is {type_name(value)}{hint}")


def integer(low: int, high: int, *, unit: str = "", also: tuple[int, ...] = (), never: tuple[int, ...] = ()) -> Kind:
    """An integer from low to high, or one of `also`, but none of `never`."""

    def parse(value: Value) -> Value:
        _typed(value, int)
        assert isinstance(value, int)
        if value in never or not (low <= value <= high or value in also):
            raise ValueError(f"{value} is not possible")
        return value

    extra = "".join(f"{n} or " for n in also)
    but = f", but not {_one_of(_ranges(never), 'or')}" if never else ""
    return Kind(f"an integer, {extra}{low} to {high}{f' {unit}' if unit else ''}{but}", parse)


def boolean() -> Kind:
    """true or false."""

    def parse(value: Value) -> Value:
        _typed(value, bool)
        return value

    return Kind("true or false", parse)


def text(longest: int = 255, *, secret: bool = False) -> Kind:
    """Any text of 1 to `longest` octets on one line; a secret one is never quoted in an error."""

    def parse(value: Value) -> Value:
        if secret and not isinstance(value, str):
            raise ValueError(f"it is {type_name(value)}")
        _typed(value, str)
        assert isinstance(value, str)
        size = len(value.encode())
        if not 1 <= size <= longest:
            raise ValueError(f"it has {size} octets" if secret or size else "it is empty")
        if not value.isprintable():
            raise ValueError("it holds control characters")
        return value

    return Kind(f"text of 1 to {longest} octets", parse)


def choice(*words: str) -> Kind:
    """One of some words."""

    def parse(value: Value) -> Value:
        _typed(value, str)
        assert isinstance(value, str)
        if value not in words:
            near = closest(value, words)
            raise ValueError(f"{shown(value)} is unknown" + (f' (did you mean "{near}"?)' if near else ""))
        return value

    return Kind(_one_of((f'"{w}"' for w in words), "or"), parse)


def either(number: Kind, words: Kind) -> Kind:
    """A number, or one of some words."""

    def parse(value: Value) -> Value:
        if isinstance(value, str) and not value.isdigit():
            return words.parse(value)
        return number.parse(value)

    return Kind(f"{number.expected}; or {words.expected}", parse)


def many(kind: Kind, what: str, *, empty: bool = False) -> Kind:
    """An array of a kind without repetitions, as a tuple."""

    def parse(value: Value) -> Value:
        if not isinstance(value, list):
            raise ValueError(f"{shown(value)} is {type_name(value)}")
        if not value and not empty:
            raise ValueError("the array is empty")
        items: list[Value] = []
        errors: list[tuple[int, str]] = []
        for index, item in enumerate(value):
            try:
                parsed = kind.parse(item)
            except ValueError as exc:
                errors.append((index, f"{exc}, expected {kind.expected}"))
                continue
            if parsed in items:
                errors.append((index, f"{shown(item)} is in it twice, expected once"))
            items.append(parsed)
        if errors:
            raise ItemErrors(errors)
        return tuple(items)

    return Kind(f"an array of {what}, each {kind.expected}", parse)


def autonomous_system() -> Kind:
    """An AS number that a speaker may have."""

    def parse(value: Value) -> Value:
        _typed(value, int)
        assert isinstance(value, int)
        if not 0 <= value <= _MAX32:
            raise ValueError(f"{value} is not possible")
        if value in _UNUSABLE_ASNS:
            raise ValueError(f"{value} is reserved ({_UNUSABLE_ASNS[value]})")
        return value

    return Kind("an AS number (1 to 4294967294)", parse)


def ipv4_id() -> Kind:
    """A router or cluster identifier: any four octets but zero (RFC 6286)."""

    def parse(value: Value) -> Value:
        _typed(value, str)
        found = _address(str(value))
        if not isinstance(found, ipaddress.IPv4Address) or not int(found):
            raise ValueError(f"{shown(value)} is not possible")
        return str(found)

    return Kind('an IPv4 address such as "10.255.0.1", not 0.0.0.0', parse)


def address(*, unspecified: bool = False) -> Kind:
    """A host's IPv4 or IPv6 address; with `unspecified` also 0.0.0.0 and ::."""

    def parse(value: Value) -> Value:
        _typed(value, str)
        found = _address(str(value))
        if found is None:
            raise ValueError(f"{shown(value)} is no address")
        if found.version == 6 and found.ipv4_mapped:
            raise ValueError(f'{shown(value)} is IPv4-mapped (RFC 4291 section 2.5.5.2), write "{found.ipv4_mapped}"')
        if found.is_multicast or (found.is_unspecified and not unspecified):
            raise ValueError(f"{shown(value)} is no host's address")
        if found.is_link_local and found.version == 6:
            raise ValueError(f"{shown(value)} is link-local, which this version can't use yet")
        return str(found)

    return Kind('an IPv4 or IPv6 address such as "10.0.0.2"', parse)


def _address(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


def route_distinguisher() -> Kind:
    """An RD as text (RFC 4364 section 4.2)."""
    return Kind('"ASN:NUMBER" or "ADDRESS:NUMBER" (such as "10.255.0.1:100")', _administered)


def route_target(*, wildcard: bool) -> Kind:
    """A route target as text (RFC 4360 section 4, RFC 5668); with `wildcard` also any AS or address."""

    def parse(value: Value) -> Value:
        if isinstance(value, str) and value.startswith("*:"):
            if not wildcard:
                raise ValueError(f"{shown(value)} names no AS, which only an import may do")
            return f"*:{_number(value[2:], value)}"
        return _administered(value)

    more = ' or "*:NUMBER" (any AS or address)' if wildcard else ""
    return Kind(f'"ASN:NUMBER" or "ADDRESS:NUMBER"{more}', parse)


def _administered(value: Value) -> str:
    """`administrator:number` in its canonical form; the codec knows how many octets each part has."""
    _typed(value, str)
    kind, octets = administrator_from_text(str(value))
    administrator, _, number = administrator_text(kind, octets).rpartition(":")
    small = kind == TYPE_AS4 and int(administrator) <= 0xFFFF
    return f"{administrator}{'L' if small else ''}:{number}"


def _number(digits: str, value: Value) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", digits) or int(digits) > _MAX32:
        raise ValueError(f"{shown(value)}: {shown(digits)} is no number of 32 bits")
    return int(digits)


def path(longest: int) -> Kind:
    """An absolute path."""

    def parse(value: Value) -> Value:
        _typed(value, str)
        assert isinstance(value, str)
        if not value.startswith("/"):
            raise ValueError(f"{shown(value)} does not begin with /")
        if len(value.encode()) > longest or "\0" in value:
            raise ValueError(f"{shown(value)} is too long for a socket ({len(value.encode())} octets)")
        return value

    return Kind(f"an absolute path of at most {longest} octets", parse)


def file_mode() -> Kind:
    """Permissions: "0660", or TOML's own 0o660."""

    def parse(value: Value) -> Value:
        if isinstance(value, str) and re.fullmatch(r"0?[0-7]{3}", value):
            mode = int(value, 8)
        elif type(value) is int:
            mode = value
        else:
            raise ValueError(f"{shown(value)} is no file mode")
        if not 0o600 <= mode <= 0o777:
            raise ValueError(f"{shown(value)} is no file mode that lets its owner in")
        return mode

    return Kind('a file mode such as "0660"', parse)


def _one_of(words: Iterable[str], conjunction: str) -> str:
    *first, last = words
    return f"{', '.join(first)} {conjunction} {last}" if first else last


def _ranges(numbers: tuple[int, ...]) -> list[str]:
    """Ascending numbers as text, neighbours put together."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]

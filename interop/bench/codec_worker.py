"""Times one codec: `python -m interop.bench.codec_worker NAME ROUNDS`, run by `codecs` in its venv."""

from __future__ import annotations

import gc
import ipaddress
import json
import struct
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from interop.bench.adapters import ASN_NUMBER, CODECS, NEXT_HOP, RD, VNI, Codec, Host, Reading

_ROUTES = {1: 4_000, 50: 20_000}  # how many a round, by routes an UPDATE


def _hosts(first: int, count: int) -> list[Host]:
    return [
        Host(
            f"02:00:00:00:{number >> 8 & 255:02x}:{number & 255:02x}",
            f"10.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}",
        )
        for number in range(first, first + count)
    ]


def _message(hosts: Sequence[Host], sequence: int) -> bytes:
    """The UPDATE for those hosts, made without any of the codecs. Label field as VXLAN has it: the VNI."""
    rd = b"\x00\x01" + ipaddress.ip_address(NEXT_HOP).packed + struct.pack(">H", VNI)
    nlri = b"".join(
        b"\x02\x25"
        + rd
        + bytes(14)
        + b"\x30"
        + bytes.fromhex(host.mac.replace(":", ""))
        + b"\x20"
        + ipaddress.ip_address(host.ip).packed
        + VNI.to_bytes(3, "big")
        for host in hosts
    )
    reach = b"\x00\x19\x46\x04" + ipaddress.ip_address(NEXT_HOP).packed + b"\x00" + nlri
    communities = struct.pack(">HHI", 2, ASN_NUMBER, VNI) + b"\x03\x0c" + bytes(5) + b"\x08"
    communities += b"\x06\x00\x00\x00" + struct.pack(">I", sequence)
    attributes = b"\x90\x0e" + struct.pack(">H", len(reach)) + reach
    attributes += b"\x40\x01\x01\x00" + b"\x40\x02\x00" + b"\x40\x05\x04\x00\x00\x00\x64"
    attributes += b"\xc0\x10" + bytes((len(communities),)) + communities
    body = b"\x00\x00" + struct.pack(">H", len(attributes)) + attributes
    return b"\xff" * 16 + struct.pack(">HB", 19 + len(body), 2) + body


def _prove(codec: Codec) -> None:
    """Reads what was sent; writes what it reads itself again and what is as long as ours."""
    hosts = _hosts(7, 3)
    expected = Reading([(RD, host.mac, host.ip, VNI) for host in hosts], NEXT_HOP, 3)
    reading = codec.text(_message(hosts, 5))
    if reading != expected:
        raise SystemExit(f"reads {reading}, not {expected}")
    written = codec.encode(codec.prepare(hosts), 5)
    again = codec.text(written)
    macs = [route[:3] for route in again.routes]
    if macs != [route[:3] for route in expected.routes] or again.next_hop != NEXT_HOP or again.communities != 3:
        raise SystemExit(f"writes {written.hex()}, which it reads as {again}")


def _rate(codec: Codec, work: Callable[[Any, int], object], items: list[tuple[Any, int]], routes: int) -> float:
    codec.fresh()
    gc.collect()
    start = time.perf_counter()
    for item, sequence in items:
        work(item, sequence)
    return routes / (time.perf_counter() - start)


def main() -> None:
    codec = CODECS[sys.argv[1]]()
    rounds = int(sys.argv[2])
    _prove(codec)
    rates: dict[str, list[float]] = {}
    for per_update, total in _ROUTES.items():
        groups = [_hosts(first, per_update) for first in range(0, total, per_update)]
        for attributes in ("same", "differing"):
            sequences = [number if attributes == "differing" else 5 for number in range(len(groups))]
            messages = [(_message(group, sequence), 0) for group, sequence in zip(groups, sequences, strict=True)]
            prepared = [(codec.prepare(group), sequence) for group, sequence in zip(groups, sequences, strict=True)]
            jobs: dict[str, tuple[Callable[[Any, int], object], list[tuple[Any, int]]]] = {
                "decode": (lambda message, _: codec.decode(message), messages),
                "text": (lambda message, _: codec.text(message), messages),
                "encode": (codec.encode, prepared),
            }
            for name, (work, items) in jobs.items():
                key = f"{name}.{per_update}.{attributes}"
                rates[key] = [_rate(codec, work, items, total) for _ in range(rounds)]
    json.dump({"version": codec.version, "rates": rates}, sys.stdout)


if __name__ == "__main__":
    main()

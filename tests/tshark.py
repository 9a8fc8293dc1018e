"""tshark as a decoder that shares nothing with evpnd's: messages go in as a capture, fields come out as text."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_RAW_IP = 101  # link type of packets that begin with the IP header
_CLIENT, _SERVER = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
_WARNING = 0x600000  # as tshark counts severities: notes are below it


@dataclass(frozen=True, slots=True)
class Reading:
    """One message as tshark sees it: fields by name, values in order; and what it finds wrong."""

    fields: Mapping[str, list[str]]
    faults: list[str]

    def __getitem__(self, name: str) -> list[str]:
        return self.fields.get(name, [])


def read(messages: Iterable[bytes], folder: Path, *options: str) -> list[Reading]:
    """What tshark reads in each message; `options` are tshark's, such as `-o` and a preference."""
    tshark = shutil.which("tshark")
    assert tshark, "tshark is not installed: apt-get install tshark"
    capture = folder / "messages.pcap"
    capture.write_bytes(_capture(messages))
    command = [tshark, "-n", "-r", str(capture), "-T", "json", "--no-duplicate-keys", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [_reading(packet["_source"]["layers"]) for packet in json.loads(done.stdout)]


def _capture(messages: Iterable[bytes]) -> bytes:
    """One packet a message, in one direction of one connection to port 179."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, _RAW_IP)]
    sequence = 1
    for message in messages:
        tcp = struct.pack(">HHIIBBHHH", 40000, 179, sequence, 1, 0x50, 0x18, 0xFFFF, 0, 0)
        size = 40 + len(message)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, 6, 0, _CLIENT, _SERVER)
        parts.append(struct.pack("<IIII", 0, 0, size, size) + ip + tcp + message)
        sequence += len(message)
    return b"".join(parts)


def _reading(layers: Mapping[str, Any]) -> Reading:
    fields: dict[str, list[str]] = {}
    _collect("bgp", layers.get("bgp", {}), fields)
    # The octets after a 2-octet AS number: tshark 4.2 and later divide those of EVPN by RFC 8365 5.1.2.1.
    divided = zip(
        fields.get("bgp.ext_com.local_admin", ()), fields.get("bgp.ext_com.local_admin.service_id", ()), strict=True
    )
    for first, rest in divided:
        fields.setdefault("bgp.ext_com.value_an4", []).append(str(int(first, 16) << 24 | int(rest)))
    remarks = zip(fields.get("_ws.expert.severity", ()), fields.get("_ws.expert.message", ()), strict=True)
    faults = [message for severity, message in remarks if int(severity) >= _WARNING]
    if "_ws.malformed" in layers:
        faults.append("malformed packet")
    return Reading(fields, faults)


def _collect(name: str, node: Any, fields: dict[str, list[str]]) -> None:
    """The leaves of the tree, each under its field's name."""
    if isinstance(node, dict):
        for key, value in node.items():
            _collect(key, value, fields)
    elif isinstance(node, list):
        for value in node:
            _collect(name, value, fields)
    else:
        fields.setdefault(name, []).append(node)

"""Extended communities as text, both ways: `rt:65001:100`, `mac-mobility:5:sticky`, raw hex for the unknown.

Owns the spelling, in one table. Text is a view: reserved octets do not show, and a route target of the 4-octet kind
with a small AS number reads like one of the 2-octet kind. from_text raises ValueError with what was expected.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from evpnd.evpn import community_kinds as kinds
from evpnd.evpn import labels, values

_TUNNELS = {
    "l2tpv3": 1,
    "gre": 2,
    "ipip": 7,
    "vxlan": kinds.VXLAN,
    "nvgre": kinds.NVGRE,
    "mpls": kinds.MPLS,
    "vxlan-gpe": 12,
    "mpls-in-udp": 13,
    "geneve": 19,
}
_TUNNEL_NAMES = {number: name for name, number in _TUNNELS.items()}
_DF_ALGORITHMS = {
    "default": kinds.DF_DEFAULT,
    "hrw": kinds.DF_HIGHEST_RANDOM_WEIGHT,
    "highest-preference": kinds.DF_HIGHEST_PREFERENCE,
    "lowest-preference": kinds.DF_LOWEST_PREFERENCE,
}
_DF_NAMES = {number: name for name, number in _DF_ALGORITHMS.items()}

# names of flag bits, in the order they are written
_MOBILITY_FLAGS = {"sticky": kinds.STICKY}
_ESI_FLAGS = {"single-active": kinds.SINGLE_ACTIVE}
_TREE_FLAGS = {"leaf": 0x01}  # RFC 8317 section 5.1
_ARP_ND_FLAGS = {"router": kinds.ARP_ND_ROUTER, "override": kinds.ARP_ND_OVERRIDE, "immutable": kinds.ARP_ND_IMMUTABLE}
_L2_FLAGS = {"primary": kinds.L2_PRIMARY, "backup": kinds.L2_BACKUP, "control-word": kinds.L2_CONTROL_WORD}
_DF_FLAGS = {"dont-preempt": kinds.DF_DONT_PREEMPT, "ac-influenced": kinds.DF_AC_INFLUENCED}
_MULTICAST_FLAGS = {"igmp-proxy": 0x01, "mld-proxy": 0x02}  # RFC 9251 section 9.4


class _Kind(NamedTuple):
    """One spelling: what follows `name`, from the six octets after type and subtype, and the community from it."""

    name: str
    write: Callable[[bytes], str]
    read: Callable[[str], bytes]


def to_text(community: bytes) -> str:
    kind = _KINDS.get(community[:2])
    if kind is None or len(community) != kinds.SIZE:
        return community.hex()
    rest = kind.write(community[2:])
    return f"{kind.name}:{rest}" if rest else kind.name


def from_text(text: str) -> bytes:
    name, _, rest = text.partition(":")
    kind = _BY_NAME.get(name)
    if kind is not None:
        return kind.read(rest)
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != kinds.SIZE or len(text) != 2 * kinds.SIZE:
        known = ", ".join(sorted(_BY_NAME))
        raise ValueError(f"{text!r} is not an extended community: one of {known}, or 16 hex digits")
    return value


def _flags_text(bits: int, names: Mapping[str, int]) -> list[str]:
    known = [name for name, bit in names.items() if bits & bit]
    unknown = bits & ~sum(names.values())
    return [*known, f"0x{unknown:x}"] if unknown else known


def _flags(parts: list[str], names: Mapping[str, int], text: str, most: int = 0xFF) -> int:
    bits = 0
    for part in parts:
        bit = names.get(part)
        if bit is None:
            bit = _integer(part, most, text, base=16) if part.startswith("0x") else None
        if bit is None:
            raise ValueError(f"{part!r} in {text!r} is not one of {', '.join(names)}")
        bits |= bit
    return bits


def _integer(part: str, most: int, text: str, base: int = 10) -> int:
    try:
        number = int(part, base)
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise ValueError(f"{part!r} in {text!r} is not a number up to {most}")
    return number


def _encapsulation_text(value: bytes) -> str:
    number = value[4] << 8 | value[5]
    return _TUNNEL_NAMES.get(number) or str(number)


def _read_encapsulation(text: str) -> bytes:
    known = _TUNNELS.get(text)
    return kinds.ENCAPSULATION + (_integer(text, 0xFFFF, text) if known is None else known).to_bytes(6, "big")


def _mobility_text(value: bytes) -> str:
    return ":".join((str(int.from_bytes(value[2:], "big")), *_flags_text(value[0], _MOBILITY_FLAGS)))


def _read_mobility(text: str) -> bytes:
    sequence, *flags = text.split(":")
    bits = _flags(flags, _MOBILITY_FLAGS, text)
    return kinds.MAC_MOBILITY + bytes((bits, 0)) + _integer(sequence, 0xFFFFFFFF, text).to_bytes(4, "big")


def _label_text(names: Mapping[str, int]) -> Callable[[bytes], str]:
    return lambda value: ":".join((str(labels.vni(value[3:])), *_flags_text(value[0], names)))


def _read_label(kind: bytes, names: Mapping[str, int]) -> Callable[[str], bytes]:
    def read(text: str) -> bytes:
        label, *flags = text.split(":")
        bits = _flags(flags, names, text)
        return kind + bytes((bits, 0, 0)) + labels.from_vni(_integer(label, labels.MAX_VNI, text))

    return read


def _read_mac(kind: bytes) -> Callable[[str], bytes]:
    return lambda text: kind + values.mac_from_text(text)


def _l2_text(value: bytes) -> str:
    flags, mtu = struct.unpack_from(">HH", value)
    return ":".join((str(mtu), *_flags_text(flags, _L2_FLAGS)))


def _read_l2(text: str) -> bytes:
    mtu, *flags = text.split(":")
    bits = _flags(flags, _L2_FLAGS, text, 0xFFFF)
    return kinds.L2_ATTRIBUTES + struct.pack(">HHH", bits, _integer(mtu, 0xFFFF, text), 0)


def _df_text(value: bytes) -> str:
    algorithm, capabilities, _, preference = struct.unpack(">BHBH", value)
    algorithm &= 0x1F  # RFC 8584 section 2.2: three reserved bits, then the algorithm
    name = _DF_NAMES.get(algorithm) or str(algorithm)
    return ":".join((name, *([str(preference)] if preference else []), *_flags_text(capabilities, _DF_FLAGS)))


def _read_df(text: str) -> bytes:
    name, *flags = text.split(":")
    known = _DF_ALGORITHMS.get(name)
    algorithm = _integer(name, 0x1F, text) if known is None else known
    preference = _integer(flags.pop(0), 0xFFFF, text) if flags and flags[0].isdigit() else 0
    bits = _flags(flags, _DF_FLAGS, text, 0xFFFF)
    return kinds.DF_ELECTION + struct.pack(">BHBH", algorithm, bits, 0, preference)


def _arp_nd_text(value: bytes) -> str:
    return ":".join(_flags_text(value[0], _ARP_ND_FLAGS))


def _read_arp_nd(text: str) -> bytes:
    return kinds.ARP_ND + bytes((_flags(text.split(":") if text else [], _ARP_ND_FLAGS, text), 0, 0, 0, 0, 0))


def _multicast_text(value: bytes) -> str:
    return ":".join(_flags_text(value[0] << 8 | value[1], _MULTICAST_FLAGS))


def _read_multicast(text: str) -> bytes:
    bits = _flags(text.split(":") if text else [], _MULTICAST_FLAGS, text, 0xFFFF)
    return kinds.MULTICAST_FLAGS + bits.to_bytes(2, "big") + bytes(4)


def _bandwidth_text(suffix: str) -> Callable[[bytes], str]:
    def write(value: bytes) -> str:
        asn, rate = struct.unpack(">Hf", value)
        number = str(int(rate)) if math.isfinite(rate) and rate == int(rate) else f"{rate:.9g}"
        return f"{asn}:{number}{suffix}"

    return write


def _read_bandwidth(text: str) -> bytes:
    asn, *rest = text.split(":")
    kind = kinds.LINK_BANDWIDTH_TRANSITIVE if rest[1:] else kinds.LINK_BANDWIDTH
    try:
        if rest[1:] not in ([], ["transitive"]):
            raise ValueError
        return kind + struct.pack(">Hf", _integer(asn, 0xFFFF, text), float(rest[0]))
    except (ValueError, IndexError, OverflowError):
        raise ValueError(f"{text!r} is not ASN:OCTETS_PER_SECOND[:transitive]") from None


def _read_administered(kind: int, subtype: int) -> Callable[[str], bytes]:
    """For the kinds whose first octet (`kind` 0) or subtype (`kind` 6, RFC 9251 section 9.5) is the administrator's."""

    def read(text: str) -> bytes:
        administrator, value = values.administrator_from_text(text)
        return (bytes((administrator, subtype)) if kind == 0 else bytes((kind, subtype + administrator))) + value

    return read


def _administrator_kinds(name: str, kind: int, subtype: int) -> dict[bytes, _Kind]:
    read = _read_administered(kind, subtype)
    return {
        bytes((administrator, subtype)) if kind == 0 else bytes((kind, subtype + administrator)): _Kind(
            name, partial(values.administrator_text, administrator), read
        )
        for administrator in (values.TYPE_AS2, values.TYPE_IPV4, values.TYPE_AS4)
    }


def _nothing(text: str) -> bytes:
    if text:
        raise ValueError(f"default-gateway takes no value, not {text!r}")
    return kinds.DEFAULT_GATEWAY + bytes(6)


_KINDS: dict[bytes, _Kind] = {
    **_administrator_kinds("rt", 0, 0x02),
    **_administrator_kinds("route-origin", 0, 0x03),
    **_administrator_kinds("evi-rt", 6, 0x0A),
    kinds.ENCAPSULATION: _Kind("encapsulation", _encapsulation_text, _read_encapsulation),
    kinds.DEFAULT_GATEWAY: _Kind("default-gateway", lambda _: "", _nothing),
    kinds.MAC_MOBILITY: _Kind("mac-mobility", _mobility_text, _read_mobility),
    kinds.ESI_LABEL: _Kind("esi-label", _label_text(_ESI_FLAGS), _read_label(kinds.ESI_LABEL, _ESI_FLAGS)),
    kinds.ES_IMPORT: _Kind("es-import", values.mac_text, _read_mac(kinds.ES_IMPORT)),
    kinds.ROUTER_MAC: _Kind("router-mac", values.mac_text, _read_mac(kinds.ROUTER_MAC)),
    kinds.L2_ATTRIBUTES: _Kind("l2-attributes", _l2_text, _read_l2),
    kinds.E_TREE: _Kind("e-tree", _label_text(_TREE_FLAGS), _read_label(kinds.E_TREE, _TREE_FLAGS)),
    kinds.DF_ELECTION: _Kind("df-election", _df_text, _read_df),
    kinds.ARP_ND: _Kind("arp-nd", _arp_nd_text, _read_arp_nd),
    kinds.MULTICAST_FLAGS: _Kind("multicast-flags", _multicast_text, _read_multicast),
    kinds.LINK_BANDWIDTH: _Kind("link-bandwidth", _bandwidth_text(""), _read_bandwidth),
    kinds.LINK_BANDWIDTH_TRANSITIVE: _Kind("link-bandwidth", _bandwidth_text(":transitive"), _read_bandwidth),
}
_BY_NAME = {kind.name: kind for kind in _KINDS.values()}

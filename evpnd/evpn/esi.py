"""Ethernet segment identifiers by type: RFC 7432 section 5.

Owns what the ten octets of each ESI type hold, and a spelling that names the parts: `lacp:MAC:PORT_KEY`,
`bridge:MAC:PRIORITY`, `mac:MAC:NUMBER`, `router-id:A.B.C.D:NUMBER`, `asn:ASN:NUMBER`, and `00:…` in full for type 0 and
for what is not of the RFC's form. evpnd.evpn.values has the plain view of ten octets, which routes show.
"""

from __future__ import annotations

from evpnd.evpn import values

TYPE_ARBITRARY = 0
TYPE_LACP = 1
TYPE_BRIDGE = 2
TYPE_MAC = 3
TYPE_ROUTER_ID = 4
TYPE_AS = 5

SINGLE_HOMED = values.ZERO_ESI
MAX_ESI = b"\xff" * values.ESI_SIZE  # RFC 7432 section 5: reserved


def lacp(system_mac: bytes, port_key: int) -> bytes:
    return _esi(TYPE_LACP, system_mac, port_key, 2)


def bridge(root_mac: bytes, priority: int) -> bytes:
    return _esi(TYPE_BRIDGE, root_mac, priority, 2)


def mac_based(system_mac: bytes, discriminator: int) -> bytes:
    return _esi(TYPE_MAC, system_mac, discriminator, 3)


def router_id_based(router_id: bytes, discriminator: int) -> bytes:
    return _esi(TYPE_ROUTER_ID, router_id, discriminator, 4)


def as_based(asn: int, discriminator: int) -> bytes:
    return _esi(TYPE_AS, asn.to_bytes(4, "big"), discriminator, 4)


def parts(esi: bytes) -> tuple[bytes, int] | None:
    """(octets of the MAC, router ID or AS number; number) of types 1 to 5; None for others or with octets left over."""
    form = _FORMS.get(esi[0])
    if form is None:
        return None
    _, administrator, number = form
    end = 1 + administrator + number
    if any(esi[end:]):
        return None
    return esi[1 : 1 + administrator], int.from_bytes(esi[1 + administrator : end], "big")


def to_text(esi: bytes) -> str:
    """The spelling that names the parts."""
    found = parts(esi)
    if found is None:
        return values.esi_text(esi)
    administrator, number = found
    name = _FORMS[esi[0]][0]
    if name == "asn":
        return f"{name}:{int.from_bytes(administrator, 'big')}:{number}"
    text = values.ip_text(administrator) if name == "router-id" else values.mac_text(administrator)
    return f"{name}:{text}:{number}"


def from_text(text: str) -> bytes:
    """Ten octets from either spelling; ValueError says what is wrong."""
    name, _, rest = text.partition(":")
    esi_type = _TYPES.get(name)
    if esi_type is None:
        return values.esi_from_text(text)
    administrator, _, digits = rest.rpartition(":")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"{text!r} is not {name}:{'MAC' if esi_type <= TYPE_MAC else name.upper()}:NUMBER")
    return _esi(esi_type, _administrator(esi_type, administrator, text), int(digits), _FORMS[esi_type][2])


# ESI type: name, octets of the MAC, router ID or AS number, octets of the number
_FORMS = {
    TYPE_LACP: ("lacp", 6, 2),
    TYPE_BRIDGE: ("bridge", 6, 2),
    TYPE_MAC: ("mac", 6, 3),
    TYPE_ROUTER_ID: ("router-id", 4, 4),
    TYPE_AS: ("asn", 4, 4),
}
_TYPES = {name: esi_type for esi_type, (name, _, _) in _FORMS.items()}


def _esi(esi_type: int, administrator: bytes, number: int, size: int) -> bytes:
    if number >> 8 * size:
        raise ValueError(f"{number} does not fit the {size} octets of an ESI of type {esi_type}")
    esi = bytes((esi_type,)) + administrator + number.to_bytes(size, "big")
    if len(esi) != 1 + _FORMS[esi_type][1] + size:
        raise ValueError(f"{administrator.hex()} is not of the size that an ESI of type {esi_type} takes")
    return esi.ljust(values.ESI_SIZE, b"\x00")


def _administrator(esi_type: int, text: str, whole: str) -> bytes:
    if esi_type <= TYPE_MAC:
        return values.mac_from_text(text)
    if esi_type == TYPE_ROUTER_ID:
        address = values.ip_from_text(text)
        if len(address) == 4:
            return address
    elif text.isascii() and text.isdigit() and int(text) <= 0xFFFFFFFF:
        return int(text).to_bytes(4, "big")
    raise ValueError(
        f"{text!r} in {whole!r} is not {'an IPv4 address' if esi_type == TYPE_ROUTER_ID else 'an AS number'}"
    )

"""The path attributes evpnd reads: one row each, with flags, check, RFC 7606 action and typed view.

A new attribute is one row here (and the typed line of its view in `evpnd.bgp.attributes.PathAttributes`). Attributes
without a row are carried as they came. Owns the values' formats; the walk over a section and what a message loses by an
error are `evpnd.bgp.attribute_section`'s.

RFC 4271 section 4.3, RFC 7606 section 7, and the RFC named in each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from evpnd.bgp import aspath
from evpnd.bgp.community import LargeCommunity
from evpnd.errors import Action

ORIGIN = 1
AS_PATH = 2
NEXT_HOP = 3
MED = 4
LOCAL_PREF = 5
ATOMIC_AGGREGATE = 6
AGGREGATOR = 7
COMMUNITIES = 8
ORIGINATOR_ID = 9
CLUSTER_LIST = 10
MP_REACH = 14
MP_UNREACH = 15
EXTENDED_COMMUNITIES = 16
AS4_PATH = 17
AS4_AGGREGATOR = 18
PMSI_TUNNEL = 22
IPV6_EXTENDED_COMMUNITIES = 25
LARGE_COMMUNITIES = 32
OTC = 35

OPTIONAL = 0x80
TRANSITIVE = 0x40
PARTIAL = 0x20
EXTENDED_LENGTH = 0x10

INGRESS_REPLICATION = 6  # RFC 6514 section 5: the PMSI tunnel type that VXLAN uses

# Subcodes of an UPDATE Message Error (code 3, RFC 4271 section 6.3).
UPDATE_ERROR = 3
MALFORMED_LIST = 1
UNRECOGNIZED_WELL_KNOWN = 2
MISSING_WELL_KNOWN = 3
FLAGS_ERROR = 4
LENGTH_ERROR = 5
INVALID_ORIGIN = 6
OPTIONAL_ERROR = 9
INVALID_NETWORK = 10
MALFORMED_AS_PATH = 11


class Aggregator(NamedTuple):
    """Who made an aggregate: its AS number and its router's identifier (four octets)."""

    asn: int
    router_id: bytes

    def encode(self) -> bytes:
        return _u32(self.asn) + self.router_id


class PmsiTunnel(NamedTuple):
    """RFC 6514 section 5. `endpoint` is the tunnel identifier as it came, which depends on the type: of ingress
    replication it is the VTEP's address, 4 or 16 octets. `label` are the raw octets (VXLAN: the VNI, RFC 8365)."""

    flags: int
    tunnel_type: int
    label: bytes
    endpoint: bytes

    def encode(self) -> bytes:
        return bytes((self.flags, self.tunnel_type)) + self.label + self.endpoint


class Malformed(ValueError):
    """A value that its attribute does not allow; `subcode` is that of RFC 4271 section 6.3."""

    def __init__(self, text: str, subcode: int = LENGTH_ERROR) -> None:
        super().__init__(text)
        self.subcode = subcode


class Form(NamedTuple):
    """What of a session matters to the reading of attributes: its AS numbers' size, and whether it is external."""

    as4: bool = True
    ebgp: bool = False


Check = Callable[[bytes, Form], object]


def _same(value: Any) -> Any:
    return value


class AttributeType(NamedTuple):
    """What evpnd knows of an attribute. `check` raises ValueError for a malformed value; the action is its price."""

    code: int
    name: str  # IANA's, in snake case
    flags: int  # the Optional and Transitive bits it must have
    action: Action
    check: Check
    view: str  # the name of its typed view
    read: Callable[[bytes], Any] = _same  # value to view; AS numbers have four octets here
    write: Callable[[Any], bytes] = _same  # and back
    absent: Any = None  # the view when there is no such attribute
    may_be_empty: bool = False  # RFC 7606 section 4
    internal: bool = False  # from an external peer it is discarded, whatever it holds
    two_octet_only: bool = False  # between speakers of four-octet AS numbers it is discarded


def _sized(size: int) -> Check:
    def check(value: bytes, form: Form) -> None:
        if len(value) != size:
            raise Malformed(f"{len(value)} octets instead of {size}")

    return check


def _multiple(size: int) -> Check:
    def check(value: bytes, form: Form) -> None:
        if not value or len(value) % size:
            raise Malformed(f"{len(value)} octets are not a number of {size}-octet entries")

    return check


def _check_origin(value: bytes, form: Form) -> None:
    if len(value) != 1:
        raise Malformed(f"{len(value)} octets instead of 1")
    if value[0] > 2:
        raise Malformed(f"value {value[0]} is undefined", INVALID_ORIGIN)


def _check_as_path(value: bytes, form: Form) -> None:
    try:
        path = aspath.decode_as_path(value, form.as4)
    except ValueError as error:
        raise Malformed(str(error), MALFORMED_AS_PATH) from None
    # RFC 5065 section 5: confederation segments do not cross its border, and evpnd is a member of none.
    if form.ebgp and any(kind > aspath.AS_SEQUENCE for kind, _ in path.segments):
        raise Malformed("a confederation segment from an external peer", MALFORMED_AS_PATH)


def _check_as4_path(value: bytes, form: Form) -> None:
    if len(value) < 6:  # RFC 6793 section 6
        raise Malformed(f"{len(value)} octets are too few for a segment")
    aspath.decode_as_path(value)


def _check_aggregator(value: bytes, form: Form) -> None:
    size = 8 if form.as4 else 6
    if len(value) != size:
        raise Malformed(f"{len(value)} octets instead of {size}")
    if not any(value[:-4]):
        raise Malformed("AS 0", OPTIONAL_ERROR)  # RFC 7607 section 2


def _check_as4_aggregator(value: bytes, form: Form) -> None:
    _check_aggregator(value, Form())


def _check_pmsi(value: bytes, form: Form) -> None:
    if len(value) < 5:
        raise Malformed(f"{len(value)} octets, 5 and more are needed")
    # RFC 7385 section 2: an undefined tunnel type is not malformed.
    if value[1] == INGRESS_REPLICATION and len(value) not in (9, 21):
        raise Malformed(f"an ingress replication endpoint of {len(value) - 5} octets", OPTIONAL_ERROR)


def _integer(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _cut(value: bytes, *, size: int) -> tuple[bytes, ...]:
    return tuple([value[i : i + size] for i in range(0, len(value), size)])


def _communities(value: bytes) -> tuple[int, ...]:
    return tuple(map(_integer, _cut(value, size=4)))


def _large_communities(value: bytes) -> tuple[LargeCommunity, ...]:
    return tuple(LargeCommunity(*_communities(part)) for part in _cut(value, size=12))


def read_aggregator(value: bytes) -> Aggregator:
    """The aggregator of a checked value of either AS number size."""
    return Aggregator(_integer(value[:-4]), value[-4:])


def _pmsi(value: bytes) -> PmsiTunnel:
    return PmsiTunnel(value[0], value[1], value[2:5], value[5:])


def _octet(value: int) -> bytes:
    return bytes((value,))


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _u32_list(values: Iterable[int]) -> bytes:
    return b"".join(map(_u32, values))


def _large_list(values: Iterable[LargeCommunity]) -> bytes:
    return b"".join(value.encode() for value in values)


def _cuts(size: int) -> tuple[Callable[[bytes], tuple[bytes, ...]], Callable[[Iterable[bytes]], bytes]]:
    return partial(_cut, size=size), b"".join


_no_octets, _4_octets = _sized(0), _sized(4)
_list_of_4, _list_of_8, _list_of_12, _list_of_20 = map(_multiple, (4, 8, 12, 20))

# Pairs of read and write.
_U32 = _integer, _u32
_U32_LIST = _communities, _u32_list
_FLAG = (lambda value: True), (lambda flag: b"")
_PATH = aspath.decode_as_path, aspath.AsPath.encode
_AGGREGATOR = read_aggregator, Aggregator.encode
_LARGE = _large_communities, _large_list

_KNOWN = TRANSITIVE
_OPTIONAL = OPTIONAL
_BOTH = OPTIONAL | TRANSITIVE
_WITHDRAW = Action.WITHDRAW
_DISCARD = Action.DISCARD

_ROWS = (
    # RFC 7606 sections 7.1 to 7.10; sections 7.14 and 7.15 for the extended communities (RFC 4360, RFC 5701).
    AttributeType(ORIGIN, "origin", _KNOWN, _WITHDRAW, _check_origin, "origin", _integer, _octet),
    AttributeType(AS_PATH, "as_path", _KNOWN, _WITHDRAW, _check_as_path, "as_path", *_PATH, aspath.EMPTY, True),
    AttributeType(NEXT_HOP, "next_hop", _KNOWN, _WITHDRAW, _4_octets, "next_hop"),
    AttributeType(MED, "multi_exit_disc", _OPTIONAL, _WITHDRAW, _4_octets, "med", *_U32),
    AttributeType(LOCAL_PREF, "local_pref", _KNOWN, _WITHDRAW, _4_octets, "local_pref", *_U32, internal=True),
    AttributeType(
        ATOMIC_AGGREGATE, "atomic_aggregate", _KNOWN, _DISCARD, _no_octets, "atomic_aggregate", *_FLAG, False, True
    ),
    AttributeType(AGGREGATOR, "aggregator", _BOTH, _DISCARD, _check_aggregator, "aggregator", *_AGGREGATOR),
    AttributeType(COMMUNITIES, "communities", _BOTH, _WITHDRAW, _list_of_4, "communities", *_U32_LIST, ()),
    AttributeType(ORIGINATOR_ID, "originator_id", _OPTIONAL, _WITHDRAW, _4_octets, "originator_id", internal=True),
    AttributeType(
        CLUSTER_LIST, "cluster_list", _OPTIONAL, _WITHDRAW, _list_of_4, "cluster_list", *_cuts(4), (), internal=True
    ),
    AttributeType(
        EXTENDED_COMMUNITIES,
        "extended_communities",
        _BOTH,
        _WITHDRAW,
        _list_of_8,
        "extended_communities",
        *_cuts(8),
        (),
    ),
    AttributeType(
        IPV6_EXTENDED_COMMUNITIES,
        "ipv6_address_specific_extended_community",
        _BOTH,
        _WITHDRAW,
        _list_of_20,
        "ipv6_extended_communities",
        *_cuts(20),
        (),
    ),
    # RFC 6793 section 6
    AttributeType(AS4_PATH, "as4_path", _BOTH, _DISCARD, _check_as4_path, "as4_path", *_PATH, two_octet_only=True),
    AttributeType(
        AS4_AGGREGATOR,
        "as4_aggregator",
        _BOTH,
        _DISCARD,
        _check_as4_aggregator,
        "as4_aggregator",
        *_AGGREGATOR,
        two_octet_only=True,
    ),
    # RFC 6514 section 5, RFC 8092 section 5, RFC 9234 section 5
    AttributeType(PMSI_TUNNEL, "pmsi_tunnel", _BOTH, _WITHDRAW, _check_pmsi, "pmsi", _pmsi, PmsiTunnel.encode),
    AttributeType(
        LARGE_COMMUNITIES, "large_community", _BOTH, _WITHDRAW, _list_of_12, "large_communities", *_LARGE, ()
    ),
    AttributeType(OTC, "only_to_customer", _BOTH, _WITHDRAW, _4_octets, "otc", *_U32),
)

ATTRIBUTES: dict[int, AttributeType] = {row.code: row for row in _ROWS}
VIEWS: dict[str, AttributeType] = {row.view: row for row in _ROWS}

# Names of attributes that are carried unread (IANA, BGP Path Attributes).
_UNREAD = {
    MP_REACH: "mp_reach_nlri",
    MP_UNREACH: "mp_unreach_nlri",
    23: "tunnel_encapsulation",
    24: "traffic_engineering",
    26: "aigp",
    27: "pe_distinguisher_labels",
    29: "bgp_ls",
    33: "bgpsec_path",
    36: "bgp_domain_path",
    37: "sfp_attribute",
    38: "bfd_discriminator",
    39: "bgp_router_capabilities",
    40: "bgp_prefix_sid",
    128: "attr_set",
}


def attribute_name(code: int) -> str:
    """IANA's name of an attribute in snake case, or "attribute_N"."""
    row = ATTRIBUTES.get(code)
    return row.name if row else _UNREAD.get(code) or f"attribute_{code}"


def canonical_flags(code: int) -> int:
    """The flags we give an attribute of our own making; of an unknown one: optional transitive."""
    row = ATTRIBUTES.get(code)
    return row.flags if row else _BOTH

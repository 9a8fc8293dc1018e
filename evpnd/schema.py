"""The configuration's schema: one table of tables, from which all that deals with it is made.

Each Key says how a setting is written, what it may be and what it is for; its default is that of the dataclass field
(evpnd.config), so nothing is said twice. evpnd.loader reads files by this table and evpnd.reference prints it as
docs/configuration.md. To add a key: a field there, a row here, nothing else.

Must not know: files, positions, other keys' values (evpnd.checks compares keys with each other).
"""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, fields

from evpnd import kinds
from evpnd.config import BgpConfig, ControlConfig, EvpnConfig, FibConfig, LogConfig, PeerSettings, VniSettings
from evpnd.kinds import Kind

FAMILIES = ("l2vpn-evpn", "ipv4-unicast", "ipv6-unicast")
SOCKET_PATH_OCTETS = 107  # sun_path of unix(7), less its zero
PASSWORD_OCTETS = 80  # TCP_MD5SIG_MAXKEYLEN


@dataclass(frozen=True, slots=True)
class Key:
    """One setting."""

    name: str
    kind: Kind
    help: str
    field: str = ""  # the dataclass field, where it isn't called like the key
    inherits: tuple[str, str] | None = None  # (table, key) whose value is the default

    @property
    def attribute(self) -> str:
        return self.field or self.name


@dataclass(frozen=True, slots=True)
class Table:
    """One TOML table, or, with `identity`, an array of tables told apart by that key."""

    name: str
    settings: type
    help: str
    keys: tuple[Key, ...]
    identity: str | None = None

    def key(self, name: str) -> Key | None:
        return next((k for k in self.keys if k.name == name), None)

    def default(self, key: Key) -> object:
        """The default of a key; MISSING if it has to be given."""
        found: Field[object] = next(f for f in fields(self.settings) if f.name == key.attribute)
        return found.default_factory() if found.default_factory is not MISSING else found.default


_HOLD_TIME = kinds.integer(3, 65535, unit="seconds", also=(0,))
_CONNECT_RETRY = kinds.integer(1, 65535, unit="seconds")
_PORT = kinds.integer(1, 65535)

BGP = Table(
    "bgp",
    BgpConfig,
    "The speaker itself. This table is the only one that must be there.",
    (
        Key("asn", kinds.autonomous_system(), "This speaker's AS number."),
        Key("router_id", kinds.ipv4_id(), "The BGP identifier, unique among the speakers (RFC 6286)."),
        Key("port", _PORT, "The TCP port to listen on."),
        Key(
            "listen",
            kinds.many(kinds.address(unspecified=True), "addresses", empty=True),
            "The addresses to accept sessions on; an empty array accepts none, and evpnd only connects.",
        ),
        Key(
            "hold_time",
            _HOLD_TIME,
            "The hold time to propose (RFC 4271 section 4.2); 0 means no keepalives at all.",
            field="hold_time_s",
        ),
        Key(
            "connect_retry",
            _CONNECT_RETRY,
            "The longest wait between attempts to connect; the first ones come sooner.",
            field="connect_retry_s",
        ),
        Key(
            "restart_time",
            kinds.integer(0, 4095, unit="seconds"),
            "How long peers keep our routes while we restart (RFC 4724); 0: not at all.",
            field="restart_time_s",
        ),
        Key(
            "cluster_id",
            kinds.ipv4_id(),
            "The cluster of a route reflector (RFC 4456 section 7); without it, the router id.",
        ),
    ),
)

PEER = Table(
    "bgp.peer",
    PeerSettings,
    "One table for each peer.",
    (
        Key("address", kinds.address(), "The peer's address."),
        Key(
            "asn",
            kinds.either(kinds.autonomous_system(), kinds.choice("internal", "external")),
            'The peer\'s AS number; "internal" stands for our own, "external" for any other.',
        ),
        Key("description", kinds.text(255), "Words for people, printed by `evpnctl show peers`."),
        Key("port", _PORT, "The peer's TCP port."),
        Key("passive", kinds.boolean(), "Never connect, wait for the peer to do so."),
        Key("local_address", kinds.address(), "Our end of the session; without it, whatever the kernel chooses."),
        Key(
            "hold_time",
            _HOLD_TIME,
            "As in [bgp], for this peer.",
            field="hold_time_s",
            inherits=("bgp", "hold_time"),
        ),
        Key(
            "connect_retry",
            _CONNECT_RETRY,
            "As in [bgp], for this peer.",
            field="connect_retry_s",
            inherits=("bgp", "connect_retry"),
        ),
        Key(
            "multihop",
            kinds.integer(1, 255, unit="hops"),
            "How many hops away an external peer may be; without it, it has to be on link.",
        ),
        Key(
            "ttl_security",
            kinds.integer(1, 254, unit="hops"),
            "Drop packets from further away than this (GTSM, RFC 5082). The peer must do the same.",
        ),
        Key("password", kinds.text(PASSWORD_OCTETS, secret=True), "The TCP MD5 password (RFC 2385)."),
        Key(
            "families",
            kinds.many(kinds.choice(*FAMILIES), "families"),
            "The address families to offer. Unicast routes are read and dropped: nothing uses them yet.",
        ),
        Key(
            "route_reflector_client",
            kinds.boolean(),
            "Reflect other internal peers' routes to this internal peer, and its routes to them (RFC 4456).",
        ),
        Key(
            "next_hop",
            kinds.choice("unchanged", "self"),
            'The next hop of others\' routes sent to this peer; "self" makes this host forward their traffic.',
        ),
        Key(
            "maximum_prefix",
            kinds.integer(0, 0xFFFFFFFF, unit="routes"),
            "End the session when the peer sends more routes than this (RFC 4271 section 6.7); 0: no limit.",
        ),
        Key(
            "allowas_in",
            kinds.integer(0, 255, unit="times"),
            "How often our own AS may stand in the AS_PATH of a route that is accepted.",
        ),
        Key("extended_message", kinds.boolean(), "Offer messages of up to 65,535 octets (RFC 8654)."),
        Key("enabled", kinds.boolean(), "Whether there shall be a session at all."),
    ),
    identity="address",
)

EVPN = Table(
    "evpn",
    EvpnConfig,
    "What holds for all VNIs. Each VNI that has a VXLAN device on a bridge is used; none need be listed.",
    (
        Key(
            "route_targets",
            kinds.choice("asn", "rfc8365"),
            'How route targets are derived: "asn" makes ASN:VNI, "rfc8365" sets the type bits of RFC 8365 '
            "section 5.1.2.1 in the number as well. Of an AS number above 65535 both take the low 16 bits, as a "
            "target has no room for more beside a VNI: AS 4200000001 and AS 59905 derive the same. Where they must "
            "be told apart, give import_targets and export_targets in [[evpn.vni]].",
        ),
        Key(
            "import",
            kinds.choice("*:VNI", "ASN:VNI"),
            'Which derived route targets are imported: those of any AS, or only of our own. "*:VNI" also takes targets '
            'with an IPv4 address or a 4-octet AS number and a VNI of up to 65535. "ASN:VNI" looks at the low 16 bits '
            "of the AS number, all that a derived target holds: to AS 4200000001 those of AS 59905 are its own. The "
            "remedy is import_targets and export_targets in [[evpn.vni]].",
            field="import_rule",
        ),
        Key(
            "flooding",
            kinds.boolean(),
            "Send broadcast, unknown unicast and multicast to the VTEPs that announce a type 3 route, and "
            "announce one (ingress replication).",
        ),
        Key(
            "encapsulation_absent",
            kinds.choice("accept", "reject"),
            "What a route without an encapsulation community is taken for: VXLAN, or (strictly by RFC 8365 "
            "section 5.1.3) MPLS.",
        ),
    ),
)

VNI = Table(
    "evpn.vni",
    VniSettings,
    "One table for each VNI that differs from the defaults.",
    (
        Key("vni", kinds.integer(1, 0xFFFFFF), "The VNI."),
        Key("rd", kinds.route_distinguisher(), "The route distinguisher; without it, ROUTER_ID:N with N chosen here."),
        Key(
            "import_targets",
            kinds.many(kinds.route_target(wildcard=True), "route targets"),
            'The route targets to import, instead of the derived one. "*:NUMBER" takes this number with any AS number '
            "of 2 octets, and up to 65535 also with one of 4 octets or an IPv4 address.",
        ),
        Key(
            "export_targets",
            kinds.many(kinds.route_target(wildcard=False), "route targets"),
            "The route targets to export, instead of the derived one.",
        ),
        Key("advertise", kinds.boolean(), "Announce this VNI's local MACs and its type 3 route."),
        Key(
            "flooding",
            kinds.boolean(),
            "As in [evpn], for this VNI.",
            inherits=("evpn", "flooding"),
        ),
    ),
    identity="vni",
)

FIB = Table(
    "fib",
    FibConfig,
    "What is written to the kernel.",
    (
        Key(
            "resync_interval",
            kinds.integer(10, 86400, unit="seconds", also=(0,)),
            "How often the kernel's tables are compared with what they should hold; 0: only when needed.",
            field="resync_interval_s",
        ),
        Key(
            "sweep_delay",
            kinds.integer(0, 3600, unit="seconds"),
            "How long after a start entries of an earlier run are kept while peers have not sent End-of-RIB.",
            field="sweep_delay_s",
        ),
    ),
)

CONTROL = Table(
    "control",
    ControlConfig,
    "The socket that `evpnctl` talks to.",
    (
        Key("socket", kinds.path(SOCKET_PATH_OCTETS), "Where the socket is."),
        Key("mode", kinds.file_mode(), "The socket's permissions; to connect means to be allowed everything."),
        Key("group", kinds.text(32), "The group that owns the socket; without it, that of the daemon."),
    ),
)

LOG = Table(
    "log",
    LogConfig,
    "The log, on standard error.",
    (
        Key("level", kinds.choice("debug", "info", "warning", "error"), "The least grave messages to print."),
        Key("format", kinds.choice("plain", "json"), "Lines for people, or one JSON object a line."),
    ),
)

TABLES: tuple[Table, ...] = (BGP, PEER, EVPN, VNI, FIB, CONTROL, LOG)

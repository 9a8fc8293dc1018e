"""The configuration as values: frozen dataclasses, complete and checked.

Owns what each setting is called and what it is when nobody sets it; evpnd.schema describes how it is written, and
evpnd.loader makes a Config from files. Text stays as the user wrote it (route distinguishers, route targets), except
that addresses are canonical, so that two equal ones compare equal. Whatever a peer or a VNI takes over from the table
above it is filled in already: nobody has to look in two places.

Must not know: files, TOML, sockets, the session layer's own settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

DEFAULT_PATH = "/etc/evpnd/evpnd.toml"
DEFAULT_SOCKET = "/run/evpnd/evpnd.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSettings:
    """One [[bgp.peer]]."""

    address: str
    asn: int | Literal["internal", "external"]
    description: str = ""
    port: int = 179
    passive: bool = False
    local_address: str | None = None
    hold_time_s: int = 90
    connect_retry_s: int = 10
    multihop: int | None = None  # TTL of an external session that isn't on link
    ttl_security: int | None = None  # how many hops away the peer may be (RFC 5082)
    password: str | None = field(default=None, repr=False)
    families: tuple[str, ...] = ("l2vpn-evpn",)
    route_reflector_client: bool = False
    next_hop: Literal["unchanged", "self"] = "unchanged"
    maximum_prefix: int = 0  # 0: no limit
    allowas_in: int = 0
    extended_message: bool = True
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BgpConfig:
    """[bgp]."""

    asn: int
    router_id: str
    port: int = 179
    listen: tuple[str, ...] = ("0.0.0.0", "::")  # empty: accept nothing, only connect
    hold_time_s: int = 90
    connect_retry_s: int = 10
    restart_time_s: int = 120  # 0: peers drop our routes at once (RFC 4724)
    cluster_id: str | None = None  # None: the router id (RFC 4456 section 7)
    peers: tuple[PeerSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VniSettings:
    """One [[evpn.vni]]; None is derived."""

    vni: int
    rd: str | None = None
    import_targets: tuple[str, ...] | None = None
    export_targets: tuple[str, ...] | None = None
    advertise: bool = True
    flooding: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EvpnConfig:
    """[evpn]."""

    route_targets: Literal["asn", "rfc8365"] = "asn"
    import_rule: Literal["*:VNI", "ASN:VNI"] = "*:VNI"  # the key is called `import`
    flooding: bool = True
    encapsulation_absent: Literal["accept", "reject"] = "accept"
    vnis: Mapping[int, VniSettings] = field(default_factory=dict)

    def settings(self, vni: int) -> VniSettings:
        """The settings of a VNI, written down or not."""
        return self.vnis.get(vni) or VniSettings(vni=vni, flooding=self.flooding)


@dataclass(frozen=True, slots=True, kw_only=True)
class FibConfig:
    """[fib]."""

    resync_interval_s: int = 300  # 0: never
    sweep_delay_s: int = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlConfig:
    """[control]."""

    socket: str = DEFAULT_SOCKET
    mode: int = 0o660
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """[log]."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["plain", "json"] = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything, and the files it came from."""

    bgp: BgpConfig
    evpn: EvpnConfig = field(default_factory=EvpnConfig)
    fib: FibConfig = field(default_factory=FibConfig)
    control: ControlConfig = field(default_factory=ControlConfig)
    log: LogConfig = field(default_factory=LogConfig)
    files: tuple[str, ...] = ()

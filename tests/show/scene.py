"""A host whose RIB and instances are asked what evpnctl asks, without sockets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from evpnd.config import BgpConfig, Config, EvpnConfig, PeerSettings
from evpnd.fib.reconcile import Failure
from evpnd.requests import Filters
from evpnd.show import handlers
from tests.evpn.scene import Host

A, B = "10.0.0.1", "10.0.0.9"


class Scene(Host):
    """A host whose kernel and sessions are only what a test puts there."""

    def __init__(self, evpn: EvpnConfig | None = None) -> None:
        super().__init__(evpn)
        peers = tuple(PeerSettings(address=f"p{number}", asn="internal") for number in (1, 2))
        config = Config(bgp=BgpConfig(asn=65001, router_id="10.0.0.5", peers=peers), files=("evpnd.toml",))
        self.failures: dict[bytes, Failure] = {}
        link = SimpleNamespace(name="pod7")
        self.unusable: dict[str, str] = {}
        self.foreign_floods: dict[int, list[bytes]] = {}
        kernel = SimpleNamespace(
            links={7: link},
            failures=self.failures,
            stats={"desired": 1},
            unusable=self.unusable,
            foreign_floods=lambda: self.foreign_floods,
        )
        peerings = {f"p{number}": SimpleNamespace(rib_in=self.peer(number)) for number in (1, 2)}
        speaker = SimpleNamespace(rib=self.rib, instances=self.instances, peerings=peerings)
        self.daemon: Any = SimpleNamespace(
            config=config, speaker=speaker, sessions={}, listener=None, kernel=kernel, now=lambda: 100.0, started_at=0.0
        )

    def show(self, words: str, filters: Filters | None = None) -> Any:
        """What `evpnctl show WORDS` is answered; the words joined by dots."""
        return handlers(self.daemon)[f"show.{words}"](filters or {})

    def why(self, key: bytes, peer: str = "p1") -> str | None:
        rows = [row for row in self.show("routes") if row["peer"] == peer]
        mac = key[14:20].hex(":")
        return next(cast("str | None", row["why"]) for row in rows if row.get("mac") == mac)

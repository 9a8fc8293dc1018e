"""The rows of peers, of a speaker without sockets."""

from __future__ import annotations

from evpnd.config import BgpConfig, Config, PeerSettings
from tests.show.scene import Scene


def test_others_have_their_turn_between_peers(scene: Scene) -> None:
    """The routes of each are counted, a million of them in a tenth of a second."""
    peers = tuple(PeerSettings(address=f"10.0.0.{number}", asn=65001, enabled=False) for number in (1, 2))
    scene.daemon.config = Config(bgp=BgpConfig(asn=65001, router_id="10.0.0.5", peers=peers))
    rows = list(scene.show("peers"))
    assert [None if row is None else row["address"] for row in rows] == ["10.0.0.1", None, "10.0.0.2", None]


def test_peers_without_a_session_say_why(scene: Scene) -> None:
    peers = tuple(PeerSettings(address=f"10.0.0.{n}", asn="internal", enabled=n != 1) for n in (1, 2))
    scene.daemon.config = Config(bgp=BgpConfig(asn=65001, router_id="10.0.0.5", peers=peers), files=("evpnd.toml",))
    rows = [row for row in scene.show("peers") if row]
    assert [(row["state"], row["problem"].split(",")[0]) for row in rows] == [
        ("disabled", "disabled in the configuration"),
        ("idle", "evpnd is starting"),
    ]

"""All commands: each has a handler and a view, refuses what it does not know, and leaves the loop to others."""

from __future__ import annotations

import pytest

from evpnd.config import BgpConfig, Config, PeerSettings
from evpnd.requests import Filters, RequestError
from evpnd.show import handlers
from evpnd.show.running import PAUSE
from evpnd.views import VIEWS
from tests.show.scene import Scene


def test_every_command_has_a_handler_and_a_view(scene: Scene) -> None:
    assert handlers(scene.daemon).keys() == VIEWS.keys()


@pytest.mark.parametrize("command", ["vni", "mac", "vteps", "routes"])
def test_unknown_vni_is_refused(scene: Scene, command: str) -> None:
    with pytest.raises(RequestError, match="VNI 5 is not known here"):
        scene.show(command, {"vni": 5})


def test_peer_that_is_disabled_is_known(scene: Scene) -> None:
    peers = (PeerSettings(address="10.9.9.9", asn="internal", enabled=False),)
    scene.daemon.config = Config(bgp=BgpConfig(asn=65001, router_id="10.0.0.5", peers=peers))
    assert list(scene.show("routes", {"peer": "10.9.9.9"})) == []
    with pytest.raises(RequestError, match=r"peer 10.9.9.9 has no session: disabled in the configuration"):
        handlers(scene.daemon)["clear.peer"]({"peer": "10.9.9.9"})


def test_unknown_peer_is_refused(scene: Scene) -> None:
    for command in ("show.peer", "clear.peer", "show.routes"):
        with pytest.raises(RequestError, match=r"peer 10.9.9.9 is not configured"):
            handlers(scene.daemon)[command]({"peer": "10.9.9.9"})


@pytest.mark.parametrize("command", ["routes", "mac", "vteps"])
def test_long_listing_lets_others_have_their_turn(scene: Scene, command: str) -> None:
    """At 200,000 routes a filter that finds nothing held up the loop for a third of a second.

    Only `show mac` has rows in between: these MACs can't be reached.
    """
    for number in range(2 * PAUSE):
        scene.mac_route("10.0.0.5", f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}")
    filters: Filters = {"type": 5} if command == "routes" else {}
    rows = list(scene.show(command, filters))
    assert [at for at, row in enumerate(rows) if row is None] == ([999, 2000] if command == "mac" else [0, 1])

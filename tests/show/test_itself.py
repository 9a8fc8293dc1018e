"""The rows of the daemon itself: what it wrote to the kernel, and what that refused."""

from __future__ import annotations

from evpnd.evpn.values import mac_from_text
from evpnd.fib.reconcile import Failure
from evpnd.views import VIEWS, keys
from tests.evpn.scene import MAC
from tests.show.scene import Scene


def test_what_the_kernel_refused(scene: Scene) -> None:
    scene.failures[scene.vrf.intent(mac_from_text(MAC))] = Failure(28, "no space left on device", 2, 105.0)
    (failure,) = scene.show("fib.failures")
    assert (failure["errno"], failure["count"], failure["retry_in_s"]) == ("ENOSPC", 2, 5.0)
    assert keys(VIEWS["show.fib.failures"]) == failure.keys()

"""evpnd.vni_log: what an operator reads while devices are made, changed and removed one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evpnd.fib.discovery import VniDevice
from evpnd.vni_log import PATIENCE_S, VniLog
from tests.evpn.scene import device
from tests.test_speaker import Clock

WORKS = ("info", "VNI works on vx100 in br100")
GONE = ("info", "VNI is gone")


def broken(reason: str) -> tuple[str, str]:
    return "warning", f"VNI does not work: {reason}"


class Host:
    """One VNI, the log, and a clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.said: list[tuple[str, str]] = []
        self.log = VniLog(self.clock, lambda level, text, **more: self.said.append((level, text)))
        self.vnis: dict[int, VniDevice] = {}

    def set(self, reason: str | None = None, **changes: Any) -> None:
        self.become({100: replace(device(vtep="10.0.0.1"), problem=reason, **changes)})

    def become(self, vnis: dict[int, VniDevice]) -> None:
        before, self.vnis = self.vnis, vnis
        self.log.changed(before, vnis)

    def heard(self, seconds: float = 0.0) -> list[tuple[str, str]]:
        """What was said since the last call, `seconds` from now included."""
        self.clock.run(seconds)
        said, self.said = self.said, []
        return said


def test_devices_that_are_being_made_are_no_failure() -> None:
    host = Host()
    for reason in ("vx100 is not in a bridge", "vx100 is down", "br100 is down"):
        host.set(reason)
        assert host.heard(PATIENCE_S * 0.9) == []
    host.set()
    assert host.heard(10) == [WORKS]


def test_devices_that_are_being_removed_are_no_failure() -> None:
    host = Host()
    host.set()
    assert host.heard() == [WORKS]
    for reason in ("br100 is down", "vx100 is not in a bridge"):
        host.set(reason)
        assert host.heard(PATIENCE_S * 0.9) == []
    host.become({})
    assert host.heard(10) == [GONE]


def test_a_vni_that_came_and_went_unsaid_is_not_gone() -> None:
    host = Host()
    host.set("vx100 is down")
    host.become({})
    assert host.heard(10) == []


def test_a_reason_that_stands_is_told_once() -> None:
    host = Host()
    host.set("vx100 is down")
    assert host.heard(PATIENCE_S * 0.6) == []
    host.set("vx100 is down", bridge_mac=bytes(6))  # other news of the device begin no new wait
    assert host.heard(PATIENCE_S * 0.6) == [broken("vx100 is down")]
    host.set("vx100 is down", mtu=1400)
    assert host.heard(10) == []
    host.set("br100 is down")
    assert host.heard(10) == [broken("br100 is down")]
    host.set()
    assert host.heard(10) == [WORKS]


def test_what_mends_itself_in_time_is_not_told() -> None:
    """Nothing has changed for the operator; nor has it with a bridge's MAC, which changes with each port."""
    host = Host()
    host.set()
    assert host.heard() == [WORKS]
    host.set("vx100 is down")
    host.set(ifindex=99, bridge=77, bridge_mac=bytes(6), mtu=1400)
    assert host.heard(10) == []
    host.set("vx100 is down")
    assert host.heard(10) == [broken("vx100 is down")]
    host.set()
    host.set("vx100 is down")
    assert host.heard(PATIENCE_S * 0.9) == [WORKS]
    host.set()
    assert host.heard(10) == []


def test_other_devices_or_another_address_are_told() -> None:
    host = Host()
    host.set()
    host.set(name="vxlan100", bridge_name="br0")
    assert host.heard() == [WORKS, ("info", "VNI works on vxlan100 in br0")]
    host.set(name="vxlan100", bridge_name="br0", vtep=bytes((10, 0, 0, 9)))
    assert host.heard() == [("info", "VNI is at 10.0.0.9 now")]


def test_each_vni_has_its_own_time() -> None:
    host = Host()
    one, two = (replace(device(vni), problem=f"vx{vni} is down") for vni in (100, 200))
    host.become({100: one})
    assert host.heard(PATIENCE_S * 0.6) == []
    host.become({100: one, 200: two})
    assert host.heard(PATIENCE_S * 0.6) == [broken("vx100 is down")]
    assert host.heard(PATIENCE_S * 0.6) == [broken("vx200 is down")]

"""What the log says of each VNI, and when: that it works at once, that it doesn't only when that stays so for a while.

Whoever makes or removes devices does so one by one, and at each step between a VNI does not work yet or any more.
`evpnctl show vni` tells of these at once, the log waits. Owns what was said last of each VNI. Must not know routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from evpnd.evpn.values import ip_text
from evpnd.fib.discovery import VniDevice

if TYPE_CHECKING:
    from evpnd.speaker import Clock, Say

PATIENCE_S = 2.0  # so long a reason must have stood

Shown = tuple[object, ...]


class VniLog:
    """Is told the VNIs whenever they change."""

    def __init__(self, clock: Clock, say: Say) -> None:
        self._clock = clock
        self._say = say
        self._said: dict[int, Shown] = {}
        self._waiting: dict[int, VniDevice] = {}  # they don't work, and nothing is said of it yet

    def changed(self, before: Mapping[int, VniDevice], now: Mapping[int, VniDevice]) -> None:
        """These are the VNIs now, those were they before."""
        fresh = []
        for vni in sorted(before.keys() | now.keys()):
            device = now.get(vni)
            if device is before.get(vni):
                continue
            waiting = self._waiting.get(vni)
            if device is None or device.problem is None:
                self._waiting.pop(vni, None)
            if device is None:
                if self._said.pop(vni, None) is not None:
                    self._say("info", "VNI is gone", vni=vni)
            elif self._said.get(vni) == _shown(device):
                self._waiting.pop(vni, None)
            elif device.problem is None:
                text = f"VNI works on {device.name} in {device.bridge_name}"
                if device.vtep is not None and self._said.get(vni, ())[:-1] == _shown(device)[:-1]:
                    text = f"VNI is at {ip_text(device.vtep)} now"
                self._said[vni] = _shown(device)
                self._say("info", text, vni=vni)
            elif waiting is None or waiting.problem != device.problem:
                self._waiting[vni] = device
                fresh.append(device)
        if fresh:
            self._clock.call_later(PATIENCE_S, lambda: self._complain(fresh))

    def _complain(self, devices: list[VniDevice]) -> None:
        """Of those whose reason still stands."""
        for device in devices:
            if self._waiting.get(device.vni) is device:
                del self._waiting[device.vni]
                self._said[device.vni] = _shown(device)
                self._say("warning", f"VNI does not work: {device.problem}", vni=device.vni)


def _shown(device: VniDevice) -> Shown:
    """What of a VNI is worth a line when it changes: why it fails, or the devices it is on and where it is reached."""
    if device.problem is not None:
        return (device.problem,)
    return device.name, device.bridge_name, device.vlan, device.vtep

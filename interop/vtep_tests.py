"""What evpnd must do with another VTEP, whichever it is: the tests that FRR's and BIRD's modules inherit.

The fixture `lab` is that module's: host1 runs evpnd, host2 the peer, and the switch records host1's port. The tests
share a lab: each leaves it as it found it.
"""

from __future__ import annotations

import time
from typing import ClassVar

import pytest

from interop import capture, checks, fabric, matrix
from interop.fabric import VNI, devices, pod_mac, vtep_address
from interop.kinds import Evpnd
from interop.lab import Lab

HERE, THERE = vtep_address(1), vtep_address(2)


def evpnd_of(lab: Lab) -> Evpnd:
    node = lab["host1"]
    assert isinstance(node, Evpnd)
    return node


class VtepTests:
    """Tests with a VTEP on host2."""

    live_moves: ClassVar[bool] = True  # the peer lets go of a MAC that it has learned when it hears of it elsewhere

    def test_the_session_comes_up(self, lab: Lab) -> None:
        checks.sessions(lab)

    @pytest.mark.feature(matrix.SENT, matrix.RECEIVED, matrix.PINGS)
    def test_types_2_and_3_go_both_ways_and_pods_ping(self, lab: Lab) -> None:
        checks.joined(lab)

    @pytest.mark.feature(matrix.WITHDRAWAL)
    def test_a_mac_that_appears_or_vanishes_is_followed_by_both(self, lab: Lab) -> None:
        checks.joined(lab)
        for number, other in ((1, 2), (2, 1)):
            port = lab.vtep(number)
            port.run("ip link set eth2 down")
            checks.no_remote_mac(lab, other, pod_mac(number))
            port.run("ip link set eth2 up")
        checks.joined(lab)

    @pytest.mark.feature(matrix.STATIC)
    def test_a_static_mac_is_advertised(self, lab: Lab) -> None:
        mac = "02:00:00:00:51:a1"
        for number, other in ((1, 2), (2, 1)):
            lab.vtep(number).run(f"bridge fdb add {mac} dev eth2 master static")
            checks.remote_mac(lab, other, mac, number)
            lab.vtep(number).run(f"bridge fdb del {mac} dev eth2 master")
            checks.no_remote_mac(lab, other, mac)

    @pytest.mark.feature(matrix.MOVES)
    def test_a_mac_moves_there_and_back(self, lab: Lab) -> None:
        evpnd = evpnd_of(lab)
        sequences = []
        for to in (2, 1, 2, 1):
            checks.roams(lab, to, live=self.live_moves)
            sequences += [row["sequence"] for row in evpnd.show(f"mac --vni {VNI}") if row["mac"] == fabric.ROAMER_MAC]
        # RFC 7432 section 15: each move has a higher number, unless the route was withdrawn in between.
        assert sequences == sorted(set(sequences)) or not self.live_moves, sequences

    @pytest.mark.feature(matrix.DEVICE)
    def test_the_vxlan_device_goes_and_comes_back(self, lab: Lab) -> None:
        evpnd = evpnd_of(lab)
        evpnd.run(f"ip link del vx{VNI}")
        checks.no_floods(lab, 2)
        lines = [line for line in devices(HERE, VNI, []) if f"vx{VNI}" in line]
        evpnd.run("\n".join(lines))
        checks.joined(lab)

    def test_the_vxlan_device_goes_down_and_up(self, lab: Lab) -> None:
        evpnd = evpnd_of(lab)
        evpnd.run(f"ip link set vx{VNI} down")
        checks.no_floods(lab, 2)
        evpnd.run(f"ip link set vx{VNI} up")
        checks.joined(lab)

    @pytest.mark.feature(matrix.SESSION)
    def test_sessions_flap(self, lab: Lab) -> None:
        evpnd = evpnd_of(lab)
        for _ in range(5):
            evpnd.run(f"evpnctl clear peer {THERE}")
            checks.sessions(lab)
        checks.joined(lab)

    def test_the_wire_is_cut_until_the_hold_timers_expire(self, lab: Lab) -> None:
        switch = lab["switch"]
        switch.run("ip link set eth1 down")
        checks.no_floods(lab, 1)
        checks.no_floods(lab, 2)
        switch.run("ip link set eth1 up")
        checks.sessions(lab)
        checks.joined(lab)

    def test_the_peer_stops_and_starts(self, lab: Lab) -> None:
        peer = lab.vtep(2)
        peer.stop()
        checks.no_floods(lab, 1)
        peer.start()
        checks.sessions(lab)
        checks.joined(lab)

    @pytest.mark.feature(matrix.RESTART)
    def test_the_peer_is_killed_and_starts(self, lab: Lab) -> None:
        peer = lab.vtep(2)
        peer.kill()
        checks.no_floods(lab, 1)
        peer.start()
        checks.sessions(lab)
        checks.joined(lab)

    @pytest.mark.feature(matrix.SPEAKER_RESTART)
    def test_evpnd_stops_or_is_killed_and_its_kernel_forwards_on(self, lab: Lab) -> None:
        evpnd = evpnd_of(lab)
        for end in (evpnd.stop, evpnd.kill):
            before = evpnd.kernel_floods(checks.DEVICE), evpnd.kernel_macs(checks.DEVICE)
            end()
            assert not evpnd.process("evpnd")
            time.sleep(0.2)
            assert (evpnd.kernel_floods(checks.DEVICE), evpnd.kernel_macs(checks.DEVICE)) == before
            evpnd.start()
            checks.sessions(lab)
            checks.joined(lab)

    @pytest.mark.feature(matrix.CLEAN)
    def test_z_tshark_finds_nothing_malformed(self, lab: Lab) -> None:
        """Last: the recording has all that was said in the tests above; alone, what these two say."""
        self.test_a_mac_that_appears_or_vanishes_is_followed_by_both(lab)
        self.test_sessions_flap(lab)
        assert capture.updates(lab["switch"], HERE) > 10
        assert capture.faults(lab["switch"], HERE) == []

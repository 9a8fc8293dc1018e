"""evpnd with GoBGP 3.10 and 4.8: a reflector between two evpnds, and a peer on the wire that says what it is told."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from typing import Any

import pytest

from interop import capture, checks, clab, fabric, matrix, networks
from interop.fabric import ASN, Neighbor, Speaker, pod_mac, vtep_address
from interop.kinds import Gobgp, Vtep
from interop.lab import Lab
from interop.vtep_tests import HERE, evpnd_of

GOBGP = vtep_address(9)
VERSIONS = ["gobgp3", "gobgp"]
VNIS = networks.two_hosts()  # as evpnd-gobgp-rr has them


def gobgp_of(lab: Lab) -> Gobgp:
    return next(node for node in lab if isinstance(node, Gobgp))


@pytest.fixture(scope="module", params=VERSIONS)
def reflector_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab(clab.with_kind("evpnd-gobgp-rr", request.param)) as lab:
        capture.record(lab["switch"], "eth1")
        yield lab


@pytest.fixture(scope="module", params=VERSIONS)
def wire_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    evpnd = fabric.vtep("evpnd", Speaker(HERE, ASN, (Neighbor(GOBGP, ASN),)))
    gobgp = fabric.speaker_only(request.param, Speaker(GOBGP, ASN, (Neighbor(HERE, ASN),), vnis=()))
    with Lab(fabric.segment("wire", [("host1", evpnd)], [("gobgp", gobgp)])) as lab:
        capture.record(lab["switch"], "eth1")
        yield lab


class TestReflector:
    """evpnd - GoBGP - evpnd."""

    def sessions(self, reflector_lab: Lab) -> None:
        for number in (1, 2):
            node = reflector_lab.vtep(number)
            reflector_lab.wait(functools.partial(node.established, GOBGP), 20, f"{node.name}: session with GoBGP")

    @pytest.mark.feature(matrix.REFLECTED)
    def test_types_2_and_3_go_both_ways_and_pods_ping(self, reflector_lab: Lab) -> None:
        self.sessions(reflector_lab)
        checks.joined(reflector_lab)

    @pytest.mark.feature(matrix.MOVES)
    def test_a_mac_moves_there_and_back(self, reflector_lab: Lab) -> None:
        for to in (2, 1):
            checks.roams(reflector_lab, to)

    @pytest.mark.feature(matrix.WITHDRAWAL)
    def test_a_mac_that_vanishes_is_withdrawn_through_it(self, reflector_lab: Lab) -> None:
        self.sessions(reflector_lab)
        checks.joined(reflector_lab)
        reflector_lab.vtep(1).run("ip link set eth2 down")
        checks.no_remote_mac(reflector_lab, 2, pod_mac(1))
        reflector_lab.vtep(1).run("ip link set eth2 up")
        checks.joined(reflector_lab)

    def test_the_reflector_restarts(self, reflector_lab: Lab) -> None:
        reflector = gobgp_of(reflector_lab)
        reflector.stop()  # with a NOTIFICATION: what it had reflected is gone
        checks.no_floods(reflector_lab, 1)
        reflector.start()
        self.sessions(reflector_lab)
        checks.joined(reflector_lab)

    def test_the_reflector_is_killed_and_nothing_is_lost_meanwhile(self, reflector_lab: Lab) -> None:
        reflector = gobgp_of(reflector_lab)
        ping = networks.Ping(reflector_lab["pod1"], fabric.pod_address(2))
        reflector.kill()
        for number in (1, 2):  # RFC 4724: what it had reflected is kept until it is back
            node = reflector_lab.vtep(number)
            reflector_lab.wait(lambda node=node: not node.established(GOBGP), 10, f"{node.name}: no session")  # type: ignore[misc]
            assert node.kernel_floods(checks.DEVICE) == {vtep_address(3 - number)}
        time.sleep(1.5)
        networks.unharmed(ping, "while the reflector is away")
        reflector.start()
        self.sessions(reflector_lab)
        checks.joined(reflector_lab)

    @pytest.mark.feature(matrix.SESSION)
    def test_sessions_flap(self, reflector_lab: Lab) -> None:
        for _ in range(2):
            evpnd_of(reflector_lab).run(f"evpnctl clear peer {GOBGP}")
            self.sessions(reflector_lab)
        checks.joined(reflector_lab)

    @pytest.mark.feature(matrix.ISOLATION)
    def test_nothing_of_one_vni_arrives_in_the_other(self, reflector_lab: Lab) -> None:
        self.sessions(reflector_lab)
        networks.joined(reflector_lab, *VNIS)
        networks.apart(reflector_lab, *VNIS)

    @pytest.mark.feature(matrix.NO_LOSS)
    def test_evpnd_is_killed_and_no_packet_is_lost(self, reflector_lab: Lab) -> None:
        self.sessions(reflector_lab)
        networks.joined(reflector_lab, *VNIS)
        networks.survives_kill(reflector_lab, "host1", (GOBGP,), *VNIS)

    def test_soft_resets_of_gobgp_harm_nobody(self, reflector_lab: Lab) -> None:
        gobgp = gobgp_of(reflector_lab)
        up = evpnd_of(reflector_lab).show("peers")[0]["uptime_s"]
        for way in ("softresetin", "softresetout", "softreset"):
            gobgp.run(f"gobgp neighbor {HERE} {way}")
        checks.joined(reflector_lab)
        assert evpnd_of(reflector_lab).show("peers")[0]["uptime_s"] >= up

    def test_z_tshark_finds_nothing_malformed(self, reflector_lab: Lab) -> None:
        self.test_a_mac_that_vanishes_is_withdrawn_through_it(reflector_lab)  # so that enough is said when alone
        assert capture.updates(reflector_lab["switch"], HERE) > 3
        assert capture.faults(reflector_lab["switch"], HERE) == []


class TestWire:
    """evpnd and GoBGP face to face."""

    def announce(self, wire_lab: Lab, route: str, verb: str = "add") -> None:
        common = f"rd {GOBGP}:100 rt {ASN}:100 encap vxlan"
        gobgp_of(wire_lab).run(f"gobgp global rib {verb} -a evpn {route.format(common=common)}")

    def routes(self, wire_lab: Lab) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = evpnd_of(wire_lab).show(f"routes --peer {GOBGP}")
        return rows

    def test_a_type_3_makes_a_flood_entry(self, wire_lab: Lab) -> None:
        node = wire_lab.vtep(1)
        wire_lab.wait(lambda: node.established(GOBGP), 20, "session")
        route = f"multicast {GOBGP} etag 0 {{common}} pmsi ingress-repl 100 {GOBGP}"
        self.announce(wire_lab, route)
        wire_lab.wait(lambda: node.kernel_floods(checks.DEVICE) == {GOBGP}, 10, "flood entry")
        self.announce(wire_lab, route, "del")
        checks.no_floods(wire_lab, 1)
        self.announce(wire_lab, route)

    @pytest.mark.feature(matrix.RECEIVED)
    def test_a_type_2_makes_forwarding_entries(self, wire_lab: Lab) -> None:
        node = wire_lab.vtep(1)
        for mac, address in (("02:aa:00:00:00:01", "0.0.0.0"), ("02:aa:00:00:00:02", "192.168.100.77")):
            route = f"macadv {mac} {address} etag 0 label 100 {{common}}"
            self.announce(wire_lab, route)
            wire_lab.wait(lambda mac=mac: node.kernel_macs(checks.DEVICE).get(mac) == GOBGP, 10, f"{mac} in the kernel")  # type: ignore[misc]
            self.announce(wire_lab, route, "del")
            checks.no_remote_mac(wire_lab, 1, mac)

    @pytest.mark.feature(matrix.OTHER_TYPES)
    def test_other_types_are_kept_and_harm_nobody(self, wire_lab: Lab) -> None:
        self.announce(wire_lab, "a-d esi ARBITRARY 11:22:33:44:55:66:77:88:99 etag 0 label 100 {common}")
        self.announce(wire_lab, f"esi {GOBGP} esi ARBITRARY 11:22:33:44:55:66:77:88:99 {{common}}")
        self.announce(
            wire_lab, "prefix 10.10.0.0/16 gw 0.0.0.0 etag 0 label 5000 {common} router-mac 02:bb:00:00:00:01"
        )
        seen = wire_lab.wait(
            lambda: {row["route_type"] for row in self.routes(wire_lab)} >= {1, 4, 5}, 10, "types 1, 4 and 5"
        )
        assert seen
        assert wire_lab.vtep(1).established(GOBGP)

    @pytest.mark.feature(matrix.SENT)
    def test_gobgp_reads_what_evpnd_says(self, wire_lab: Lab) -> None:
        wire_lab["pod1"].run(
            "ping -c 1 -W 1 192.168.100.200 || :"
        )  # nobody's address: the question alone shows the pod
        gobgp = gobgp_of(wire_lab)
        wire_lab.wait(lambda: wire_lab.vtep(1).established(GOBGP), 20, "session")
        wire_lab.wait(lambda: types_of(gobgp, HERE) == {2, 3}, 10, "evpnd's types 2 and 3 in GoBGP")
        wanted = [path for path in gobgp.routes() if path["nlri"]["value"].get("mac") == pod_mac(1)]
        assert wanted and wanted[0]["nlri"]["value"]["labels"] == [100], wanted
        assert f"{ASN}:100" in str(wanted[0]["attrs"])

    def test_gobgp_restarts(self, wire_lab: Lab) -> None:
        gobgp, node = gobgp_of(wire_lab), wire_lab.vtep(1)
        assert isinstance(node, Vtep)
        gobgp.restart()
        wire_lab.wait(lambda: node.established(GOBGP), 20, "session")
        checks.no_floods(wire_lab, 1)
        wire_lab.wait(lambda: len(gobgp.routes()) >= 2, 10, "evpnd's routes in GoBGP again")

    def test_z_tshark_finds_nothing_malformed(self, wire_lab: Lab) -> None:
        self.test_gobgp_reads_what_evpnd_says(wire_lab)  # so that enough is said when alone
        assert capture.updates(wire_lab["switch"], HERE) >= 1
        assert capture.faults(wire_lab["switch"], HERE) == []


@pytest.mark.feature(matrix.REFLECTS)
@pytest.mark.parametrize("kind", VERSIONS)
def test_gobgp_and_evpnd_through_evpnd_as_reflector(kind: str) -> None:
    reflector = vtep_address(8)
    host = fabric.vtep("evpnd", Speaker(HERE, ASN, (Neighbor(reflector, ASN),)))
    gobgp = fabric.speaker_only(kind, Speaker(GOBGP, ASN, (Neighbor(reflector, ASN),), vnis=()))
    clients = tuple(Neighbor(address, ASN, client=True) for address in (HERE, GOBGP))
    middle = fabric.speaker_only("evpnd", Speaker(reflector, ASN, clients, vnis=()))
    with Lab(fabric.segment("reflected", [("host1", host)], [("reflector", middle), ("gobgp", gobgp)])) as lab:
        mac, common = "02:aa:00:00:00:01", f"rd {GOBGP}:100 rt {ASN}:100 encap vxlan"
        speaker, node = gobgp_of(lab), lab.vtep(1)
        lab.wait(lambda: speaker.established(reflector), 20, "GoBGP: session with the reflector")
        for route in (
            f"multicast {GOBGP} etag 0 {common} pmsi ingress-repl 100 {GOBGP}",
            f"macadv {mac} 0.0.0.0 etag 0 label 100 {common}",
        ):
            speaker.run(f"gobgp global rib add -a evpn {route}")
        lab.wait(lambda: node.kernel_floods(checks.DEVICE) == {GOBGP}, 20, "GoBGP's type 3 in host1's kernel")
        lab.wait(lambda: node.kernel_macs(checks.DEVICE).get(mac) == GOBGP, 10, "GoBGP's type 2 in host1's kernel")
        lab.wait(lambda: {2, 3} == types_of(speaker, HERE), 20, "host1's types 2 and 3 in GoBGP")


def types_of(gobgp: Gobgp, origin: str) -> set[int]:
    """The types of the routes with this address in them."""
    return {path["nlri"]["type"] for path in gobgp.routes() if origin in str(path["nlri"]["value"])}

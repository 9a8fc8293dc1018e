"""evpnd with FRR: 8.4 as Debian 12 has it, 10.7 as the newest packaged."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from interop import capture, checks, clab, fabric, matrix, networks
from interop.fabric import ASN, Neighbor, Speaker, pod_mac, vtep_address
from interop.kinds import Frr
from interop.lab import Lab
from interop.vtep_tests import HERE, THERE, VtepTests, evpnd_of


@pytest.fixture(scope="module", params=["frr8", "frr"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab(clab.with_kind("evpnd-frr", request.param)) as lab:
        capture.record(lab["switch"], "eth1")
        yield lab


def frr_of(lab: Lab) -> Frr:
    node = lab["host2"]
    assert isinstance(node, Frr)
    return node


class TestFrr(VtepTests):
    """Besides what every VTEP must do with evpnd."""

    def test_frr_sees_the_routes_as_its_own_kind(self, lab: Lab) -> None:
        checks.joined(lab)
        frr = frr_of(lab)
        routes = frr.vtysh(f"show bgp l2vpn evpn rd {HERE}:{self._rd_number(lab)}")
        text = str(routes)
        assert f"RT:{ASN}:100" in text and "ET:8" in text, text
        vni = frr.vtysh("show evpn vni 100")
        assert HERE in str(vni), vni  # a VTEP of another

    @staticmethod
    def _rd_number(lab: Lab) -> str:
        return str(evpnd_of(lab).show("vni")[0]["rd"]).rpartition(":")[2]

    @pytest.mark.feature(matrix.ISOLATION)
    def test_nothing_of_one_vni_arrives_in_the_other(self, lab: Lab) -> None:
        checks.sessions(lab)
        vnis = networks.two_hosts()  # as evpnd-frr has them
        networks.joined(lab, *vnis)
        networks.apart(lab, *vnis)

    def test_frr_resets_the_session(self, lab: Lab) -> None:
        frr = frr_of(lab)
        for command in ("clear bgp *", f"clear bgp {HERE}"):
            frr.run(["vtysh", "-c", command])
            checks.sessions(lab)
        checks.joined(lab)

    def test_route_refresh_both_ways(self, lab: Lab) -> None:
        frr, evpnd = frr_of(lab), evpnd_of(lab)
        up = evpnd.show("peers")[0]["uptime_s"]
        frr.run(["vtysh", "-c", f"clear bgp l2vpn evpn {HERE} soft in"])
        evpnd.run(f"evpnctl clear peer {THERE} soft")
        checks.joined(lab)
        assert evpnd.show("peers")[0]["uptime_s"] >= up  # the session was not reset

    def test_evpnd_shuts_frr_hears_why(self, lab: Lab) -> None:
        frr, evpnd = frr_of(lab), evpnd_of(lab)
        evpnd.run(f"evpnctl clear peer {THERE}")
        # RFC 9003: the text is for the other side's operator.
        said = re.compile(rf'NOTIFICATION: received from neighbor {HERE} 6/4 .*"cleared by the operator"')
        lab.wait(lambda: said.search(frr.read("/tmp/frr.log")), 10, "the text of the NOTIFICATION in FRR's log")
        checks.sessions(lab)
        checks.joined(lab)


def test_external_sessions_with_password_and_ttl_security() -> None:
    password = "a-secret"
    config = ('password = "a-secret"', "ttl_security = 1")
    nodes = []
    for number, kind, settings in (
        (1, "evpnd", config),
        (2, "frr", (f"password {password}", "ttl-security hops 1")),
    ):
        other = 3 - number
        neighbor = Neighbor(vtep_address(other), 65000 + other, settings=settings)
        nodes.append((f"host{number}", fabric.vtep(kind, Speaker(vtep_address(number), 65000 + number, (neighbor,)))))
    with Lab(fabric.segment("external", nodes)) as lab:
        capture.record(lab["switch"], "eth1")
        checks.sessions(lab)
        checks.joined(lab)
        paths = [row for row in evpnd_of(lab).show("routes") if row.get("mac") == pod_mac(2)]
        assert paths and "65002" in str(paths[0]["attributes"]["as_path"]), paths
        assert capture.faults(lab["switch"], HERE) == []


@pytest.mark.peers("frr8", "frr")
@pytest.mark.feature(matrix.REFLECTS)
def test_two_frrs_of_different_age_through_evpnd_as_reflector() -> None:
    with Lab(fabric.reflected("frr8", "frr", "evpnd")) as lab:
        capture.record(lab["switch"], "eth3")
        checks.joined(lab)
        checks.roams(lab, 2)
        lab["reflector"].restart()
        checks.joined(lab)
        assert capture.faults(lab["switch"], vtep_address(9)) == []


@pytest.mark.feature(matrix.REFLECTED)
@pytest.mark.parametrize("kind", ["frr8", "frr"])
def test_two_evpnds_through_frr_as_reflector(kind: str) -> None:
    with Lab(fabric.reflected("evpnd", "evpnd", kind)) as lab:
        checks.joined(lab)
        checks.roams(lab, 2)
        lab["reflector"].restart()
        checks.joined(lab)


def test_four_octet_asns() -> None:
    # A route target has two octets for an ASN beside a VNI: FRR's derivation and evpnd's must still meet.
    with Lab(fabric.pair("evpnd", "frr", asns=(4200000001, 4200000002))) as lab:
        checks.sessions(lab)
        checks.joined(lab)

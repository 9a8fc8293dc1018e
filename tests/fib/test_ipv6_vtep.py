"""A VNI whose VTEPs have IPv6 addresses, from routes to the real kernel's FDB and back."""

from __future__ import annotations

import pytest

from evpnd.bgp.attributes import PmsiTunnel
from evpnd.evpn.macvrf import INGRESS_REPLICATION, mac_key, multicast_key
from evpnd.evpn.values import ip_from_text, mac_from_text, rd_from_text
from evpnd.fib.kernel import Kernel
from tests import netns
from tests.evpn.scene import Host, attributes
from tests.fib.watching import Watcher, settle, watching
from tests.netns import fdb, remote, run

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
OWN, VTEP2, VTEP3 = "2001:db8::1", "2001:db8::2", "2001:db8::3"
ZERO = "00:00:00:00:00:00"
LABEL = bytes((0, 0, 100))
RDS = {VTEP2: rd_from_text("10.0.0.2:100"), VTEP3: rd_from_text("10.0.0.3:100")}

pytestmark = pytest.mark.usefixtures("namespace")


def flood(vtep: str) -> set[tuple[str, ...]]:
    return {(ZERO, vtep, "extern_learn", "permanent")}


class Routes(Host):
    """Remote routes of VTEPs with IPv6 addresses, carried to a real kernel."""

    def __init__(self, kernel: Kernel, watcher: Watcher) -> None:
        super().__init__(kernel=kernel)
        self.kernel = kernel
        self.instances.set_taken(watcher.taken)
        self.instances.set_vnis(watcher.vnis, kernel.local_macs)
        self.settle()

    def mac(self, mac: str, next_hop: str, of: str = VTEP2) -> bytes:
        key = mac_key(RDS[of], mac_from_text(mac))
        self.rib.announce(self.peer(1), attributes(), ip_from_text(next_hop), [(key, bytes(10) + LABEL)])
        self._carry()
        return key

    def multicast(self, vtep: str) -> bytes:
        octets = ip_from_text(vtep)
        key = multicast_key(RDS[vtep], octets)
        pmsi = PmsiTunnel(0, INGRESS_REPLICATION, LABEL, octets)
        self.rib.announce(self.peer(1), attributes(pmsi=pmsi), octets, [(key, b"")])
        self._carry()
        return key

    def withdraw(self, key: bytes, peer: int = 1) -> None:
        super().withdraw(key, peer)
        self.kernel.flush()

    def _carry(self) -> None:
        self.settle()
        self.kernel.flush()


async def test_routes_become_entries_and_go_with_them() -> None:
    netns.make_vni(100, local=OWN)
    async with watching() as (kernel, watcher):
        host = Routes(kernel, watcher)
        floods = [host.multicast(VTEP2), host.multicast(VTEP3)]
        macs = [host.mac(A, VTEP2), host.mac(B, VTEP3, of=VTEP3)]
        everything = remote(A, VTEP2) | remote(B, VTEP3) | flood(VTEP2) | flood(VTEP3)
        assert fdb("vx100") == everything
        host.mac(A, VTEP3)
        assert fdb("vx100") == everything - remote(A, VTEP2) | remote(A, VTEP3)
        host.withdraw(floods[0])
        host.withdraw(macs[0])
        assert fdb("vx100") == remote(B, VTEP3) | flood(VTEP3)
        host.withdraw(floods[1])
        host.withdraw(macs[1])
        assert fdb("vx100") == set()
        assert not kernel.failures


async def test_what_this_host_says_of_itself() -> None:
    netns.make_vni(100, local=OWN)
    async with watching() as (kernel, watcher):
        host = Routes(kernel, watcher)
        (path,) = host.local_in.paths.values()
        assert list(host.local_in.paths) == [multicast_key(host.vrf.rd, ip_from_text(OWN))]
        assert path.next_hop == ip_from_text(OWN)
        assert path.attributes.pmsi is not None
        assert path.attributes.pmsi.endpoint == ip_from_text(OWN)


@pytest.mark.parametrize("next_hop", ["10.0.0.2", OWN, "fe80::2", "::1", "ff02::1", "2001:db8:1::9"])
async def test_next_hops_that_can_not_be_another_vtep(next_hop: str) -> None:
    netns.make_vni(100, local=OWN)
    run("ip addr add 2001:db8:1::9/64 dev lo")
    async with watching() as (kernel, watcher):
        host = Routes(kernel, watcher)
        host.mac(A, next_hop)
        assert fdb("vx100") == set()
        assert host.vrf.unreached == {mac_from_text(A)}


async def test_entries_are_restored_adopted_and_compared() -> None:
    netns.make_vni(100, local=OWN)
    everything = remote(A, VTEP2) | flood(VTEP2)
    async with watching() as (kernel, watcher):
        host = Routes(kernel, watcher)
        host.mac(A, VTEP2)
        host.multicast(VTEP2)
        for command in (
            "bridge fdb flush dev br100",
            "bridge fdb flush dev vx100 self",
            f"bridge fdb replace {A} dev vx100 dst 2001:db8::9 self static",
            f"bridge fdb del {ZERO} dev vx100 dst {VTEP2}",
        ):
            run(command)
            await settle(kernel, lambda: fdb("vx100") == everything, command)
    async with watching() as (kernel, watcher):
        assert kernel.stats["stale"] == 2
        host = Routes(kernel, watcher)
        host.mac(A, VTEP2)
        assert kernel.stats["requests"] == 0
        assert kernel.sweep() == 1
        assert fdb("vx100") == remote(A, VTEP2)
        kernel.resync()
        await settle(kernel, lambda: watcher.resyncs == 2, "a full comparison")
        assert kernel.stats["requests"] == 1, "it finds nothing to do"

"""Speakers joined in memory, on a clock of the test's: learning, moves, restarts, refresh, the sweep."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any, cast

import pytest

from evpnd.bgp.attributes import AttributeCache
from evpnd.bgp.capability import FORWARDING, GracefulFamily, GracefulRestart
from evpnd.bgp.family import L2VPN_EVPN
from evpnd.bgp.framing import ROUTE_REFRESH, split_messages
from evpnd.bgp.message import decode_route_refresh
from evpnd.bgp.negotiation import Negotiated
from evpnd.bgp.session import Session
from evpnd.bgp.update import UpdateDecoder
from evpnd.config import BgpConfig, Config, PeerSettings
from evpnd.evpn.values import ip_from_text, mac_from_text
from evpnd.fib.discovery import VniDevice
from evpnd.fib.mirror import LocalEntry
from evpnd.speaker import Speaker
from tests.evpn.scene import Intents, device

MAC = "02:00:00:00:00:01"
RESTART = GracefulRestart(0, 120, (GracefulFamily(L2VPN_EVPN, FORWARDING),))
FORGETFUL = GracefulRestart(0, 120, (GracefulFamily(L2VPN_EVPN, 0),))


class Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Clock:
    """A loop without a loop."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self._due: list[tuple[float, int, Timer]] = []

    def call_soon(self, callback: Callable[[], None], /) -> object:
        return self.call_later(0.0, callback)

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._due, (self.now + delay, next(self._order), timer))
        return timer

    def run(self, seconds: float = 0.0) -> None:
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, timer = heapq.heappop(self._due)
            if timer.callback is not None:
                timer.callback()
        self.now = end


class Kernel(Intents):
    """Holds what it is told; `adopted` stands for what an earlier run left."""

    def __init__(self) -> None:
        super().__init__()
        self.local: dict[tuple[int, bytes], LocalEntry] = {}
        self.sweeps = 0

    def local_macs(self, bridge: int) -> list[tuple[int, bytes, LocalEntry]]:
        return [(0, mac, entry) for (where, mac), entry in self.local.items() if where == bridge]

    def flush(self) -> None:
        pass

    def sweep(self) -> int:
        self.sweeps += 1
        return 0


class Wire:
    """One end of a session: what is sent arrives at the other speaker in the clock's next turn."""

    def __init__(self, clock: Clock, owner: Speaker, settings: PeerSettings, negotiated: Negotiated) -> None:
        self.clock = clock
        self.config = settings
        self.owner = owner
        self.negotiated = negotiated
        self.other: Wire | None = None
        self.ended: tuple[int, int] | None = None
        self.writable = True
        self._decoder = UpdateDecoder(negotiated.context, AttributeCache())

    def send(self, data: bytes, messages: int) -> None:
        other = self.other
        if other is not None:
            self.clock.call_soon(lambda: other.receive(data))

    def receive(self, data: bytes) -> None:
        for kind, body in split_messages(data)[0]:
            if kind == ROUTE_REFRESH:
                refresh = decode_route_refresh(body)
                self.owner.refresh(cast(Session, self), refresh.family, refresh.subtype)
            else:
                self.owner.update(cast(Session, self), self._decoder.decode(body))

    def send_refresh(self, family: Any, subtype: int = 0) -> bool:
        other = self.other
        if other is not None:
            self.clock.call_soon(lambda: other.owner.refresh(cast(Session, other), family, subtype))
        return True

    def shutdown(self, code: int, subcode: int, text: str, *, restart_s: float) -> None:
        assert restart_s == math.inf  # it would only send too many routes again
        self.ended = (code, subcode)


class Host:
    def __init__(self, clock: Clock, address: str, *peers: str, **options: Any) -> None:
        self.address = address
        self.clock = clock
        self.kernel = Kernel()
        self.said: list[str] = []
        settings = tuple(PeerSettings(address=peer, asn=65001, **options) for peer in peers)
        config = Config(bgp=BgpConfig(asn=65001, router_id=address, peers=settings))
        self.speaker = Speaker(config, self.kernel, clock, lambda level, text, **more: self.said.append(text))
        self.speaker.start()

    def vni(self) -> None:
        self.speaker.vnis_changed({100: self.device()})

    def device(self) -> VniDevice:
        return device(vtep=self.address)

    def learn(self, mac: str = MAC) -> None:
        entry = self.kernel.local[1100, mac_from_text(mac)] = LocalEntry(7, "dynamic")
        self.speaker.local_macs_changed([(1100, 0, mac_from_text(mac), entry)])

    def macs_known(self) -> set[bytes]:
        vrf = self.speaker.instances.by_vni[100]
        return {*vrf.local, *vrf.remote}

    def macs(self) -> set[str]:
        vrf = self.speaker.instances.by_vni[100]
        return {kind for mac, kind in ((m, "local" if m in vrf.local else "remote") for m in vrf.local | vrf.remote)}


def negotiated(local: Host, peer: Host, restart: GracefulRestart | None) -> Negotiated:
    return Negotiated(
        local_asn=65001,
        peer_asn=65001,
        local_router_id=ip_from_text(local.address),
        peer_router_id=ip_from_text(peer.address),
        local_address=ip_from_text(local.address),
        peer_address=ip_from_text(peer.address),
        hold_time_s=90,
        families=frozenset((L2VPN_EVPN,)),
        as4=True,
        extended_message=True,
        route_refresh=True,
        enhanced_refresh=True,
        graceful_restart=restart,
        hostname="",
        capabilities=(),
    )


def connect(one: Host, two: Host, restart: GracefulRestart | None = RESTART) -> tuple[Wire, Wire]:
    ends = [
        Wire(one.clock, local.speaker, local.speaker.peerings[peer.address].settings, negotiated(local, peer, restart))
        for local, peer in ((one, two), (two, one))
    ]
    ends[0].other, ends[1].other = ends[1], ends[0]
    for end in ends:
        end.owner.established(cast(Session, end), end.negotiated)
    return ends[0], ends[1]


def lose(end: Wire, restart: GracefulRestart | None) -> None:
    end.owner.down(cast(Session, end), "lost", restart)


def pair(**options: Any) -> tuple[Clock, Host, Host]:
    clock = Clock()
    one, two = Host(clock, "10.0.0.1", "10.0.0.2", **options), Host(clock, "10.0.0.2", "10.0.0.1", **options)
    one.vni()
    two.vni()
    return clock, one, two


def test_mac_learned_on_one_host_is_installed_on_the_other() -> None:
    clock, one, two = pair()
    connect(one, two)
    one.learn()
    clock.run()
    assert one.macs() == {"local"}
    assert two.macs() == {"remote"}
    assert len(two.kernel) == 2  # the MAC and the flood entry


def test_mac_moves_back_and_forth_and_has_one_owner() -> None:
    clock, one, two = pair()
    connect(one, two)
    for turn in range(1, 7):
        here, there = (one, two) if turn % 2 else (two, one)
        here.learn()
        clock.run()
        assert here.macs() == {"local"}
        assert there.macs() == {"remote"}
        assert here.speaker.instances.by_vni[100].local[mac_from_text(MAC)].sequence == turn - 1


def test_session_that_ends_takes_its_routes_along() -> None:
    clock, one, two = pair()
    ends = connect(one, two, None)
    one.learn()
    clock.run()
    lose(ends[1], None)
    clock.run()
    assert not two.kernel


def test_routes_wait_for_a_peer_that_restarts() -> None:
    clock, one, two = pair()
    ends = connect(one, two)
    one.learn()
    clock.run()
    before = dict(two.kernel)
    lose(ends[1], RESTART)
    clock.run(119)
    assert two.kernel == before
    clock.run(2)
    assert not two.kernel


def test_routes_that_a_restarted_peer_does_not_confirm_go_at_its_end_of_rib() -> None:
    clock, one, two = pair()
    ends = connect(one, two)
    one.learn()
    one.learn("02:00:00:00:00:02")
    clock.run()
    lose(ends[1], RESTART)
    again = Host(clock, "10.0.0.1", "10.0.0.2")
    again.vni()
    again.learn()
    clock.run()
    connect(again, two)
    clock.run()
    assert len(two.kernel) == 2
    clock.run(300)  # no timer is left that would take them
    assert len(two.kernel) == 2


def test_peer_that_came_back_in_time_has_time_for_its_routes() -> None:
    clock, one, two = pair()
    ends = connect(one, two)
    one.learn()
    clock.run()
    before = dict(two.kernel)
    lose(ends[1], RESTART)
    clock.run(119)
    two.speaker.established(cast(Session, ends[1]), negotiated(two, one, RESTART))
    clock.run(119)
    assert two.kernel == before
    clock.run(2)
    assert not two.kernel
    assert "removed 2 routes that the peer did not confirm: no End-of-RIB came in time" in two.said


def test_routes_are_kept_over_one_restart_and_not_over_two() -> None:
    """RFC 4724 section 4.2: else a peer that flaps keeps for good what it has long forgotten."""
    clock, one, two = pair()
    ends = connect(one, two)
    one.learn()
    one.learn("02:00:00:00:00:02")
    clock.run()
    lose(ends[1], RESTART)
    two.speaker.established(cast(Session, ends[1]), negotiated(two, one, RESTART))
    clock.run()
    assert len(two.macs_known()) == 2
    path = next(iter(one.speaker.local_in.paths.values()))
    key = next(key for key in two.speaker.rib.table if key[14:20] == mac_from_text(MAC))
    peering = two.speaker.peerings["10.0.0.1"]
    two.speaker.rib.announce(peering.rib_in, path.attributes, ip_from_text("10.0.0.1"), [(key, path.body)])
    lose(ends[1], RESTART)
    clock.run()
    assert two.macs_known() == {mac_from_text(MAC)}


def test_peer_that_lost_its_forwarding_state_loses_its_routes_at_once() -> None:
    clock, one, two = pair()
    ends = connect(one, two)
    one.learn()
    clock.run()
    lose(ends[1], RESTART)
    two.speaker.established(cast(Session, ends[1]), negotiated(two, one, FORGETFUL))
    clock.run()
    assert not two.kernel


def test_sweep_waits_for_all_end_of_ribs() -> None:
    clock = Clock()
    host = Host(clock, "10.0.0.1", "10.0.0.2", "10.0.0.3")
    host.vni()
    peers = [Host(clock, address, "10.0.0.1") for address in ("10.0.0.2", "10.0.0.3")]
    connect(host, peers[0])
    clock.run(100)
    assert host.kernel.sweeps == 0
    connect(host, peers[1])
    clock.run(1000)
    assert host.kernel.sweeps == 1


def test_sweep_comes_after_the_deferral_time_in_any_case() -> None:
    clock = Clock()
    host = Host(clock, "10.0.0.1", "10.0.0.2")
    clock.run(119)
    assert host.kernel.sweeps == 0
    clock.run(2)
    assert host.kernel.sweeps == 1


def test_maximum_prefix_ends_the_session() -> None:
    clock, one, two = pair(maximum_prefix=2)
    ends = connect(one, two)
    for number in range(3):
        one.learn(f"02:00:00:00:00:0{number}")
    clock.run()
    assert ends[1].ended == (6, 1)
    assert ends[0].ended is None


def test_refresh_removes_what_is_no_longer_said() -> None:
    clock, one, two = pair()
    ends = connect(one, two)
    one.learn()
    clock.run()
    ends[0].other = None  # what the peer says now is lost
    one.speaker.local_macs_changed([(1100, 0, mac_from_text(MAC), None)])
    clock.run()
    assert two.macs() == {"remote"}
    ends[0].other = ends[1]
    two.speaker.resend(cast(Session, ends[1]))
    clock.run()
    assert not two.macs()


def test_vni_that_comes_late_imports_what_is_there() -> None:
    clock = Clock()
    one, two = Host(clock, "10.0.0.1", "10.0.0.2"), Host(clock, "10.0.0.2", "10.0.0.1")
    connect(one, two)
    one.vni()
    one.learn()
    clock.run()
    assert not two.kernel
    two.vni()
    clock.run()
    assert len(two.kernel) == 2
    two.speaker.vnis_changed({})
    clock.run()
    assert not two.kernel


def test_what_becomes_of_a_vni_is_logged() -> None:
    clock = Clock()
    host = Host(clock, "10.0.0.1")
    host.vni()
    host.speaker.vnis_changed({100: replace(host.device(), problem="vx100 is down")})
    clock.run(10)
    host.speaker.vnis_changed({})
    assert host.said == ["VNI works on vx100 in br100", "VNI does not work: vx100 is down", "VNI is gone"]


@pytest.mark.parametrize("routes", [0, 1])
def test_keeping_routes_of_a_peer_is_logged_where_it_has_any(routes: int) -> None:
    clock, one, two = pair()
    if not routes:
        one.speaker.vnis_changed({})
    ends = connect(one, two)
    clock.run()
    two.said.clear()
    lose(ends[1], RESTART)
    assert two.said == ["keeping 1 routes for 120 s while the peer restarts"] * routes

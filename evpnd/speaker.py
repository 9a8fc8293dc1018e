"""The speaker: sessions' UPDATEs and the kernel's events in, intents and UPDATEs out.

Owns the order of work: whatever arrives marks routes as changed, and one flush a loop turn carries the changes through
instances, update groups and kernel. Synchronous; sessions, the kernel and the loop are handed in, so that everything
between the wire and netlink runs in tests without either.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from evpnd.bgp.adj_out import UpdateGroup
from evpnd.bgp.capability import GracefulRestart
from evpnd.bgp.family import L2VPN_EVPN, Family
from evpnd.bgp.message import RouteRefresh, encode_route_refresh
from evpnd.bgp.negotiation import Negotiated
from evpnd.bgp.path import Source
from evpnd.bgp.policy import ExportPolicy, ImportPolicy
from evpnd.bgp.rib import AdjRibIn, Rib
from evpnd.bgp.update import Update
from evpnd.config import Config
from evpnd.evpn.instances import Instances
from evpnd.evpn.values import ip_from_text
from evpnd.fib.discovery import VniDevice
from evpnd.fib.mirror import LocalEntry
from evpnd.peering import Peering, export_policy
from evpnd.vni_log import VniLog

if TYPE_CHECKING:
    from evpnd.bgp.session import Session

CEASE, MAXIMUM_PREFIXES = 6, 1  # RFC 4486
NORMAL, BEGIN, END = 0, 1, 2  # route refresh subtypes, RFC 7313 section 3.2


Say = Callable[..., None]  # say(level, text, peer=address, vni=number): what an operator should read


class Kernel(Protocol):
    """What the speaker needs of the kernel's facade."""

    def local_macs(self, bridge: int) -> list[tuple[int, bytes, LocalEntry]]:
        """(VLAN, MAC, where) of a bridge's MACs that are to be advertised."""

    def set(self, key: bytes, value: bytes) -> None:
        """The kernel should hold this."""

    def unset(self, key: bytes) -> None:
        """The kernel should no longer hold this."""

    def flush(self) -> None:
        """Send what is due."""

    def adopted(self, key: bytes) -> bool:
        """Whether the kernel has something of an earlier run there, of which nobody has spoken yet."""

    def sweep(self) -> int:
        """Remove (and count) what an earlier run left and nobody confirmed."""


class Timer(Protocol):
    """A timer that can be stopped."""

    def cancel(self) -> None:
        """Stop it."""


class Clock(Protocol):
    """The loop's part in it."""

    def call_soon(self, callback: Callable[[], None], /) -> object:
        """Run once in the next turn."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        """Run once after `delay` seconds."""


class Speaker:
    """RIB, instances and update groups of one daemon."""

    def __init__(self, config: Config, kernel: Kernel, clock: Clock, say: Say) -> None:
        self._say = say
        self.config = config
        self.kernel = kernel
        self.rib = Rib()
        self.local_in = AdjRibIn(Source("local", local=True))
        self.instances = Instances(config.bgp, config.evpn, self.rib, self.local_in, kernel)
        self.peerings = {settings.address: Peering(settings) for settings in config.bgp.peers if settings.enabled}
        self.groups: dict[ExportPolicy, UpdateGroup] = {}
        self.swept = False
        self._router_id = ip_from_text(config.bgp.router_id)
        self._cluster_id = ip_from_text(config.bgp.cluster_id or config.bgp.router_id)
        self._clock = clock
        self._scheduled = False
        self._vni_log = VniLog(clock, say)
        self._restarts: dict[str, Timer] = {}
        self._deferral: Timer | None = None

    def start(self) -> None:
        """The kernel was read: from now on, the sweep waits for the peers or for the deferral time."""
        self._deferral = self._clock.call_later(self.config.fib.sweep_delay_s, self._sweep)
        self._schedule()

    # The loop's turn

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._clock.call_soon(self.flush)

    def flush(self) -> None:
        """Carry all changes through: Loc-RIB, instances, update groups, kernel."""
        self._scheduled = False
        self._carry()
        self.kernel.flush()

    def _carry(self) -> None:
        # A local MAC that yields to a remote route changes the Loc-RIB again; its own change moves no other MAC.
        while self.rib.changed:
            changes = self.rib.take_changes()
            self.instances.apply(changes)
            for group in self.groups.values():
                if group.members:
                    group.apply(changes, self.rib.best)

    # Sessions (evpnd.bgp.session.SessionOwner)

    def established(self, session: Session, negotiated: Negotiated) -> None:
        """A session came up: it joins its update group and is sent the table."""
        peering = self._peering(session)
        imports = ImportPolicy(
            negotiated.local_asn, self._router_id, self._cluster_id, allowas_in=peering.settings.allowas_in
        )
        peering.open(negotiated, imports, self.rib)
        restart = negotiated.graceful_restart
        if peering.rib_in.stale:
            if restart is None or not restart.preserved(L2VPN_EVPN):
                self._sweep_stale(peering, "it did not keep its forwarding state")
            else:  # it was in time; from now on, its End-of-RIB is what is waited for
                self._start_restart_timer(peering, restart.restart_time_s, "no End-of-RIB came in time")
        if L2VPN_EVPN not in negotiated.families:
            return
        self.flush()
        policy = export_policy(
            negotiated,
            peering.settings,
            local_asn=negotiated.local_asn,
            router_id=self._router_id,
            cluster_id=self._cluster_id,
        )
        group = self.groups.get(policy)
        if group is None:
            group = self.groups[policy] = UpdateGroup(policy, L2VPN_EVPN)
        if not group.members:
            group.fill(self.rib.table)
        peering.group = group
        peering.member = group.join(session, peering.rib_in.source)

    def down(self, session: Session, reason: str, restart: GracefulRestart | None) -> None:
        """A session ended: its routes go, or wait for a peer that restarts (RFC 4724 section 4.2)."""
        peering = self._peering(session)
        peering.close()
        restarting = self._stop_restart_timer(peering)
        if restart is not None and restart.covers(L2VPN_EVPN):
            if restarting:  # RFC 4724 section 4.2: what it didn't confirm since the restart before this one goes
                self.rib.sweep_stale(peering.rib_in)
            self.rib.mark_stale(peering.rib_in)
            if count := len(peering.rib_in.paths):
                text = f"keeping {count} routes for {restart.restart_time_s} s while the peer restarts"
                self._say("info", text, peer=peering.settings.address)
            self._start_restart_timer(peering, restart.restart_time_s, "the restart time is over")
        else:
            self.rib.withdraw(peering.rib_in, list(peering.rib_in.paths))
        self._schedule()

    def update(self, session: Session, update: Update) -> None:
        """An UPDATE arrived."""
        peering = self._peering(session)
        if update.end_of_rib is not None:
            self._end_of_rib(peering, update.end_of_rib)
            return
        peering.receive(update, self.rib)
        if peering.over_limit:
            address, limit = peering.settings.address, peering.settings.maximum_prefix
            text = f"it sent more than {limit} routes (maximum_prefix); `evpnctl clear peer {address}` starts it again"
            session.shutdown(CEASE, MAXIMUM_PREFIXES, text, restart_s=math.inf)
        self._schedule()

    def refresh(self, session: Session, family: Family, subtype: int) -> None:
        """The peer asks for the table again, or marks its own answer (RFC 2918, RFC 7313)."""
        peering = self._peering(session)
        if family != L2VPN_EVPN or peering.group is None or peering.member is None:
            return
        if subtype == BEGIN:
            self.rib.mark_stale(peering.rib_in)
        elif subtype == END:
            self.rib.sweep_stale(peering.rib_in)
            self._schedule()
        elif session.negotiated is not None and session.negotiated.enhanced_refresh:
            opening, closing = (encode_route_refresh(RouteRefresh(family, kind)) for kind in (BEGIN, END))
            peering.group.resend(peering.member, opening, closing)
        else:
            peering.group.resend(peering.member)

    def resend(self, session: Session) -> None:
        """Send the table once more, and ask the peer for its own (RFC 2918)."""
        session.send_refresh(L2VPN_EVPN, NORMAL)
        self.refresh(session, L2VPN_EVPN, NORMAL)

    def disabled(self, session: Session, family: Family) -> None:
        """A family is no longer used on the session (RFC 7606 section 2)."""
        peering = self._peering(session)
        if family == L2VPN_EVPN:
            self.rib.withdraw(peering.rib_in, list(peering.rib_in.paths))
            self._schedule()

    def ready_to_write(self, session: Session) -> None:
        """The session's socket takes more."""
        peering = self._peering(session)
        if peering.group is not None and peering.member is not None:
            peering.group.drain(peering.member)

    def _peering(self, session: Session) -> Peering:
        return self.peerings[session.config.address]

    def _end_of_rib(self, peering: Peering, family: Family) -> None:
        if family != L2VPN_EVPN:
            return
        peering.synced = True
        self._stop_restart_timer(peering)
        if peering.rib_in.stale:
            self._sweep_stale(peering, "it sent all its routes")
        if not self.swept and all(other.synced for other in self.peerings.values()):
            self.flush()
            self._sweep()

    def _start_restart_timer(self, peering: Peering, seconds: float, why: str) -> None:
        self._stop_restart_timer(peering)
        timer = self._clock.call_later(seconds, lambda: self._sweep_stale(peering, why))
        self._restarts[peering.settings.address] = timer

    def _stop_restart_timer(self, peering: Peering) -> bool:
        """Whether the peer was restarting: the timer runs from its loss to its End-of-RIB."""
        timer = self._restarts.pop(peering.settings.address, None)
        if timer is not None:
            timer.cancel()
        return timer is not None

    def _sweep_stale(self, peering: Peering, why: str) -> None:
        self._stop_restart_timer(peering)
        removed = self.rib.sweep_stale(peering.rib_in)
        if removed:
            address = peering.settings.address
            self._say("info", f"removed {removed} routes that the peer did not confirm: {why}", peer=address)
        self._schedule()

    def _sweep(self) -> None:
        """Everybody who knows has spoken: what an earlier run left in the kernel and nobody confirmed goes."""
        if self._deferral is not None:
            self._deferral.cancel()
            self._deferral = None
        if not self.swept:
            self.swept = True
            for vrf in self.instances.by_vni.values():
                vrf.forget_arrivals()
            removed = self.kernel.sweep()
            if removed:
                self._say("info", f"removed {removed} kernel entries of an earlier run that no peer confirmed")

    # The kernel (evpnd.fib.kernel.KernelOwner)

    def vnis_changed(self, vnis: dict[int, VniDevice]) -> None:
        """Devices came, changed or went."""
        self._vni_log.changed(self.instances.vnis, vnis)
        self._carry()
        self.instances.set_vnis(vnis, self.kernel.local_macs)
        self._schedule()

    def addresses_changed(self, taken: dict[bytes, str]) -> None:
        """At other addresses than before no other VTEP can be."""
        self._carry()
        self.instances.set_taken(taken)
        self._schedule()

    def local_macs_changed(self, changes: list[tuple[int, int, bytes, LocalEntry | None]]) -> None:
        """MACs on local ports appeared, moved or vanished."""
        self.instances.local_macs(changes)
        self._schedule()

    def resynced(self) -> None:
        """The kernel was read again in full."""
        self._schedule()

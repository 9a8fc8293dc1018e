"""The daemon: one event loop with the kernel, the sessions, the control socket and the speaker between them.

Owns the order of start and stop. The kernel is read before any session starts, so that the first UPDATEs say all there
is to say; at the end forwarding is left as it is (RFC 4724 section 4.1), whether by SIGTERM or by a crash.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import signal
import socket
import time
from collections.abc import Callable

from evpnd import notify
from evpnd.bgp.attributes import AttributeCache
from evpnd.bgp.family import NAMES
from evpnd.bgp.listener import Listener
from evpnd.bgp.peer_config import PeerConfig
from evpnd.bgp.session import Session
from evpnd.config import BgpConfig, Config, PeerSettings
from evpnd.control import ControlServer
from evpnd.errors import EvpndError
from evpnd.evpn.values import ip_from_text
from evpnd.fib.discovery import VniDevice
from evpnd.fib.kernel import Kernel, LocalChange
from evpnd.show import handlers
from evpnd.speaker import Speaker

log = logging.getLogger("evpnd.daemon")

YOUNG_OBJECTS = 50_000  # allocations between collections of the youngest generation


class Daemon:
    """Everything that runs."""

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        self.config = config
        self.loop = loop
        self.started_at = time.monotonic()
        self.kernel = Kernel(loop, self, resync_interval_s=config.fib.resync_interval_s or math.inf)
        self.speaker = Speaker(config, self.kernel, loop, say)
        self.sessions: dict[str, Session] = {}
        self._cache = AttributeCache()
        self.listener: Listener | None = None
        self._control: ControlServer | None = None

    async def start(self) -> None:
        """Read the kernel, then open the sessions; EvpndError when something that must work does not."""
        config = self.config
        self._control = ControlServer(
            config.control.socket, handlers(self), mode=config.control.mode, group=config.control.group
        )
        await self._control.start()
        await self.kernel.start()
        self.speaker.start()
        self.listener = Listener(config.bgp.listen, config.bgp.port, changed=self._listening_changed)
        for settings in config.bgp.peers:
            if settings.enabled:
                session = Session(peer_config(config.bgp, settings), self.speaker, self._cache)
                self.sessions[settings.address] = session
                self.listener.add(session)
        self.listener.start()
        for session in self.sessions.values():
            session.start()
        vnis = self.speaker.instances
        log.info(
            "evpnd runs: AS %d, router id %s, peers: %d, VNIs: %d (working: %d)",
            config.bgp.asn,
            config.bgp.router_id,
            len(self.sessions),
            len(vnis.vnis),
            len(vnis.by_vni),
        )
        notify.ready(self._status())

    async def stop(self) -> None:
        """Let everything go, but for what the kernel forwards."""
        notify.stopping()
        if self._control is not None:
            await self._control.stop()
        if self.listener is not None:
            self.listener.close()
        # The kernel first: the routes that go with their sessions must not take the forwarding with them.
        await self.kernel.close()
        await asyncio.gather(*(session.abandon() for session in self.sessions.values()))

    def _status(self) -> str:
        """One line for `systemctl status`."""
        problems = self.listener.problems.values() if self.listener is not None else ()
        counts = f"peers: {len(self.sessions)}, VNIs: {len(self.speaker.instances.by_vni)}"
        return "; ".join((counts, *problems))

    def _listening_changed(self) -> None:
        notify.status(self._status())

    # evpnd.fib.kernel.KernelOwner: the speaker's, which is made after the kernel

    def vnis_changed(self, vnis: dict[int, VniDevice]) -> None:
        self.speaker.vnis_changed(vnis)

    def addresses_changed(self, taken: dict[bytes, str]) -> None:
        self.speaker.addresses_changed(taken)

    def local_macs_changed(self, changes: list[LocalChange]) -> None:
        self.speaker.local_macs_changed(changes)

    def resynced(self) -> None:
        self.speaker.resynced()

    def now(self) -> float:
        """The loop's clock."""
        return self.loop.time()

    def clear(self, address: str, soft: bool) -> str:
        """Reset a session, or only have both tables sent once more."""
        session = self.sessions[address]
        if not soft:
            session.reset("cleared by the operator")
            return f"session with {address} was reset"
        self.speaker.resend(session)
        return f"routes sent to {address} again, and asked for"


def say(level: str, text: str, *, peer: str | None = None, vni: int | None = None) -> None:
    """Log what the speaker has to tell."""
    log.log(logging.getLevelNamesMapping()[level.upper()], "%s", text, extra={"peer": peer, "vni": vni})


def peer_config(bgp: BgpConfig, settings: PeerSettings) -> PeerConfig:
    """The session layer's view of a peer's settings."""
    families = {name: family for family, name in NAMES.items()}
    return PeerConfig(
        address=settings.address,
        asn=settings.asn,
        local_asn=bgp.asn,
        router_id=ip_from_text(bgp.router_id),
        local_address=settings.local_address,
        port=settings.port,
        passive=settings.passive,
        hold_time_s=settings.hold_time_s,
        connect_retry_s=settings.connect_retry_s,
        multihop=settings.multihop,
        ttl_security=settings.ttl_security,
        password=settings.password,
        families=tuple(families[name] for name in settings.families),
        extended_message=settings.extended_message,
        restart_time_s=bgp.restart_time_s,
        hostname=socket.gethostname(),
        description=settings.description,
        maximum_prefix=settings.maximum_prefix,
    )


async def run(config: Config) -> int:
    """Run until SIGTERM or SIGINT; the exit status."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    daemon = Daemon(config, loop)
    try:
        await daemon.start()
        gc.collect()
        gc.freeze()
        await stop.wait()
        log.info("stopping; the kernel goes on forwarding")
    finally:
        await daemon.stop()
    return 0


def main(config: Config) -> int:
    """Run the daemon on uvloop where it is installed, else on asyncio's own loop."""
    # Routes are long-lived and hold no cycles: a full collection would only visit them all, again and again.
    gc.set_threshold(YOUNG_OBJECTS, 20, 1000)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(run(config))
    except EvpndError as error:
        log.error("%s", error)
        return 1


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory

"""A Kernel under test with an owner that remembers what it was told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from evpnd.fib import intent
from evpnd.fib.discovery import VniDevice
from evpnd.fib.kernel import Kernel, LocalChange
from evpnd.fib.mirror import LocalEntry
from tests import netns

VTEP2, VTEP3 = bytes([10, 0, 0, 2]), bytes([10, 0, 0, 3])


class Watcher:
    """The daemon's stand-in: keeps the last word on everything."""

    def __init__(self) -> None:
        self.vnis: dict[int, VniDevice] = {}
        self.local: dict[tuple[int, int, bytes], LocalEntry] = {}
        self.changes: list[LocalChange] = []
        self.taken: dict[bytes, str] = {}
        self.resyncs = 0
        self.on_vnis: Callable[[], None] | None = None

    def vnis_changed(self, vnis: dict[int, VniDevice]) -> None:
        self.vnis = vnis
        if self.on_vnis is not None:
            self.on_vnis()

    def addresses_changed(self, taken: dict[bytes, str]) -> None:
        self.taken = taken

    def local_macs_changed(self, changes: list[LocalChange]) -> None:
        self.changes += changes
        for bridge, vlan, address, entry in changes:
            if entry is None:
                self.local.pop((bridge, vlan, address), None)
            else:
                self.local[bridge, vlan, address] = entry

    def resynced(self) -> None:
        self.resyncs += 1


@asynccontextmanager
async def watching(*, searched: bool = True, **options: Any) -> AsyncIterator[tuple[Kernel, Watcher]]:
    """`searched`: all is known that the kernel holds, of large tables too."""
    watcher = Watcher()
    kernel = Kernel(asyncio.get_running_loop(), watcher, **options)
    await kernel.start()
    try:
        while searched and not kernel.settled:
            await asyncio.sleep(0.001)
        yield kernel, watcher
    finally:
        await kernel.close()


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def want(kernel: Kernel, ifindex: int, address: str, vtep: bytes = VTEP2, *, sticky: bool = False) -> bytes:
    key = intent.fdb_key(ifindex, 0, mac(address))
    kernel.set(key, intent.fdb_value(vtep, sticky=sticky))
    return key


def flood(kernel: Kernel, vtep: bytes = VTEP2) -> None:
    kernel.set(intent.flood_key(netns.index("vx100"), 0, vtep), intent.flood_value())


async def settle(kernel: Kernel, check: Callable[[], Any], what: str, timeout_s: float = 10.0) -> Any:
    """Let the event loop run until a check is true and nothing is left to do."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while True:
        await asyncio.sleep(0.01)
        value = check()
        if value and kernel.settled:
            return value
        assert loop.time() < end, f"not within {timeout_s} s: {what}; {kernel.stats}"


async def lose_messages(kernel: Kernel, command: str) -> None:
    """Carry out a command while the monitor has no room."""
    assert kernel._channel is not None
    monitor, resyncs = kernel._channel._monitor, kernel.stats["resyncs"]
    monitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    netns.send_frames("h100", [(0x02AA00000000 + number).to_bytes(6, "big") for number in range(300)])
    netns.run(command)
    await settle(kernel, lambda: kernel.stats["resyncs"] > resyncs, "an overrun and a comparison")
    assert kernel.stats["overruns"] > 0
    monitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

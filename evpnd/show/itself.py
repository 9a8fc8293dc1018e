"""The rows of the daemon itself: its process, and its dealings with the kernel.

Must not know tables.
"""

from __future__ import annotations

import errno
import math
import os
import platform
import time

from evpnd import __version__
from evpnd.fib.intent import describe
from evpnd.requests import Filters
from evpnd.show.running import Row, Running, milliseconds


class Itself:
    """`show fib`, `show fib failures`, `show version`."""

    def __init__(self, daemon: Running) -> None:
        self._daemon = daemon

    def fib(self, filters: Filters) -> Row:
        """Counters of the kernel's side."""
        stats = dict(self._daemon.kernel.stats)
        renamed = {"installed": "owned", "dirty": "pending", "requests": "written"}
        return {renamed.get(key, key): value for key, value in stats.items()}

    def fib_failures(self, filters: Filters) -> list[Row]:
        """What the kernel refused."""
        now = self._daemon.now()
        return [
            {
                "entry": describe(key),
                "errno": errno.errorcode.get(failure.errno, str(failure.errno)),
                "count": failure.count,
                "retry_in_s": milliseconds(max(0.0, failure.retry_at - now)) if failure.retry_at < math.inf else None,
                "error": failure.text,
            }
            for key, failure in self._daemon.kernel.failures.items()
        ]

    def version(self, filters: Filters) -> Row:
        """The daemon itself."""
        config, listener = self._daemon.config, self._daemon.listener
        return {
            "version": __version__,
            "python": platform.python_version(),
            "pid": os.getpid(),
            "uptime_s": milliseconds(time.monotonic() - self._daemon.started_at),
            "asn": config.bgp.asn,
            "router_id": config.bgp.router_id,
            "files": list(config.files),
            "listeners": [place._asdict() for place in listener.places] if listener is not None else [],
        }

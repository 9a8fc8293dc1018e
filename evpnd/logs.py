"""The log: one line a record on standard error, for people or as JSON, with the peer and the VNI it is about.

Log through `bound(logger, peer=..., vni=...)`, or with `extra={"peer": ...}`; both formats print these. Text from
a peer (a shutdown message, say) can't break out of its line: control characters are escaped. Under systemd, plain lines
leave out the time, which the journal has, and begin with its priority (sd-daemon(3)).

Must not know: who logs what.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import MutableMapping
from typing import Any, TextIO

FIELDS = ("peer", "vni", "device")
_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class Bound(logging.LoggerAdapter[logging.Logger]):
    """A logger that adds fields to each record; `extra` given with a record adds to them."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


def bound(logger: logging.Logger, **fields: object) -> Bound:
    """The logger with some of FIELDS set on every record."""
    return Bound(logger, fields)


class PlainFormatter(logging.Formatter):
    """`2026-01-02T03:04:05.678Z warning bgp.session peer=10.0.0.2: words`."""

    def __init__(self, journal: bool = False) -> None:
        super().__init__()
        self.journal = journal

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={_one_line(str(value))}" for name, value in _fields(record))
        line = f"{record.levelname.lower()} {_source(record)}{fields}: {_one_line(record.getMessage())}"
        if record.exc_info:
            line += f" | {_one_line(self.formatException(record.exc_info))}"
        return f"<{_priority(record.levelno)}>{line}" if self.journal else f"{_timestamp(record)} {line}"


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, source, message, the fields that are set, and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "source": _source(record),
            "message": record.getMessage(),
            **dict(_fields(record)),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def setup(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Send evpnd's log to a stream (standard error) from now on, instead of wherever it went before."""
    journal = stream is None and "JOURNAL_STREAM" in os.environ
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else PlainFormatter(journal))
    root = logging.getLogger("evpnd")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False
    logging.raiseExceptions = False  # a closed standard error is no reason to print to it


def _fields(record: logging.LogRecord) -> list[tuple[str, object]]:
    return [(name, value) for name in FIELDS if (value := getattr(record, name, None)) is not None]


def _source(record: logging.LogRecord) -> str:
    return record.name.removeprefix("evpnd.")


def _priority(level: int) -> int:
    return next((priority for least, priority in _PRIORITIES if level >= least), 7)


def _timestamp(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

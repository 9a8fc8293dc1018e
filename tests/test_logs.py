"""evpnd.logs: one line a record, in both formats."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterator

import pytest

from evpnd import logs
from evpnd.logs import PlainFormatter, bound, setup

LOGGER = logging.getLogger("evpnd.bgp.session")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger("evpnd")
    kept = root.handlers[:], root.level, root.propagate, logging.raiseExceptions
    yield
    root.handlers[:], root.level, root.propagate, logging.raiseExceptions = kept


def lines(log_format: str, level: str = "debug") -> io.StringIO:
    stream = io.StringIO()
    setup(level, log_format, stream)
    return stream


def test_plain_lines_name_peer_and_vni() -> None:
    stream = lines("plain")
    bound(LOGGER, peer="10.0.0.2").warning("hold timer expired", extra={"vni": 100})
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning bgp\.session peer=10\.0\.0\.2 vni=100: hold timer expired\n",
        stream.getvalue(),
    )


def test_json_lines_have_the_same() -> None:
    stream = lines("json")
    bound(LOGGER, peer="10.0.0.2").info("up after %d s", 3)
    LOGGER.info("plain")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {"level": "info", "source": "bgp.session", "message": "up after 3 s", "peer": "10.0.0.2"}
    assert "peer" not in second


@pytest.mark.parametrize("log_format", ["plain", "json"])
def test_nothing_breaks_out_of_its_line(log_format: str) -> None:
    stream = lines(log_format)
    bound(LOGGER, peer="10.0.0.2\nforged").error("peer said: %s", "bye\n2026 info forged\x1b[2J")
    try:
        raise ValueError("of two\nlines")
    except ValueError:
        LOGGER.exception("failed")
    written = stream.getvalue().splitlines()
    assert len(written) == 2
    assert all(line.isprintable() for line in written)
    assert "ValueError: of two\\nlines" in written[1]


def test_level_is_the_least_that_is_written() -> None:
    stream = lines("plain", "warning")
    LOGGER.info("no")
    LOGGER.warning("yes")
    assert "no" not in stream.getvalue() and "yes" in stream.getvalue()


def test_setup_again_replaces_the_first() -> None:
    first, second = lines("plain"), lines("json")
    LOGGER.info("once")
    assert not first.getvalue()
    assert json.loads(second.getvalue())["message"] == "once"


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 3)]
)
def test_the_journal_gets_priorities_and_no_time(level: str, priority: int) -> None:
    record = LOGGER.makeRecord(LOGGER.name, getattr(logging, level.upper()), "", 0, "words", (), None)
    assert PlainFormatter(journal=True).format(record) == f"<{priority}>{level} bgp.session: words"


def test_the_journal_is_known_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    monkeypatch.setattr(sys, "stderr", stream)
    logs.setup("info", "plain")
    LOGGER.info("words")
    assert stream.getvalue() == "<6>info bgp.session: words\n"


def test_a_closed_stream_does_not_matter(capfd: pytest.CaptureFixture[str]) -> None:
    stream = lines("plain")
    stream.close()
    LOGGER.error("lost")
    assert capfd.readouterr().err == ""

"""Fixtures of the kernel tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evpnd.fib import survey
from tests import netns


@pytest.fixture
def namespace() -> Iterator[None]:
    with netns.namespace():
        yield


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tables are taken for large ones, which are not read whole but key by key."""
    monkeypatch.setattr(survey, "LARGE", 0)


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest) -> str:
    """How the tables are taken: small ones are read whole, large ones key by key. The ends are the same."""
    if request.param == "large":
        request.getfixturevalue("large")
    return str(request.param)

"""Fixtures of the kernel tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import netns


@pytest.fixture
def namespace() -> Iterator[None]:
    with netns.namespace():
        yield

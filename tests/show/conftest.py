"""Fixtures of the show commands' tests."""

from __future__ import annotations

import pytest

from tests.evpn.scene import device
from tests.show.scene import Scene


@pytest.fixture
def scene() -> Scene:
    """A host with VNI 100."""
    scene = Scene()
    scene.vnis(device())
    return scene

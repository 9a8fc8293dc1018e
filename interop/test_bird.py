"""evpnd with BIRD 3.4."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from interop import capture, checks, clab, fabric, matrix
from interop.lab import Lab
from interop.vtep_tests import HERE, VtepTests

pytestmark = pytest.mark.peers("bird")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(clab.load("evpnd-bird")) as lab:
        capture.record(lab["switch"], "eth1")
        yield lab


class TestBird(VtepTests):
    """What every VTEP must do with evpnd; but BIRD 3.4 knows no MAC mobility: what it has learned, it keeps."""

    live_moves = False


def test_external_session() -> None:
    with Lab(fabric.pair("evpnd", "bird", asns=(65001, 65002))) as lab:
        capture.record(lab["switch"], "eth1")
        checks.sessions(lab)
        checks.joined(lab)
        assert capture.faults(lab["switch"], HERE) == []


@pytest.mark.feature(matrix.REFLECTED)
def test_two_evpnds_through_bird_as_reflector() -> None:
    with Lab(fabric.reflected("evpnd", "evpnd", "bird")) as lab:
        checks.joined(lab)
        checks.roams(lab, 2)
        lab["reflector"].restart()
        checks.joined(lab)


@pytest.mark.feature(matrix.REFLECTS)
def test_bird_and_evpnd_through_evpnd_as_reflector() -> None:
    with Lab(fabric.reflected("bird", "evpnd", "evpnd")) as lab:
        checks.joined(lab)
        lab["reflector"].restart()
        checks.joined(lab)

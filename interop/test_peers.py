"""Which files the older peers come from: this machine's where it has Debian 12's packages, and a tree's elsewhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from interop.container import REPOSITORY

PACKAGES = ("frr", "gobgpd", "iproute2", "procps", "iputils-ping")


def older(cache: Path, frr: str, gobgpd: str) -> str:
    """What interop/peers says where a tree is made already and dpkg knows these versions."""
    (cache / "bookworm").mkdir()
    (cache / "bookworm/versions").write_text("".join(f"{package} 0\n" for package in PACKAGES))
    query = cache / "dpkg-query"
    query.write_text(f"#!/bin/sh\necho 'frr {frr} gobgpd {gobgpd} '\n")
    query.chmod(0o755)
    environment = {**os.environ, "PATH": f"{cache}:{os.environ['PATH']}", "EVPND_PEERS_DIR": str(cache)}
    asked = [str(REPOSITORY / "interop/peers"), "older"]
    return subprocess.run(asked, env=environment, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_debian_12_has_the_older_peers_itself(tmp_path: Path) -> None:
    assert older(tmp_path, "8.4.4-1.1~deb12u2", "3.10.0-1+b4") == "/"


@pytest.mark.parametrize(
    ("frr", "gobgpd"),
    [("8.4.4-1.1ubuntu6.8", "3.23.0-1ubuntu0.3"), ("10.3-3", "3.10.0-1"), ("", "")],
    ids=["ubuntu-24.04", "newer-frr", "neither"],
)
def test_other_machines_have_them_in_a_tree(tmp_path: Path, frr: str, gobgpd: str) -> None:
    assert older(tmp_path, frr, gobgpd) == f"{tmp_path}/bookworm"

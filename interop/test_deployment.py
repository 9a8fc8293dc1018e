"""What is told of a deployment that has failed, and what a killed one has left in this machine's files."""

from __future__ import annotations

from pathlib import Path

from interop.deployment import errors, forget

OUTPUT = """\
time="2026-01-01T00:00:00Z" level=info msg="Creating container: \\"host1\\""
time="2026-01-01T00:00:00Z" level=info msg="failed to disable TX checksum offload for eth0 interface"
time="2026-01-01T00:00:01Z" level=error msg="Failed to execute command \\"ip link set vx201 up\\""
time="2026-01-01T00:00:01Z" level=info msg="Adding containerlab host entries"
"""


def test_of_a_long_output_the_errors_are_told() -> None:
    assert errors(OUTPUT) == OUTPUT.splitlines()[2]
    assert errors("INFO[0000] Creating\nFATA[0001] no such image\n") == "FATA[0001] no such image"
    assert errors("INFO[0000] Creating\n04:00:01 ERRO failed deploy\n") == "04:00:01 ERRO failed deploy"


def test_without_errors_the_end_is_told() -> None:
    assert errors("\n".join(map(str, range(20)))) == "\n".join(map(str, range(10, 20)))


def test_the_copy_of_a_description_is_forgotten(tmp_path: Path) -> None:
    file, copy = tmp_path / "none-such.clab.yml", tmp_path / ".none-such.clab.yml.bak"
    copy.touch()
    before = Path("/etc/hosts").read_text()
    forget("none-such", file)
    assert not copy.exists()
    assert Path("/etc/hosts").read_text() == before

"""Which kernel can do what, and that the one for labs can do all of it."""

from __future__ import annotations

import subprocess
import sys

from interop import abilities


def test_the_kernel_for_labs_has_all_abilities() -> None:
    done = subprocess.run(
        abilities.elsewhere([sys.executable, "-m", "interop.abilities"]), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    seen = dict(line.split() for line in done.stdout.splitlines())
    assert seen == dict.fromkeys(abilities.ABILITIES, "yes"), done.stdout


def test_the_status_of_a_command_there_is_passed_on() -> None:
    done = subprocess.run(abilities.elsewhere(["sh", "-c", "pwd; exit 7"]), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (7, str(abilities.UML.parent.parent)), done.stderr


def test_what_is_lacking_is_named_once() -> None:
    assert abilities.lacking(["vxlan", "vxlan"]) == []
    missing = [ability for ability in abilities.ABILITIES if not abilities.has(ability)]
    assert abilities.lacking(abilities.ABILITIES) == sorted(missing)

"""Which kernel can do what, that the one for labs can do all of it, and that evpnd is right there as well."""

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


def test_evpnd_is_right_where_bridges_know_vlans() -> None:
    # There the kernel makes an entry of VLAN 1 beside each of ours, as on most machines; here it may not.
    command = [sys.executable, "-B", "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider"]
    command += ["tests/fib/test_kernel.py", "tests/fib/test_ipv6_vtep.py", "-k", "not hundred_thousand"]
    done = subprocess.run(abilities.elsewhere(command), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout

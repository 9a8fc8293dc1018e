"""The demo as a user runs it: as it is, without root, interrupted, and where it can't be."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

DEMO = [sys.executable, "-m", "evpnd.cli", "demo"]
AS_ROOT_OF_A_USER_NAMESPACE = ["unshare", "--user", "--map-root-user"]
AS_A_USER = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]  # who has lost all capabilities by then


def run(*before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*before, *DEMO], capture_output=True, text=True, timeout=60, check=False)


def leftovers() -> list[Path]:
    return sorted(Path("/tmp").glob("evpnd-demo-*"))


def check_story(done: subprocess.CompletedProcess[str], seconds: float) -> None:
    text = done.stdout
    assert done.returncode == 0, done.stderr + text
    assert seconds < 20, text
    assert max(map(len, text.splitlines())) <= 80, text
    assert "three BGP sessions are established" in text
    assert len(re.findall(r": 10 of 10 back", text)) == 3, text
    assert "0 of 5 back, VNIs are apart" in text
    assert "02:00:00:00:01:02 dst 10.255.0.3 self" in text.partition("moves from host2 to host3")[2], text
    lost = re.search(r"(\d+) sent, (\d+) lost", text)
    assert lost and int(lost[1]) > 50 and int(lost[2]) <= 10, text


def test_the_whole_story_as_it_is() -> None:
    before, begin = leftovers(), time.monotonic()
    check_story(run(), time.monotonic() - begin)
    assert leftovers() == before


def test_the_whole_story_as_an_ordinary_user() -> None:
    begin = time.monotonic()
    check_story(run(*AS_A_USER), time.monotonic() - begin)


def test_python_that_may_not_be_run() -> None:
    """As where a virtual environment lies under somebody else's home."""
    before = leftovers()
    program = "import sys; sys.executable = '/etc/passwd'; from evpnd.demo import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.startswith("evpnd demo: /etc/passwd can't be run here (Permission denied): "), said
    assert leftovers() == before


def test_ctrl_c_ends_everything() -> None:
    before = leftovers()
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None and demo.stderr is not None
        for line in demo.stdout:
            if "sessions are established" in line:
                break
        daemons = children(demo.pid)
        assert len(daemons) == 4
        demo.send_signal(signal.SIGINT)
        assert demo.wait(15) == 130
        assert "stopped" in demo.stderr.read()
    assert not [pid for pid in daemons if Path(f"/proc/{pid}").exists()]
    assert leftovers() == before


def test_killing_it_ends_the_daemons_too() -> None:
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "starting evpnd" in line:
                break
        deadline = time.monotonic() + 10
        while len(daemons := children(demo.pid)) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        demo.kill()
    deadline = time.monotonic() + 5
    while (left := [pid for pid in daemons if alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    for path in leftovers():  # a killed program can't clean up its files
        subprocess.run(["rm", "-r", str(path)], check=True)
    assert not left


def test_without_the_right_it_says_so_in_one_line() -> None:
    limit = 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"'
    done = run(*AS_ROOT_OF_A_USER_NAMESPACE, "sh", "-c", limit, "sh")
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"evpnd demo: user namespaces are not allowed here .*run it as root.*\n", done.stderr)


def children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

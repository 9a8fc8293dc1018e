"""What README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from evpnd import loader

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_library_example_prints_what_is_written() -> None:
    found = re.search(r"```python\n(.*?)```\n\nprints\n\n```\n(.*?)```", README, re.DOTALL)
    assert found
    done = subprocess.run([sys.executable, "-c", found[1]], capture_output=True, text=True, check=True)
    assert done.stdout == found[2]


def test_the_quick_start_configuration_is_good(tmp_path: Path) -> None:
    found = re.search(r"cat >evpnd.toml <<END\n(.*?)END\n", README, re.DOTALL)
    assert found
    path = tmp_path / "evpnd.toml"
    path.write_text(found[1])
    config = loader.load(str(path))
    assert config.bgp.asn == 65001 and config.bgp.peers[0].address == "10.0.0.2"


def test_all_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    assert not [target for target in targets if not (Path(__file__).parent.parent / target).exists()]

"""What the documents say is so: their Python runs, their TOML loads, what they link to and name is there.

The quick start itself is run by interop/test_readme.py.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from evpnd.loader import load

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README, ARCHITECTURE = DOCUMENTS[0].read_text(), (ROOT / "docs/architecture.md").read_text()
NAMED = re.compile(r"`((?:evpnd|tests|interop|configs|docs)/[\w./]*\w/?)`")


def blocks(text: str, info: str) -> list[str]:
    return re.findall(rf"^```{info}\n(.*?)^```", text, re.M | re.S)


def test_the_library_block_prints_what_is_printed_below_it() -> None:
    [program], [output] = blocks(README, "python"), blocks(README, "python output")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stderr == ""
    assert done.stdout == output
    assert len([line for line in program.splitlines() if line and not line.startswith(("import", "from"))]) <= 10


CONFIGURATIONS = [(path.name, text) for path in DOCUMENTS for text in blocks(path.read_text(), "toml")]


@pytest.mark.parametrize(("name", "text"), CONFIGURATIONS)
def test_each_configuration_loads(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "evpnd.toml"
    path.write_text(text)
    assert load(path).bgp.peers


def test_there_are_configurations_to_load() -> None:
    assert {"README.md", "configuration.md"} <= {name for name, _ in CONFIGURATIONS}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.name))
def test_links_and_paths_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    links = [path.parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    missing = [str(there) for there in (*links, *(ROOT / name for name in NAMED.findall(text))) if not there.exists()]
    assert not missing


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {name for text in (README, ARCHITECTURE) for name in re.findall(r"`?make ([a-z][\w-]*)`", text)}
    assert {"demo", "test"} <= named <= targets


def test_architecture_has_a_line_for_each_module() -> None:
    """A module is named by its file, under the heading of its package; the route types are one line."""
    missing = []
    for path in sorted((ROOT / "evpnd").rglob("*.py")):
        package = path.parent.relative_to(ROOT)
        if path.name == "__init__.py" or package.name == "routes":
            continue
        section = ARCHITECTURE.partition(f"\n### `{package}/`")[2].partition("\n##")[0]
        if f"`{path.stem}`" not in section:
            missing.append(f"{package}/{path.name}")
    assert not missing


def test_architecture_names_tables_that_exist() -> None:
    """`evpnd/x.py`: `NAME` or `name()` in the table of what to change where."""
    wrong = []
    table = ARCHITECTURE.partition("\n## Where to change what")[2].partition("\n## ")[0]
    for name, words in re.findall(r"`(evpnd/[\w/]+\.py)`: ((?:`[\w.]+(?:\(\))?`(?:, | and )?)+)", table):
        source = (ROOT / name).read_text()
        for word in re.findall(r"`([\w.]+)(?:\(\))?`", words):
            if not re.search(rf"^\s*(?:class |def |async def )?{re.escape(word)}\b\s*[(:=]", source, re.M):
                wrong.append(f"{name}: {word}")
    assert "`evpnd/" in table
    assert not wrong

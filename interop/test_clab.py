"""The reader of labs' descriptions: what it takes as containerlab does, and what it refuses, with line and remedy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from interop import clab, yaml_subset
from interop.clab import DescriptionError
from interop.container import REPOSITORY
from interop.suite import Suite, suite_of
from interop.yaml_subset import Value

LAB = """\
# two nodes
name: small
topology:
  defaults:
    kind: linux
    network-mode: none
  nodes:
    host1:
      image: ${EVPND_IMAGE:=evpnd:latest}
      entrypoint: evpnd-supervised
      labels: {daemon: evpnd}
      binds: ["host1/evpnd.toml:/etc/evpnd/evpnd.toml:ro"]
      exec:
        - ip address add 10.0.0.1/24 dev eth1
        - sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    host2:
      image: ${FRR_IMAGE:=quay.io/frrouting/frr:10.7.1}
      labels:
        daemon: frr
      startup-delay: 60
      sysctls:
        net.ipv6.conf.all.disable_ipv6: "0"
  links:
    - endpoints: ["host1:eth1", "host2:eth1"]
"""


def plain(value: Value) -> object:
    if isinstance(value.data, dict):
        return {key: plain(item) for key, item in value.data.items()}
    return [plain(item) for item in value.data] if isinstance(value.data, list) else value.data


def parsed(text: str, **environment: str) -> object:
    return plain(yaml_subset.read(text, "lab", environment))


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    (tmp_path / "small/host1").mkdir(parents=True)
    (tmp_path / "small/host1/evpnd.toml").write_text("[bgp]\n")
    file = tmp_path / "small/small.clab.yml"
    file.write_text(LAB)
    return file


def refused(file: Path, old: str, new: str) -> str:
    """What is said about the lab with one part replaced."""
    assert old in LAB
    file.write_text(LAB.replace(old, new, 1))
    with pytest.raises(DescriptionError) as error:
        clab.load(file)
    said = str(error.value)
    assert "\n" not in said
    return said.removeprefix(str(file))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: x y", {"a": "1", "b": "x y"}),
        ("a: x # why\n# all of it\nb: x#y", {"a": "x", "b": "x#y"}),
        ("a: 'it''s: x # y' # why", {"a": "it's: x # y"}),
        (r'a: "say \"x\\y\""', {"a": r'say "x\y"'}),
        ("a:\n  - x\n  - y\nb: z", {"a": ["x", "y"], "b": "z"}),
        ("a:\n- x\n- y\nb: z", {"a": ["x", "y"], "b": "z"}),
        ("a:\n  - k: x\n    l: y\n  - k: z", {"a": [{"k": "x", "l": "y"}, {"k": "z"}]}),
        ("a:\n  - - x\n    - y\n  -\n    - z", {"a": [["x", "y"], ["z"]]}),
        ("a: [x, 'y, z', [w], {k: v}]", {"a": ["x", "y, z", ["w"], {"k": "v"}]}),
        ("a: {k: x, 'l m': [y]} # why", {"a": {"k": "x", "l m": ["y"]}}),
        ("a: []\nb: {}\nc: ''", {"a": [], "b": {}, "c": ""}),
        ('"a b": x\n3: y', {"a b": "x", "3": "y"}),
        ("a:   # below\n  b: x", {"a": {"b": "x"}}),
        ("a: [host1:eth1, host2:eth1]", {"a": ["host1:eth1", "host2:eth1"]}),
        ("- x: 1\n  y:\n    z: 2\n- w", [{"x": "1", "y": {"z": "2"}}, "w"]),
    ],
)
def test_the_part_of_yaml_that_is_read(text: str, expected: object) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "1: empty"),
        ("a: 1\na: 2", "2: a: given before, at line 1"),
        ("a: {k: 1, k: 2}", "1: 'k: 2}': expected KEY: VALUE, each key once"),
        ("a: &x 1", "1: '&x 1': anchors"),
        ("a: *x", "1: '*x': aliases"),
        ("a: !x 1", "1: '!x 1': tags"),
        ("a: |\n  x", "1: '|': block text"),
        ("a: >\n  x", "1: '>': block text"),
        ("---\na: 1", "1: several documents"),
        ("a: 1\n\tb: 2", "2: a tab"),
        ("a: x: y", "1: 'x: y': quote it"),
        ("a: 1\n  more", "2: indented further"),
        ("a:\n    b: 1\n  c: 2", "3: indented further"),
        ("  a: 1\nb: 2", "2: indented otherwise"),
        ("a:\nb: 1", "1: expected a value, here or indented below"),
        ("a:", "1: expected a value, here or indented below"),
        ("a: ~", "1: '~': expected a value"),
        ("a: [x,\n y]", "1: expected a value and ']' on the same line"),
        ("a: [x", "1: '[x': expected ',' or ']'"),
        ("a: 'x", "1: \"'x\": expected ' at the end"),
        ("a: 'x' y", "1: 'y' after the value"),
        (r'a: "\x41"', r"1: '\x' in double quotes"),
        ("a: 1\nonly words", "2: 'only words': expected KEY: VALUE"),
        ("a: 1\n- x", "2: '- x': expected KEY: VALUE in a mapping"),
        ("a: {{ .x }}", "1: templates"),
    ],
)
def test_all_else_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(DescriptionError) as error:
        parsed(text)
    assert str(error.value).startswith(f"lab:{why}")


def test_variables_are_replaced_as_containerlab_does() -> None:
    text = "a: ${X:=one}\nb: ${Y:-two}/${Z}"
    assert parsed(text, Z="z") == {"a": "one", "b": "two/z"}
    assert parsed(text, X="x", Y="y", Z="z") == {"a": "x", "b": "y/z"}
    assert parsed("a: ${X:=one}", X="") == {"a": "one"}


@pytest.mark.parametrize(("text", "why"), [("a: $X", "'$': expected ${NAME}"), ("a: ${X}", "${X}: set it, or write")])
def test_a_variable_without_value_is_refused(text: str, why: str) -> None:
    with pytest.raises(DescriptionError, match=f"lab:1: {re.escape(why)}"):
        parsed(text)


def test_a_lab_is_read(lab: Path) -> None:
    topology = clab.load(lab.parent, {"EVPND_IMAGE": "", "FRR_IMAGE": ""})
    assert (topology.name, topology.mtu) == ("small", 9500)
    assert topology.links == (("host1:eth1", "host2:eth1"),)
    one, two = topology.nodes["host1"], topology.nodes["host2"]
    assert (one.kind, one.image, one.files) == ("evpnd", "evpnd:latest", {"/etc/evpnd/evpnd.toml": "[bgp]\n"})
    assert one.exec == ("ip address add 10.0.0.1/24 dev eth1", "sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'")
    assert (two.kind, two.delay, two.sysctls) == ("frr", 60, {"net.ipv6.conf.all.disable_ipv6": "0"})


@pytest.mark.parametrize(
    ("daemon", "image", "kind"),
    [
        ("frr", "quay.io/frrouting/frr:8.4.4", "frr8"),
        ("frr", "registry:5000/frr:v8.4.0", "frr8"),
        ("frr", "quay.io/frrouting/frr:10.7.1", "frr"),
        ("frr", "registry:5000/frr", "frr"),
        ("frr", "frr:8.4-tools", "frr8"),
    ],
)
def test_the_version_of_an_image_chooses_the_kind(lab: Path, daemon: str, image: str, kind: str) -> None:
    assert clab.load(lab, {"FRR_IMAGE": image}).nodes["host2"].kind == kind


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("name: small", "name: other", ":2: name: expected 'small', as the file"),
        (
            "      labels:\n        daemon: frr",
            "      env: {A: b}\n      labels: {daemon: frr}",
            ":18: env: has no effect",
        ),
        (
            "  nodes:",
            "  kinds: {linux: {}}\n  nodes:",
            ":7: kinds: has no effect in namespaces, so it is not read: write",
        ),
        ("name: small", "mgmt: {network: x}\nname: small", ":2: mgmt: has no effect"),
        ("    kind: linux", "    kind: bridge", ":5: host1.kind: expected linux, seen 'bridge'"),
        ("    network-mode: none", "    image: x", ":8: host1.network-mode: missing"),
        ("daemon: frr", "daemon: quagga", ":18: host2.labels.daemon: expected one of evpnd, frr"),
        ("daemon: frr", "daemon: gobgp", ":16: host2.entrypoint: expected 'a command'"),
        ("daemon: frr", "other: x", ":16: host2.entrypoint: expected 'sleep infinity'"),
        ("evpnd-supervised", "evpnd run", ":10: host1.entrypoint: expected 'evpnd-supervised'"),
        ("host1/evpnd.toml:", "host1/other.toml:", ":12: host1.binds: expected a file beside small.clab.yml"),
        ("host1/evpnd.toml:", "/etc/passwd:", ":12: host1.binds: expected a file beside small.clab.yml"),
        ("toml:ro", "toml", ":12: host1.binds: expected FILE:/PATH:ro"),
        ("dev eth1\n", "dev eth1 && true\n", ":14: host1.exec: '&&' is for a shell"),
        ("startup-delay: 60", "startup-delay: soon", ":20: host2.startup-delay: expected a number of seconds"),
        ('"host2:eth1"', '"host3:eth1"', ":24: endpoints: expected NODE:INTERFACE of a node"),
        ('"host2:eth1"', '"host1:eth1"', ":23: links: small: link end 'host1:eth1' is used more than once"),
        ('"host2:eth1"]', '"host2:eth1"]\n      mtu: 1500', ":25: mtu: has no effect in namespaces, so it is not read"),
    ],
)
def test_what_would_not_act_alike_is_refused(lab: Path, old: str, new: str, why: str) -> None:
    assert refused(lab, old, new).startswith(why)


def test_a_bird_without_evpn_is_refused(lab: Path) -> None:
    lab.write_text(LAB.replace("daemon: frr", "daemon: bird").replace("startup-delay: 60", "entrypoint: bird -f"))
    assert clab.load(lab, {"FRR_IMAGE": "bird:3.3.2"}).nodes["host2"].command == "bird -f"
    with pytest.raises(DescriptionError, match=r"17: host2\.image: BIRD knows EVPN from 3\.3 on"):
        clab.load(lab, {"FRR_IMAGE": "bird:2.15"})


def test_a_name_that_is_none_tells_which_there_are() -> None:
    with pytest.raises(DescriptionError, match=r"nowhere: no such topology: expected one of .*evpnd-frr"):
        clab.find("nowhere")


def test_the_description_with_delays_holds_elsewhere(lab: Path) -> None:
    data = clab.with_delays(lab, {}, {"host2": 120})
    assert data["topology"]["nodes"]["host1"]["binds"] == [f"{lab.parent}/host1/evpnd.toml:/etc/evpnd/evpnd.toml:ro"]
    assert {name: node["startup-delay"] for name, node in data["topology"]["nodes"].items()} == {
        "host1": 0,
        "host2": 120,
    }


def test_a_suite_lacking_its_parts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "check").write_text("from interop.suite import Suite\nsuite = Suite()\n")
    with pytest.raises(DescriptionError, match="expected `suite = Suite"):
        suite_of(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["check"]
    suite = Suite()
    suite.check("x")(lambda _: None)
    with pytest.raises(ValueError, match="two checks of this name"):
        suite.check("x")


@pytest.mark.parametrize("arguments", [["nowhere"], ["evpnd-frr", "--order", "best"]])
def test_a_wrong_command_is_told_in_one_line(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "interop.lab", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "nowhere: no such topology" in done.stderr or "invalid choice: 'best'" in done.stderr


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("frr", "latest"),
        ("localhost:5000/frr", "latest"),
        ("localhost:5000/frr:8.4", "8.4"),
        ("quay.io/frrouting/frr:10.7.1", "10.7.1"),
        ("quay.io/frrouting/frr:10.7.1@sha256:0123456789abcdef", "10.7.1"),
        ("localhost:5000/frr@sha256:0123456789abcdef", "0123456789ab"),
    ],
)
def test_the_tag_of_an_image_is_found(image: str, tag: str) -> None:
    function = f"sed -n '/^tag_of/,/^}}/p' {clab.LABS}/images"
    done = subprocess.run(["bash", "-c", f'eval "$({function})"; tag_of {image}'], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{tag}\n", "")

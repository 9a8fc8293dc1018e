"""A lab's description on disk, containerlab/NAME/NAME.clab.yml, read as a Topology.

Owns which of containerlab's keys are known, and what they mean for a lab in namespaces. A key that would act in
containerlab and not here is refused, so that nobody believes in it: one line with file, line, key and what is expected.

Must not know: YAML (interop.yaml_subset), how nodes run.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from interop.container import REPOSITORY
from interop.topology import Node, Topology
from interop.yaml_subset import DescriptionError, Value, read

__all__ = ["DescriptionError", "find", "load", "with_delays", "with_kind"]

LABS = REPOSITORY / "containerlab"
LINK_MTU = 9500  # containerlab's, for links that say nothing else

# What a node with this label `daemon` (or without) has as its entry point. Where it is None any command is one: it is
# run as it stands, without the supervisor before it.
_ENTRYPOINTS: Mapping[str, str | None] = {
    "": "sleep infinity",
    "evpnd": "evpnd-supervised",
    "frr": "",
    "bird": None,
    "gobgp": None,
    "exabgp": None,
}
_OLDER = {"frr": (8, "frr8"), "gobgp": (3, "gobgp3")}  # images up to this version: the kind that has it
_IMAGES = {  # the variable to set for a node of this kind
    "frr8": ("FRR_IMAGE", "frr:8.4"),
    "frr": ("FRR_IMAGE", "frr:10.7"),
    "gobgp3": ("GOBGP_IMAGE", "gobgp:3.10"),
    "gobgp": ("GOBGP_IMAGE", "gobgp:4.8"),
}
_TOP = ("name", "topology")
_TOPOLOGY = ("defaults", "nodes", "links")
_NODE = ("kind", "network-mode", "image", "entrypoint", "labels", "binds", "exec", "sysctls", "startup-delay")
_REMEDIES = {
    "kinds": "write it at each node, or in defaults",
    "groups": "write it at each node, or in defaults",
    "mgmt": "leave it out: nodes have no management network",
    "prefix": "leave it out: containers are clab-NAME-NODE",
    "cmd": "write all of the command as entrypoint",
    "env": "write it into the daemon's configuration",
    "mtu": f"leave it out: links have {LINK_MTU}",
}


def find(name: str | Path) -> Path:
    """The description of a lab that is given by name, by directory or by file."""
    path = Path(name)
    for candidate in (path, LABS / path):
        if candidate.is_file():
            return candidate
        inner = candidate / f"{candidate.resolve().name}.clab.yml"
        if inner.is_file():
            return inner
    known = ", ".join(sorted(file.parent.name for file in LABS.glob("*/*.clab.yml")))
    raise DescriptionError(f"{name}: no such topology: expected one of {known}")


def load(name: str | Path, environment: Mapping[str, str] | None = None) -> Topology:
    """The topology; `environment` is added to the process's own, for the images' variables."""
    return _Description(find(name), environment).topology()


def with_kind(name: str, kind: str) -> Topology:
    """The topology with this kind of peer, chosen as its user does: by the image's variable."""
    variable, image = _IMAGES[kind]
    return load(name, {variable: image})


def with_delays(name: str | Path, environment: Mapping[str, str], delays: Mapping[str, int]) -> dict[str, Any]:
    """The description as data, with these nodes' startup-delay, and binds that hold wherever it is written."""
    description = _Description(find(name), environment)
    data: dict[str, Any] = _plain(description.root)
    for node_name, node in data["topology"]["nodes"].items():
        node["startup-delay"] = delays.get(node_name, 0)
        node["binds"] = [f"{description.path.parent.resolve()}/{bind}" for bind in node.get("binds", ())]
    return data


def _plain(value: Value) -> Any:
    if isinstance(value.data, dict):
        return {key: _plain(item) for key, item in value.data.items()}
    return [_plain(item) for item in value.data] if isinstance(value.data, list) else value.data


class _Description:
    def __init__(self, path: Path, environment: Mapping[str, str] | None) -> None:
        self.path = path
        self.root = read(path.read_text(), str(path), {**os.environ, **(environment or {})})

    def _fail(self, value: Value, key: str, why: str) -> NoReturn:
        raise DescriptionError(f"{self.path}:{value.line}: {key}: {why}")

    def topology(self) -> Topology:
        top = self._mapping(self.root, "the file", _TOP)
        name = self._text(self._get(self.root, top, "name"), "name")
        if f"{name}.clab.yml" != self.path.name:
            self._fail(top["name"], "name", f"expected {self.path.name.removesuffix('.clab.yml')!r}, as the file")
        inner = self._get(self.root, top, "topology")
        topology = self._mapping(inner, "topology", _TOPOLOGY)
        defaults = self._mapping(topology["defaults"], "defaults", _NODE) if "defaults" in topology else {}
        described = self._get(inner, topology, "nodes")
        nodes = {node: self._node(value, node, defaults) for node, value in self._mapping(described, "nodes").items()}
        links = tuple(self._link(value, nodes) for value in self._list(topology.get("links"), "links"))
        try:
            return Topology(name, nodes, links, LINK_MTU)
        except ValueError as error:
            self._fail(topology.get("links", inner), "links", str(error))

    # What every value goes through.

    def _mapping(self, value: Value, key: str, known: tuple[str, ...] = ()) -> dict[str, Value]:
        if not isinstance(value.data, dict):
            self._fail(value, key, "expected KEY: VALUE below it")
        for found, inner in value.data.items():
            if known and found not in known:
                remedy = _REMEDIES.get(found, f"known are {', '.join(known)}")
                self._fail(inner, found, f"has no effect in namespaces, so it is not read: {remedy}")
        return value.data

    def _get(self, value: Value, mapping: Mapping[str, Value], key: str, of: str = "") -> Value:
        if key not in mapping:
            self._fail(value, f"{of}.{key}" if of else key, "missing")
        return mapping[key]

    def _text(self, value: Value, key: str) -> str:
        if not isinstance(value.data, str):
            self._fail(value, key, "expected text")
        return value.data

    def _list(self, value: Value | None, key: str) -> list[Value]:
        if value is not None and not isinstance(value.data, list):
            self._fail(value, key, "expected a list (- ITEM)")
        return value.data if value is not None and isinstance(value.data, list) else []

    def _texts(self, value: Value | None, key: str) -> dict[str, str]:
        return {k: self._text(v, f"{key}.{k}") for k, v in self._mapping(value, key).items()} if value else {}

    # Nodes and links.

    def _node(self, value: Value, name: str, defaults: Mapping[str, Value]) -> Node:
        own = self._mapping(value, name, _NODE)
        for key in ("labels", "binds", "exec", "sysctls", "entrypoint"):
            if key in defaults:
                self._fail(defaults[key], key, "not read in defaults: write it at each node")
        settings = {**defaults, **own}
        for key, expected in (("kind", "linux"), ("network-mode", "none")):
            found = self._get(value, settings, key, name)
            if found.data != expected:
                self._fail(found, f"{name}.{key}", f"expected {expected}, seen {found.data!r}")
        image = self._text(self._get(value, settings, "image", name), f"{name}.image")
        labels = self._texts(settings.get("labels"), f"{name}.labels")
        daemon = labels.get("daemon", "")
        if daemon not in _ENTRYPOINTS:
            self._fail(settings["labels"], f"{name}.labels.daemon", f"expected one of {_daemons()}, seen {daemon!r}")
        return Node(
            self._kind(settings["image"], f"{name}.image", daemon, image),
            tuple(self._command(item, f"{name}.exec") for item in self._list(settings.get("exec"), f"{name}.exec")),
            dict(self._bind(item, f"{name}.binds") for item in self._list(settings.get("binds"), f"{name}.binds")),
            image=image,
            command=self._entrypoint(value, settings.get("entrypoint"), f"{name}.entrypoint", daemon),
            labels=labels,
            sysctls=self._texts(settings.get("sysctls"), f"{name}.sysctls"),
            delay=self._number(settings.get("startup-delay"), f"{name}.startup-delay"),
        )

    def _kind(self, value: Value, key: str, daemon: str, image: str) -> str:
        tag = image.rpartition("/")[2].partition(":")[2]
        version = re.match(r"v?(\d+)(?:[._-]|$)", tag)
        if daemon == "bird" and version and int(version[1]) < 3:
            self._fail(value, key, f"BIRD knows EVPN from 3.3 on: expected such an image, seen {image}")
        newest, kind = _OLDER.get(daemon, (0, daemon))
        return kind if version and int(version[1]) <= newest else daemon or "linux"

    def _entrypoint(self, node: Value, value: Value | None, key: str, daemon: str) -> str:
        """The command to run in namespaces, where the kind of the node doesn't know it."""
        text = self._text(value, key) if value else ""
        expected = _ENTRYPOINTS[daemon]
        if expected is None and text:
            return text.removeprefix("supervised ")
        if text != expected:
            self._fail(value or node, key, f"expected {expected or ('a command' if expected is None else 'none')!r}")
        return ""

    def _command(self, value: Value, key: str) -> str:
        """One command in words, as containerlab splits it; quoted, so that no shell sees more in it."""
        try:
            words = shlex.split(self._text(value, key))
        except ValueError as error:
            self._fail(value, key, f"{error}: expected quotes in pairs")
        if not words:
            self._fail(value, key, "expected a command")
        for word in ("&&", "||", ";", "|", ">", "<"):
            if word in words:
                self._fail(value, key, f"{word!r} is for a shell, and there is none: use sh -c '...', or two items")
        return shlex.join(words)

    def _bind(self, value: Value, key: str) -> tuple[str, str]:
        parts = self._text(value, key).split(":")
        if len(parts) != 3 or not parts[1].startswith("/") or parts[2] != "ro":
            self._fail(value, key, f"expected FILE:/PATH:ro, seen {value.data!r}")
        source = self.path.parent / parts[0]
        if parts[0].startswith(("/", "~")) or not source.is_file():
            self._fail(value, key, f"expected a file beside {self.path.name}, seen {parts[0]!r}")
        return parts[1], source.read_text()

    def _number(self, value: Value | None, key: str) -> int:
        text = self._text(value, key) if value else "0"
        if value and not text.isdecimal():
            self._fail(value, key, f"expected a number of seconds, seen {text!r}")
        return int(text)

    def _link(self, value: Value, nodes: Mapping[str, Node]) -> tuple[str, str]:
        link = self._mapping(value, "link", ("endpoints",))
        ends = self._list(self._get(value, link, "endpoints"), "endpoints")
        texts = [self._text(end, "endpoints") for end in ends]
        if len(texts) != 2:
            self._fail(value, "endpoints", f"expected two, seen {len(texts)}")
        for end in texts:
            if not re.fullmatch(r"[^:\s]+:[^:\s/]{1,15}", end) or end.partition(":")[0] not in nodes:
                self._fail(value, "endpoints", f"expected NODE:INTERFACE of a node of the topology, seen {end!r}")
        return texts[0], texts[1]


def _daemons() -> str:
    return ", ".join(filter(None, _ENTRYPOINTS))

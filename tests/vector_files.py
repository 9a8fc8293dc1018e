"""The vectors of tests/vectors, read for tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "vectors"


@dataclass(frozen=True, slots=True)
class Vector:
    project: str
    source: str
    kind: str
    data: bytes
    valid: bool
    means: Any
    tshark: dict[str, list[str]]

    @property
    def name(self) -> str:
        return f"{self.project}:{self.source}"


@cache
def all_vectors() -> tuple[Vector, ...]:
    found = []
    for path in sorted(_FOLDER.glob("*.json")):
        content = json.loads(path.read_text())
        found += [
            Vector(
                content["project"],
                vector["source"],
                vector["kind"],
                bytes.fromhex(vector["hex"]),
                vector.get("valid", True),
                vector.get("means"),
                vector.get("tshark", {}),
            )
            for vector in content["vectors"]
        ]
    return tuple(found)


def vectors(kind: str, *, valid: bool | None = None) -> list[Vector]:
    return [vector for vector in all_vectors() if vector.kind == kind and valid in (None, vector.valid)]


def name(vector: Vector) -> str:
    """For pytest's ids."""
    return vector.name


def differences(means: dict[str, Any], route: Any) -> dict[str, tuple[Any, Any]]:
    """What the source says of a route and evpnd does not: field -> (source, evpnd)."""
    from evpnd.evpn import esi, labels

    shown = route.to_json()
    for view, field in (("mpls1", "label1"), ("mpls2", "label2")):
        if view in means:
            shown[view] = labels.mpls(getattr(route, field))
    if "esi_parts" in means:
        shown["esi_parts"] = esi.to_text(route.esi)
    if "nlri" in means:
        shown["nlri"] = route.encode().hex()
    return {field: (said, shown.get(field)) for field, said in means.items() if shown.get(field, "absent") != said}

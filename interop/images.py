"""The images of the topologies: which they are, and that a run keeps those that it began with.

Owns calling `containerlab/images`, and names that are this run's alone.

Must not know: how images are made, who uses them.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interop import stopping
from interop.clab import LABS
from interop.deployment import DeploymentError


@dataclass(slots=True)
class Images:
    """What the topologies' variables stand for: as people know it, and by names that are this run's alone.

    Another run may make evpnd:latest anew meanwhile, of another source; what is checked here stays the same.
    """

    names: dict[str, str] = field(default_factory=dict)
    pinned: dict[str, str] = field(default_factory=dict)

    def unpin(self) -> None:
        if self.pinned:
            subprocess.run(["docker", "rmi", *self.pinned.values()], capture_output=True)


def images_of(files: Sequence[Path]) -> Images:
    """The images that these topologies name by variables, made or pulled."""
    wanted = sorted({name for file in files for name in re.findall(r"\$\{(\w+_IMAGE)\b", file.read_text())})
    command = [str(LABS / "images"), "--pin", str(os.getpid()), *wanted]
    status, printed = stopping.run(command, stdout=subprocess.PIPE, grace=30)
    if status:
        raise DeploymentError("containerlab/images has failed (see above)")
    images = Images()
    for line in printed.splitlines():
        variable, _, both = line.partition("=")
        images.names[variable], images.pinned[variable] = both.split()
    return images

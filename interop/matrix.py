"""The interop matrix: which check has shown which feature with which peer, as docs/interop.md.

Owns the peers (columns), the features (rows), the reasons for empty cells, and the document made of them. A test says
what it shows by `@pytest.mark.feature(FEATURE, ...)`; which peers it shows it with, its labs say (interop/conftest.py).

Must not know: how labs run.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/interop.md"

# What evpnd is tested with: the kind of a lab's nodes, and the name without version.
PEERS = {
    "frr8": "FRR",
    "frr": "FRR",
    "gobgp3": "GoBGP",
    "gobgp": "GoBGP",
    "bird": "BIRD",
    "exabgp": "ExaBGP",
    "openbgpd": "OpenBGPD",
}

SESSION = "session comes up, and again after resets"
RESTART = "peer stops, is killed, and comes back"
SPEAKER_RESTART = "evpnd stops or is killed: forwarding goes on"
EXTERNAL = "eBGP session"
ASN4 = "4-octet AS numbers"
SECURITY = "TCP MD5 password and TTL security"
REFRESH = "route refresh without a reset"
SHUTDOWN = "shutdown communication is read by the peer"
SENT = "peer reads types 2 and 3"
RECEIVED = "types 2 and 3 of the peer reach the kernel"
PINGS = "pods ping each other across VXLAN"
WITHDRAWAL = "a MAC that vanishes is withdrawn"
STATIC = "static MACs"
MOVES = "a MAC moves there and back"
OTHER_TYPES = "types 1, 4 and 5 of the peer are kept"
REFLECTED = "peer reflects between two evpnds"
REFLECTS = "evpnd reflects for the peer"
DEVICE = "VXLAN device goes and comes back"
ISOLATION = "nothing of one VNI arrives in another"
NO_LOSS = "evpnd is killed under a ping: no packet lost"
CLEAN = "tshark finds nothing malformed"

FEATURES = (
    SESSION,
    RESTART,
    SPEAKER_RESTART,
    EXTERNAL,
    ASN4,
    SECURITY,
    REFRESH,
    SHUTDOWN,
    SENT,
    RECEIVED,
    PINGS,
    WITHDRAWAL,
    STATIC,
    MOVES,
    OTHER_TYPES,
    REFLECTED,
    REFLECTS,
    DEVICE,
    ISOLATION,
    NO_LOSS,
    CLEAN,
)

# What a topology's check shows, by how its name begins.
_TITLES = {"nothing of one": ISOLATION, "evpnd is killed under a running ping": NO_LOSS}


def shown_by(check: str) -> list[str]:
    """The features that a check of a topology shows."""
    return [feature for beginning, feature in _TITLES.items() if check.startswith(beginning)]


_WIRE = ("gobgp3", "gobgp", "exabgp", "openbgpd")
_WIRE_ONLY = "it has no data plane for EVPN"
_SELECTS = "an EVPN route that it selects or announces ends it on Linux"

# Why a cell has no check: by feature and kind.
UNSUPPORTED: dict[tuple[str, str], str] = {
    **{(feature, kind): _WIRE_ONLY for feature in (SPEAKER_RESTART, PINGS, STATIC, DEVICE) for kind in _WIRE},
    **{(feature, kind): _WIRE_ONLY for feature in (ISOLATION, NO_LOSS) for kind in ("exabgp", "openbgpd")},
    **{(ISOLATION, kind): "its newest version stands for it" for kind in ("frr8", "gobgp3")},
    (NO_LOSS, "gobgp3"): "its newest version stands for it",
    (NO_LOSS, "frr8"): "it keeps no EVPN routes of a peer that restarts",
    **{(feature, "openbgpd"): _SELECTS for feature in (RECEIVED, OTHER_TYPES, REFLECTED, REFLECTS, MOVES)},
    **{(OTHER_TYPES, kind): "it makes types 2 and 3 only in these labs" for kind in ("frr8", "frr", "bird", "exabgp")},
    **{(REFLECTS, kind): "its routes are reflected only where it has VTEPs" for kind in ("gobgp3", "gobgp", "exabgp")},
    (REFLECTED, "exabgp"): "it is no reflector",
    (MOVES, "exabgp"): _WIRE_ONLY,
    (SHUTDOWN, "exabgp"): "it tells code and subcode, and leaves out the text",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A check that passed with a peer."""

    feature: str
    kind: str
    check: str


def gaps(shown: Iterable[Shown]) -> list[str]:
    """What neither a check nor a reason covers."""
    covered = {(one.feature, one.kind) for one in shown} | UNSUPPORTED.keys()
    cells = [(feature, kind) for feature in FEATURES for kind in PEERS]
    return [f"{PEERS[kind]} ({kind}): {feature}" for feature, kind in cells if (feature, kind) not in covered]


def render(shown: Iterable[Shown], versions: Mapping[str, str]) -> str:
    """The document; `versions` by kind. Of several checks the first by name stands in the cell."""
    checks: dict[tuple[str, str], str] = {}
    for one in sorted(shown, key=lambda one: one.check):
        if (one.feature, one.kind) not in UNSUPPORTED:
            checks.setdefault((one.feature, one.kind), one.check)
    kinds = list(PEERS)
    rows = [["feature", *(f"{PEERS[kind]} {versions[kind]}" for kind in kinds)]]
    notes: list[str] = []
    for feature in FEATURES:
        cells = []
        for kind in kinds:
            check = checks.get((feature, kind))
            if check is None:
                reason = UNSUPPORTED.get((feature, kind), "not shown")
                if reason not in notes:
                    notes.append(reason)
                cells.append(f"— ({notes.index(reason) + 1})")
            else:
                cells.append(f"`{check}`")
        rows.append([feature, *cells])
    return _INTRODUCTION + _table(rows) + _footnotes(notes)


_INTRODUCTION = """\
# Interop matrix

What has been shown between evpnd and its peers: a cell names the check that passed. The run of all labs writes this
page (`make matrix`), and fails when it comes to something else than what stands here. The checks are in `interop/`
(`.venv/bin/python -m pytest interop -k NAME` runs one, as root) and in `containerlab/*/check`.

"""


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines) + "\n"


def _footnotes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    lines = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return "\nNot supported by the peer, or by it in these labs:\n\n" + "\n".join(lines) + "\n"


def described(document: str) -> dict[str, str]:
    """The versions that a document names, by kind."""
    header = next((line for line in document.splitlines() if line.startswith("| feature |")), "")
    return {kind: cell.split()[-1] for kind, cell in zip(PEERS, header.split("|")[2:-1], strict=False)}


def difference(committed: str, made: str) -> str:
    """What a reader must see of two different documents; empty when they are equal."""
    lines = difflib.unified_diff(committed.splitlines(), made.splitlines(), "docs/interop.md", "this run", lineterm="")
    return "\n".join(lines)

"""The interop matrix: which check has shown which feature with which peer, as docs/interop.md.

Owns the peers (columns), the features (rows), the reasons for empty cells, what a check leaves open, and the document
made of them. A test says what it shows by `@pytest.mark.feature(FEATURE, ...)`; which peers it shows it with, its labs
say (interop/recorder.py).

Must not know: how labs run, how a cell's checks are chosen (interop/selection.py).
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
_GOBGPS = ("gobgp3", "gobgp")
_WIRE_ONLY = "it has no data plane for EVPN"
_SELECTS = "an EVPN route that it selects or announces ends it on Linux"

# Why a cell has no check: by feature and kind. Each is the peer's own limit.
UNSUPPORTED: dict[tuple[str, str], str] = {
    **{(feature, kind): _WIRE_ONLY for feature in (SPEAKER_RESTART, PINGS, STATIC, DEVICE) for kind in _WIRE},
    **{(feature, kind): _WIRE_ONLY for feature in (ISOLATION, NO_LOSS) for kind in ("exabgp", "openbgpd")},
    (NO_LOSS, "frr8"): "it keeps no EVPN routes of a peer that restarts",
    **{(feature, "openbgpd"): _SELECTS for feature in (RECEIVED, OTHER_TYPES, REFLECTED, REFLECTS, MOVES)},
    (REFLECTED, "exabgp"): "it is no reflector",
    (MOVES, "exabgp"): _WIRE_ONLY,
    (SHUTDOWN, "exabgp"): "it tells code and subcode, and leaves out the text",
}

# Cells that nobody has tried; the peer may well do it.
UNTRIED: dict[tuple[str, str], str] = {
    **{
        (OTHER_TYPES, kind): "FRR sends type 5 for a VRF, and types 1 and 4 for a multihomed port: the labs' FRRs have"
        " neither"
        for kind in ("frr8", "frr")
    },
    (OTHER_TYPES, "bird"): "the labs' BIRDs make types 2 and 3 only",
}

# What a check that passed leaves open with this peer.
REMARKS: dict[tuple[str, str], str] = {
    **{
        (REFRESH, kind): "it has no command that asks: evpnd asks, and each side's routes come again"
        for kind in _GOBGPS
    },
    (REFRESH, "exabgp"): "each asks and gets evpnd's routes again; its own are written as attributes of IPv4 routes, "
    "which a request for EVPN does not bring again",
    (REFRESH, "openbgpd"): "each asks, and evpnd's routes come again; it has none of its own to send, since one would"
    " end it on Linux",
    (MOVES, "bird"): "only with the cable pulled at the old place first, and without looking at sequence numbers: "
    "BIRD 3.4 has no MAC mobility, and a live move to it fails (containerlab/evpnd-bird/README.md)",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A check that passed with a peer."""

    feature: str
    kind: str
    check: str


def gaps(shown: Iterable[Shown]) -> list[str]:
    """What neither a check nor a reason covers."""
    covered = {(one.feature, one.kind) for one in shown} | UNSUPPORTED.keys() | UNTRIED.keys()
    cells = [(feature, kind) for feature in FEATURES for kind in PEERS]
    return [f"{PEERS[kind]} ({kind}): {feature}" for feature, kind in cells if (feature, kind) not in covered]


def without_check(feature: str, kind: str) -> tuple[str, str] | None:
    """What stands in a cell that has no check, and why; None for one that has."""
    for said, reasons in (("not supported by the peer", UNSUPPORTED), ("not tried", UNTRIED)):
        if (feature, kind) in reasons:
            return said, reasons[feature, kind]
    return None


def render(shown: Iterable[Shown], versions: Mapping[str, str]) -> str:
    """The document; `versions` by kind. Of several checks the first by name stands in the cell."""
    checks: dict[tuple[str, str], str] = {}
    for one in sorted(shown, key=lambda one: one.check):
        checks.setdefault((one.feature, one.kind), one.check)
    rows = [["feature", *(f"`{kind}` {PEERS[kind]} {versions[kind]}" for kind in PEERS)]]
    notes: list[str] = []
    for feature in FEATURES:
        rows.append([feature, *(_cell(feature, kind, checks.get((feature, kind)), notes) for kind in PEERS)])
    return _INTRODUCTION + _table(rows) + _footnotes(notes)


def _cell(feature: str, kind: str, check: str | None, notes: list[str]) -> str:
    """Its text; what it has to explain goes into the notes."""
    missing = without_check(feature, kind)
    said, note = missing or (f"`{check}`" if check else "not shown", REMARKS.get((feature, kind), ""))
    if not note:
        return said
    if note not in notes:
        notes.append(note)
    return f"{said} ({notes.index(note) + 1})"


_INTRODUCTION = """\
# Interop matrix

What has been shown between evpnd and its peers: a cell names the check that passed, or says "not supported by the
peer", or "not tried"; a number leads to a note below. The run of all labs writes this page (`make matrix`), and fails
when it comes to something else than what stands here. The checks are in `interop/` and in `containerlab/*/check`.

This runs the checks of one cell, as root (`interop/setup` has installed what they need), by the name of the row and the
first word of the column; either alone runs its row or its column:

```sh
.venv/bin/python -m pytest interop --feature 'eBGP session' --peer gobgp
```

"""


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines) + "\n"


def _footnotes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    lines = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return "\nNotes, each about the peer of its column:\n\n" + "\n".join(lines) + "\n"


def described(document: str) -> dict[str, str]:
    """The versions that a document names, by kind."""
    header = next((line for line in document.splitlines() if line.startswith("| feature |")), "")
    return {kind: cell.split()[-1] for kind, cell in zip(PEERS, header.split("|")[2:-1], strict=False)}


def difference(committed: str, made: str) -> str:
    """What a reader must see of two different documents; empty when they are equal."""
    lines = difflib.unified_diff(committed.splitlines(), made.splitlines(), "docs/interop.md", "this run", lineterm="")
    return "\n".join(lines)

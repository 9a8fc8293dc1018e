"""What a benchmark yields, what is asked of evpnd, and the table that shows both."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

REFERENCE = "frr-10.7"
OURS = "evpnd"


@dataclass(frozen=True, slots=True)
class Result:
    """The values of one measure for one target, a value a run; `failure` says why there are none."""

    measure: str
    target: str
    values: tuple[float, ...] = ()
    failure: str = ""
    details: dict[str, object] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class Measure:
    """A row of the table. A goal is a bound, or so many times better than `than`."""

    key: str
    title: str
    unit: str
    goal: float | None = None  # the value to reach
    times: float | None = None  # or how many times better than `than` to be
    than: str = REFERENCE
    higher_is_better: bool = False

    def ratio(self, ours: float, theirs: float) -> float:
        """How many times better ours is."""
        better, worse = (ours, theirs) if self.higher_is_better else (theirs, ours)
        return better / worse if worse else float("inf")


MEASURES = [
    Measure("macs.add", "100,000 remote MACs: first UPDATE byte to last FDB entry", "s", times=5),
    Measure("macs.withdraw", "their withdrawal", "s", times=2),
    Measure("macs.resident", "resident memory with them", "MB", goal=150),
    Measure("macs.cpu", "processor time of the daemons for the addition", "s"),
    Measure("hosts.add", "100,000 remote MACs with IP addresses: the same", "s"),
    Measure("hosts.withdraw", "their withdrawal", "s"),
    Measure("hosts.resident", "resident memory with them", "MB"),
    Measure("hosts.cpu", "processor time of the daemons for the addition", "s"),
    Measure("latency.median", "one change, UPDATE byte to kernel event: median", "ms", goal=1),
    Measure("latency.p99", "one change: 99th percentile", "ms", goal=3),
    Measure("local.last", "10,000 local MACs at once: the last one in an UPDATE", "s", goal=0.5),
    Measure("local.half", "10,000 local MACs at once: half of them", "s"),
    Measure("million.add", "1,000,000 remote MACs", "s", goal=float("inf")),
    Measure("million.growth", "their second half's time as a multiple of the first's", "x", goal=1.25),
    Measure("million.resident", "resident memory with them", "MB"),
    Measure("vnis.converged", "1,000 VNIs with 10 VTEPs each: start to converged", "s", goal=5),
    Measure("vnis.resident", "resident memory with them", "MB"),
]

_CODEC_GOALS = {"decode.50.same": 10.0, "decode.1.same": 5.0, "encode.50.same": 5.0, "encode.1.same": 5.0}
_CODEC_TITLES = {
    "decode": "bytes to rd, MAC, IP, label, next hop, communities",
    "text": "the same with all values as text",
    "encode": "values to bytes",
}
MEASURES += [
    Measure(
        f"codec.{action}.{count}.{attributes}",
        f"{action}, {count} type 2 route{'s' if count > 1 else ''} an UPDATE, {attributes} attributes",
        "routes/s",
        times=_CODEC_GOALS.get(f"{action}.{count}.{attributes}"),
        than="yabgp",
        higher_is_better=True,
    )
    for action in ("decode", "text", "encode")
    for count in (1, 50)
    for attributes in ("same", "differing")
]


def _figure(value: float, unit: str) -> str:
    if unit == "routes/s":
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _cell(result: Result | None, unit: str) -> str:
    if result is None:
        return ""
    return _figure(result.median, unit) if result.values else "failed"


def verdict(measure: Measure, by_target: dict[str, Result]) -> str:
    """`met`, `NOT met`, or nothing when there is no goal or nothing to judge by."""
    ours = by_target.get(OURS)
    if ours is None or (measure.goal is None and measure.times is None):
        return ""
    if not ours.values:
        return "NOT met"
    if measure.goal is not None:
        met = ours.median >= measure.goal if measure.higher_is_better else ours.median <= measure.goal
        return "met" if met else "NOT met"
    theirs = by_target.get(measure.than)
    if measure.times is None or theirs is None or not theirs.values:
        return ""
    return "met" if measure.ratio(ours.median, theirs.median) >= measure.times else "NOT met"


def _goal_text(measure: Measure) -> str:
    if measure.times is not None:
        return f"{measure.times:g}x {measure.than}"
    if measure.goal is None:
        return ""
    return "reached" if measure.goal == float("inf") else f"<= {measure.goal:g} {measure.unit}"


def table(results: Iterable[Result]) -> str:
    """The rows that have results; ratios are how many times better evpnd is than each other."""
    grouped: dict[str, dict[str, Result]] = {}
    for result in results:
        grouped.setdefault(result.measure, {})[result.target] = result
    sections = [
        [measure for measure in MEASURES if measure.key in grouped and measure.key.startswith("codec.") is codec]
        for codec in (False, True)
    ]
    return "\n\n".join(_section(section, grouped) for section in sections if section)


def _section(measures: list[Measure], grouped: dict[str, dict[str, Result]]) -> str:
    seen = {target for measure in measures for target in grouped[measure.key]}
    targets = sorted(seen, key=lambda name: (name != OURS, name))
    others = [target for target in targets if target not in (OURS, "kernel")] if OURS in seen else []
    rows = [["measure", "unit", *targets, *(f"vs {target}" for target in others), "goal", ""]]
    for measure in measures:
        by_target = grouped[measure.key]
        row = [measure.title, measure.unit, *(_cell(by_target.get(target), measure.unit) for target in targets)]
        for other in others:
            ours, theirs = by_target.get(OURS), by_target.get(other)
            known = ours is not None and theirs is not None and ours.values and theirs.values
            row.append(f"{measure.ratio(ours.median, theirs.median):.1f}x" if known and ours and theirs else "")
        rows.append([*row, _goal_text(measure), verdict(measure, by_target)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 or column >= len(row) - 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_json(results: Iterable[Result], versions: dict[str, str]) -> dict[str, object]:
    """Everything measured, for machines."""
    listed = list(results)
    rows = []
    for measure in MEASURES:
        by_target = {result.target: result for result in listed if result.measure == measure.key}
        if not by_target:
            continue
        rows.append(
            {
                "measure": measure.key,
                "title": measure.title,
                "unit": measure.unit,
                "goal": _goal_text(measure),
                "verdict": verdict(measure, by_target),
                "results": [
                    asdict(result) | {"median": result.median if result.values else None}
                    for result in by_target.values()
                ],
            }
        )
    return {"versions": versions, "measures": rows}

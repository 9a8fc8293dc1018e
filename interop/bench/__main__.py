"""`python -m interop.bench`: run the chosen benchmarks on the chosen targets and print one table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import fields

from interop.bench import speaker
from interop.bench.codecs import codec_results
from interop.bench.namespace import BenchError
from interop.bench.results import Result, as_json, table
from interop.bench.targets import Target, all_targets

_HEAVY = {"million": ["evpnd"]}  # what runs by default where others would take minutes and gigabytes


def _arguments() -> argparse.Namespace:
    names = [*speaker.BENCHMARKS, "codec"]
    targets = [*all_targets(), "kernel"]
    parser = argparse.ArgumentParser(
        prog="python -m interop.bench",
        description="Measure evpnd beside other speakers and codecs, in one run. The speakers need root. "
        "The table goes to stdout, progress to stderr.",
        epilog="'kernel' is the kernel alone, for the macs benchmark. By default all benchmarks run on all targets, "
        "except that million runs on evpnd only.",
    )
    parser.add_argument("benchmarks", nargs="*", metavar="BENCHMARK", help=f"any of {', '.join(names)} (default: all)")
    parser.add_argument("--targets", metavar="LIST", help=f"comma-separated, any of {', '.join(targets)}")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    for size in fields(speaker.Sizes):
        parser.add_argument(f"--{size.name.replace('_', '-')}", type=int, default=size.default, metavar="N")
    arguments = parser.parse_args()
    if unknown := set(arguments.benchmarks) - set(names):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))} (there are {', '.join(names)})")
    arguments.benchmarks = arguments.benchmarks or names
    chosen = arguments.targets.split(",") if arguments.targets else None
    if chosen and (unknown := set(chosen) - set(targets)):
        parser.error(f"no such target: {', '.join(sorted(unknown))} (there are {', '.join(targets)})")
    arguments.targets = chosen
    return arguments


_START = time.monotonic()


def _say(text: str) -> None:
    sys.stderr.write(f"[{time.monotonic() - _START:6.1f} s] {text}\n")
    sys.stderr.flush()


def _prefixed(prefix: str) -> speaker.Say:
    return lambda text: _say(prefix + text)


def _usable(chosen: list[str] | None) -> dict[str, Target]:
    """The targets that can run here; of the others, why not."""
    found = {}
    for name, target in all_targets().items():
        if chosen and name not in chosen:
            continue
        if reason := target.missing():
            _say(f"{name}: left out: {reason}")
        else:
            found[name] = target
    return found


def _speakers(arguments: argparse.Namespace, versions: dict[str, str]) -> list[Result]:
    sizes = speaker.Sizes(**{size.name: getattr(arguments, size.name) for size in fields(speaker.Sizes)})
    names = [name for name in arguments.benchmarks if name != "codec"]
    if not names:
        return []
    if os.geteuid():
        raise BenchError("the speakers' benchmarks need root; `codec` does not")
    targets = _usable(arguments.targets)
    versions.update({name: target.version() for name, target in targets.items()})
    results: list[Result] = []
    for name in names:
        if name == "macs" and (not arguments.targets or "kernel" in arguments.targets):
            results += speaker.kernel_alone(sizes, _prefixed("macs, the kernel alone: "))
        for target in targets.values():
            if arguments.targets or target.name in _HEAVY.get(name, targets):
                say = _prefixed(f"{name}, {target.name}: ")
                say("…")
                results += speaker.BENCHMARKS[name](target, sizes, say)
    return results


def main() -> int:
    arguments = _arguments()
    versions: dict[str, str] = {}
    try:
        results = _speakers(arguments, versions)
        if "codec" in arguments.benchmarks:
            results += codec_results(_say, versions)
    except BenchError as error:
        sys.stderr.write(f"interop.bench: {error}\n")
        return 1
    if arguments.json:
        print(json.dumps(as_json(results, versions), indent=1))
    else:
        print("  ".join(f"{name}: {version}" for name, version in versions.items()) + "\n")
        print(table(results))
        for result in results:
            if result.failure:
                print(f"{result.measure}, {result.target}: {result.failure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

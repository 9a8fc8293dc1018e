"""Standard output of a command, to the end: what was printed last is written only as the program ends.

Owns how a command fails that can't print: one line and status 1; but silently when its reader has seen enough, as
`| head` has. Must not know: what is printed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

from evpnd.errors import EvpndError


class OutputError(EvpndError):
    """Standard output takes no more; the text says why."""


@contextlib.contextmanager
def written(out: TextIO | None) -> Iterator[None]:
    """Around what prints to `out`, so that its errors are not taken for those of other files; writes it all out."""
    try:
        yield
        if out is not None:  # closed before the program began
            out.flush()
    except BrokenPipeError:
        raise
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise OutputError(f"standard output: {reason[:1].lower()}{reason[1:]}") from exc


def run(program: str, command: Callable[[], int]) -> int:
    """command(), and then all that it printed; the exit status."""
    status = 0
    try:
        try:
            status = command()
        finally:  # argparse leaves by SystemExit after --help
            with written(sys.stdout):
                pass
    except BrokenPipeError:
        _discard()
    except OutputError as exc:
        _discard()
        print(f"{program}: {exc}", file=sys.stderr)
        return 1
    return status


def _discard() -> None:
    """What is still buffered would fail once more at the interpreter's end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""evpnctl: asks a running evpnd and prints the answer, as an aligned table or as JSON.

The arguments come from evpnd.requests.COMMANDS, the tables from evpnd.views. Exit status: 0 done, 1 the daemon could
not be asked or refused, 2 wrong usage. Must not know: what any single command means.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence

from evpnd import __version__, output
from evpnd.client import ask
from evpnd.config import DEFAULT_SOCKET
from evpnd.errors import EvpndError
from evpnd.requests import COMMANDS, FILTERS, Command, Filters
from evpnd.tables import View, legend, render
from evpnd.views import VIEWS

PROG = "evpnctl"
_VERBS = {"show": "print what the daemon knows", "clear": "end sessions and start them anew"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    return output.run(PROG, lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    parsed, unknown = build_parser().parse_known_args(arguments)
    options = vars(parsed)
    if unknown:  # with the usage of the command, not that of evpnctl
        options["parser"].error(f"unrecognized arguments: {' '.join(unknown)}")
    filters: Filters = {name: options[name] for name in FILTERS if options.get(name) is not None}
    command = options["command"]
    try:
        result = ask(options.get("socket", DEFAULT_SOCKET), command, filters)
        with output.written(sys.stdout):
            _print(command, result, as_json=options.get("json", False), wide=options.get("wide", False))
    except output.OutputError:
        raise
    except EvpndError as exc:
        print(f"{PROG}: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser whose help also tells what the command prints."""

    view: View | None = None

    def format_help(self) -> str:
        width = shutil.get_terminal_size().columns - 2  # as argparse has it
        lines = legend(self.view, width) if self.view else ()
        return super().format_help() + "".join(f"{line}\n" for line in lines)


def build_parser() -> _Parser:
    """The argument tree: one subparser a word, the filters of a command on its last one."""
    common = common_options()
    parser = _Parser(prog=PROG, description="Ask a running evpnd.", parents=[common], allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    _add(parser, (), common)
    return parser


def common_options() -> _Parser:
    """Options that may stand before or after the command's words."""
    common = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--socket", metavar="PATH", help=f"evpnd's control socket ({DEFAULT_SOCKET})")
    common.add_argument("--json", action="store_true", help="print JSON: a list of rows, or one object")
    common.add_argument("--wide", action="store_true", help="print all columns, however narrow the terminal is")
    return common


def _add(parser: _Parser, words: tuple[str, ...], common: _Parser) -> None:
    """Give the parser for `words` its command's arguments, and the parsers of the words that may follow."""
    own = next((c for c in COMMANDS if c.words == words), None)
    if own:
        _add_arguments(parser, own)
    following = dict.fromkeys(c.words[len(words)] for c in COMMANDS if c.words[: len(words)] == words and c != own)
    if not following:
        return
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=own is None)
    for word in following:
        command = next((c for c in COMMANDS if c.words == (*words, word)), None)
        text = command.help if command else _VERBS[word]
        child = group.add_parser(
            word, help=text, description=text[0].upper() + text[1:] + ".", parents=[common], allow_abbrev=False
        )
        _add(child, (*words, word), common)


def _add_arguments(parser: _Parser, command: Command) -> None:
    parser.set_defaults(command=command.name, parser=parser)
    parser.view = VIEWS[command.name]
    for name in command.positional:
        required = command.required and name == command.positional[0]
        parser.add_argument(
            name,
            metavar=FILTERS[name].metavar,
            nargs=None if required else "?",
            type=_checked(name),
            help=command.help_of(name),
        )
    for name in command.filters:
        parser.add_argument(f"--{name}", metavar=FILTERS[name].metavar, type=_checked(name), help=command.help_of(name))


def _checked(name: str) -> Callable[[str], object]:
    def parse(text: str) -> object:
        try:
            return FILTERS[name].parse(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from None

    return parse


def _print(command: str, result: object, *, as_json: bool, wide: bool) -> None:
    if as_json:
        _print_json(result)
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() and not wide else None
        for line in render(VIEWS[command], result, width):
            print(line)


def _print_json(result: object) -> None:
    """Valid JSON with one row a line, so that both jq and grep can read it."""
    if not isinstance(result, list) or not result:
        print(json.dumps(result, indent=2))
        return
    print("[")
    for row in result[:-1]:
        print(json.dumps(row), end=",\n")
    print(json.dumps(result[-1]), end="\n]\n")


if __name__ == "__main__":
    sys.exit(main())

"""The configuration and command references, made from the schema, the argument trees and the columns themselves.

`python -m evpnd.reference configuration|commands` prints docs/configuration.md or docs/commands.md; a test compares the
committed files with that. Must not know: any single key, command or column.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import MISSING

from evpnd import cli, ctl
from evpnd.kinds import shown
from evpnd.requests import COMMANDS, Command
from evpnd.schema import TABLES, Key, Table
from evpnd.tables import Detail, View
from evpnd.tables import Table as Columns
from evpnd.views import VIEWS

_CONFIGURATION = """\
# Configuration

<!-- Made from evpnd/schema.py by `python -m evpnd.reference configuration`: change it there. -->

evpnd reads `/etc/evpnd/evpnd.toml` (or what `evpnd run --config FILE` names) and all of `conf.d/*.toml` beside it. The
files are one [TOML](https://toml.io/en/v1.0.0) document in any order: arrays of tables such as `[[bgp.peer]]` add up,
and a key stands in one of the files only.

`evpnd check FILE` says everything that is wrong, one line an error, and exits with 1 if there is anything:

```
/etc/evpnd/evpnd.toml:3: bgp.rotuer_id: unknown key, did you mean "router_id"?
/etc/evpnd/evpnd.toml:5: bgp.hold_time: 2 is not possible, expected an integer, 0 or 3 to 65535 seconds
/etc/evpnd/conf.d/fabric.toml:4: bgp.peer.address: 10.0.0.2 is there already, at /etc/evpnd/evpnd.toml:9
```

The least that works; every VNI that has a VXLAN device on a bridge is announced with what is derived from it:

```toml
[bgp]
asn = 65001
router_id = "10.255.0.1"

[[bgp.peer]]
address = "10.0.0.2"
asn = 65002
```
"""

_COMMANDS = """\
# Commands

<!-- Made from the argument parsers and evpnd/views.py by `python -m evpnd.reference commands`: change it there. -->

Two programs: `evpnd` is the daemon and what goes with it, `evpnctl` asks a daemon that runs. Both exit with 0 when all
went well, with 1 when something failed (one line on standard error for each thing), and with 2 when the arguments are
wrong. `--help` after any command prints what is here.
"""

_EVPNCTL = """\
evpnctl prints tables for people: aligned, as wide as the terminal, without the columns that are least needed where it
is narrow (it says which; `--wide` prints all, as does a pipe). With `--json` it prints JSON, a row a line; the keys are
those in the tables below, and more. Its options may stand before or after the command's words.

On the socket, a request is one line of JSON, `{"command": "show.routes", "filters": {"vni": 100}}`, and so is the
reply: `{"ok": true, "version": ..., "result": ...}`, or `{"ok": false, "version": ..., "kind": ..., "error": ...}`.
"""


def configuration() -> str:
    """docs/configuration.md."""
    parts = [_CONFIGURATION]
    for table in TABLES:
        header = f"[[{table.name}]]" if table.identity else f"[{table.name}]"
        parts.append(f"## `{header}`\n\n{table.help}\n\n" + _rows(("key", "value", "default", "meaning"), _keys(table)))
    return "\n".join(parts)


def _keys(table: Table) -> Iterator[tuple[str, ...]]:
    for key in table.keys:
        yield f"`{key.name}`", key.kind.expected, _default(table, key), key.help


def _default(table: Table, key: Key) -> str:
    if key.inherits:
        return f"that of `{'.'.join(key.inherits)}`"
    default = table.default(key)
    if default is MISSING:
        return "(required)"
    if default is None or default == "":
        return ""
    if key.name == "mode":
        return f'`"{default:04o}"`'
    return f"`{shown(list(default) if isinstance(default, tuple) else default)}`"


def commands() -> str:
    """docs/commands.md."""
    parts = [_COMMANDS, "## evpnd\n"]
    parts += [_parser(words, parser) for words, parser in _leaves(cli.build_parser(), "evpnd")]
    parts += [f"## evpnctl\n\n{_EVPNCTL}", _options(ctl.common_options())]
    parts += [_command(command) for command in COMMANDS]
    return "\n".join(parts)


def _leaves(parser: argparse.ArgumentParser, words: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every parser that has no commands below it, with the words that lead there."""
    children = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not children:
        yield words, parser
    for action in children:
        for word, child in action.choices.items():
            yield from _leaves(child, f"{words} {word}")


def _parser(words: str, parser: argparse.ArgumentParser) -> str:
    exclusive = [a for group in parser._mutually_exclusive_groups for a in group._group_actions]
    usage = " ".join([words, *(_usage(action) for action in _arguments(parser) if action not in exclusive)])
    if exclusive:
        usage += f" [{' | '.join(map(_spelling, exclusive))}]"
    return f"### `{usage}`\n\n{parser.description}\n\n{_options(parser)}"


def _options(parser: argparse.ArgumentParser) -> str:
    rows = [(f"`{_spelling(action)}`", _help(action)) for action in _arguments(parser)]
    return _rows(("argument", "meaning"), iter(rows)) if rows else ""


def _arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [a for a in parser._actions if not isinstance(a, argparse._HelpAction | argparse._VersionAction)]


def _spelling(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar)
    value = str(action.metavar or (action.choices and "|".join(map(str, action.choices))) or "")
    return f"{action.option_strings[0]} {value}".rstrip() if action.nargs != 0 else action.option_strings[0]


def _usage(action: argparse.Action) -> str:
    optional = bool(action.option_strings) or action.nargs == "?"
    return f"[{_spelling(action)}]" if optional else _spelling(action)


def _help(action: argparse.Action) -> str:
    return str(action.help)


def _command(command: Command) -> str:
    parser = dict(_every(ctl.build_parser(), "evpnctl"))[" ".join(("evpnctl", *command.words))]
    own = [a for a in _arguments(parser) if a.dest in command.filters + command.positional]
    usage = " ".join(("evpnctl", *command.words, *map(_usage, own)))
    rows = _rows(("argument", "meaning"), iter([(f"`{_spelling(a)}`", _help(a)) for a in own])) if own else ""
    text = command.help[0].upper() + command.help[1:]
    return "\n".join(part for part in (f"### `{usage}`\n\n{text}.\n", rows, _view(VIEWS[command.name])) if part)


def _every(parser: argparse.ArgumentParser, words: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield words, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield from _every(child, f"{words} {word}")


def _view(view: View) -> str:
    if isinstance(view, Columns):
        return _rows(("column", "JSON", "meaning"), _columns(view))
    return "\n".join(filter(None, _sections(view)))


def _columns(view: Columns) -> Iterator[tuple[str, ...]]:
    for column in view.columns:
        yield column.title, ", ".join(f"`{key}`" for key in column.keys), column.help


def _sections(view: Detail) -> Iterator[str]:
    for section in view.sections:
        title = f"{section.title}:\n\n" if section.title else ""
        if section.table:
            yield f"{title}`{section.rows}`, a list of objects:\n\n" + _view(section.table)
            continue
        rows = ((item.label, f"`{item.key}`", item.help) for item in section.items)
        yield title + _rows(("line", "JSON", "meaning"), rows)


def _rows(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in lines)


REFERENCES = {"configuration": configuration, "commands": commands}


def main() -> int:
    """Entry point: print one of the references."""
    parser = argparse.ArgumentParser(prog="python -m evpnd.reference", description="Print a reference as Markdown.")
    parser.add_argument("which", choices=list(REFERENCES))
    sys.stdout.write(REFERENCES[parser.parse_args().which]())
    return 0


if __name__ == "__main__":
    sys.exit(main())

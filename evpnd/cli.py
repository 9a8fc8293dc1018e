"""evpnd: the daemon's command line.

Exit status: 0 done, 1 it failed (each error is one line), 2 wrong usage. Each command imports what it needs only,
so that `check` and `decode` start fast and work where the daemon could not. Must not know: what the commands do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args, get_type_hints

from evpnd import __version__, output
from evpnd.config import DEFAULT_PATH, Config, LogConfig
from evpnd.errors import ConfigError, EvpndError

PROG = "evpnd"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    return output.run(PROG, lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except ConfigError as exc:
        for error in exc.errors:
            print(error, file=sys.stderr)
        return 1
    except output.OutputError:
        raise
    except EvpndError as exc:
        print(f"{PROG}: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def build_parser() -> argparse.ArgumentParser:
    """The argument tree."""
    parser = argparse.ArgumentParser(prog=PROG, description="A BGP-EVPN speaker for Linux hosts.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = _command(commands, "run", "run the daemon in the foreground")
    run.add_argument("--config", metavar="FILE", default=DEFAULT_PATH, help=f"the configuration ({DEFAULT_PATH})")
    run.add_argument("--log-level", choices=_log_choices("level"), help="instead of the configuration's log.level")
    run.add_argument("--log-format", choices=_log_choices("format"), help="instead of the configuration's log.format")
    run.set_defaults(run=_run)

    check = _command(commands, "check", "check a configuration and its conf.d, and change nothing")
    check.add_argument(
        "file", metavar="FILE", nargs="?", default=DEFAULT_PATH, help=f"the configuration ({DEFAULT_PATH})"
    )
    check.set_defaults(run=_check)

    decode = _command(commands, "decode", "print BGP messages as JSON, one object a line")
    source = decode.add_mutually_exclusive_group()
    source.add_argument("--hex", metavar="STRING", help="the octets of one or more messages, in hex")
    source.add_argument("--pcap", metavar="FILE", help="a capture (pcap or pcapng) with TCP streams on port 179")
    source.add_argument("stdin", metavar="-", nargs="?", choices=["-"], help="read hex from standard input")
    decode.set_defaults(run=_decode, parser=decode)

    demo = _command(commands, "demo", "three hosts in network namespaces, pods that ping and move")
    demo.set_defaults(run=_demo)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)


def _log_choices(name: str) -> tuple[str, ...]:
    return get_args(get_type_hints(LogConfig)[name])


def _run(options: argparse.Namespace) -> int:
    from evpnd import daemon, loader, logs

    config = with_log(loader.load(options.config), options.log_level, options.log_format)
    logs.setup(config.log.level, config.log.format)
    return daemon.main(config)


def with_log(config: Config, level: str | None, log_format: str | None) -> Config:
    """The configuration with the command line's logging options, where given, laid over it."""
    changes = {name: value for name, value in (("level", level), ("format", log_format)) if value}
    log: LogConfig = replace(config.log, **changes)  # type: ignore[arg-type]  # argparse knows the choices
    return replace(config, log=log)


def _check(options: argparse.Namespace) -> int:
    from evpnd import loader

    config = loader.load(options.file)
    bgp, vnis = config.bgp, len(config.evpn.vnis)
    with output.written(sys.stdout):
        print(
            f"{options.file}: good: AS {bgp.asn}, router id {bgp.router_id}, {_count(len(bgp.peers), 'peer')}, "
            f"{_count(vnis, 'VNI')} with settings, from {_count(len(config.files), 'file')}"
        )
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _decode(options: argparse.Namespace) -> int:
    from evpnd import decode

    if options.hex is None and options.pcap is None and options.stdin is None and sys.stdin.isatty():
        options.parser.error("nothing to decode: give --hex STRING, --pcap FILE, or - for standard input")
    return decode.run(options.hex, options.pcap, sys.stdin, sys.stdout)


def _demo(options: argparse.Namespace) -> int:
    from evpnd import demo

    return demo.main()


if __name__ == "__main__":
    sys.exit(main())

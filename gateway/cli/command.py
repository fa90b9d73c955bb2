"""
What every command has in common: its shape, its exit codes, the option C{--config} and how faults are shown.

A command is one module that offers what L{Command} names. What it needs beyond the configuration it imports when it
runs, so that C{gateway --help} stays fast however many commands there are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TextIO

from gateway.config.faults import ConfigError, Fault

DONE = 0
"""It is done; for a check: there is nothing to mend."""
NOT_DONE = 1
"""It could not be done, or (C{check --strict}) there are cautions."""
FAULTY = 2
"""The configuration has faults, or the command line is wrong."""


class Command(Protocol):
    """The names that the module of a command defines."""

    NAME: str
    SUMMARY: str
    """One line for the list of commands."""
    DESCRIPTION: str
    EXAMPLES: str
    """Command lines, one a line, each with what it does below it."""
    EXIT_CODES: dict[int, str]

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of the command."""

    def run(self, options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
        """Do it, write to the two streams and give the exit code."""


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], command: Command, dest: str
) -> None:
    """
    Add a command to those of a parser, with its help.

    @param dest: where the options keep which command was chosen.
    """
    below = commands.add_parser(
        command.NAME,
        help=command.SUMMARY,
        description=command.DESCRIPTION,
        epilog=_epilog(command),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(below)
    below.set_defaults(**{dest: command})


def _epilog(command: Command) -> str:
    codes = "\n".join(f"  {code}  {meaning}" for code, meaning in command.EXIT_CODES.items())
    return f"Examples:\n{command.EXAMPLES.strip(chr(10))}\n\nExit codes:\n{codes}\n"


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which configuration is meant, the same as those of C{twistd gateway}."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="the configuration file; without one the defaults hold",
    )
    parser.add_argument(
        "-p", "--port", metavar="N", help="as for twistd gateway: the port of the forward listener"
    )
    parser.add_argument(
        "-o", "--origin", metavar="URL", help="as for twistd gateway: a reverse proxy to URL alone"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option for output that a program reads."""
    parser.add_argument("--json", action="store_true", help="write JSON")


def overrides(options: argparse.Namespace) -> dict[str, object]:
    """Give what the command line says over the file."""
    return {"port": options.port, "origin": options.origin}


def write_json(out: TextIO, value: object) -> None:
    """Write one JSON document."""
    out.write(json.dumps(value, indent=2) + "\n")


def show_faults(err: TextIO, faults: Iterable[Fault]) -> None:
    """Write each fault on its line, and their number."""
    count = 0
    for fault in faults:
        err.write(f"{fault}\n")
        count += 1
    err.write(f"{count} fault{'' if count == 1 else 's'}\n")


def show_config_error(
    error: ConfigError, options: argparse.Namespace, out: TextIO, err: TextIO
) -> int:
    """Write the faults of a configuration, as C{options.json} wants them, and give the exit code."""
    if options.json:
        write_json(out, {"ok": False, "faults": [as_json(fault) for fault in error.faults]})
    else:
        show_faults(err, error.faults)
    return FAULTY


def write_table(out: TextIO, rows: Sequence[Sequence[str]]) -> None:
    """Write rows of as many cells each, in columns as wide as they need; the last one ends where it ends."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        out.write("  ".join(cells).rstrip() + "\n")


def as_json(fault: Fault) -> dict[str, object]:
    """Give a fault as JSON: what is not known is null."""
    return {
        "file": fault.file or None,
        "line": fault.line or None,
        "path": fault.path or None,
        "message": fault.message,
        "mend": fault.mend or None,
    }


def show_answer(
    options: argparse.Namespace,
    answer: Mapping[str, Any],
    out: TextIO,
    err: TextIO,
    show: Callable[[], object],
) -> int:
    """
    Tell how an order to the running gateway ended, and give the exit code.

    @param answer: the gateway's, or one in its place: C{ok}, and C{why} if it is not.
    @param show: writes an answer that is good, for people.
    """
    if options.json:
        write_json(out, answer)
    elif answer["ok"]:
        show()
    else:
        err.write(f"{answer['why']}\n")
    return DONE if answer["ok"] else NOT_DONE

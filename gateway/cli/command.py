"""
What every command has in common: its shape, its exit codes, the option C{--config} and how faults are shown.

A command is one module that offers what L{Command} names. What it needs beyond the configuration it imports when it
runs, so that C{gateway --help} stays fast however many commands there are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Protocol, TextIO

from gateway.config.faults import Fault

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


def as_json(fault: Fault) -> dict[str, object]:
    """Give a fault as JSON: what is not known is null."""
    return {
        "file": fault.file or None,
        "line": fault.line or None,
        "path": fault.path or None,
        "message": fault.message,
        "mend": fault.mend or None,
    }

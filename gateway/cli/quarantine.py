"""
C{gateway quarantine}: content that scans refused and that is kept, and how it is got out or rid of.

Each command below it is a module of its own, of the same shape as every command. They work on the folder, whether the
gateway runs or not.
"""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli import (
    quarantine_delete,
    quarantine_extract,
    quarantine_list,
    quarantine_purge,
    quarantine_show,
)
from gateway.cli.command import DONE, FAULTY, NOT_DONE, Command, add_command

NAME = "quarantine"
SUMMARY = "list, take out and delete content that scans refused"
DESCRIPTION = """\
About content that scans refused and that is kept, encrypted, in the folder of scan.quarantine. An ID is the beginning of
the content's SHA-256; a few digits of it will do."""
EXAMPLES = """
  gateway quarantine list --config /etc/gateway/gateway.toml
      what is there
  gateway quarantine extract 275a021b --to sample.bin
      takes it out, to have a look at it or to send it to who makes the patterns
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "there is no such content, it was changed, or the key is another one",
    FAULTY: "a wrong command line, a configuration with faults, or none that names a quarantine",
}

COMMANDS: tuple[Command, ...] = (
    quarantine_list,
    quarantine_show,
    quarantine_extract,
    quarantine_delete,
    quarantine_purge,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        add_command(commands, command, "quarantine_command")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the one that was chosen."""
    code: int = options.quarantine_command.run(options, out, err)
    return code

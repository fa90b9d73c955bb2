"""
C{gateway scan}: what the running gateway thinks of a file, and what it remembers of its scans.

Each command below it is a module of its own, of the same shape as every command.
"""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli import scan_test, scan_urls
from gateway.cli.command import DONE, FAULTY, NOT_DONE, Command, add_command

NAME = "scan"
SUMMARY = "have the running gateway judge a file; what it remembers of its scans"
DESCRIPTION = "About scans for malware of the running gateway."
EXAMPLES = """
  gateway scan test /tmp/sample.zip --config /etc/gateway/gateway.toml
      what would become of such content, and who says so
  gateway scan urls list --config /etc/gateway/gateway.toml
      which URLs are refused because they gave malware a while ago
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers, or it could not be done",
    FAULTY: "a wrong command line",
}

COMMANDS: tuple[Command, ...] = (scan_test, scan_urls)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        add_command(commands, command, "scan_command")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the one that was chosen."""
    code: int = options.scan_command.run(options, out, err)
    return code

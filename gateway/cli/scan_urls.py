"""C{gateway scan urls}: which URLs are remembered to have given malware."""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli import scan_urls_list, scan_urls_purge
from gateway.cli.command import DONE, FAULTY, NOT_DONE, Command, add_command

NAME = "urls"
SUMMARY = "list and forget URLs that gave malware"
DESCRIPTION = """\
Who asks for a URL that gave malware a while ago is refused at once, without a scan, as long as the origin says that its
content is the same (scan.infected_urls, scan.infected_urls_ttl). It is forgotten with the gateway's process."""
EXAMPLES = """
  gateway scan urls list --config /etc/gateway/gateway.toml
      what is remembered
  gateway scan urls purge http://www.example.com/setup.exe
      has it scanned again
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers",
    FAULTY: "a wrong command line",
}

COMMANDS: tuple[Command, ...] = (scan_urls_list, scan_urls_purge)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        add_command(commands, command, "scan_urls_command")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the one that was chosen."""
    code: int = options.scan_urls_command.run(options, out, err)
    return code

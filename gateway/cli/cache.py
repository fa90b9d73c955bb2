"""
C{gateway cache}: what the running gateway has stored, and how it is got rid of.

Each command below it is a module of its own, of the same shape as every command.
"""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli import cache_list, cache_purge, cache_show, cache_stats
from gateway.cli.command import DONE, FAULTY, NOT_DONE, Command, add_command

NAME = "cache"
SUMMARY = "show and purge what is stored of origins' answers"
DESCRIPTION = """\
About what the plugin cache of the running gateway has stored. All gateways of one machine that use the same folder see the
same, and a purge holds for all of them at once."""
EXAMPLES = """
  gateway cache show http://www.example.com/ --config /etc/gateway/gateway.toml
      what is stored of one URL, and how long it is fresh yet
  gateway cache purge --prefix http://www.example.com/news/
      throws out all below a folder
  gateway cache stats
      how much is stored, and how often it was of use
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers, the plugin cache is not enabled, or nothing is stored of what was named",
    FAULTY: "a wrong command line",
}

COMMANDS: tuple[Command, ...] = (cache_show, cache_list, cache_purge, cache_stats)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        add_command(commands, command, "cache_command")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the one that was chosen."""
    code: int = options.cache_command.run(options, out, err)
    return code

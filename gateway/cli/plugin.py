"""
C{gateway plugin}: what is installed, what a configuration makes of it, and how to begin and judge a plugin of one's own.

Each command below it is a module of its own, of the same shape as every command.
"""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli import plugin_check, plugin_list, plugin_new, plugin_order, plugin_show
from gateway.cli.command import DONE, FAULTY, NOT_DONE, Command, add_command

NAME = "plugin"
SUMMARY = "list, explain, begin and check plugins"
DESCRIPTION = """\
Lists the plugins that are installed, explains one of them, shows in which order a configuration has them
asked, writes the repository of a new one, and checks one. Nothing is started or connected to."""
EXAMPLES = """
  gateway plugin list --config gateway.toml
      what is installed, and what of it runs
  gateway plugin new block_hosts
      writes a repository with a plugin, its tests and all around it
  gateway plugin check gateway-block-hosts
      judges it
"""
EXIT_CODES = {
    DONE: "done; for a check: there is nothing to mend",
    NOT_DONE: "it could not be done, or there is something to mend",
    FAULTY: "the configuration has faults, or a wrong command line",
}

COMMANDS: tuple[Command, ...] = (plugin_list, plugin_show, plugin_order, plugin_new, plugin_check)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        add_command(commands, command, "plugin_command")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the one that was chosen."""
    code: int = options.plugin_command.run(options, out, err)
    return code

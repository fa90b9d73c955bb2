"""
C{gateway user}: whose addresses the running gateway takes for known, and how that is ended.

Each command below it is a module of its own, of the same shape as every command.
"""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli import user_evict, user_list, user_logout
from gateway.cli.command import DONE, FAULTY, NOT_DONE, Command, add_command

NAME = "user"
SUMMARY = "show and end what is remembered of users"
DESCRIPTION = """\
About the users that the running gateway remembers, by the plugin auth. Who may use the gateway at all is the business of
the configuration and of the directory."""
EXAMPLES = """
  gateway user list --config /etc/gateway/gateway.toml
      whose the clients' addresses are, and which addresses are shared
  gateway user evict 192.0.2.7
      has whoever is at that address asked anew
  gateway user logout anna
      lets nothing count that this user has shown so far, on whatever device
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers, the plugin auth is not enabled, or nothing is known of whom was named",
    FAULTY: "a wrong command line",
}

COMMANDS: tuple[Command, ...] = (user_list, user_evict, user_logout)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        add_command(commands, command, "user_command")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the one that was chosen."""
    code: int = options.user_command.run(options, out, err)
    return code

"""
C{gateway event}: what operators can be told of, what they are told of now, and whether it reaches them.

Each command below it is a module of its own, of the same shape as every command.
"""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli import event_list, event_open, event_quiet, event_show, event_test
from gateway.cli.command import DONE, FAULTY, NOT_DONE, Command, add_command

NAME = "event"
SUMMARY = "explain events, and try the ways by which people hear of them"
DESCRIPTION = """\
About events: what can happen that somebody may have to act on, what is out of order now, and the channels (traps, mail,
syslog, webhooks) by which people hear of it."""
EXAMPLES = """
  gateway event list
      all events that there are
  gateway event show clamd_down
      what one of them means, and what to do
  gateway event test malware_found --to snmp,mail --config /etc/gateway/gateway.toml
      sends a real one
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers, or something was not delivered",
    FAULTY: "a wrong command line, or an event that there is not",
}

COMMANDS: tuple[Command, ...] = (event_list, event_show, event_open, event_test, event_quiet)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        add_command(commands, command, "event_command")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the one that was chosen."""
    code: int = options.event_command.run(options, out, err)
    return code

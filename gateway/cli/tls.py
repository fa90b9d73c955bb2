"""
C{gateway tls}: which connections are decrypted, and who refuses that.

Each command below it is a module of its own, of the same shape as every command.
"""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli import tls_explain, tls_pins
from gateway.cli.command import DONE, FAULTY, NOT_DONE, Command, add_command

NAME = "tls"
SUMMARY = "explain what is decrypted, and show which apps refuse it"
DESCRIPTION = """\
About the TLS that the forward proxy decrypts. The certificate for clients is the business of gateway ca."""
EXAMPLES = """
  gateway tls pins --config /etc/gateway/gateway.toml
      names whose apps refuse the gateway's certificates
  gateway tls explain www.example.com --config /etc/gateway/gateway.toml
      whether it would be decrypted, and why
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers, or it could not be done",
    FAULTY: "the configuration has faults, or a wrong command line",
}

COMMANDS: tuple[Command, ...] = (tls_pins, tls_explain)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        add_command(commands, command, "tls_command")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the one that was chosen."""
    code: int = options.tls_command.run(options, out, err)
    return code

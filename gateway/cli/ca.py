"""
C{gateway ca}: the authority that signs what clients are shown where TLS is decrypted.

Each command below it is a module of its own, of the same shape as every command.
"""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli import ca_export, ca_import, ca_rotate, ca_show
from gateway.cli.command import DONE, FAULTY, NOT_DONE, Command, add_command

NAME = "ca"
SUMMARY = "show, export, import and rotate the gateway's CA"
DESCRIPTION = """\
Looks after the CA that signs the certificates of decrypted connections. The gateway makes one when it first needs
one; until then there is none. A running gateway is not spoken to: it takes a change with its next reload."""
EXAMPLES = """
  gateway ca show --config /etc/gateway/gateway.toml
      which CA signs, until when, and its fingerprint
  gateway ca export --config /etc/gateway/gateway.toml --output gateway-ca.pem
      the certificate for the clients
  gateway ca rotate --config /etc/gateway/gateway.toml
      makes the next one, which signs in 30 days
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "there is no CA, or it could not be done",
    FAULTY: "the configuration has faults, or a wrong command line",
}

COMMANDS: tuple[Command, ...] = (ca_show, ca_export, ca_import, ca_rotate)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        add_command(commands, command, "ca_command")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the one that was chosen."""
    code: int = options.ca_command.run(options, out, err)
    return code

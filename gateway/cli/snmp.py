"""
C{gateway snmp}: what monitoring by SNMP needs of the gateway.

Each command below it is a module of its own, of the same shape as every command.
"""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli import snmp_agent, snmp_mib, snmp_show
from gateway.cli.command import DONE, FAULTY, NOT_DONE, Command, add_command

NAME = "snmp"
SUMMARY = "the MIB, the engine id, and the agent for snmpd"
DESCRIPTION = """\
About the plugin snmp, which sends alarms as traps and informs, and about reading the gateway's numbers by SNMP."""
EXAMPLES = """
  gateway snmp mib --output /usr/share/snmp/mibs/GATEWAY-MIB.txt
      writes the MIB where Net-SNMP looks for it
  gateway snmp show --config /etc/gateway/gateway.toml
      the engine id, which receivers of version 3 have to know, and the receivers
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers, or the plugin snmp is not enabled",
    FAULTY: "a wrong command line",
}

COMMANDS: tuple[Command, ...] = (snmp_mib, snmp_show, snmp_agent)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        add_command(commands, command, "snmp_command")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the one that was chosen."""
    code: int = options.snmp_command.run(options, out, err)
    return code

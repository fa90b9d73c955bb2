"""C{gateway snmp show}: who the running gateway is to receivers of traps, and who these are."""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli.command import (
    DONE,
    FAULTY,
    NOT_DONE,
    add_config,
    add_json,
    show_answer,
    write_table,
)
from gateway.cli.orders import asked

NAME = "show"
SUMMARY = "show the engine id and the receivers"
DESCRIPTION = """\
Shows the engine id, which receivers of traps of version 3 have to know (createUser -e 0x... in snmptrapd.conf), how often
the engine has started, and the receivers. No secret is shown."""
EXAMPLES = """
  gateway snmp show --config /etc/gateway/gateway.toml
      engine id and receivers
  gateway snmp show --json
      the same for a program
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers, or the plugin snmp is not enabled",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Ask, and show."""
    answer = asked(options, "snmp.show")

    def show() -> None:
        rows = [
            ("engine id", f"0x{answer['engine_id']}" if answer["engine_id"] else "none yet"),
            ("starts", str(answer["engine_boots"])),
            ("base OID", answer["base_oid"]),
        ]
        for one in answer["receivers"]:
            who = (f"user {one['user']}", one["level"]) if one["user"] else ("community",)
            said = (f"version {one['version']}", one["kind"], *who, f"OIDs of {one['oid_style']}")
            rows.append((one["address"], ", ".join(said)))
        write_table(out, rows)

    return show_answer(options, answer, out, err, show)

"""C{gateway snmp agent}: the gateway's numbers for Net-SNMP's snmpd, which runs this."""

from __future__ import annotations

import argparse
import sys
from typing import TextIO

from gateway.cli.command import DONE, FAULTY, NOT_DONE
from gateway.cli.snmp_part import DEFAULT_OID, missing, part
from gateway.config.faults import BadValue

NAME = "agent"
SUMMARY = "answer snmpd (pass_persist) with the gateway's numbers"
DESCRIPTION = """\
Answers snmpd over standard input and output, as its pass_persist wants it, with what the gateway shows at /metrics. It needs no
configuration file and no rights. If the gateway does not answer within a second, gwRunning is false and nothing else has
a value. Nothing can be set."""
EXAMPLES = """
  gateway snmp agent --metrics 127.0.0.1:8081
      for snmpd: "pass_persist .1.3.6.1.4.1.8072.9999.9999 /usr/bin/gateway snmp agent" in its snmpd.conf
"""
EXIT_CODES = {
    DONE: "snmpd has ended",
    NOT_DONE: "the plugin is not installed",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--metrics",
        metavar="ADDRESS",
        default="127.0.0.1:8081",
        help="where the gateway shows its numbers, admin.health; %(default)s by default",
    )
    parser.add_argument(
        "--base-oid", metavar="OID", default=DEFAULT_OID, help="as plugins.snmp.base_oid"
    )


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Answer until snmpd ends."""
    try:
        part("agent").run(options.metrics, options.base_oid, sys.stdin, out)
    except ImportError as error:
        missing(err, error)
        return NOT_DONE
    except BadValue as error:
        err.write(f"{error}\n")
        return FAULTY
    return DONE

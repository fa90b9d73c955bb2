"""C{gateway snmp mib}: the MIB by which receivers and managers know the names of what the gateway sends."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TextIO

from gateway.cli.command import DONE, FAULTY, NOT_DONE, add_config
from gateway.cli.orders import asked
from gateway.cli.snmp_part import missing, part
from gateway.config.faults import BadValue

NAME = "mib"
SUMMARY = "write GATEWAY-MIB"
DESCRIPTION = """\
Writes GATEWAY-MIB, for the base_oid of the running gateway. Where none runs, or without the plugin snmp, it is
written for the default, unless --base-oid says another."""
EXAMPLES = """
  gateway snmp mib --output /usr/share/snmp/mibs/GATEWAY-MIB.txt
      writes it where Net-SNMP looks for it
  gateway snmp mib --base-oid 1.3.6.1.4.1.99999.1 --output GATEWAY-MIB.txt
      the same below another number
"""
EXIT_CODES = {
    DONE: "written",
    NOT_DONE: "the file can't be written, or the plugin is not installed",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    parser.add_argument("--output", metavar="FILE", help="where to write it; standard output")
    parser.add_argument("--base-oid", metavar="OID", help="where it begins; no gateway is asked")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Write it."""
    text = ""
    if options.base_oid is None:
        answer = asked(options, "snmp.mib")
        text = str(answer.get("text") or "")
        if not text:
            err.write(f"for the default base_oid: {answer['why']}\n")
    if not text:
        try:
            mib, oids = part("mib"), part("oids")
            text = mib.text() if options.base_oid is None else mib.text(oids.oid(options.base_oid))
        except ImportError as error:
            missing(err, error)
            return NOT_DONE
        except BadValue as error:
            err.write(f"{error}\n")
            return FAULTY
    if options.output is None:
        out.write(text)
        return DONE
    try:
        Path(options.output).write_text(text, encoding="ascii")
    except OSError as error:
        err.write(f"{options.output}: {error.strerror}\n")
        return NOT_DONE
    return DONE

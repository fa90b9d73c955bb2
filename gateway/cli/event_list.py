"""C{gateway event list}: the events that there are."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TextIO

from gateway.api.catalogue import CATALOGUE
from gateway.api.events import EventType, Severity
from gateway.cli.command import DONE, FAULTY, NOT_DONE, add_json, write_json, write_table

NAME = "list"
SUMMARY = "list the events that there are"
DESCRIPTION = """\
Lists what the gateway and its own plugins tell of. NOTIFY is how channels do that unless the configuration says
otherwise: never (it is only in the log), first (the first at once, more with the next digest), digest, always. An event
that ENDS another one says that an outage is over."""
EXAMPLES = """
  gateway event list
      all of them
  gateway event list *_down origin_up
      some of them
  gateway event list --least error --json
      the ones that matter most, for a program
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no event has such a name",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_json(parser)
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="only these; * stands for any characters"
    )
    parser.add_argument(
        "--least",
        choices=[severity.value for severity in Severity],
        default=Severity.INFO.value,
        help="only from this severity on",
    )


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """List."""
    found = list(_chosen(options.names, Severity(options.least)))
    if options.json:
        write_json(out, [described(one) for one in found])
    elif found:
        head = ("EVENT", "SEVERITY", "GROUP", "NOTIFY", "BY", "ENDS", "WHAT")
        write_table(out, [head, *map(_row, found)])
    else:
        err.write("no event has such a name and severity\n")
    return DONE if found else NOT_DONE


def described(one: EventType) -> dict[str, object]:
    """Give all that is known of a type of event, for JSON."""
    return {
        "name": one.name,
        "number": one.number,
        "severity": one.severity.value,
        "group": one.group.value,
        "title": one.title,
        "when": one.when,
        "act": one.act,
        "subject": one.subject or None,
        "fields": [
            {"name": field.name, "help": field.help, "example": field.example}
            for field in one.fields
        ],
        "ends": one.ends or None,
        "trap": one.trap,
        "notify": one.notify.value,
        "plugin": one.owner or None,
    }


def _chosen(names: list[str], least: Severity) -> Iterator[EventType]:
    for name, one in sorted(CATALOGUE.items()):
        is_wanted = not names or any(fnmatchcase(name, pattern) for pattern in names)
        if is_wanted and one.severity.rank >= least.rank:
            yield one


def _row(one: EventType) -> tuple[str, ...]:
    return (
        one.name,
        one.severity.value,
        one.group.value,
        one.notify.value,
        one.owner or "gateway",
        one.ends or "-",
        one.title,
    )

"""C{gateway event show}: what one event means, and what to do about it."""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from textwrap import fill
from typing import TextIO

from gateway.api.catalogue import CATALOGUE
from gateway.api.events import EventType
from gateway.cli.command import DONE, FAULTY, add_json, write_json, write_table
from gateway.cli.event_list import described

NAME = "show"
SUMMARY = "explain one event"
DESCRIPTION = """\
Says when an event is raised, what to do about it, and which details it has."""
EXAMPLES = """
  gateway event show malware_found
      what it means that malware was found
  gateway event show malware_found --json
      the same for a program
"""
EXIT_CODES = {
    DONE: "done",
    FAULTY: "a wrong command line, or an event that there is not",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_json(parser)
    parser.add_argument("name", metavar="NAME", help="the event")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Show it."""
    one = known(options.name, err)
    if one is None:
        return FAULTY
    if options.json:
        write_json(out, described(one))
    else:
        _show(one, out)
    return DONE


def known(name: str, err: TextIO) -> EventType | None:
    """Give the type of an event by its name; of one that there is not say so, with the nearest name."""
    one = CATALOGUE.get(name)
    if one is None:
        near = get_close_matches(name, CATALOGUE, 1)
        hint = f"; is it {near[0]}?" if near else ": gateway event list names them"
        err.write(f"there is no event {name!r}{hint}\n")
    return one


def _show(one: EventType, out: TextIO) -> None:
    rows = [
        ("event", one.name),
        ("what", one.title),
        ("severity", one.severity.value),
        ("group", one.group.value),
        ("raised by", f"the plugin {one.owner}" if one.owner else "the gateway"),
        ("notify", one.notify.value),
        ("trap", one.trap),
    ]
    if one.subject:
        rows.append(("subject", one.subject))
    if one.ends:
        rows.append(("ends", one.ends))
    enders = [other.name for other in CATALOGUE.values() if other.ends == one.name]
    if enders:
        rows.append(("is ended by", ", ".join(enders)))
    write_table(out, rows)
    out.write(f"\n{fill(one.when, 100)}\n\nWhat to do\n{_indented(one.act)}\n")
    if one.fields:
        out.write("\nDetails\n")
        write_table(out, [(f"  {field.name}", field.help, field.example) for field in one.fields])


def _indented(text: str) -> str:
    return fill(text, 100, initial_indent="  ", subsequent_indent="  ")

"""C{gateway event quiet}: work is being done, so nobody has to hear of what that brings with it."""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli.command import DONE, FAULTY, NOT_DONE, add_config, add_json, show_answer
from gateway.cli.orders import answered
from gateway.config.faults import BadValue
from gateway.config.units import duration

NAME = "quiet"
SUMMARY = "keep back all but security events while work is done"
DESCRIPTION = """\
Begins a maintenance window in the running gateway: until it ends channels are told of security events alone. What is out
of order at its end is told then. It outlasts a restart, where there is a folder for state. Windows that come again and
again are set by notify.maintenance."""
EXAMPLES = """
  gateway event quiet 2h --config /etc/gateway/gateway.toml
      for the next two hours
  gateway event quiet --end
      the work is done
  gateway event quiet
      whether it is quiet now
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "span", metavar="TIME", nargs="?", type=_span, help="for so long, as 90m or 2h"
    )
    which.add_argument("--end", action="store_true", help="end the window that was begun so")


def _span(text: str) -> float:
    from gateway.alarms.hush import LONGEST_SECONDS

    try:
        seconds = duration(text)
    except BadValue as bad:
        raise argparse.ArgumentTypeError(str(bad)) from None
    if not 0 < seconds <= LONGEST_SECONDS:
        raise argparse.ArgumentTypeError("a window lasts longer than nothing and at most 7d")
    return seconds


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Order it, and say how it is now."""
    said: dict[str, object] = {}
    if options.end:
        said = {"seconds": 0}
    elif options.span is not None:
        said = {"seconds": options.span}
    answer = answered(options, "event_quiet", **said)
    return show_answer(options, answer, out, err, lambda: out.write(_sentence(answer["until"])))


def _sentence(until: str | None) -> str:
    if until is None:
        return "no maintenance: all events are told\n"
    return f"quiet until {until}: only security events are told\n"

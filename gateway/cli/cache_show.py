"""C{gateway cache show}: what is stored of one URL."""

from __future__ import annotations

import argparse
from typing import Any, TextIO

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
from gateway.cli.spans import span

NAME = "show"
SUMMARY = "show what is stored of a URL"
DESCRIPTION = """\
Shows each variant that is stored of a URL, the newest first: how old it is, how long it is fresh yet ("stale" if it is
not), what says so, and by which request fields it was selected."""
EXAMPLES = """
  gateway cache show http://www.example.com/ --config /etc/gateway/gateway.toml
      what the reverse or the forward proxy has of it
  gateway cache show --mode forward http://www.example.com/ --json
      what the forward proxy has, for a program
"""
EXIT_CODES = {
    DONE: "shown",
    NOT_DONE: "no gateway answers, the plugin cache is not enabled, or nothing is stored of it",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    parser.add_argument(
        "--mode", choices=("forward", "reverse"), default="", help="only of this proxy"
    )
    parser.add_argument("url", metavar="URL", help="with scheme and host")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Ask, and show."""
    answer = asked(options, "cache.show", url=options.url, mode=options.mode)

    def show() -> None:
        head = ("STATUS", "BYTES", "AGE", "FRESH", "BECAUSE", "VARY", "TAGS")
        write_table(out, [head, *map(_row, answer["stored"])])

    return show_answer(options, answer, out, err, show)


def _row(stored: dict[str, Any]) -> tuple[str, ...]:
    left = stored["fresh_seconds"]
    return (
        str(stored["status"]),
        str(stored["bytes"]),
        span(stored["age_seconds"]),
        span(left) if left > 0 else "stale",
        stored["because"],
        ", ".join(stored["vary"]),
        ", ".join(stored["tags"]),
    )

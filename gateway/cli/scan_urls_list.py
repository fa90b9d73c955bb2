"""C{gateway scan urls list}: which URLs gave malware."""

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
from gateway.cli.orders import answered
from gateway.cli.spans import span
from gateway.cli.visible import visible

NAME = "list"
SUMMARY = "list URLs that gave malware"
DESCRIPTION = """\
Lists the URLs, the most recently asked for first, a thousand at the most. Queries are not shown: "?…" stands for one.
KNOWN BY is what the origin says its content is known by; as long as that is the same, who asks is refused. LEFT is the
time until the URL is scanned again, REFUSED how often somebody was refused for it."""
EXAMPLES = """
  gateway scan urls list --config /etc/gateway/gateway.toml
      what is remembered
  gateway scan urls list --json
      the same for a program
"""
EXIT_CODES = {
    DONE: "done, also if the list is empty",
    NOT_DONE: "no gateway answers",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Ask, and show."""
    answer = answered(options, "scan_urls")
    return show_answer(options, answer, out, err, lambda: _show(answer, out))


def _show(answer: dict[str, Any], out: TextIO) -> None:
    urls = answer["urls"]
    if not answer["most"]:
        out.write("nothing is remembered: scan.infected_urls is 0\n")
    elif not urls:
        out.write("no URL is remembered\n")
    else:
        head = ("URL", "FOUND", "IN", "BY", "SINCE", "KNOWN BY", "LEFT", "REFUSED")
        write_table(out, [head, *map(_row, urls)])
    if answer["count"] > len(urls):
        out.write(f"and {answer['count'] - len(urls)} more\n")


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    return (
        visible(one["url"]),
        visible(one["name"] or one["reason"]),
        visible(one["member"] or "-"),
        " ".join(filter(None, (one["engine"], one["patterns"]))) or "-",
        one["found"],
        one["known_by"],
        span(one["left_seconds"]),
        str(one["refused"]),
    )

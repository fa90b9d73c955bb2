"""C{gateway scan urls purge}: forget URLs that gave malware."""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli.command import DONE, FAULTY, NOT_DONE, add_config, add_json, show_answer
from gateway.cli.orders import answered

NAME = "purge"
SUMMARY = "forget URLs that gave malware"
DESCRIPTION = """\
Forgets one URL, or all of them: the next who asks for it has it scanned again. A URL without a query stands for itself
with whatever query."""
EXAMPLES = """
  gateway scan urls purge http://www.example.com/setup.exe --config /etc/gateway/gateway.toml
      one URL
  gateway scan urls purge --all
      all of them, as after a false alarm was mended
"""
EXIT_CODES = {
    DONE: "done, also if nothing was remembered",
    NOT_DONE: "no gateway answers",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--all", action="store_true", help="all of them")
    what.add_argument("url", metavar="URL", nargs="?", default="", help="with scheme and host")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Order it, and say how many it were."""
    answer = answered(options, "scan_urls", purge=True if options.all else options.url)

    def show() -> None:
        count = answer["purged"]
        out.write(f"{count} URL{'' if count == 1 else 's'} forgotten\n")

    return show_answer(options, answer, out, err, show)

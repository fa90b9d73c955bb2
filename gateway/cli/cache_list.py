"""C{gateway cache list}: of which URLs something is stored."""

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

NAME = "list"
SUMMARY = "list of which URLs something is stored"
DESCRIPTION = """\
Lists keys in alphabetical order, a thousand at the most. A key is a URL with its port; where a site's rules leave out query
parameters, these are not in it."""
EXAMPLES = """
  gateway cache list --config /etc/gateway/gateway.toml
      the first thousand
  gateway cache list --prefix http://www.example.com:80/news/
      those below a folder
"""
EXIT_CODES = {
    DONE: "done, also if the list is empty",
    NOT_DONE: "no gateway answers, or the plugin cache is not enabled",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("--prefix", default="", help="only keys that begin so; with the port")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Ask, and show."""
    answer = asked(options, "cache.list", prefix=options.prefix)

    def show() -> None:
        keys = answer["keys"]
        if not keys:
            out.write("nothing is stored\n")
            return
        rows = [(key["url"], str(key["variants"]), str(key["bytes"])) for key in keys]
        write_table(out, [("URL", "VARIANTS", "BYTES"), *rows])
        if answer["more"]:
            out.write("and more: name a prefix\n")

    return show_answer(options, answer, out, err, show)

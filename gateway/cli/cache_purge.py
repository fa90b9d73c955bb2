"""C{gateway cache purge}: throw out what is stored of a URL, below a prefix or with a tag."""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli.command import DONE, FAULTY, NOT_DONE, add_config, add_json, show_answer
from gateway.cli.orders import asked

NAME = "purge"
SUMMARY = "throw out what is stored"
DESCRIPTION = """\
Throws out all variants of one URL, or all that is stored below a prefix, or all that origins have given a tag
(Surrogate-Key, Cache-Tag). It holds at once for all gateway processes of the machine."""
EXAMPLES = """
  gateway cache purge http://www.example.com/ --config /etc/gateway/gateway.toml
      one URL
  gateway cache purge --prefix http://www.example.com:80/news/
      all below a folder; the port is part of the key
  gateway cache purge --tag article-17
      all that has this tag
"""
EXIT_CODES = {
    DONE: "done, also if nothing was there",
    NOT_DONE: "no gateway answers, or the plugin cache is not enabled",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--prefix", default="", help="all keys that begin so; with the port")
    what.add_argument("--tag", default="", help="all that has this tag")
    what.add_argument("url", metavar="URL", nargs="?", default="", help="with scheme and host")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Order it, and say how much it was."""
    answer = asked(options, "cache.purge", url=options.url, prefix=options.prefix, tag=options.tag)

    def show() -> None:
        count = answer["purged"]
        out.write(f"{count} stored response{'' if count == 1 else 's'} thrown out\n")

    return show_answer(options, answer, out, err, show)

"""C{gateway user evict}: forget whose an address is, or all that a user is remembered by."""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli.command import DONE, FAULTY, NOT_DONE, add_config, add_json, show_answer
from gateway.cli.orders import asked
from gateway.cli.user_orders import ended, named

NAME = "evict"
SUMMARY = "forget a user, or what is known of an address"
DESCRIPTION = """\
Has a user asked anew: his addresses and his connections no longer say who he is. Of an address it is also forgotten that
it is shared. Programs that have stored his password show it again by themselves, and cookies stay good: see logout."""
EXAMPLES = """
  gateway user evict anna --config /etc/gateway/gateway.toml
      forgets which addresses and connections are that user's
  gateway user evict 192.0.2.7
      forgets whose that address is, or that it is shared
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers, the plugin auth is not enabled, or nothing is known of whom was named",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("who", metavar="USER|ADDRESS", type=named, help="whom to forget")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Order it, and say what was forgotten."""
    answer = asked(options, "user.evict", who=options.who)
    return show_answer(
        options,
        answer,
        out,
        err,
        lambda: out.write(f"{options.who} is forgotten: {ended(answer)}\n"),
    )

"""C{gateway user logout}: let nothing count that a user has shown so far."""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli.command import DONE, FAULTY, NOT_DONE, add_config, add_json, show_answer
from gateway.cli.orders import asked
from gateway.cli.user_orders import ended, named

NAME = "logout"
SUMMARY = "end all that a user is logged in by, cookies too"
DESCRIPTION = """\
Forgets the user as evict does, and no cookie from before is believed any more. It holds for this node: of several tell
each. To keep somebody out, disable the account: whoever knows the password can log in again."""
EXAMPLES = """
  gateway user logout anna --config /etc/gateway/gateway.toml
      ends what that user is logged in by, on whatever device
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers, or the plugin auth is not enabled",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("who", metavar="USER", type=named, help="as the log names the user")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Order it, and say what was ended."""
    answer = asked(options, "user.logout", who=options.who)

    def show() -> None:
        out.write(f"{options.who} is logged out: {ended(answer)}\n")
        if not answer["survives_restart"]:
            err.write("this could not be stored: cookies are believed again after a restart\n")

    return show_answer(options, answer, out, err, show)

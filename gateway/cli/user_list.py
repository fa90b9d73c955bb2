"""C{gateway user list}: whose the clients' addresses are, and which addresses several people share."""

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
from gateway.cli.user_orders import named

NAME = "list"
SUMMARY = "list whose the clients' addresses are, and which addresses are shared"
DESCRIPTION = """\
Lists the addresses whose user is remembered, the most recently used first, and those that count as shared and so tell
nobody's name. LEFT is the time until the user of the address is asked again. An address "on probation" is not believed
yet: whoever is there is asked, so that a second user shows."""
EXAMPLES = """
  gateway user list --config /etc/gateway/gateway.toml
      all of them
  gateway user list anna
      the addresses of one user; or the user of one address
  gateway user list --json
      the same for a program
"""
EXIT_CODES = {
    DONE: "done, also if the list is empty",
    NOT_DONE: "no gateway answers, or the plugin auth is not enabled",
    FAULTY: "a wrong command line",
}

_WHY = {
    "users": "two users were seen there",
    "relay": "another proxy is there",
    "proxy": "trusted_proxies",
    "network": "shared_networks",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("who", metavar="USER|ADDRESS", nargs="?", type=named, help="only this one")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Ask, and show."""
    answer = asked(options, "user.list", who=options.who or "")
    return show_answer(options, answer, out, err, lambda: _show(answer, out))


def _show(answer: dict[str, Any], out: TextIO) -> None:
    users, shared = answer["users"], answer["shared"]
    if users:
        head = ("ADDRESS", "USER", "FOR", "SINCE", "LEFT", "PROGRAMS", "")
        write_table(out, [head, *map(_user_row, users)])
    else:
        out.write("of no address the user is remembered\n")
    if answer["count"] > len(users):
        out.write(f"and {answer['count'] - len(users)} more: name a user or an address\n")
    if shared:
        shared_head = ("SHARED ADDRESS", "BECAUSE", "SINCE", "LEFT")
        out.write("\n")
        write_table(out, [shared_head, *map(_mark_row, shared)])
    if answer["shared_count"] > len(shared):
        out.write(f"and {answer['shared_count'] - len(shared)} more shared addresses\n")


def _user_row(user: dict[str, Any]) -> tuple[str, ...]:
    return (
        user["address"],
        user["user"],
        user["for"],
        span(user["age_seconds"]),
        span(user["left_seconds"]),
        str(user["programs"]),
        "on probation" if user["on_probation"] else "",
    )


def _mark_row(mark: dict[str, Any]) -> tuple[str, ...]:
    return (
        mark["address"],
        _WHY.get(mark["reason"], mark["reason"]),
        span(mark["age_seconds"]),
        span(mark["left_seconds"]),
    )

"""C{gateway event test}: send a real alarm by the channels of the running gateway."""

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
from gateway.cli.event_show import known
from gateway.cli.orders import answered
from gateway.cli.visible import visible

NAME = "test"
SUMMARY = "send a real alarm, to see whether it reaches people"
DESCRIPTION = """\
Has the running gateway deliver one alarm of an event, made up and marked as a test, to each receiver of the channels that
are named, past all limits, digests and maintenance. It waits for half a minute at the most, and tells what each receiver
made of it. That a trap or a datagram was sent does not say that somebody got it."""
EXAMPLES = """
  gateway event test malware_found --config /etc/gateway/gateway.toml
      by all channels
  gateway event test clamd_down --to snmp,mail
      by some of them
"""
EXIT_CODES = {
    DONE: "every receiver took it",
    NOT_DONE: "one did not, there is no channel, or no gateway answers",
    FAULTY: "a wrong command line, or an event that there is not",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("name", metavar="NAME", help="the event")
    parser.add_argument(
        "--to",
        metavar="PLUGINS",
        type=_plugins,
        default=[],
        help="by these plugins alone, as snmp,mail",
    )


def _plugins(text: str) -> list[str]:
    return [name for name in map(str.strip, text.split(",")) if name]


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Have it sent, and show what became of it."""
    if known(options.name, err) is None:
        return FAULTY
    answer = answered(options, "event_test", name=options.name, to=options.to)
    code = show_answer(options, answer, out, err, lambda: _show(answer, out))
    failed = answer["ok"] and any(one["why"] for one in answer["receivers"])
    return NOT_DONE if failed else code


def _show(answer: dict[str, Any], out: TextIO) -> None:
    write_table(
        out,
        [
            (visible(one["channel"]), visible(one["why"]) if one["why"] else "delivered")
            for one in answer["receivers"]
        ],
    )

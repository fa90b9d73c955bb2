"""C{gateway event open}: what is out of order now."""

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
from gateway.cli.visible import visible

NAME = "open"
SUMMARY = "list what is out of order now"
DESCRIPTION = """\
Lists the states that have begun and not ended in the running gateway, the oldest first: servers that are down, room that
is short, plugins that fail. Below it are the channels, with what waits for each."""
EXAMPLES = """
  gateway event open --config /etc/gateway/gateway.toml
      what is out of order
  gateway event open --json
      the same for a program
"""
EXIT_CODES = {
    DONE: "nothing is out of order",
    NOT_DONE: "something is, or no gateway answers",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Ask, and show."""
    answer = answered(options, "event_open")
    code = show_answer(options, answer, out, err, lambda: _show(answer, out))
    return NOT_DONE if answer["ok"] and answer["states"] else code


def _show(answer: dict[str, Any], out: TextIO) -> None:
    states, channels = answer["states"], answer["channels"]
    if states:
        head = ("EVENT", "SUBJECT", "SEVERITY", "SINCE", "TEXT")
        write_table(out, [head, *map(_state_row, states)])
    else:
        out.write("nothing is out of order\n")
    if answer["count"] > len(states):
        out.write(f"and {answer['count'] - len(states)} more\n")
    out.write("\n")
    if channels:
        write_table(out, [("CHANNEL", "QUEUED"), *map(_channel_row, channels)])
    else:
        out.write("no plugin that is enabled tells anybody of events\n")
    if answer["quiet_until"]:
        out.write(f"\nquiet until {answer['quiet_until']}: only security events are told\n")


def _state_row(state: dict[str, Any]) -> tuple[str, ...]:
    return (
        state["name"],
        visible(state["subject"]) or "-",
        state["severity"],
        state["since"],
        visible(state["text"]),
    )


def _channel_row(channel: dict[str, Any]) -> tuple[str, ...]:
    return visible(channel["name"]), str(channel["queued"])

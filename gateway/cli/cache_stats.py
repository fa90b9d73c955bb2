"""C{gateway cache stats}: how much is stored, and how often it was of use."""

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

NAME = "stats"
SUMMARY = "show how much is stored, and how often it was of use"
DESCRIPTION = """\
Shows the numbers of one gateway process since its start or last reload, and those of the store, which all processes share."""
EXAMPLES = """
  gateway cache stats --config /etc/gateway/gateway.toml
      all numbers
  gateway cache stats --json
      the same for a program
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers, or the plugin cache is not enabled",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Ask, and show."""
    answer = asked(options, "cache.stats")

    def show() -> None:
        numbers = {**answer["counts"], **answer["store"]}
        rows = [(name.removesuffix("_total"), f"{value:g}") for name, value in numbers.items()]
        write_table(out, rows)

    return show_answer(options, answer, out, err, show)

"""C{gateway scan test}: judge a local file as content that comes by would be."""

from __future__ import annotations

import argparse
import os
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

NAME = "test"
SUMMARY = "have the running gateway judge a local file"
DESCRIPTION = """\
Asks the running gateway what it would do with content like that of a file, and what each plugin says of it and of what is
packed in it. The file has to be readable for the gateway's user. Nothing of it is remembered or kept."""
EXAMPLES = """
  gateway scan test /tmp/sample.zip --config /etc/gateway/gateway.toml
      judges a file
"""
EXIT_CODES = {
    DONE: "judged: it would pass, with or without an event",
    NOT_DONE: "it would be blocked; or no gateway answers, or it can't be judged",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("file", metavar="FILE", help="the file")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Ask, and show."""
    answer = answered(options, "scan_test", file=os.path.abspath(options.file))
    code = show_answer(options, answer, out, err, lambda: _show(answer, out))
    return NOT_DONE if answer["ok"] and answer["action"] == "block" else code


def _show(answer: dict[str, Any], out: TextIO) -> None:
    rows = [("result", answer["result"]), ("action", answer["action"])]
    for name in ("because", "name", "member", "engine", "patterns", "size", "sha256"):
        if answer[name] not in ("", None):
            rows.append((name, visible(str(answer[name]))))
    write_table(out, rows)
    pieces = answer["pieces"]
    if pieces:
        out.write("\n")
        write_table(out, [("PIECE", "BYTES", "SAID"), *map(_row, pieces)])
    if answer["count"] > len(pieces):
        out.write(f"and {answer['count'] - len(pieces)} more\n")


def _row(piece: dict[str, Any]) -> tuple[str, ...]:
    said = "; ".join(map(visible, piece["said"])) or "none of its business"
    return visible(piece["member"]) or "(the file)", str(piece["size"]), said

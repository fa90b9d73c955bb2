"""C{gateway quarantine list}: what is kept."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, TextIO

from gateway.cli.command import DONE, write_json, write_table
from gateway.cli.quarantine_place import EXIT_CODES as PLACE_CODES
from gateway.cli.quarantine_place import add_place, described, with_folder
from gateway.cli.visible import visible

if TYPE_CHECKING:
    from gateway.pipeline.quarantine_folder import Folder

NAME = "list"
SUMMARY = "list the content that is kept"
DESCRIPTION = "Lists the content that is kept, the oldest first: that which goes first."
EXAMPLES = """
  gateway quarantine list --config /etc/gateway/gateway.toml
      what is there
  gateway quarantine list --json
      the same for a program, with all that is known of it
"""
EXIT_CODES = {DONE: "done, also if nothing is kept", **PLACE_CODES}

#: Of an id so much is shown: enough for people, and for the other commands.
_SHOWN_ID = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_place(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Look, and show."""

    def do(folder: Folder) -> int:
        found = [described(folder, item) for item in folder.items()]
        if options.json:
            write_json(out, {"ok": True, "kept": found})
        elif found:
            head = ("ID", "TIME", "BYTES", "REASON", "FOUND", "USER", "URL")
            write_table(out, [head, *map(_row, found)])
        else:
            out.write("nothing is kept\n")
        return DONE

    return with_folder(options, out, err, do)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    id, time = one["id"][:_SHOWN_ID], one["time"]
    if not one["readable"]:
        return (id, time, "-", "-", "-", "-", one["why"])
    cells = (one["reason"], one["name"] or "-", one["user"] or one["client"], one["url"])
    return (id, time, str(one["size"]), *map(visible, cells))

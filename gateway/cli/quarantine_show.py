"""C{gateway quarantine show}: what is known of content that is kept."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TextIO

from gateway.cli.command import DONE, write_json, write_table
from gateway.cli.quarantine_place import EXIT_CODES as PLACE_CODES
from gateway.cli.quarantine_place import (
    NotDone,
    add_id,
    add_place,
    chosen,
    described,
    with_folder,
)
from gateway.cli.visible import visible

if TYPE_CHECKING:
    from gateway.pipeline.quarantine_folder import Folder

NAME = "show"
SUMMARY = "show what is known of content that is kept"
DESCRIPTION = """\
Shows who was to get or send the content, when and from where, and what was found by whom. "request" is the id by which
the access log has it."""
EXAMPLES = """
  gateway quarantine show 275a021b --config /etc/gateway/gateway.toml
      all that is known of it
"""
EXIT_CODES = {DONE: "shown", **PLACE_CODES}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_place(parser)
    add_id(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Look, and show."""

    def do(folder: Folder) -> int:
        found = described(folder, chosen(folder, options.id))
        if not found.pop("readable"):
            raise NotDone(f"{found['id']}: {found['why']}")
        if options.json:
            write_json(out, {"ok": True, **found})
        else:
            rows = [(name, visible(str(value))) for name, value in found.items() if value != ""]
            write_table(out, rows)
        return DONE

    return with_folder(options, out, err, do)

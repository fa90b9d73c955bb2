"""C{gateway quarantine delete}: delete content that is kept."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TextIO

from gateway.cli.command import DONE, write_json
from gateway.cli.quarantine_place import EXIT_CODES as PLACE_CODES
from gateway.cli.quarantine_place import add_id, add_place, chosen, with_folder

if TYPE_CHECKING:
    from gateway.pipeline.quarantine_folder import Folder

NAME = "delete"
SUMMARY = "delete content that is kept"
DESCRIPTION = "Deletes one piece of content for good; if it is refused again, it is kept again."
EXAMPLES = """
  gateway quarantine delete 275a021b --config /etc/gateway/gateway.toml
      deletes it
"""
EXIT_CODES = {DONE: "deleted", **PLACE_CODES}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_place(parser)
    add_id(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Delete it."""

    def do(folder: Folder) -> int:
        item = chosen(folder, options.id)
        folder.delete(item)
        if options.json:
            write_json(out, {"ok": True, "deleted": [item.id]})
        else:
            out.write(f"{item.id} is deleted\n")
        return DONE

    return with_folder(options, out, err, do)

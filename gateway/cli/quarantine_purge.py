"""C{gateway quarantine purge}: delete all content that is kept, or what is old."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, TextIO

from gateway.cli.command import DONE, write_json
from gateway.cli.quarantine_place import EXIT_CODES as PLACE_CODES
from gateway.cli.quarantine_place import add_place, with_folder
from gateway.config.faults import BadValue
from gateway.config.units import duration

if TYPE_CHECKING:
    from gateway.pipeline.quarantine_folder import Folder

NAME = "purge"
SUMMARY = "delete all content that is kept, or what is old"
DESCRIPTION = """\
Deletes content for good. What is older than scan.quarantine.keep goes by itself, each hour, while the gateway runs."""
EXAMPLES = """
  gateway quarantine purge --older 7d --config /etc/gateway/gateway.toml
      deletes what was kept more than a week ago
  gateway quarantine purge --all
      deletes everything
"""
EXIT_CODES = {DONE: "done, also if nothing was there", **PLACE_CODES}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_place(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--all", action="store_true", help="everything")
    what.add_argument("--older", metavar="TIME", type=_time, help="what was kept longer ago")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Delete, and say how much it was."""

    def do(folder: Folder) -> int:
        gone = []
        for item in folder.items():
            if options.all or item.since < time.time() - options.older:
                folder.delete(item)
                gone.append(item.id)
        if options.json:
            write_json(out, {"ok": True, "deleted": gone})
        else:
            out.write(f"{len(gone)} piece{'' if len(gone) == 1 else 's'} of content deleted\n")
        return DONE

    return with_folder(options, out, err, do)


def _time(text: str) -> float:
    try:
        return duration(text)
    except BadValue as bad:
        raise argparse.ArgumentTypeError(bad.message) from None

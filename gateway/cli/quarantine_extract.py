"""C{gateway quarantine extract}: take content out of the quarantine."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from gateway.cli.command import DONE, write_json
from gateway.cli.quarantine_place import EXIT_CODES as PLACE_CODES
from gateway.cli.quarantine_place import NotDone, add_id, add_place, chosen, with_folder

if TYPE_CHECKING:
    from gateway.pipeline.quarantine_folder import Folder

NAME = "extract"
SUMMARY = "take content out"
DESCRIPTION = """\
Writes the content as it came into a new file that only you can read and nobody can execute. It stays in the quarantine
too. Mind that it was refused for a reason: take it out where it can do no harm."""
EXAMPLES = """
  gateway quarantine extract 275a021b --to sample.bin --config /etc/gateway/gateway.toml
      writes it to a file that must not be there yet
"""
EXIT_CODES = {
    DONE: "done",
    **PLACE_CODES,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_place(parser)
    add_id(parser)
    parser.add_argument(
        "--to", metavar="FILE", required=True, help="where to; a file that is there is left alone"
    )


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Take it out."""

    def do(folder: Folder) -> int:
        item = chosen(folder, options.id)
        to = Path(options.to)
        with folder.opened(item) as opened:
            if opened.head.get("id") != item.id:
                raise NotDone("its file has the name of another one")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            try:
                descriptor = os.open(to, flags, 0o600)
            except FileExistsError:
                raise NotDone(f"{to} is there already") from None
            size = 0
            try:
                with open(descriptor, "wb") as file:
                    for piece in opened.pieces():
                        size += file.write(piece)
            except BaseException:
                # What has come out so far is worth nothing.
                to.unlink(missing_ok=True)
                raise
        if options.json:
            write_json(out, {"ok": True, "id": item.id, "to": str(to), "bytes": size})
        else:
            out.write(f"{size} bytes of {item.id} are in {to}\n")
        return DONE

    return with_folder(options, out, err, do)

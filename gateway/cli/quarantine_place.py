"""What the commands of C{gateway quarantine} have in common: which folder is meant, which content, what it is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from gateway.cli.command import FAULTY, NOT_DONE, add_json, show_config_error, write_json
from gateway.config.faults import ConfigError
from gateway.config.load import load

if TYPE_CHECKING:
    from gateway.pipeline.quarantine_folder import Folder, Item

EXIT_CODES = {
    NOT_DONE: "there is no such content, it was changed, or the key is another one",
    FAULTY: "a wrong command line, a configuration with faults, or none that names a quarantine",
}


class NotDone(Exception):
    """It can't be done; the text says why."""


class NoQuarantine(NotDone):
    """The configuration names none."""


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which quarantine is meant."""
    parser.add_argument(
        "-c", "--config", metavar="FILE", help="the configuration file that names the folder"
    )
    add_json(parser)


def add_id(parser: argparse.ArgumentParser) -> None:
    """Add the argument that says which content is meant."""
    parser.add_argument(
        "id", metavar="ID", help="the beginning of its SHA-256, as far as no other begins so"
    )


def with_folder(
    options: argparse.Namespace, out: TextIO, err: TextIO, do: Callable[[Folder], int]
) -> int:
    """Do something with the folder of the configuration, say what is wrong with it, and give the exit code."""
    from gateway.pipeline.quarantine_folder import Folder
    from gateway.pipeline.sealing import SealError

    try:
        settings = load(options.config).scan.quarantine
    except ConfigError as error:
        return show_config_error(error, options, out, err)
    try:
        if not settings.path:
            raise NoQuarantine(
                "no quarantine is configured: say --config, and scan.quarantine there"
            )
        return do(Folder.of(settings))
    except (NotDone, SealError, OSError) as error:
        if options.json:
            write_json(out, {"ok": False, "why": str(error)})
        else:
            err.write(f"{error}\n")
        return FAULTY if isinstance(error, NoQuarantine) else NOT_DONE


def chosen(folder: Folder, id: str) -> Item:
    """
    Find the content that is meant.

    @raise NotDone: there is none, or several begin so.
    """
    found = [item for item in folder.items() if item.id.startswith(id.lower())] if id else []
    if not found:
        raise NotDone(f"nothing is kept whose id begins with {id!r}")
    if len(found) > 1:
        raise NotDone(f"{len(found)} ids begin with {id}: say more of it")
    return found[0]


def described(folder: Folder, item: Item) -> dict[str, Any]:
    """
    Tell what is kept: its head, or C{why} that can't be read.

    @raise OSError: there is no key at all.
    """
    from gateway.pipeline.sealing import SealError

    outside = {"id": item.id, "time": moment(item.since), "bytes_on_disk": item.size}
    try:
        with folder.opened(item) as opened:
            head = opened.head
    except SealError as error:
        return {**outside, "readable": False, "why": str(error)}
    except FileNotFoundError:
        return {**outside, "readable": False, "why": "it is gone"}
    if head.get("id") != item.id:
        return {**outside, "readable": False, "why": "its file has the name of another one"}
    return {**head, **outside, "time": moment(float(head["time"])), "readable": True}


def moment(seconds: float) -> str:
    """Write a moment as RFC 3339 has it, in whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()

"""C{gateway reload}: let the running gateway go over to its changed configuration, or say what that would change."""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli.command import DONE, FAULTY, NOT_DONE, add_config, add_json, write_json

NAME = "reload"
SUMMARY = "let the running gateway take over its changed configuration"
DESCRIPTION = """\
Asks the gateway that was started with the same options to read its configuration anew. Everything is checked,
made and started first; then new requests follow the new configuration, and those under way end with the old
one. If anything is wrong nothing changes, and the reason is told."""
EXAMPLES = """
  gateway reload --config /etc/gateway/gateway.toml --dry-run
      says what would change, and what of it needs a restart
  gateway reload --config /etc/gateway/gateway.toml
      does it
"""
EXIT_CODES = {
    DONE: "done; for --dry-run: it can be done",
    NOT_DONE: "nothing has changed: no gateway answers, or a plugin or a port fails",
    FAULTY: "nothing has changed: the configuration has faults, or a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")
    parser.add_argument(
        "--code",
        action="store_true",
        help="read the code of the plugins' packages anew too; for those who write plugins",
    )


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Ask, and show the answer."""
    from gateway.cli.control import Unreachable, order

    try:
        answer = order(options, "reload", dry_run=options.dry_run, fresh=options.code)
    except Unreachable as error:
        answer = {"ok": False, "why": str(error), "faults": [], "changes": []}
    if options.json:
        write_json(out, answer)
    elif answer["ok"]:
        for caution in answer.get("cautions", ()):
            err.write(f"caution: {caution['text']}\n")
        _tell(answer, options.dry_run, out)
    else:
        for fault in answer.get("faults", ()):
            err.write(f"{fault['text']}\n")
        err.write(f"nothing has changed: {answer['why']}\n")
    if answer["ok"]:
        return DONE
    return FAULTY if answer.get("faults") else NOT_DONE


def _tell(answer: dict[str, object], dry_run: bool, out: TextIO) -> None:
    changes = answer["changes"]
    assert isinstance(changes, list)
    for change in changes:
        out.write(f"{change['text']}\n")
    count = f"{len(changes)} change{'' if len(changes) == 1 else 's'}"
    if dry_run:
        out.write(f"{count}; nothing was done\n")
    else:
        out.write(f"reloaded: {count}\n")
    waiting = sum(1 for change in changes if change["effect"] == "restart")
    if waiting:
        out.write(f"{waiting} of them need a restart and have no effect until then\n")

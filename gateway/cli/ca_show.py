"""C{gateway ca show}: every generation of the CA, and what each is there for."""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli.ca_place import add_place, described, opened, show_error
from gateway.cli.command import DONE, FAULTY, NOT_DONE, write_json
from gateway.config.faults import ConfigError

NAME = "show"
SUMMARY = "show the CA: fingerprint, key, end, and what follows it"
DESCRIPTION = """\
Shows each CA in the folder: the one that signs, the next one, and those that have retired. It is checked as at a start,
and nothing is made."""
EXAMPLES = """
  gateway ca show --config /etc/gateway/gateway.toml
      a block of lines for each
  gateway ca show --folder /var/lib/gateway/ca --json
      the same for a program
"""
EXIT_CODES = {
    DONE: "shown; one of them signs",
    NOT_DONE: "there is none that signs, or it can't be used",
    FAULTY: "the configuration has faults, or a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_place(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Load the CA and show it."""
    from gateway.net.authority import AuthorityError, Role

    try:
        authority = opened(options, err)
    except (ConfigError, AuthorityError) as error:
        return show_error(error, options, out, err)
    signs = any(authority.role(one) is Role.PRESENT for one in authority.generations)
    found = [described(authority, one) for one in authority.generations]
    if options.json:
        write_json(out, {"ok": signs, "folder": str(authority.folder), "authorities": found})
        return DONE if signs else NOT_DONE
    for index, row in enumerate(found):
        out.write("\n" if index else "")
        out.writelines(f"{name:<12} {value}\n" for name, value in _lines(row))
    if not found:
        out.write(
            f"{authority.folder}: there is no CA. The gateway makes one when it first decrypts; "
            "gateway ca rotate makes one now\n"
        )
    elif not signs:
        out.write("None of them signs. Make a new one: gateway ca rotate --now\n")
    return DONE if signs else NOT_DONE


def _lines(row: dict[str, object]) -> list[tuple[str, object]]:
    permitted, excluded = row["permitted"], row["excluded"]
    assert isinstance(permitted, list)
    assert isinstance(excluded, list)
    lines = [
        ("name", row["name"]),
        ("role", row["role"]),
        ("sha256", row["sha256"]),
        ("key", row["key"] if row["has_key"] else f"{row['key']}, destroyed"),
        ("signs from", row["signs_from"]),
        ("expires", f"{row['expires']} ({row['days_left']} days)"),
    ]
    if permitted:
        lines.append(("only for", ", ".join(permitted)))
    if excluded:
        lines.append(("never for", ", ".join(excluded)))
    return [*lines, ("file", row["file"])]

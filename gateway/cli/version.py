"""C{gateway version}: which gateway this is and what it runs on, for a report or a script."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TextIO

from gateway import __version__
from gateway.cli.command import DONE, add_json, write_json

NAME = "version"
SUMMARY = "say which version this is"
DESCRIPTION = "Says the versions of the gateway and of what it runs on."
EXAMPLES = """
  gateway version --json
      the same for a program
"""
EXIT_CODES = {DONE: "always"}

LIBRARIES = ("twisted", "pyopenssl", "cryptography", "pluggy", "msgspec")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_json(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Write the versions."""
    found: dict[str, str] = {"gateway": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = installed(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    if options.json:
        write_json(out, found)
    else:
        width = max(map(len, found))
        out.writelines(f"{name:<{width}}  {number}\n" for name, number in found.items())
    return DONE

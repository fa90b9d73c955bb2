"""C{gateway run}: start the gateway in the foreground, as C{twistd -n gateway} does."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TextIO

from gateway.cli.command import FAULTY, NOT_DONE, add_config

NAME = "run"
SUMMARY = "start the gateway in the foreground"
DESCRIPTION = """\
Starts the gateway in the foreground, as "twistd -n gateway" does with the same options. With --watch it reloads
when the configuration or the code of an enabled plugin changes."""
EXAMPLES = """
  gateway run --config gateway.toml
      the gateway of that file
  gateway run --config gateway.toml --watch
      the same, for those who write a plugin: a saved file takes effect within two seconds
"""
EXIT_CODES = {
    0: "it was stopped",
    NOT_DONE: "it could not start",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    parser.add_argument(
        "--watch", action="store_true", help="reload when the configuration or a plugin changes"
    )


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Become twistd; this process ends only with the gateway."""
    out.flush()
    os.execv(sys.executable, [sys.executable, *arguments(options)])  # noqa: S606 - our own interpreter


def arguments(options: argparse.Namespace) -> list[str]:
    """Give the arguments for the interpreter."""
    # -P: what lies in the current folder is not what is meant by an import.
    start = ["-P", "-c", "from twisted.scripts.twistd import run; run()"]
    start += ["--nodaemon", "--pidfile=", "gateway"]
    for name in ("config", "port", "origin"):
        value = getattr(options, name)
        if value is not None:
            start += [f"--{name}", value]
    return [*start, "--watch"] if options.watch else start

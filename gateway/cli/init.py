"""C{gateway init}: write a commented configuration file to begin with."""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli.command import DONE, NOT_DONE
from gateway.config.template import commented_file

NAME = "init"
SUMMARY = "write a commented configuration file"
DESCRIPTION = """\
Writes a configuration file in which every key stands as a comment, with its meaning and its default.
As it is, it changes nothing: the gateway started with it does what it does without one."""
EXAMPLES = """
  gateway init
      writes gateway.toml in this folder
  gateway init --output /etc/gateway/gateway.toml
      writes it where the service looks for it
  gateway init --output -
      shows it
"""
EXIT_CODES = {DONE: "the file is written", NOT_DONE: "it is there already, or cannot be written"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="gateway.toml",
        help='the file (default: gateway.toml); "-" shows it',
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Write the file, and say what to do next."""
    name: str = options.output
    if name == "-":
        out.write(commented_file())
        return DONE
    try:
        with open(name, "w" if options.force else "x", encoding="utf-8") as stream:
            stream.write(commented_file())
    except FileExistsError:
        err.write(f"{name} is there already; --force writes over it\n")
        return NOT_DONE
    except OSError as error:
        err.write(f"{name} cannot be written: {error.strerror}\n")
        return NOT_DONE
    out.write(f"{name} is written. Check it after a change: gateway check --config {name}\n")
    out.write(f"Start the gateway with it: twistd -n gateway --config {name}\n")
    return DONE

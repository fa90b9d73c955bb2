"""
The entry point of the console script: parse, choose the command, give its exit code.

A new command is a module beside this one and its name in L{COMMANDS}.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from gateway.cli import (
    ca,
    cache,
    check,
    event,
    init,
    plugin,
    ports,
    quarantine,
    reload,
    run,
    scan,
    snmp,
    snmp_agent_alone,
    tls,
    user,
    version,
)
from gateway.cli.command import NOT_DONE, Command, add_command

COMMANDS: tuple[Command, ...] = (
    init,
    check,
    ports,
    run,
    reload,
    plugin,
    ca,
    tls,
    user,
    cache,
    scan,
    quarantine,
    event,
    snmp,
    snmp_agent_alone,
    version,
)

EPILOG = """\
To start the gateway itself: twistd -n gateway [--config FILE]

Example:
  gateway init && gateway check --config gateway.toml
"""


def main(
    arguments: Sequence[str] | None = None, out: TextIO | None = None, err: TextIO | None = None
) -> int:
    """
    Run one command.

    @param arguments: those of the process by default.
    @return: the exit code.
    @raise SystemExit: after C{--help} (0), and for a wrong command line (2).
    """
    out, err = out or sys.stdout, err or sys.stderr
    options = parser().parse_args(arguments)
    try:
        code: int = options.command.run(options, out, err)
        out.flush()
    except BrokenPipeError:
        # Whoever read the output (head, less) has left; the interpreter must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_DONE
    except KeyboardInterrupt:
        return NOT_DONE
    return code


@functools.cache
def parser() -> argparse.ArgumentParser:
    """Build the parser of all commands, once: parsing changes nothing in it."""
    top = argparse.ArgumentParser(
        prog="gateway",
        description="Looks after a gateway: writes, checks and explains its configuration.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        add_command(commands, command, "command")
    return top


if __name__ == "__main__":
    sys.exit(main())

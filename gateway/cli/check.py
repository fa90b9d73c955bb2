"""C{gateway check}: every fault of a configuration at once, and what it would do if it has none."""

from __future__ import annotations

import argparse
import os
from typing import TextIO

from gateway.cli.command import (
    DONE,
    FAULTY,
    NOT_DONE,
    add_config,
    add_json,
    as_json,
    overrides,
    show_faults,
    write_json,
)
from gateway.cli.installed import plugin_faults
from gateway.config.cautions import cautions
from gateway.config.faults import ConfigError, Fault
from gateway.config.load import load
from gateway.config.schema import Config

NAME = "check"
SUMMARY = "list all faults of a configuration at once"
DESCRIPTION = """\
Reads a configuration as the gateway would, with conf.d/*.toml and node.toml beside it and the settings of
the plugins, and lists every fault with file and line. Cautions are settings that work as they stand and are
probably not meant. Nothing is started or connected to."""
EXAMPLES = """
  gateway check --config /etc/gateway/gateway.toml
      lists faults and cautions
  gateway check --config gateway.toml --strict && systemctl restart gateway
      restarts only with a file that nothing is to be said about
"""
EXIT_CODES = {
    DONE: "no fault",
    NOT_DONE: "no fault but a caution, with --strict",
    FAULTY: "faults, or a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("--strict", action="store_true", help="a caution makes the exit code 1")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Load the configuration and report."""
    told: list[Fault] = []
    try:
        config = load(
            options.config,
            overrides(options),
            further=lambda config: plugin_faults(config, told),
        )
    except ConfigError as error:
        if options.json:
            write_json(
                out,
                {"ok": False, "faults": [as_json(fault) for fault in error.faults], "cautions": []},
            )
        else:
            show_faults(err, error.faults)
        return FAULTY
    found = [*cautions(config), *told]
    if options.json:
        write_json(out, {"ok": True, "faults": [], "cautions": [as_json(fault) for fault in found]})
    else:
        _tell(options, config, found, out, err)
    return NOT_DONE if found and options.strict else DONE


def _tell(
    options: argparse.Namespace, config: Config, found: list[Fault], out: TextIO, err: TextIO
) -> None:
    for fault in found:
        err.write(f"caution: {fault}\n")
    if options.config is not None:
        names = ", ".join(file.name for file in config.sources.files)
        out.write(f"no fault in {names}\n")
    else:
        out.write("no fault: without --config these are the defaults\n")
        if os.path.exists("gateway.toml"):
            out.write("gateway.toml in this folder was not read: say --config gateway.toml\n")
    if config.forward is not None:
        out.write(f"forward proxy on {', '.join(map(str, config.forward.listen))}\n")
    for place, sites in config.reverse_listeners:
        names = ", ".join(dict.fromkeys(host for site in sites for host in site.host))
        out.write(f"reverse proxy on {place} for {names}\n")
    if config.admin.health is not None:
        out.write(f"health and metrics on {config.admin.health}\n")
    out.write(f"plugins: {', '.join(config.plugins.enabled) or 'none'}\n")

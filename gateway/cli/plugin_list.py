"""C{gateway plugin list}: every plugin that is installed, and whether a configuration enables it."""

from __future__ import annotations

import argparse
from typing import TextIO

from gateway.cli.command import (
    DONE,
    FAULTY,
    add_config,
    add_json,
    overrides,
    show_config_error,
    write_json,
    write_table,
)
from gateway.cli.installed import Installed, hook_marks, installed
from gateway.config.faults import ConfigError
from gateway.config.load import load

NAME = "list"
SUMMARY = "list the plugins that are installed"
DESCRIPTION = """\
Lists every plugin that is installed, with the package that brings it, its place among those that the
configuration enables, the version of gateway.api that it asks for and the hooks that it implements. Of one that
cannot be imported it says why; it keeps no other from the list."""
EXAMPLES = """
  gateway plugin list
      what is installed, and what of it runs without a configuration
  gateway plugin list --config /etc/gateway/gateway.toml --json
      the same for this configuration, for a program
"""
EXIT_CODES = {DONE: "listed", FAULTY: "the configuration has faults, or a wrong command line"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Import all plugins and list them."""
    try:
        config = load(options.config, overrides(options))
    except ConfigError as error:
        return show_config_error(error, options, out, err)
    found = [_row(plugin, config.plugins.enabled) for plugin in installed()]
    names = {row["name"] for row in found}
    missing = [name for name in config.plugins.enabled if name not in names]
    if options.json:
        write_json(out, {"ok": True, "plugins": found, "not_installed": missing})
        return DONE
    write_table(out, [("plugin", "enabled", "package", "api", "hooks"), *map(_cells, found)])
    for name in missing:
        out.write(f"{name} is enabled and not installed\n")
    return DONE


def _row(found: Installed, enabled: tuple[str, ...]) -> dict[str, object]:
    return {
        "name": found.name,
        "package": found.package or None,
        "version": found.version or None,
        "entry_point": found.value,
        "enabled": enabled.index(found.name) + 1 if found.name in enabled else None,
        "requires_api": ".".join(map(str, found.plugin.requires_api)) if found.plugin else None,
        "hooks": list(hook_marks(found.plugin)) if found.plugin else [],
        "fault": found.fault or None,
    }


def _cells(row: dict[str, object]) -> tuple[str, ...]:
    hooks = row["hooks"]
    assert isinstance(hooks, list)
    return (
        str(row["name"]),
        str(row["enabled"] or "no"),
        " ".join(str(row[key]) for key in ("package", "version") if row[key]),
        str(row["requires_api"] or ""),
        f"FAULT: {row['fault']}" if row["fault"] else ", ".join(hooks) or "none",
    )

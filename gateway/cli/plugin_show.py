"""C{gateway plugin show NAME}: what one plugin is, what can be set, and which rules its hooks are held to."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from gateway.cli.command import (
    DONE,
    FAULTY,
    NOT_DONE,
    add_config,
    add_json,
    overrides,
    show_config_error,
    write_json,
    write_table,
)
from gateway.cli.installed import Installed, effective_rules, hook_marks, installed
from gateway.cli.plugin_source import readme_of
from gateway.config.faults import ConfigError, nearest
from gateway.config.load import load
from gateway.config.schema import Config
from gateway.config.sections.plugins import Rule

if TYPE_CHECKING:
    from gateway.api import Plugin

NAME = "show"
SUMMARY = "explain one plugin: its settings, its hooks, its README"
DESCRIPTION = """\
Says what an installed plugin is, which settings it takes, with defaults and units, and for each of its hooks
how long an answer may take and what follows an error: as the configuration says, else the plugin, else the table
of hooks. The plugin is imported and neither made nor started."""
EXAMPLES = """
  gateway plugin show upload_limit
      as it is without a configuration
  gateway plugin show upload_limit --config /etc/gateway/gateway.toml
      with the rules of this configuration
"""
EXIT_CODES = {
    DONE: "shown",
    NOT_DONE: "no such plugin is installed, or it cannot be imported",
    FAULTY: "the configuration has faults, or a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("name", metavar="NAME", help="as gateway plugin list says it")
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Import the plugin and explain it."""
    try:
        config = load(options.config, overrides(options))
    except ConfigError as error:
        return show_config_error(error, options, out, err)
    everything = installed()
    found = [one for one in everything if one.name == options.name]
    if not found:
        names = [one.name for one in everything]
        near = nearest(options.name, names)
        mend = f"did you mean {near}?" if near else f"installed: {', '.join(names) or 'none'}"
        return _refuse(options, out, err, f'no plugin "{options.name}" is installed ({mend})')
    if len(found) > 1:
        packages = " and ".join(one.package or one.value for one in found)
        return _refuse(
            options, out, err, f'two packages bring a plugin "{options.name}": {packages}'
        )
    (one,) = found
    if one.plugin is None:
        return _refuse(options, out, err, f'"{one.name}" {one.fault}')
    told = explained(one, one.plugin, config)
    if options.json:
        write_json(out, {"ok": True, **told})
    else:
        _write(out, told)
    return DONE


def explained(found: Installed, plugin: type[Plugin], config: Config) -> dict[str, Any]:
    """Give all that is known of a plugin, as JSON has it."""
    from gateway.config.describe import settings

    enabled = config.plugins.enabled
    return {
        "name": found.name,
        "package": found.package or None,
        "version": found.version or None,
        "entry_point": found.value,
        "enabled": enabled.index(found.name) + 1 if found.name in enabled else None,
        "requires_api": ".".join(map(str, plugin.requires_api)),
        "text": _text(plugin),
        "settings": [
            {
                "key": setting.key,
                "value": setting.unit,
                "default": setting.default or None,
                "text": setting.text,
                "example": setting.example or None,
            }
            for struct in (plugin.Settings, Rule)
            for setting in settings(struct)
        ],
        "hooks": hook_rules(found.name, plugin, config),
        "readme": readme(found, plugin),
    }


def hook_rules(name: str, plugin: type[Plugin], config: Config) -> list[dict[str, Any]]:
    """Give the rules that each hook of a plugin is held to, and who made them: config, plugin or table."""
    from gateway.api.hooks import HOOKS

    rule = config.plugins.rule(name)
    found = []
    for hook, mark in hook_marks(plugin).items():
        spec = HOOKS[hook]
        fail, budget_seconds = effective_rules(spec, mark, rule)
        found.append(
            {
                "hook": hook,
                "thread": mark.thread,
                "budget_seconds": budget_seconds if spec.waits else None,
                "budget_from": _from(rule.budget, mark.budget_seconds) if spec.waits else None,
                "fail": fail,
                "fail_from": _from(rule.fail, mark.fail) if spec.closes else "table",
                "on_error": spec.on_error if fail == spec.fail else None,
            }
        )
    return found


def readme(found: Installed, plugin: type[Plugin]) -> str | None:
    """Say where its README is: a file, an address, or the description of its package."""
    top = sys.modules[plugin.__module__.partition(".")[0]].__file__
    file = readme_of(Path(top).resolve()) if top else None
    if file is not None:
        return str(file)
    if found.distribution is None or found.package == "gateway":
        return None
    written = found.distribution.metadata
    for line in written.get_all("Project-URL", []):
        return str(line).partition(",")[2].strip()
    if written.get_payload():  # type: ignore[attr-defined]
        return f"the description of the package {found.package}"
    return None


def _from(config: object, mark: object) -> str:
    if config:
        return "config"
    return "table" if mark is None else "plugin"


def _text(plugin: type[Plugin]) -> str:
    """Give what it says of itself: its module, which tells more, else its class."""
    module = inspect.getmodule(plugin)
    text = inspect.cleandoc((module and module.__doc__) or plugin.__doc__ or "")
    # Epytext, for who reads the source: L{name<path>} and C{code}.
    return re.sub(r"[LC]\{([^{}<>]*)(?:<[^{}]*>)?\}", r"\1", text)


def _refuse(options: argparse.Namespace, out: TextIO, err: TextIO, why: str) -> int:
    if options.json:
        write_json(out, {"ok": False, "fault": why})
    else:
        err.write(f"{why}\n")
    return NOT_DONE


def _write(out: TextIO, told: dict[str, Any]) -> None:
    place = f"enabled, number {told['enabled']}" if told["enabled"] else "not enabled"
    package = " ".join(told[key] for key in ("package", "version") if told[key])
    origin = f" of {package}" if package else ""
    out.write(f"{told['name']}{origin}, {place}\n")
    out.write(f"{told['entry_point']}, for gateway.api {told['requires_api']}\n")
    if told["text"]:
        out.write("\n" + textwrap.indent(told["text"], "  ") + "\n")
    out.write(f"\nSettings, in [plugins.{told['name']}]\n")
    for setting in told["settings"]:
        default = f"default {setting['default']}" if setting["default"] else "no default"
        unit = f" ({setting['value']})" if setting["value"] else ""
        out.write(f"  {setting['key']}{unit}, {default}\n")
        example = f" Example: {setting['example']}" if setting["example"] else ""
        out.write(textwrap.indent(textwrap.fill(setting["text"] + example, 100), "      ") + "\n")
    out.write("\nHooks\n")
    rows = [("  hook", "thread", "budget", "on error")]
    for hook in told["hooks"]:
        wait = hook["budget_seconds"]
        after = f": {hook['on_error']}" if hook["on_error"] else ""
        rows.append(
            (
                f"  {hook['hook']}",
                hook["thread"] or "reactor",
                "none" if wait is None else f"{wait:g} s ({hook['budget_from']})",
                f"fails {hook['fail']} ({hook['fail_from']}){after}",
            )
        )
    write_table(out, rows)
    out.write(f"\nREADME: {told['readme'] or 'none found'}\n")

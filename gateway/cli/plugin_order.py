"""C{gateway plugin order}: for each hook, who is asked in which order, compiled as the gateway does it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from gateway.cli.command import (
    DONE,
    FAULTY,
    add_config,
    add_json,
    overrides,
    show_config_error,
    write_json,
)
from gateway.cli.installed import compiled, hook_marks
from gateway.config.faults import ConfigError
from gateway.config.load import load

if TYPE_CHECKING:
    from gateway.pipeline.loaded import LoadedPlugins

NAME = "order"
SUMMARY = "show for each hook which plugins are asked, in which order"
DESCRIPTION = """\
Makes the plugins that the configuration enables, as the gateway does, and lists for each hook those that are
asked, in that order, with what follows an error and how long is waited for an answer. Hooks that nobody implements
are left out. No plugin is started."""
EXAMPLES = """
  gateway plugin order --config /etc/gateway/gateway.toml
      every hook that is called, in the order of the path of a request
  gateway plugin order --config gateway.toml --json
      the same for a program
"""
EXIT_CODES = {DONE: "shown", FAULTY: "the configuration has faults, or a wrong command line"}

#: What becomes of several answers, by the rule of the hook.
RULES: Mapping[str, str] = {
    "first": "until one has an opinion",
    "all": "all of them",
    "identity": "until one knows who it is",
    "union": "all of them; the largest need counts",
    "worst": "all of them at the same time; the worst answer counts",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Make the plugins and tell their order."""
    try:
        plugins = compiled(load(options.config, overrides(options)))
    except ConfigError as error:
        return show_config_error(error, options, out, err)
    hooks = asked(plugins)
    if options.json:
        write_json(out, {"ok": True, "enabled": list(plugins.plugins), "hooks": hooks})
        return DONE
    out.write(f"enabled: {', '.join(plugins.plugins) or 'none'}\n")
    for hook, found in hooks.items():
        out.write(f"\n{hook}: {RULES[found['rule']]}\n")
        for place, one in enumerate(found["asked"], 1):
            thread = f", in the thread pool {one['thread']}" if one["thread"] else ""
            wait = f", budget {one['budget_seconds']:g} s" if one["budget_seconds"] else ""
            out.write(f"  {place}. {one['plugin']}  fails {one['fail']}{wait}{thread}\n")
    return DONE


def asked(plugins: LoadedPlugins) -> dict[str, dict[str, Any]]:
    """Give for each hook that somebody implements its rule and those who are asked, in order."""
    from gateway.api.hooks import HOOKS

    found: dict[str, dict[str, Any]] = {}
    for step in plugins.steps:
        hook = found.setdefault(step.hook, {"rule": HOOKS[step.hook].rule, "asked": []})
        mark = hook_marks(type(plugins.plugins[step.plugin]))[step.hook]
        hook["asked"].append(
            {
                "plugin": step.plugin,
                "fail": step.fail,
                "budget_seconds": step.budget_seconds if HOOKS[step.hook].waits else None,
                "thread": mark.thread,
            }
        )
    return found

"""
The plugins that are installed, and what the gateway would make of those that a configuration enables.

Plugins are found by the entry points of C{gateway.plugins}. What can be said of the enabled ones is said by the gateway's
own loader, which makes them but starts none; the package of a stranger may be broken in any way and hides no other.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import TYPE_CHECKING

from gateway.config.faults import ConfigError, Fault
from gateway.config.schema import Config
from gateway.config.sections.plugins import Rule

if TYPE_CHECKING:
    from gateway.api import Plugin
    from gateway.api.marks import Fail, HookMark, HookSpec
    from gateway.pipeline.loaded import LoadedPlugins

GROUP = "gateway.plugins"

_FAULT_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Installed:
    """One entry point and what is behind it."""

    name: str
    value: str
    """C{module:attribute}."""
    package: str
    """Of the distribution that brings it; empty if that is not known."""
    version: str
    plugin: type[Plugin] | None
    """C{None} if there is a fault."""
    fault: str = ""

    @property
    def distribution(self) -> Distribution | None:
        """What is written about its package."""
        return Distribution.from_name(self.package) if self.package else None


def installed(points: Iterable[EntryPoint] | None = None) -> list[Installed]:
    """
    List all plugins by name; each is imported.

    @param points: where to look; what is installed by default.
    """
    found = entry_points(group=GROUP) if points is None else points
    return [_look(point) for point in sorted(found, key=lambda point: (point.name, point.value))]


def hook_marks(plugin: type[Plugin]) -> dict[str, HookMark]:
    """Give what a plugin says of each hook that it implements, in the order of the path of a request."""
    from gateway.api.hooks import HOOKS
    from gateway.api.marks import IMPL_MARK, HookMark

    marks = {hook: getattr(inspect.getattr_static(plugin, hook), IMPL_MARK, None) for hook in HOOKS}
    return {hook: mark for hook, mark in marks.items() if isinstance(mark, HookMark)}


def effective_rules(spec: HookSpec, mark: HookMark, rule: Rule) -> tuple[Fail, float]:
    """
    Say what holds for a hook of a plugin: the configuration, else the plugin, else the table.

    @return: what follows an error, and how many seconds an answer may take.
    """
    said = rule.fail or mark.fail
    budget_seconds = rule.budget or mark.budget_seconds
    return (
        said if said and spec.closes else spec.fail,
        spec.budget_seconds if budget_seconds is None else budget_seconds,
    )


def compiled(config: Config) -> LoadedPlugins:
    """
    Make the enabled plugins and compile their hooks as the gateway does when it starts; none is started.

    @raise ConfigError: with everything that is wrong with them.
    """
    # Nothing of this is loaded for the help of a command.
    from twisted.internet.task import Clock

    from gateway.pipeline.plugins import load_plugins
    from gateway.testing.services import FakeServices

    # With the services of the test kit nothing is opened, and no time goes by for what a plugin begins when it is made.
    services = FakeServices(Clock(), lambda event: None)
    with contextlib.redirect_stdout(sys.stderr):
        return load_plugins(config, services)


def plugin_faults(config: Config, cautions: list[Fault] | None = None) -> list[Fault]:
    """
    List what is wrong with the enabled plugins; what is wrong with their names is left to others.

    @param cautions: what they say of their settings beside that is added here.
    """
    try:
        found = compiled(config)
        if cautions is not None:
            cautions += found.cautions
    except ConfigError as error:
        names = config.plugins.enabled
        told = [
            config.sources.fault(("plugins", "enabled", index), "")
            for index, name in enumerate(names)
            if not name.isidentifier()
        ]
        places = {(fault.file, fault.line, fault.path) for fault in told}
        # A name that stands there twice is looked at twice.
        return [
            fault
            for fault in dict.fromkeys(error.faults)
            if (fault.file, fault.line, fault.path) not in places
        ]
    return []


def _look(point: EntryPoint) -> Installed:
    from gateway.api import Plugin

    package = point.dist.name if point.dist else ""
    version = point.dist.version if point.dist else ""

    def broken(fault: str) -> Installed:
        return Installed(point.name, point.value, package, version, None, fault)

    try:
        # What a stranger prints must not get between the lines of a command.
        with contextlib.redirect_stdout(sys.stderr):
            plugin = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an import may also try to end the process
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return broken(f"can't be imported: {text[:_FAULT_CHARACTERS]}")
    if not (isinstance(plugin, type) and issubclass(plugin, Plugin)):
        return broken(f"{plugin!r} is no subclass of gateway.api.Plugin")
    if plugin.name != point.name:
        return broken(f'calls itself "{plugin.name}", which must be the name of its entry point')
    return Installed(point.name, point.value, package, version, plugin)

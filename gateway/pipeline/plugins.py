"""
Find the enabled plugins, check them, make them and compile their hooks.

Only what C{[plugins] enabled} names is looked at, by its entry point in the group C{gateway.plugins}; that list is also
the only source of the order. Whatever is wrong is said at once for all of them, with file and line, and nothing has been
started by then.

pluggy is the registry: it collects the implementations, checks their arguments and finds those that no hook is named
like. It calls nothing (see L{gateway.pipeline.dispatch}).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any

import pluggy

from gateway.api.hooks import HOOKS, Plugin
from gateway.api.marks import HookMark, HookSpec
from gateway.api.services import Overloaded, Services, Threads
from gateway.config.faults import ConfigError, nearest
from gateway.config.load import load_plugin_settings
from gateway.config.schema import Config
from gateway.pipeline.alarm_review import alarm_cautions
from gateway.pipeline.conduct import Instruments
from gateway.pipeline.discovery import Discovery, installed
from gateway.pipeline.loaded import Equips, LoadedPlugins
from gateway.pipeline.packages import Replaced, from_source
from gateway.pipeline.reviewing import reviewed
from gateway.pipeline.step import Step
from gateway.pipeline.vetting import Blame, Vetting, mark_of


def load_plugins(
    config: Config,
    equips: Equips,
    *,
    extra: Mapping[str, object] | None = None,
    fresh: bool = False,
) -> LoadedPlugins:
    """
    Make the plugins that the configuration enables.

    @param equips: gives each its services.
    @param extra: plugins by name beside the installed ones, before which they come: classes, or objects that are
        taken as they are; for tests and for those who embed the gateway.
    @param fresh: read the code of their packages anew, see L{gateway.pipeline.packages}.
    @raise ConfigError: with everything that is wrong; code that was read anew for it is forgotten.
    """
    loading = _Loading(config, equips, extra or {})
    return loading.load_fresh() if fresh else loading.load()


class _Registry(pluggy.PluginManager):
    """pluggy's manager, reading the marks of L{gateway.api}, which knows nothing of pluggy."""

    def __init__(self) -> None:
        super().__init__("gateway")
        self.add_hookspecs(Plugin)

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
        """Find a specification."""
        return {} if name in HOOKS else None

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        """Find an implementation."""
        return {} if mark_of(plugin, name) is not None else None

    def unknown(self) -> list[str]:
        """Give the names of implementations that no hook is named like."""
        return [
            name
            for name, caller in vars(self.hook).items()
            if not name.startswith("_") and not caller.has_spec()
        ]


# An empty registry, between loads: reading all specifications is a good part of one, and a reload holds up the traffic.
_spare: list[_Registry] = []


class _Loading:
    """One run of L{load_plugins}: gathers faults, so that all can be shown at once."""

    def __init__(self, config: Config, equips: Equips, extra: Mapping[str, object]) -> None:
        self._config = config
        self._equips = equips
        self._given: dict[str, Services] = {}
        self._blame = Blame(config)
        # Looked at as soon as something is not among the others.
        self._discovery = Discovery(installed, extra, self._blame)
        self._vetting = Vetting(config, self._blame)

    def load_fresh(self) -> LoadedPlugins:
        enabled = set(self._config.plugins.enabled)
        points = [point for point in self._discovery.installed if point.name in enabled]
        replaced = Replaced(point.module for point in points)
        try:
            with from_source():
                return self.load(replaced)
        except BaseException:
            replaced.put_back()
            raise

    def load(self, replaced: Replaced | None = None) -> LoadedPlugins:
        plugins: dict[str, Plugin] = {}
        for name in self._config.plugins.enabled:
            said = len(self._blame.faults)
            found = self._discovery.find(name)
            if found is not None:
                self._vetting.check(name, found)
                if found.event_types and len(self._blame.faults) == said:
                    self._equips.know(found.event_types)
                made = found if isinstance(found, Plugin) else self._make(name, found, said)
                if made is not None and len(self._blame.faults) == said:
                    plugins[name] = made
        steps = self._register(plugins)
        self._vetting.check_pair(steps, "scan_content", "content_need", "it would never be called")
        self._vetting.check_pair(
            steps, "content_need", "scan_content", "nobody would look at what is held"
        )
        self._vetting.check_pair(
            steps, "unpack_content", "scan_content", "nobody would look at what it unpacks"
        )
        said_of_settings = reviewed(self._config, plugins)
        self._blame.faults += said_of_settings.faults
        if self._blame.faults:
            for services in self._given.values():
                self._equips.stop_plugin(services)
            raise ConfigError(self._blame.faults)
        cautions = (*said_of_settings.cautions, *alarm_cautions(self._config, plugins))
        return LoadedPlugins(plugins, steps, self._equips, self._given, replaced, cautions)

    def _make(self, name: str, found: type[Plugin], said: int) -> Plugin | None:
        try:
            settings: Any = load_plugin_settings(self._config, name, found.Settings)
        except ConfigError as error:
            self._blame.faults += error.faults
            return None
        if len(self._blame.faults) > said:
            return None
        services = self._given[name] = self._equips.for_plugin(name, settings)
        try:
            return found(settings, services)
        except (Exception, SystemExit) as error:
            self._blame(name, f'"{name}" can\'t be made: {type(error).__name__}: {error}')
            return None

    def _register(self, plugins: dict[str, Plugin]) -> dict[str, list[Step]]:
        registry = _spare.pop() if _spare else _Registry()
        # pluggy calls the last registered first, so this is the configured order there, too.
        for name, plugin in reversed(plugins.items()):
            try:
                registry.register(plugin, name)
                registry.check_pending()
            except pluggy.PluginValidationError as error:
                unknown = registry.unknown()
                for hook in unknown:
                    delattr(registry.hook, hook)
                    near = nearest(hook, HOOKS)
                    self._blame(
                        name,
                        f'"{name}": there is no hook {hook}',
                        f"did you mean {near}?" if near else "",
                    )
                if not unknown:
                    self._blame(name, f"{error}".replace("\n", ": "))
        steps = {hook: self._steps(hook, spec, registry) for hook, spec in HOOKS.items()}
        # What pluggy keeps is a knot that only the collector of garbage undoes: it must not hold the plugins.
        for name in list(plugins):
            if registry.has_plugin(name):
                registry.unregister(name=name)
        if not self._blame.faults and not _spare:
            _spare.append(registry)
        return steps

    def _steps(self, hook: str, spec: HookSpec, registry: _Registry) -> list[Step]:
        caller = getattr(registry.hook, hook)
        return [
            self._step(found.plugin_name, hook, spec, found)
            for found in reversed(caller.get_hookimpls())
            if self._takes_all(found, hook)
        ]

    def _takes_all(self, found: pluggy.HookImpl, hook: str) -> bool:
        """Plans pass arguments by position, so an implementation must take what the specification says."""
        wanted = _arguments(hook)
        if tuple(found.argnames) == wanted:
            return True
        self._blame(
            found.plugin_name,
            f'"{found.plugin_name}": {hook} must take ({", ".join(["self", *wanted])})',
        )
        return False

    def _instruments(self, name: str) -> Instruments:
        """Let what is said of a plugin's health end with the plugin, as what it tells itself does."""
        given = self._given.get(name)
        return Instruments(
            self._equips.clock, self._equips.events if given is None else given.events
        )

    def _step(self, name: str, hook: str, spec: HookSpec, found: pluggy.HookImpl) -> Step:
        mark = mark_of(found.plugin, hook) or HookMark()
        function: Callable[..., Any] = found.function
        if mark.thread is not None:
            pool = self._config.threads.pools.get(mark.thread)
            bypass = pool is not None and pool.overload == "bypass"
            function = _in_thread(self._equips.threads, mark.thread, function, bypass=bypass)
        rule = self._config.plugins.rule(name)
        return Step(
            name,
            hook,
            function,
            spec,
            self._instruments(name),
            fail=rule.fail or mark.fail,
            budget_seconds=rule.budget or mark.budget_seconds,
            stored=mark.stored,
            without_content=mark.without_content,
        )


@cache
def _arguments(hook: str) -> tuple[str, ...]:
    """Give the names of a hook's arguments."""
    named = inspect.signature(vars(Plugin)[hook]).parameters
    return tuple(name for name in named if name != "self")


def _in_thread(
    threads: Threads, pool: str, function: Callable[..., Any], *, bypass: bool
) -> Callable[..., Any]:
    """
    Make a hook run in a pool.

    @param bypass: whether it has no opinion when the pool takes no more work.
    """
    run = threads.run

    def submit(*args: object) -> Awaitable[Any]:
        return run(pool, function, *args)

    async def submit_or_pass(*args: object) -> Any:
        try:
            return await run(pool, function, *args)
        except Overloaded as error:
            # One that the function itself ran into, deeper down, is its own failure.
            if error.pool != pool:
                raise
            return None

    return submit_or_pass if bypass else submit

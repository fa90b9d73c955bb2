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
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias

import pluggy
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from gateway.api.hooks import API_VERSION, HOOKS, NOT_CALLED_YET, Plugin
from gateway.api.marks import IMPL_MARK, SPEC_MARK, HookMark, HookSpec
from gateway.api.services import Services
from gateway.config.faults import ConfigError, Fault, nearest
from gateway.config.load import load_plugin_settings
from gateway.config.schema import Config
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.step import UNHEALTHY_ERRORS, Instruments, Step
from gateway.pipeline.waiting import begin, limited

GROUP = "gateway.plugins"

#: How long a plugin may take to start, and to stop.
START_SECONDS = 60.0
STOP_SECONDS = 10.0

Found: TypeAlias = type[Plugin] | Plugin


class PluginStartError(Exception):
    """
    A plugin did not start; those started before it were stopped.

    @ivar plugin: its name.
    """

    def __init__(self, plugin: str, cause: BaseException) -> None:
        super().__init__(f"plugin {plugin} did not start: {type(cause).__name__}: {cause}")
        self.plugin = plugin


@dataclass(frozen=True, slots=True)
class Ledger:
    """
    What one plugin cost and got wrong since it was loaded.

    @ivar calls: of its hooks.
    @ivar errors: exceptions, time-outs and wrong answers.
    @ivar slow: calls that kept the reactor too long; a lower bound, as not all are timed.
    @ivar worst_seconds: the longest timed call.
    @ivar waits: answers that had to be waited for.
    @ivar worst_wait_seconds: the longest of these.
    @ivar unhealthy: hooks in which it does nothing but fail at present.
    """

    plugin: str
    calls: int
    errors: int
    slow: int
    worst_seconds: float
    waits: int
    worst_wait_seconds: float
    unhealthy: tuple[str, ...]


class LoadedPlugins:
    """
    The plugins of one snapshot of the configuration, made but not started.

    @ivar plugins: by name, in the configured order.
    @ivar plans: what to call.
    """

    _log = Logger()

    def __init__(
        self, plugins: Mapping[str, Plugin], steps: Mapping[str, list[Step]], services: Services
    ) -> None:
        self.plugins = dict(plugins)
        self.plans = CallPlans(steps)
        self._steps = [step for found in steps.values() for step in found]
        self._services = services

    async def start(self) -> None:
        """
        Start them in order, each after the one before it is up.

        @raise PluginStartError: one failed or took longer than L{START_SECONDS}; all are stopped again.
        """
        started: list[str] = []
        for name, plugin in self.plugins.items():
            started.append(name)
            try:
                await self._within(plugin.start, START_SECONDS)
            except BaseException as error:
                await self._stop(reversed(started))
                if isinstance(error, Exception):
                    raise PluginStartError(name, error) from error
                raise

    async def stop(self) -> None:
        """Stop them, the last one first; what they raise is logged and keeps no other from stopping."""
        await self._stop(reversed(self.plugins))

    def ledgers(self) -> list[Ledger]:
        """Sum up what each plugin did; for metrics and the console, not for each request."""
        return [self._ledger(name) for name in self.plugins]

    async def _stop(self, names: Iterator[str]) -> None:
        for name in names:
            try:
                await self._within(self.plugins[name].stop, STOP_SECONDS)
            except Exception:
                self._log.failure("{plugin} did not stop as it should", plugin=name)

    async def _within(self, call: Callable[[], object], seconds: float) -> None:
        answer = call()
        if isinstance(answer, Awaitable):
            answer = begin(answer)
            if isinstance(answer, Deferred):
                await limited(answer, seconds, self._services.clock)

    def _ledger(self, name: str) -> Ledger:
        mine = [step for step in self._steps if step.plugin == name]
        return Ledger(
            name,
            sum(step.calls for step in mine),
            sum(step.errors for step in mine),
            sum(step.slow for step in mine),
            max((step.worst for step in mine), default=0.0),
            sum(step.waits for step in mine),
            max((step.worst_wait for step in mine), default=0.0),
            tuple(step.hook for step in mine if step.row >= UNHEALTHY_ERRORS),
        )


def load_plugins(
    config: Config, services: Services, *, extra: Mapping[str, object] | None = None
) -> LoadedPlugins:
    """
    Make the plugins that the configuration enables.

    @param services: what each gets, but with a log of its own.
    @param extra: plugins by name beside the installed ones, before which they come: classes, or objects that are
        taken as they are; for tests and for those who embed the gateway.
    @raise ConfigError: with everything that is wrong.
    """
    return _Loading(config, services, extra or {}).load()


class _Registry(pluggy.PluginManager):
    """pluggy's manager, reading the marks of L{gateway.api}, which knows nothing of pluggy."""

    def __init__(self) -> None:
        super().__init__("gateway")
        self.add_hookspecs(Plugin)

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
        """Find a specification."""
        return {} if hasattr(inspect.getattr_static(module_or_class, name), SPEC_MARK) else None

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        """Find an implementation."""
        return {} if _mark(plugin, name) is not None else None

    def unknown(self) -> list[str]:
        """Give the names of implementations that no hook is named like."""
        return [
            name
            for name, caller in vars(self.hook).items()
            if not name.startswith("_") and not caller.has_spec()
        ]


class _Loading:
    """One run of L{load_plugins}: gathers faults, so that all can be shown at once."""

    def __init__(self, config: Config, services: Services, extra: Mapping[str, object]) -> None:
        self._config = config
        self._services = services
        self._extra = extra
        self._installed = entry_points(group=GROUP)
        self._faults: list[Fault] = []
        self._instruments = Instruments(services.clock, services.events)

    def load(self) -> LoadedPlugins:
        plugins: dict[str, Plugin] = {}
        for name in self._config.plugins.enabled:
            said = len(self._faults)
            found = self._find(name)
            if found is not None:
                self._check(name, found)
                made = found if isinstance(found, Plugin) else self._make(name, found, said)
                if made is not None and len(self._faults) == said:
                    plugins[name] = made
        steps = self._register(plugins)
        if self._faults:
            raise ConfigError(self._faults)
        return LoadedPlugins(plugins, steps, self._services)

    def _fault(self, name: str, message: str, mend: str = "") -> None:
        """Blame a plugin; it stands in the list of those enabled, if anywhere."""
        enabled = self._config.plugins.enabled
        path = ("plugins", "enabled", enabled.index(name))
        self._faults.append(self._config.sources.fault(path, message, mend))

    def _find(self, name: str) -> Found | None:
        if name in self._extra:
            return self._plugin(name, self._extra[name])
        points = {point.value: point for point in self._installed if point.name == name}
        if not points:
            near = nearest(name, [*self._installed.names, *self._extra])
            known = ", ".join(sorted({*self._installed.names, *self._extra})) or "none"
            self._fault(
                name,
                f'no plugin "{name}" is installed',
                f'did you mean "{near}"?' if near else f"installed: {known}",
            )
            return None
        if len(points) > 1:
            self._fault(
                name,
                f'two packages bring a plugin "{name}": {" and ".join(sorted(points))}',
                "remove one",
            )
            return None
        return self._import(name, *points.values())

    def _import(self, name: str, point: EntryPoint) -> Found | None:
        try:
            return self._plugin(name, point.load())
        except ModuleNotFoundError as error:
            if error.name == point.module:
                self._fault(
                    name,
                    f'"{name}": there is no module {error.name}',
                    "its package is not whole: install it anew",
                )
            else:
                self._fault(
                    name,
                    f'"{name}" needs {error.name}, which is not installed',
                    f"pip install {error.name}",
                )
        except AttributeError:
            self._fault(name, f'"{name}": {point.module} names no {point.attr}')
        except Exception as error:
            self._fault(name, f'"{name}" can\'t be imported: {type(error).__name__}: {error}')
        return None

    def _plugin(self, name: str, found: object) -> Found | None:
        if isinstance(found, Plugin) or (isinstance(found, type) and issubclass(found, Plugin)):
            return found
        self._fault(name, f'"{name}" is no plugin: {found!r} is no subclass of gateway.api.Plugin')
        return None

    def _check(self, name: str, found: Found) -> None:
        """Look for what pluggy does not see: names, versions, and hooks that would never be called."""
        if found.name != name:
            self._fault(
                name,
                f'"{name}" calls itself "{found.name}"',
                "its name and its entry point's must be the same",
            )
        major, minor = found.requires_api
        if major != API_VERSION[0] or minor > API_VERSION[1]:
            have = ".".join(map(str, API_VERSION))
            self._fault(
                name, f'"{name}" needs gateway.api {major}.{minor}, this gateway has {have}'
            )
        for hook, spec in HOOKS.items():
            if inspect.getattr_static(found, hook) is vars(Plugin)[hook]:
                continue
            mark = _mark(found, hook)
            if mark is None:
                self._fault(
                    name,
                    f'"{name}" overrides {hook} without @hookimpl()',
                    "it would never be called",
                )
            else:
                self._check_hook(name, hook, spec, mark, getattr(found, hook))

    def _check_hook(
        self, name: str, hook: str, spec: HookSpec, mark: HookMark, function: object
    ) -> None:
        where = f'"{name}"'
        if hook in NOT_CALLED_YET:
            self._fault(
                name, f"{where} implements {hook}, which this version of the gateway never calls"
            )
        if inspect.iscoroutinefunction(function) and not spec.waits:
            self._fault(
                name, f"{where}: the answer of {hook} can't wait", "write it as a plain function"
            )
        if mark.thread is not None:
            if not spec.threads:
                able = ", ".join(other for other, its in HOOKS.items() if its.threads)
                self._fault(
                    name,
                    f"{where}: {hook} can't run in a thread",
                    f"only {able} can; use services.threads",
                )
            elif inspect.iscoroutinefunction(function):
                self._fault(
                    name, f"{where}: {hook} runs in a thread", "write it as a plain function"
                )

    def _make(self, name: str, found: type[Plugin], said: int) -> Plugin | None:
        try:
            settings: Any = load_plugin_settings(self._config, name, found.Settings)
        except ConfigError as error:
            self._faults += error.faults
            return None
        if len(self._faults) > said:
            return None
        log = Logger(namespace=f"gateway.plugin.{name}")
        try:
            return found(settings, replace(self._services, log=log))
        except Exception as error:
            self._fault(name, f'"{name}" can\'t be made: {type(error).__name__}: {error}')
            return None

    def _register(self, plugins: dict[str, Plugin]) -> dict[str, list[Step]]:
        registry = _Registry()
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
                    self._fault(
                        name,
                        f'"{name}": there is no hook {hook}',
                        f"did you mean {near}?" if near else "",
                    )
                if not unknown:
                    self._fault(name, f"{error}".replace("\n", ": "))
        return {hook: self._steps(hook, spec, registry) for hook, spec in HOOKS.items()}

    def _steps(self, hook: str, spec: HookSpec, registry: _Registry) -> list[Step]:
        caller = getattr(registry.hook, hook)
        return [
            self._step(found.plugin_name, hook, spec, found)
            for found in reversed(caller.get_hookimpls())
            if self._takes_all(found, hook)
        ]

    def _takes_all(self, found: pluggy.HookImpl, hook: str) -> bool:
        """Plans pass arguments by position, so an implementation must take what the specification says."""
        wanted = [
            name for name in inspect.signature(vars(Plugin)[hook]).parameters if name != "self"
        ]
        if list(found.argnames) == wanted:
            return True
        self._fault(
            found.plugin_name,
            f'"{found.plugin_name}": {hook} must take ({", ".join(["self", *wanted])})',
        )
        return False

    def _step(self, name: str, hook: str, spec: HookSpec, found: pluggy.HookImpl) -> Step:
        mark = _mark(found.plugin, hook) or HookMark()
        function: Callable[..., Any] = found.function
        if mark.thread is not None:
            function = _in_thread(self._services, mark.thread, function)
        rule = self._config.plugins.rule(name)
        return Step(
            name,
            hook,
            function,
            spec,
            self._instruments,
            fail=rule.fail or mark.fail,
            budget_seconds=rule.budget or mark.budget_seconds,
        )


def _mark(plugin: object, name: str) -> HookMark | None:
    """Find the mark on a method without running any property."""
    found = getattr(inspect.getattr_static(plugin, name, None), IMPL_MARK, None)
    return found if isinstance(found, HookMark) else None


def _in_thread(services: Services, pool: str, function: Callable[..., Any]) -> Callable[..., Any]:
    run = services.threads.run

    def submit(*args: object) -> Awaitable[Any]:
        return run(pool, function, *args)

    return submit

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
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, TypeAlias

import pluggy
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from gateway.api.events import Event
from gateway.api.hooks import API_VERSION, HOOKS, NOT_CALLED_YET, Plugin
from gateway.api.marks import IMPL_MARK, SPEC_MARK, Fail, HookMark, HookSpec
from gateway.api.services import Clock, Overloaded, Services, Threads
from gateway.config.faults import ConfigError, Fault, nearest
from gateway.config.load import load_plugin_settings
from gateway.config.schema import Config
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.ledger import HookLedger, Ledger, ledger_of, summed
from gateway.pipeline.packages import Replaced, from_source
from gateway.pipeline.step import Instruments, Step
from gateway.pipeline.waiting import begin, limited

GROUP = "gateway.plugins"

#: How long a plugin may take to start, and to stop.
START_SECONDS = 60.0
STOP_SECONDS = 10.0

Found: TypeAlias = type[Plugin] | Plugin


class Equips(Protocol):
    """Who gives plugins their services: L{gateway.plugin_services.PluginServices}, or a test's own."""

    @property
    def clock(self) -> Clock:
        """Time, for budgets too."""

    @property
    def events(self) -> Callable[[Event], None]:
        """Where events go."""

    @property
    def threads(self) -> Threads:
        """For hooks that run in a thread."""

    def for_plugin(self, name: str, settings: object = None) -> Services:
        """
        Make the services of one plugin object.

        @param settings: the plugin's own; secrets in them never reach its log.
        """

    def start_plugin(self, services: Services) -> None:
        """Let the jobs of a plugin object begin; one that is never started must do nothing."""

    def stop_plugin(self, services: Services) -> None:
        """End the jobs of a plugin object; more than once is harmless."""


class PluginStartError(Exception):
    """
    A plugin did not start; those started before it were stopped.

    @ivar plugin: its name.
    """

    def __init__(self, plugin: str, cause: BaseException) -> None:
        super().__init__(f"plugin {plugin} did not start: {type(cause).__name__}: {cause}")
        self.plugin = plugin


class LoadedPlugins:
    """
    The plugins of one snapshot of the configuration, made but not started.

    @ivar plugins: by name, in the configured order.
    @ivar plans: what to call.
    """

    _log = Logger()

    def __init__(
        self,
        plugins: Mapping[str, Plugin],
        steps: Mapping[str, list[Step]],
        equips: Equips,
        given: Mapping[str, Services],
        replaced: Replaced | None = None,
    ) -> None:
        """
        Take what was loaded.

        @param given: the services of each plugin that was made with some.
        @param replaced: the code that was read anew for it.
        """
        self.plugins = dict(plugins)
        self.plans = CallPlans(steps)
        self._steps = [step for found in steps.values() for step in found]
        self._equips = equips
        self._given = dict(given)
        self._replaced = replaced

    async def start(self, living: Iterable[LoadedPlugins] = ()) -> None:
        """
        Start them in order, each after the one before it is up.

        @param living: plugins that run already; an object that is among them too is not started twice.
        @raise PluginStartError: one failed or took longer than L{START_SECONDS}; all are stopped again.
        """
        going = _objects(living)
        started: list[str] = []
        for name, plugin in self.plugins.items():
            if id(plugin) in going:
                continue
            started.append(name)
            if name in self._given:
                self._equips.start_plugin(self._given[name])
            try:
                await self._within(plugin.start, START_SECONDS)
            except BaseException as error:
                await self._stop(reversed(started))
                # Those that were not reached may have begun jobs when they were made.
                self._end_jobs()
                self.put_back()
                if isinstance(error, Exception):
                    raise PluginStartError(name, error) from error
                raise

    async def stop(self, living: Iterable[LoadedPlugins] = ()) -> None:
        """
        Stop them, the last one first; what they raise is logged and keeps no other from stopping.

        @param living: plugins that go on; an object that is among them too is not stopped.
        """
        going = _objects(living)
        mine = [name for name, plugin in self.plugins.items() if id(plugin) not in going]
        await self._stop(reversed(mine))
        self._end_jobs()

    def settled(self) -> None:
        """They run: their code is not taken back any more."""
        self._replaced = None

    def put_back(self) -> None:
        """Let the names of their packages mean again what they meant before their code was read anew for these."""
        if self._replaced is not None:
            self._replaced.put_back()
            self._replaced = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """All implementations of hooks: by hook, along the path of a request, and then in the order of asking."""
        return tuple(self._steps)

    def ledgers(self) -> list[Ledger]:
        """Sum up what each plugin did; for metrics and the console, not for each request."""
        return [summed(name, self._steps) for name in self.plugins]

    def hook_ledgers(self) -> list[HookLedger]:
        """Tell what each plugin did in each hook that it implements."""
        return [ledger_of(step) for step in self._steps]

    def numbers(self) -> Sequence[tuple[str, Mapping[str, float]]]:
        """Ask the plugins for their own numbers; who has none, or fails to tell them, is left out."""
        return () if self.plans.counters is None else self.plans.counters()

    async def _stop(self, names: Iterator[str]) -> None:
        for name in names:
            if name in self._given:
                self._equips.stop_plugin(self._given[name])
            try:
                await self._within(self.plugins[name].stop, STOP_SECONDS)
            except Exception:
                self._log.failure("{plugin} did not stop as it should", plugin=name)

    def _end_jobs(self) -> None:
        for services in self._given.values():
            self._equips.stop_plugin(services)

    async def _within(self, call: Callable[[], object], seconds: float) -> None:
        answer = call()
        if isinstance(answer, Awaitable):
            answer = begin(answer)
            if isinstance(answer, Deferred):
                await limited(answer, seconds, self._equips.clock)


def _objects(living: Iterable[LoadedPlugins]) -> set[int]:
    """Give the identities of all plugin objects that run."""
    return {id(plugin) for loaded in living for plugin in loaded.plugins.values()}


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

    def __init__(self, config: Config, equips: Equips, extra: Mapping[str, object]) -> None:
        self._config = config
        self._equips = equips
        self._given: dict[str, Services] = {}
        self._extra = extra
        self._installed = entry_points(group=GROUP)
        self._faults: list[Fault] = []
        self._instruments = Instruments(equips.clock, equips.events)

    def load_fresh(self) -> LoadedPlugins:
        enabled = set(self._config.plugins.enabled)
        points = [point for point in self._installed if point.name in enabled]
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
            said = len(self._faults)
            found = self._find(name)
            if found is not None:
                self._check(name, found)
                made = found if isinstance(found, Plugin) else self._make(name, found, said)
                if made is not None and len(self._faults) == said:
                    plugins[name] = made
        steps = self._register(plugins)
        self._check_pair(steps, "scan_content", "content_need", "it would never be called")
        self._check_pair(steps, "content_need", "scan_content", "nobody would look at what is held")
        if self._faults:
            for services in self._given.values():
                self._equips.stop_plugin(services)
            raise ConfigError(self._faults)
        return LoadedPlugins(plugins, steps, self._equips, self._given, replaced)

    def _fault(self, name: str, message: str, mend: str = "") -> None:
        """Blame a plugin; it stands in the list of those enabled, if anywhere."""
        enabled = self._config.plugins.enabled
        path = ("plugins", "enabled", enabled.index(name))
        self._faults.append(self._config.sources.fault(path, message, mend))

    def _check_pair(self, steps: Mapping[str, list[Step]], hook: str, other: str, why: str) -> None:
        """Look for a hook that comes to nothing because no plugin at all implements another one."""
        if not steps[other] and not self._faults:
            for step in steps[hook]:
                self._fault(
                    step.plugin, f'"{step.plugin}" implements {hook}, and no plugin {other}', why
                )

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
        except (Exception, SystemExit) as error:  # a plugin must not end a gateway that reloads
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
            self._check_pool(name, hook, spec, mark)

    def _check_pool(self, name: str, hook: str, spec: HookSpec, mark: HookMark) -> None:
        """A pool that lets calls by when it is full must not be one that decides what is refused."""
        pools = self._config.threads.pools
        pool = mark.thread or ""
        if pool not in pools:
            self._fault(
                name,
                f'"{name}": {hook} runs in a thread pool "{pool}", which does not exist',
                f"one of {', '.join(pools)}",
            )
        elif pools[pool].overload == "bypass" and self._fail(name, spec, mark) == "closed":
            message = (
                f'"bypass" would let by what {hook} of "{name}" must judge, for it fails closed'
            )
            mend = f'"block" or "wait", or say fail = "open" in [plugins.{name}]'
            path = ("threads", pool, "overload")
            self._faults.append(self._config.sources.fault(path, message, mend))

    def _fail(self, name: str, spec: HookSpec, mark: HookMark) -> Fail:
        """Say which error rule holds for a hook of a plugin."""
        said = self._config.plugins.rule(name).fail or mark.fail
        return said if said and spec.closes else spec.fail

    def _make(self, name: str, found: type[Plugin], said: int) -> Plugin | None:
        try:
            settings: Any = load_plugin_settings(self._config, name, found.Settings)
        except ConfigError as error:
            self._faults += error.faults
            return None
        if len(self._faults) > said:
            return None
        services = self._given[name] = self._equips.for_plugin(name, settings)
        try:
            return found(settings, services)
        except (Exception, SystemExit) as error:
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
            pool = self._config.threads.pools.get(mark.thread)
            bypass = pool is not None and pool.overload == "bypass"
            function = _in_thread(self._equips.threads, mark.thread, function, bypass=bypass)
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

"""
The plugins of one snapshot: started in order, stopped the other way round, and what each of them did.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from gateway.api.events import Event, EventType
from gateway.api.hooks import Plugin
from gateway.api.services import Clock, Services, Threads
from gateway.config.faults import Fault
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.ledger import HookLedger, Ledger, ledger_of, summed
from gateway.pipeline.packages import Replaced
from gateway.pipeline.step import Step
from gateway.pipeline.waiting import begin, limited

#: How long a plugin may take to start, and to stop.
START_SECONDS = 60.0
STOP_SECONDS = 10.0


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

    def know(self, types: Iterable[EventType]) -> None:
        """Learn of types of events of plugins' own, before they are made."""

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
    @ivar cautions: what they say of their settings that is probably not meant.
    """

    _log = Logger()

    def __init__(
        self,
        plugins: Mapping[str, Plugin],
        steps: Mapping[str, list[Step]],
        equips: Equips,
        given: Mapping[str, Services],
        replaced: Replaced | None = None,
        cautions: Iterable[Fault] = (),
    ) -> None:
        """
        Take what was loaded.

        @param given: the services of each plugin that was made with some.
        @param replaced: the code that was read anew for it.
        """
        self.plugins = dict(plugins)
        self.cautions = tuple(cautions)
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

    def not_ready(self) -> str | None:
        """Give what plugins have against traffic now; C{None}: nothing."""
        if self.plans.not_ready is None:
            return None
        return "; ".join(f"{name}: {why}" for name, why in self.plans.not_ready()) or None

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

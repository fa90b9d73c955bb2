"""
The services of plugins under test: the gateway's own, in memory, on a clock that is told the time, and all to be looked at.

Store, metrics, jobs and log are those of the real thing, down to their limits; only what is below them is replaced: a
thread, a file, the wire. Requests of the plugin's own are in L{gateway.testing.http}, pools in L{gateway.testing.threads}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.logger import LogEvent, Logger

from gateway.alarms.channels import PluginAlarms
from gateway.api.events import Event, EventType
from gateway.api.services import Clock, Services, StoreFailed
from gateway.config.sections.notify import Notify
from gateway.pipeline.jobs import Jobs, RunningJob
from gateway.pipeline.threads import SIZES, PoolSize
from gateway.record.keyvalue import Namespace, Store
from gateway.record.plugin_metrics import PluginMetrics, PluginsOwn
from gateway.record.redaction import RedactingLog
from gateway.testing.alarms import desk
from gateway.testing.http import HttpScript, ScriptedHttp
from gateway.testing.threads import FakeThreads


class LogText(str):
    """
    One text that a plugin logged, with its fields filled in and without secrets, as an operator would read it.

    @ivar level: C{"debug"}, C{"info"}, C{"warn"} or C{"error"}.
    """

    __slots__ = ("level",)

    level: str


class FakeLog(RedactingLog):
    """
    The plugin's log.

    @ivar texts: what was logged, in order.
    """

    def __init__(self, plugin: str, settings: object = None) -> None:
        self.texts: list[LogText] = []
        keep: Any = self._keep
        super().__init__(plugin, settings, Logger(f"gateway.plugin.{plugin}", observer=keep))

    def _keep(self, event: LogEvent) -> None:
        text = LogText(event["text"])
        text.level = event["log_level"].name
        self.texts.append(text)


class FakeStore(Namespace):
    """
    The plugin's keys and values; C{store["key"]} looks and prepares, without waiting.

    @ivar failing: an error that every call of the plugin fails with while it is set, such as
        C{StoreFailed("failed", "the disk is full")}.
    """

    def __init__(
        self, clock: Clock, plugin: str = "test", values: Mapping[str, bytes] | None = None
    ) -> None:
        self.failing: StoreFailed | None = None
        self._clock = clock
        super().__init__(Store("", self._run, lambda event: None, now=clock.seconds), plugin)
        for key, value in (values or {}).items():
            self[key] = value

    def __getitem__(self, key: str) -> bytes:
        """
        Give a value.

        @raise KeyError: there is none, or no longer.
        """
        found = self._store.table.get(self._plugin, key)
        if found is None:
            raise KeyError(f"{key}; there are: {', '.join(self) or 'none'}")
        return found

    def __setitem__(self, key: str, value: bytes) -> None:
        """Lay a value there, without an end."""
        self._store.table.set(self._plugin, key, value, None)

    def __contains__(self, key: object) -> bool:
        """Tell whether there is a value."""
        return isinstance(key, str) and self._store.table.get(self._plugin, key) is not None

    def __iter__(self) -> Iterator[str]:
        """Give the keys, sorted."""
        return iter(self._store.table.keys(self._plugin, ""))

    def __len__(self) -> int:
        """Count the values."""
        return len(self._store.table.keys(self._plugin, ""))

    def _run(self, function: Callable[..., Any], /, *args: object) -> Deferred[Any]:
        """Do it in a later turn: the answer of the real store, which has a thread, is never at hand."""
        if self.failing is not None:
            return fail(self.failing)
        answer: Deferred[Any] = Deferred(lambda _: call.cancel())
        call = self._clock.callLater(0, answer.callback, None)
        return answer.addCallback(lambda _: function(*args))


class FakeMetrics(PluginsOwn):
    """The plugin's numbers; L{value} looks at them."""

    def __init__(self, plugin: str = "test") -> None:
        self._metrics = PluginMetrics()
        super().__init__(self._metrics, plugin)

    def value(self, name: str, **labels: str) -> float:
        """
        Give what a metric says, by the name the plugin gave it; 0.0 before it said anything of these labels.

        Of a histogram: C{name_count} and C{name_sum}.

        @raise KeyError: the plugin made no such metric.
        """
        families = {family.name: family for family in self._metrics.families()}
        full = self._full(name, ()).removesuffix("_total")
        family = families.get(full) or families.get(full.rpartition("_")[0])
        if family is None:
            prefix = self._full("x", ())[:-1]
            known = [made.removeprefix(prefix) for made in families if made.startswith(prefix)]
            raise KeyError(f"no metric {name}; made were: {', '.join(known) or 'none'}")
        for sample in family.samples:
            if sample.name in (full, f"{full}_total") and sample.labels == labels:
                return float(sample.value)
        return 0.0


class FakeEvery(Jobs):
    """
    Makes jobs, which run as the test lets time go by.

    @ivar jobs: all that were made, with C{name} and C{runs}.
    @ivar errors: what runs raised, by the names of the jobs.
    """

    def __init__(self, clock: Clock, log: FakeLog) -> None:
        self.jobs: list[RunningJob] = []
        self.errors: list[tuple[str, BaseException]] = []
        self._log = log
        super().__init__(clock, _Report(self))

    def __call__(
        self,
        seconds: float,
        function: Callable[[], object],
        /,
        *,
        name: str = "",
        at_once: bool = False,
    ) -> RunningJob:
        """Begin a job."""
        job = super().__call__(seconds, function, name=name, at_once=at_once)
        self.jobs.append(job)
        return job

    def failed(self, job: str, error: BaseException) -> None:
        """Note what a run raised."""
        self.errors.append((job, error))
        self._log.failure("the job {job} failed", error, job=job)


class _Report:
    """Hears of the runs of jobs."""

    def __init__(self, every: FakeEvery) -> None:
        self._every = every

    def ran(self, job: str, error: BaseException | None) -> None:
        """Note a run."""
        if error is not None:
            self._every.failed(job, error)


class FakeServices:
    """
    Gives plugins their services, as L{gateway.plugin_services} does (an L{Equips<gateway.pipeline.loaded.Equips>}).

    @ivar given: the services that were made, by the plugin's name; the last ones of each.
    @ivar alarms: where events come by for the channels of plugins: C{alarms.take(event)}.
    """

    def __init__(
        self,
        clock: Clock,
        events: Callable[[Event], None],
        *,
        http: Mapping[str, HttpScript] | None = None,
        store: Mapping[str, bytes] | None = None,
        pools: Mapping[str, PoolSize] = SIZES,
        notify: Notify | None = None,
    ) -> None:
        """
        Prepare.

        @param store: what is in the store of the first plugin.
        @param pools: the pools of threads that there are.
        @param notify: C{[notify]} of the configuration; C{None}: the defaults.
        """
        self.clock = clock
        self.alarms = desk(clock, notify)
        self.events = events
        self.threads = FakeThreads(clock, pools)
        self.http = ScriptedHttp(clock, http)
        self.given: dict[str, Services] = {}
        self._store = store

    def for_plugin(self, name: str, settings: object = None) -> Services:
        """Make the services of one plugin object."""
        log = FakeLog(name, settings)
        alarms = self.alarms.of(name)
        # As jobs do, channels begin when they are made: a test may have no start.
        alarms.begin()
        made = Services(
            clock=self.clock,
            events=self.events,
            log=log,
            threads=self.threads,
            store=FakeStore(self.clock, name, None if self.given else self._store),
            http=self.http,
            metrics=FakeMetrics(name),
            every=FakeEvery(self.clock, log),
            alarms=alarms,
        )
        self.given[name] = made
        return made

    def know(self, types: Iterable[EventType]) -> None:
        """Learn of types of events of plugins' own."""
        self.alarms.know(types)

    def start_plugin(self, services: Services) -> None:
        """Let the jobs of a plugin object begin."""
        if isinstance(services.every, Jobs):
            services.every.start()

    def stop_plugin(self, services: Services) -> None:
        """End the jobs of a plugin object, and close its channels."""
        if isinstance(services.every, Jobs):
            services.every.end()
        if isinstance(services.alarms, PluginAlarms):
            services.alarms.end()

    def stop(self) -> None:
        """End the jobs of all."""
        for services in self.given.values():
            self.stop_plugin(services)

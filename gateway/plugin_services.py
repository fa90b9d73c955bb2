"""
What plugins are given, composed: the parts come from C{net}, C{pipeline} and C{record}, which do not know each other.

One object for the process. Threads, store, metrics and kept connections are shared by all plugins and outlive their
objects: several generations of plugins live at the same time while a reload goes on, and a new object finds what the
one before it kept and counted. Jobs belong to one plugin object and end with it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakSet

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from twisted.internet.defer import Deferred

from gateway.alarms.channels import PluginAlarms
from gateway.alarms.desk import AlarmDesk
from gateway.alarms.queue import NoticeQueue, QueueBounds
from gateway.api.events import Event, EventType
from gateway.api.services import Services
from gateway.config.folders import state_folder
from gateway.config.schema import Config
from gateway.config.sections.threads import Threads as ThreadSettings
from gateway.message.via import Via
from gateway.net.deadlines import Deadlines
from gateway.net.dial import Dialer
from gateway.net.http_client import HttpClient
from gateway.net.privileges import PrivilegeError, account_ids
from gateway.pipeline.jobs import Jobs
from gateway.pipeline.states import States, Telling
from gateway.pipeline.threads import Pool, PoolSize, ThreadPools, daemon
from gateway.record.keyvalue import Store
from gateway.record.plugin_metrics import PluginMetrics
from gateway.record.redaction import RedactingLog

#: The store's own thread; a busy disk makes a queue there and nowhere else.
_STORE_THREAD = PoolSize(1, 1024)

#: That of what waits for receivers of alarms; each of them is one call at the start.
_ALARM_THREAD = PoolSize(1, 4096)

#: How long the end of the process waits for the store's file to be closed.
CLOSE_SECONDS = 5.0


class PluginServices:
    """
    Gives plugins their services; an L{Equips<gateway.pipeline.loaded.Equips>}.

    @ivar clock: the reactor.
    @ivar events: where events go.
    @ivar threads: the named pools.
    @ivar store: what all plugins keep.
    @ivar http: what all plugins' requests share.
    @ivar metrics: the numbers of all plugins.
    @ivar alarms: where events come by for the channels of plugins.
    """

    def __init__(
        self,
        reactor: Any,
        config: Config,
        tell: Callable[[Event], None],
        *,
        deadlines: Deadlines,
        dialer: Callable[[], Dialer],
        own: Callable[[], Collection[tuple[str, int]]],
        via: Callable[[], Via],
        environ: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.time,
        spawn: Callable[[str, Callable[[], None]], None] = daemon,
    ) -> None:
        """
        Compose; nothing is opened, no thread started.

        @param dialer: gives the dialler of the running configuration, at each request.
        @param own: gives address and port of our own listeners.
        @param via: gives our entry in Via.
        @param environ: where systemd says its folder for state; the process's own by default.
        @param now: wall-clock time, for what the store keeps until then.
        @param spawn: starts a thread of this name that runs this function.
        """
        self.clock = reactor
        self.events = tell
        self.threads = ThreadPools(reactor, tell, pool_sizes(config.threads), spawn)
        self.metrics = PluginMetrics()
        self._store_thread = Pool("store", _STORE_THREAD, reactor, tell, spawn)
        folder, owner = (
            state_folder(config, os.environ if environ is None else environ),
            _owner(config),
        )
        self.store = Store(
            folder,
            lambda function, /, *args: self._store_thread.run(function, args),
            tell,
            now=now,
            owner=owner,
        )
        node = config.gateway.name or socket.gethostname()
        self._alarm_thread = Pool("alarms", _ALARM_THREAD, reactor, tell, spawn)
        self._notices = NoticeQueue(
            reactor,
            folder,
            lambda function, /, *args: self._alarm_thread.run(function, args),
            tell,
            now=now,
            bounds=_bounds(config),
            owner=owner,
            types=lambda name: self.alarms.kind(name),
            node=node,
        )
        self.alarms = AlarmDesk(
            reactor,
            config.notify,
            node=node,
            queue=self._notices,
            now=now,
            survives=bool(folder),
        )
        self.http = HttpClient(
            reactor, deadlines, dialer=dialer, own=own, via=via, looped=self._looped
        )
        # Weakly: a plugin object that was made and never started goes without being stopped.
        self._jobs: WeakSet[Jobs] = WeakSet()
        self._states = States(tell)

    def for_plugin(self, name: str, settings: object = None) -> Services:
        """
        Make the services of one plugin object.

        @param settings: the plugin's own; secrets in them never reach its log.
        """
        log = RedactingLog(name, settings)
        jobs = Jobs(self.clock, _Report(name, log, self.metrics), held=True)
        self._jobs.add(jobs)
        return Services(
            clock=self.clock,
            events=self._states.of(name),
            log=log,
            threads=self.threads,
            store=self.store.of(name),
            http=self.http.for_plugin(),
            metrics=self.metrics.of(name),
            every=jobs,
            alarms=self.alarms.of(name),
        )

    def know(self, types: Iterable[EventType]) -> None:
        """Learn of types of events of plugins' own."""
        self.alarms.know(types)
        self._states.know(types)

    def start_plugin(self, services: Services) -> None:
        """Let the jobs of a plugin object begin, those that it made before too, and open its channels."""
        if isinstance(services.every, Jobs):
            services.every.start()
        if isinstance(services.alarms, PluginAlarms):
            services.alarms.begin()

    def stop_plugin(self, services: Services) -> None:
        """End the jobs of a plugin object, the states it told of, and its channels; more than once is harmless."""
        if isinstance(services.every, Jobs):
            services.every.end()
        if isinstance(services.events, Telling):
            services.events.leave()
        if isinstance(services.alarms, PluginAlarms):
            services.alarms.end()

    def families(self) -> Iterator[Metric]:
        """Give what plugins count, and what is counted of their services, for C{/metrics}."""
        yield from self.metrics.families()
        busy = GaugeMetricFamily(
            "gateway_pool_calls", "Calls that run or wait in a pool of threads.", labels=("pool",)
        )
        stuck = GaugeMetricFamily(
            "gateway_pool_stuck", "Threads that nobody waits for any more.", labels=("pool",)
        )
        refused = CounterMetricFamily(
            "gateway_pool_refused", "Calls that a full pool refused.", labels=("pool",)
        )
        pools = {
            **self.threads.pools,
            "store": self._store_thread,
            "alarms": self._alarm_thread,
        }
        for name, pool in pools.items():
            busy.add_metric((name,), pool.admitted + len(pool.waiting))
            stuck.add_metric((name,), pool.stuck)
            refused.add_metric((name,), pool.refused)
        yield from (busy, stuck, refused)
        yield from self._notices.families()

    def follow(self, config: Config) -> None:
        """
        Make the pools of threads as large as another configuration says, and tell of events as it does; its state folder needs
        a restart.
        """
        self.threads.resize(pool_sizes(config.threads))
        self._notices.follow(_bounds(config))
        self.alarms.follow(config.notify)

    def close(self) -> Deferred[None]:
        """
        End what is left: jobs, requests, threads; the store closes after what it was asked already.

        To be called when all plugins are stopped. Nothing can be used after that.

        @return: fires when the store is closed, or when the disk has had L{CLOSE_SECONDS} for that.
        """
        for jobs in list(self._jobs):
            jobs.end()
        self.http.close()
        closing = self.store.close().addTimeout(CLOSE_SECONDS, self.clock, lambda *_: None)
        self._store_thread.stop()
        self._alarm_thread.stop()
        self.threads.stop()
        return closing

    def _looped(self) -> None:
        self.metrics.loops += 1


class _Report:
    """Counts and logs the runs of one plugin's jobs."""

    def __init__(self, plugin: str, log: RedactingLog, metrics: PluginMetrics) -> None:
        self._plugin = plugin
        self._log = log
        self._metrics = metrics

    def ran(self, job: str, error: BaseException | None) -> None:
        """Count a run, and log what it failed with."""
        self._metrics.job_ran(self._plugin, job, failed=error is not None)
        if error is not None:
            self._log.failure("the job {job} failed", error, job=job)


def pool_sizes(settings: ThreadSettings) -> dict[str, PoolSize]:
    """Turn the settings of pools to their sizes."""
    return {
        name: PoolSize(pool.workers, pool.queue, pool.wait if pool.overload == "wait" else 0.0)
        for name, pool in settings.pools.items()
    }


def _bounds(config: Config) -> QueueBounds:
    """Say how much waits for a receiver of alarms, and how long."""
    return QueueBounds(notices=config.notify.queue, keep_seconds=config.notify.keep)


def _owner(config: Config) -> tuple[int, int] | None:
    """Give user and group that the process will become; a plugin may use the store before that."""
    try:
        return account_ids(config.gateway.user, config.gateway.group)
    except PrivilegeError:
        # Said when it is time to become that user.
        return None

"""Builders for tests of the dispatcher: plugins, steps, services and transactions with as few words as possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, execute, fail
from twisted.internet.task import Clock
from twisted.logger import Logger

from gateway.api.events import Event, EventType
from gateway.api.messages import Request
from gateway.api.services import HttpAnswer, HttpFailed, Services, Threads
from gateway.api.transaction import Client, Timings, Transaction
from gateway.message.fields import Fields
from gateway.pipeline.jobs import Jobs
from gateway.record.keyvalue import Store
from gateway.record.plugin_metrics import PluginMetrics
from gateway.testing.alarms import desk
from tests.unit.pipeline.stepping import StepBench


def transaction(
    *,
    method: bytes = b"GET",
    host: str = "www.example.com",
    target: bytes = b"/",
    length: int | None = 0,
    mode: str = "forward",
) -> Transaction:
    """Make a transaction for a request."""
    connect = method == b"CONNECT"
    request = Request(
        method, "" if connect else "http", host, 443 if connect else 80, target, 1, Fields(), length
    )
    return Transaction("7f3a-1", request, Client("192.0.2.1", 40000, mode=mode), Timings(0.0, 0.0))


class NoThreads:
    """Threads that run everything at once, in the caller's."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def run(self, pool: str, function: Callable[..., Any], /, *args: object) -> Deferred[Any]:
        """Run it now."""
        self.ran.append(pool)
        answer: Deferred[Any] = Deferred()
        answer.callback(function(*args))
        return answer


class Given:
    """
    Gives each plugin services in memory.

    @ivar given: those that were made, by the plugin's name.
    @ivar stopped: the names of plugins whose jobs were ended, in order.
    """

    def __init__(self, clock: Clock, events: Callable[[Event], None], threads: Threads) -> None:
        self.clock = clock
        self.events = events
        self.threads = threads
        self.given: dict[str, Services] = {}
        self.stopped: list[str] = []
        self._metrics = PluginMetrics()

    def for_plugin(self, name: str, settings: object = None) -> Services:
        """Make them; the store answers at once, and there is nobody to be asked by HTTP."""
        made = self.given[name] = Services(
            clock=self.clock,
            events=self.events,
            log=Logger(namespace=f"gateway.plugin.{name}"),
            threads=self.threads,
            store=Store("", _at_once, self.events, now=self.clock.seconds).of(name),
            http=NoHttp(),
            metrics=self._metrics.of(name),
            every=Jobs(self.clock, NoReport()),
            alarms=desk(self.clock).of(name),
        )
        return made

    def know(self, types: Iterable[EventType]) -> None:
        """Nothing: there is nobody to tell."""

    def start_plugin(self, services: Services) -> None:
        """Nothing: its jobs begin when they are made."""

    def stop_plugin(self, services: Services) -> None:
        """End its jobs."""
        self.stopped += [name for name, made in self.given.items() if made is services]
        assert isinstance(services.every, Jobs)
        services.every.end()


class NoHttp:
    """A network without servers."""

    def request(self, method: str, url: str, **options: Any) -> Deferred[HttpAnswer]:
        """Fail."""
        return fail(HttpFailed("connect", "there are no servers"))


class NoReport:
    """Wants to know nothing of jobs."""

    def ran(self, job: str, error: BaseException | None) -> None:
        """Forget it, unless it is a fault of the test."""
        if error is not None:
            raise error


def _at_once(function: Callable[..., Any], /, *args: object) -> Deferred[Any]:
    return execute(function, *args)


class Bench(StepBench):
    """
    What steps and plugins are made with, and what they did with it.

    @ivar services: what gives plugins theirs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.threads = NoThreads()
        self.services = Given(self.clock, self.events.append, self.threads)

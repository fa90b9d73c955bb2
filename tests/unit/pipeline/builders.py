"""Builders for tests of the dispatcher: plugins, steps, services and transactions with as few words as possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger

from gateway.api.events import Event
from gateway.api.hooks import HOOKS
from gateway.api.services import Services
from gateway.api.transaction import Client, Request, Timings, Transaction
from gateway.message.fields import Fields
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.step import Instruments, Step


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


class Bench:
    """
    What steps and plugins are made with, and what they did with it.

    @ivar clock: advance it.
    @ivar events: what was told.
    @ivar ticks: how far the stopwatch goes on at each reading, seconds.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.events: list[Event] = []
        self.threads = NoThreads()
        self.ticks = 0.0
        self._now = 0.0
        self.instruments = Instruments(self.clock, self.events.append, self._stopwatch)
        self.services = Services(
            self.clock, self.events.append, Logger(namespace="test"), self.threads
        )

    def step(
        self, hook: str, function: Callable[..., Any], plugin: str = "p", **options: Any
    ) -> Step:
        """Make a step."""
        return Step(plugin, hook, function, HOOKS[hook], self.instruments, **options)

    def plan(self, hook: str, *functions: Callable[..., Any], **options: Any) -> Any:
        """Make a hook's plan of plugins p0, p1, ..., each with one function."""
        steps = [
            self.step(hook, function, f"p{index}", **options)
            for index, function in enumerate(functions)
        ]
        return getattr(CallPlans({hook: steps}), hook)

    def _stopwatch(self) -> float:
        self._now += self.ticks
        return self._now

"""
What a plugin gets from the gateway, and all it gets: no server object, no configuration but its own.

These are shapes (L{typing.Protocol}); the gateway and its test kit each bring their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gateway.api.events import Event

T = TypeVar("T")


class Clock(Protocol):
    """Time, and calls later on; Twisted's reactors and its test C{Clock} are ones."""

    def seconds(self) -> float:
        """Give the time in seconds; only differences mean something."""

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kwargs: object
    ) -> Any:
        """
        Call a function so many seconds later.

        @return: what knows C{cancel()}, to take the call back, and C{active()}, whether it is still to come.
        """


class Log(Protocol):
    """
    The plugin's own log: a format with named fields, never a ready-made string.

    C{log.info("{host} is listed in {name}", host=host, name=name)}
    """

    def debug(self, format: str | None = None, **fields: object) -> None:
        """Say what only helps to find a fault."""

    def info(self, format: str | None = None, **fields: object) -> None:
        """Say what is as it should be, or a client's own fault."""

    def warn(self, format: str | None = None, **fields: object) -> None:
        """Say what someone else's fault is: an upstream's, a directory's."""

    def error(self, format: str | None = None, **fields: object) -> None:
        """Say what is our own fault."""


class Threads(Protocol):
    """Named thread pools with bounded queues."""

    def run(self, pool: str, function: Callable[..., T], /, *args: object) -> Awaitable[T]:
        """
        Run a function that blocks in a thread of this pool.

        @param pool: C{"scan"}, C{"directory"} or C{"disk"}.
        @return: what it gives; fails with what it raises, or with L{Overloaded} at once if the pool is full.
        """


class Overloaded(Exception):
    """
    A pool has neither a free thread nor room in its queue, or does not answer any more.

    @ivar pool: its name.
    """

    def __init__(self, pool: str, why: str) -> None:
        super().__init__(f"the thread pool {pool} takes no more work: {why}")
        self.pool = pool


@dataclass(frozen=True, slots=True)
class Services:
    """
    What a plugin is made with.

    @ivar clock: time, for every wait that a plugin makes.
    @ivar events: call it with an L{Event} to tell operators.
    @ivar log: the plugin's own log.
    @ivar threads: for calls that block.
    """

    clock: Clock
    events: Callable[[Event], None]
    log: Log
    threads: Threads

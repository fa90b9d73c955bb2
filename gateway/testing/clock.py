"""
Time of a gateway in memory, as its plugins and its test see it.

It is told the time and never looks at a real clock. Advancing it does more than Twisted's own test clock does: whatever
happens on the wire in the meantime happens at its own moment, and exchanges that ended by then are finished.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Timed(Protocol):
    """What has the calls of Twisted's C{Clock}."""

    calls: list[Any]

    def seconds(self) -> float:
        """Give the time in seconds."""

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kwargs: object
    ) -> Any:
        """Call a function later."""


class GatewayClock:
    """What a plugin gets as C{services.clock}, and what a test moves on as C{gw.clock}."""

    def __init__(self, time: Timed, advance: Callable[[float], None]) -> None:
        """
        Stand before a clock.

        @param advance: lets so many seconds go by.
        """
        self._time = time
        self._advance = advance
        self._made: list[Any] = []

    def advance(self, seconds: float) -> None:
        """
        Let time go by: budgets run out, jobs of C{services.every} run, idle connections are closed.

        @raise ValueError: less than nothing.
        """
        if seconds < 0:
            raise ValueError(f"time goes forward only, not by {seconds:g} s")
        self._advance(seconds)

    def seconds(self) -> float:
        """Give the time in seconds; a gateway begins at 0."""
        return self._time.seconds()

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kwargs: object
    ) -> Any:
        """Call a function so many seconds later; gives what knows C{cancel()} and C{active()}."""
        call = self._time.callLater(delay, callable, *args, **kwargs)
        self._made = [made for made in self._made if made.active()]
        self._made.append(call)
        return call

    def getDelayedCalls(self) -> list[Any]:
        """Give the calls that were made through this clock, by plugins, and are still to come."""
        return [made for made in self._made if made.active()]

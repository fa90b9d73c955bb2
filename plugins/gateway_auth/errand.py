"""
Coroutines that nobody waits for by themselves: what comes of one is said to a function.

A Deferred that runs a coroutine costs several more for each of its waits. Used in the reactor's thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


class Errand(Generic[T]):
    """A coroutine that runs as far as it goes, and on when what it waits for is there."""

    __slots__ = ("_coroutine", "_over", "_waiting")

    def __init__(
        self, coroutine: Coroutine[Any, Any, T], over: Callable[[T | Failure], object]
    ) -> None:
        """
        Run up to the first wait.

        @param coroutine: it waits for Deferreds.
        @param over: is called once at its end, perhaps before this returns, with what it gave or why it failed; must not raise.
        """
        self._coroutine = coroutine
        self._over = over
        self._waiting: Deferred[Any] | None = None
        self._go_on(None)

    def cancel(self) -> None:
        """Cancel what it waits for; what it makes of that is its own business."""
        waiting = self._waiting
        if waiting is not None:
            waiting.cancel()

    def _go_on(self, result: object) -> None:
        self._waiting = None
        try:
            waiting = (
                self._coroutine.throw(result.value)  # type: ignore[arg-type]
                if isinstance(result, Failure)
                else self._coroutine.send(None)
            )
        except StopIteration as stop:
            self._over(stop.value)
        except BaseException:
            self._over(Failure())
        else:
            self._waiting = waiting
            waiting.addBoth(self._go_on)

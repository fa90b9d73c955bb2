"""
Equal questions at the same time are asked once: a browser that opens six connections logs in once, not six times.

Who gives up leaves the others waiting for the same answer. Used in the reactor's thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway_auth.errand import Errand

T = TypeVar("T")


class Flights(Generic[T]):
    """What is being asked, by key."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[Deferred[T]]] = {}

    def __len__(self) -> int:
        """Count the questions."""
        return len(self._waiting)

    def __contains__(self, key: Hashable) -> bool:
        """Tell whether this is being asked."""
        return key in self._waiting

    def join(self, key: Hashable, begin: Callable[[], Coroutine[Any, Any, T]]) -> Deferred[T]:
        """
        Wait for the answer to a question, and ask it if nobody did.

        @param begin: asks; it has to end by itself, for nobody cancels it.
        """
        answer: Deferred[T] = Deferred(lambda given_up: self._leave(key, given_up))
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.append(answer)
            return answer
        self._waiting[key] = [answer]
        Errand(begin(), partial(self._land, key))
        return answer

    def _leave(self, key: Hashable, answer: Deferred[T]) -> None:
        waiting = self._waiting.get(key, [])
        if answer in waiting:
            waiting.remove(answer)

    def _land(self, key: Hashable, result: T | Failure) -> None:
        for answer in self._waiting.pop(key):
            if isinstance(result, Failure):
                answer.errback(result)
            else:
                answer.callback(result)

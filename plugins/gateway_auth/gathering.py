"""
Questions that have to wait are gathered, and asked together when it is their turn.

As long as few are asked each goes its own way at once. When more come than can be asked at a time, those that wait are taken several at
a time: what one of them costs is then hardly more than what they have of their own. No question waits for longer than it would
alone: its time runs from when it came. Used in the reactor's thread only; knows nothing of directories.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.api import Clock

Q = TypeVar("Q")
A = TypeVar("A")


class _Waiting(Generic[Q, A]):
    """
    One question.

    @ivar end: when nobody waits for the answer any more, on the clock.
    """

    __slots__ = ("answer", "end", "question")

    def __init__(self, question: Q, end: float) -> None:
        self.question = question
        self.end = end
        self.answer: Deferred[A] = Deferred()


class Gathering(Generic[Q, A]):
    """Asks questions, each once, in the order in which they come."""

    def __init__(
        self,
        clock: Clock,
        seconds: float,
        ask: Callable[[Q, float], Awaitable[A]],
        ask_together: Callable[[Sequence[Q], float], Awaitable[Sequence[A | Exception | None]]],
        late: Callable[[], Exception],
        *,
        at_once: int,
        together: int,
        most: int,
    ) -> None:
        """
        Make it.

        @param seconds: how long a question may take, with the time that it waits.
        @param ask: asks one, within so many seconds.
        @param ask_together: asks several; gives for each an answer, why there is none, or C{None} if it is to be asked alone, as all
            of them are if this fails.
        @param late: makes what a question fails with that waited too long, or that finds too many waiting.
        @param at_once: so many are under way at the same time, each alone or with others.
        @param together: so many are asked together at the most.
        @param most: so many may wait.
        """
        self._clock: Any = clock
        self._life = seconds
        self._ask = ask
        self._ask_together = ask_together
        self._late = late
        self._at_once = at_once
        self._together = together
        self._most = most
        self._under_way = 0
        self._waiting: deque[_Waiting[Q, A]] = deque()
        # For the one that waits longest.
        self._limit: Any = None

    def ask(self, question: Q) -> Deferred[A]:
        """
        Ask a question.

        @return: fires with its answer; nobody is to cancel it.
        """
        one: _Waiting[Q, A] = _Waiting(question, self._clock.seconds() + self._life)
        if self._under_way < self._at_once:
            self._begin([one])
        elif len(self._waiting) >= self._most:
            one.answer.errback(Failure(self._late()))
        else:
            self._waiting.append(one)
            if self._limit is None:
                self._watch()
        return one.answer

    def _begin(self, some: list[_Waiting[Q, A]]) -> None:
        self._under_way += 1
        Deferred.fromCoroutine(self._go(some)).addBoth(self._ended)

    async def _go(self, some: list[_Waiting[Q, A]]) -> None:
        """Ask some questions; whatever goes wrong is said to those who asked."""
        if len(some) > 1:
            outcomes: Sequence[A | Exception | None]
            try:
                outcomes = await self._ask_together(
                    [one.question for one in some], self._left(some[0])
                )
            except Exception:
                outcomes = [None] * len(some)
            undecided = []
            for one, outcome in zip(some, outcomes, strict=True):
                if outcome is None:
                    undecided.append(one)
                elif isinstance(outcome, Exception):
                    one.answer.errback(Failure(outcome))
                else:
                    one.answer.callback(outcome)
            some = undecided
        for one in some:
            left = self._left(one)
            try:
                if left <= 0:
                    raise self._late()
                answer = await self._ask(one.question, left)
            except Exception as error:
                one.answer.errback(Failure(error))
            else:
                one.answer.callback(answer)

    def _ended(self, result: object) -> object:
        """Take the next ones."""
        self._under_way -= 1
        waiting = self._waiting
        if waiting:
            self._begin([waiting.popleft() for _ in range(min(len(waiting), self._together))])
        if not waiting and self._limit is not None:
            self._limit.cancel()
            self._limit = None
        return result

    def _left(self, one: _Waiting[Q, A]) -> float:
        left: float = one.end - self._clock.seconds()
        return left

    def _watch(self) -> None:
        """End what has waited too long, and look again when that may be so of the next one."""
        self._limit = None
        waiting = self._waiting
        while waiting and (left := self._left(waiting[0])) <= 0:
            waiting.popleft().answer.errback(Failure(self._late()))
        if waiting:
            self._limit = self._clock.callLater(left, self._watch)

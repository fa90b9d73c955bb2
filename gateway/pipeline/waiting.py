"""
Answers that are not there yet: begin them, and wait for them no longer than allowed.

An C{async def} hook that needs no wait is answered on the spot, without a Deferred.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Generator
from types import CoroutineType
from typing import Any, TypeAlias

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from gateway.api.services import Clock
from gateway.pipeline.driver import spent

#: What is left of a time when sums of seconds are not exact.
_SLACK = 1e-6
#: Resumes a coroutine with a value; gives what that gives, raises what that raises.
Stepped: TypeAlias = Callable[[Callable[[Any], Any], Any], Any]


def unwatched(resume: Callable[[Any], Any], value: Any) -> Any:
    """Take a step of a coroutine; nobody looks how long that takes."""
    return resume(value)


def begin(answer: Awaitable[object]) -> object:
    """
    Take an awaitable as far as it goes without waiting.

    @return: its value, or a Deferred if it waits.
    @raise Exception: what it raised.
    """
    steps = _steps(answer)
    if steps is None:
        return answer
    try:
        waiting = next(steps)
    except StopIteration as stop:
        return stop.value
    return Deferred.fromCoroutine(_resumed(steps, waiting))


def begin_limited(
    answer: Awaitable[object], limits: Limits, stepped: Stepped = unwatched
) -> object:
    """
    Do as L{begin} does, and have the wait L{limited}, if there is one.

    The plugins' hooks come this way: a coroutine is taken on by what keeps its time, without a Deferred in between.

    @param stepped: takes each later step of a coroutine, so that it can be timed.
    """
    steps = _steps(answer)
    if steps is None:
        assert isinstance(answer, Deferred)
        return _Limited(answer, limits).answer
    try:
        waiting = next(steps)
    except StopIteration as stop:
        return stop.value
    return _Going(steps, waiting, stepped, limits).answer


def _steps(answer: Awaitable[object]) -> Generator[Any, Any, object] | None:
    """Give the steps of an awaitable; C{None}: it is a Deferred, which has to be waited for."""
    if not isinstance(answer, Deferred):
        answer = answer if isinstance(answer, CoroutineType) else _awaited(answer)
    elif not answer.called or answer.paused:
        return None
    # A Deferred that has fired gives its value, or raises, at its first step.
    return answer.__await__()


def limited(waiting: Deferred[object], seconds: float, clock: Clock) -> Deferred[object]:
    """
    Give a Deferred that fires as another does, or with C{TimeoutError} when its time is up.

    The other one is cancelled then, and may still give a value in answer to that. Unlike with
    L{Deferred.addTimeout} time is up even if it does not heed its cancellation; what it gives later is dropped.
    Cancelling the Deferred given cancels the other one.
    """
    return _Limited(waiting, Limits(seconds, clock)).answer


def forsake(waiting: Deferred[object]) -> None:
    """Cancel a wait whose answer nobody wants any more."""
    waiting.cancel()
    waiting.addErrback(spent)


class Limits:
    """
    Waits that may take equally long: the first to begin is the first whose time is up, and one timer is enough for all.

    @ivar seconds: how long each may take.
    """

    __slots__ = ("_call", "_clock", "_ends", "seconds")

    def __init__(self, seconds: float, clock: Clock) -> None:
        self.seconds = seconds
        self._clock = clock
        # When the time of each is up, the next one first; the timer is there as long as there is one.
        self._ends: OrderedDict[_Limited, float] = OrderedDict()
        self._call: IDelayedCall | None = None

    def begin(self, wait: _Limited) -> None:
        """Let the time of one run from now on."""
        self._ends[wait] = self._clock.seconds() + self.seconds
        if self._call is None:
            self._call = self._clock.callLater(self.seconds, self._look)

    def end(self, wait: _Limited) -> None:
        """Stop its time; harmless if that is so."""
        ends = self._ends
        if ends.pop(wait, None) is not None and not ends and self._call is not None:
            call, self._call = self._call, None
            call.cancel()

    def _look(self) -> None:
        """End those whose time is up, and look again when that is so of the next one."""
        self._call = None
        ends = self._ends
        while ends:
            wait, end = next(iter(ends.items()))
            left = end - self._clock.seconds()
            if left > _SLACK:
                if self._call is None:
                    self._call = self._clock.callLater(left, self._look)
                return
            del ends[wait]
            wait.expire()


class _Limited:
    __slots__ = ("_expired", "_limits", "_waiting", "answer")

    def __init__(self, waiting: Deferred[object], limits: Limits) -> None:
        self._start(limits)
        self._waiting = waiting
        waiting.addCallbacks(self._came, self._failed)

    def _start(self, limits: Limits) -> None:
        self._limits = limits
        self._expired = False
        self.answer: Deferred[object] = Deferred(self._cancel)
        limits.begin(self)

    def _came(self, value: object) -> None:
        self._limits.end(self)
        if not self.answer.called:
            self.answer.callback(value)

    def _failed(self, failure: Failure) -> None:
        self._limits.end(self)
        if self.answer.called:
            spent(failure)
            return
        if self._expired and failure.check(CancelledError):
            spent(failure)
            failure = Failure(self._timeout())
        self.answer.errback(failure)

    def expire(self) -> None:
        self._expired = True
        self._waiting.cancel()
        if not self.answer.called:
            self.answer.errback(Failure(self._timeout()))

    def _cancel(self, answer: Deferred[object]) -> None:
        # Twisted itself fires the answer with CancelledError if this does not.
        self._limits.end(self)
        self._waiting.cancel()

    def _timeout(self) -> TimeoutError:
        return TimeoutError(f"no answer within {self._limits.seconds:g} s")


class _Going(_Limited):
    """A coroutine that waits, and is let go on each time."""

    __slots__ = ("_owed", "_stepped", "_steps")

    def __init__(
        self,
        steps: Generator[Any, Any, object],
        waiting: Any,
        stepped: Stepped,
        limits: Limits,
    ) -> None:
        """
        Wait.

        @param steps: the first was taken already, and gave C{waiting}.
        """
        self._steps = steps
        self._stepped = stepped
        # It was cancelled while it ran: that comes to it at its next wait.
        self._owed = False
        self._start(limits)
        self._wait(waiting)

    def _wait(self, waiting: Any) -> None:
        if isinstance(waiting, Deferred):
            self._waiting = waiting
            waiting.addBoth(self._on)
            if self._owed:
                self._owed = False
                waiting.cancel()
        else:
            # Of another loop; it finds out by itself that this is not the one.
            self._on(waiting)

    def _on(self, result: Any) -> None:
        try:
            if isinstance(result, Failure):
                waiting = self._stepped(self._steps.throw, result.value)
            else:
                waiting = self._stepped(self._steps.send, result)
        except StopIteration as stop:
            self._came(stop.value)
        except BaseException:
            self._failed(Failure())
        else:
            self._wait(waiting)

    def _cancel(self, answer: Deferred[object]) -> None:
        self._owed = self._waiting.called
        super()._cancel(answer)


async def _awaited(answer: Awaitable[object]) -> object:
    """Make a coroutine of any other awaitable: only that can be stepped in all ways."""
    return await answer


def _resumed(
    steps: Generator[Any, Any, object], waiting: Any
) -> Generator[Deferred[Any], object, object]:
    """Go on with steps of which the first was taken already and gave C{waiting}."""
    while True:
        try:
            try:
                value = yield waiting
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:
                waiting = steps.throw(error)
            else:
                waiting = steps.send(value)
        except StopIteration as stop:
            return stop.value

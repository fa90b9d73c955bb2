"""
The driver of transactions' coroutines.

Twisted's own drives a coroutine through a Deferred for each wait: 15 to 22 us for a transaction of seven steps. A
transaction waits for two or three moments only, and each is a L{Signal} of its own, so one C{send} resumes it: 7 to 9
us. Deferreds can be awaited as well, for everything that is not the data path.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from traceback import clear_frames
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")


class Signal(Generic[T]):
    """
    A moment that one coroutine waits for.

    Firing before the wait is as good as after; a signal that was awaited can be fired and awaited again.
    """

    __slots__ = ("_error", "_fired", "_task", "_value")

    def __init__(self) -> None:
        self._task: Task | None = None
        self._fired = False
        self._value: Any = None
        self._error: BaseException | None = None

    def fire(self, value: T) -> None:
        """Let the waiter go on with this value, from inside this call if it waits already."""
        task = self._task
        if task is not None:
            self._task = None
            task.step(value)
        elif not self._fired:
            self._fired = True
            self._value = value

    def fail(self, error: BaseException) -> None:
        """Let the waiter go on with an exception."""
        task = self._task
        if task is not None:
            self._task = None
            task.throw(error)
        elif not self._fired:
            self._fired = True
            self._error = error

    def __await__(self) -> Generator[Signal[T], Any, T]:
        """Wait, unless it was fired already."""
        if not self._fired:
            given: T = yield self
            return given
        self._fired = False
        value, error = self._value, self._error
        self._value = self._error = None
        if error is not None:
            raise error
        result: T = value
        return result


def spent(failure: Failure) -> None:
    """
    Let go of a failure that nobody wants to know of.

    Its traceback keeps every frame that it came through, and those keep what was asked about, such as content in a file:
    that must not wait for the collector of garbage.
    """
    if failure.check(CancelledError) is not None:
        # It is the one wait's own, so all coroutines that it came through have ended.
        clear_frames(failure.getTracebackObject())
    failure.cleanFailure()


class Task:
    """
    One running coroutine.

    @ivar coroutine: what runs; C{None} before and after.
    @ivar finished: called once at its end.
    @ivar waiting: what it waits for.
    @ivar pending: an exception that it gets at its next wait.
    @ivar running: it is being stepped right now, somewhere up the stack.
    @ivar over: it returned or raised.
    """

    __slots__ = ("coroutine", "finished", "pending", "running", "waiting", "over")

    _log = Logger()

    def __init__(self) -> None:
        self.coroutine: Any = None
        self.finished: Callable[[], None] | None = None
        self.waiting: Signal[Any] | Deferred[Any] | None = None
        self.pending: BaseException | None = None
        self.running = False
        self.over = False

    def start(
        self, coroutine: Coroutine[Any, Any, None], finished: Callable[[], None] | None = None
    ) -> None:
        """
        Run up to the first wait.

        @param finished: called once when it has ended, however it did.
        """
        self.coroutine = coroutine
        self.finished = finished
        self.step(None)

    def step(self, value: Any) -> None:
        """Resume with a value. For L{Signal} and this class only."""
        self.waiting = None
        self.running = True
        try:
            waiting = self.coroutine.send(value)
        except StopIteration:
            self.end()
            return
        except BaseException as raised:
            self._failed(raised)
            return
        self.running = False
        if type(waiting) is Signal and self.pending is None:
            self.waiting = waiting
            waiting._task = self
        else:
            self._wait(waiting)

    def throw(self, error: BaseException) -> None:
        """Resume with an exception. For L{Signal} and this class only."""
        self.waiting = None
        self.running = True
        try:
            waiting = self.coroutine.throw(error)
        except StopIteration:
            self.end()
            return
        except BaseException as raised:
            self._failed(raised)
            return
        self.running = False
        self._wait(waiting)

    def _failed(self, raised: BaseException) -> None:
        """The coroutine let an exception out; a cancellation is no failure."""
        if not isinstance(raised, CancelledError):
            self._log.failure("a transaction's coroutine failed")
        self.end()

    def interrupt(self, error: BaseException) -> None:
        """
        Break into whatever it waits for with an exception.

        A Deferred that it waits for is cancelled. While it runs (somebody below it calls this) the exception comes at
        its next wait. After its end nothing happens.
        """
        if self.over:
            return
        waiting = self.waiting
        if self.running or waiting is None or self.pending is not None:
            # With one under way already a Deferred is being cancelled, perhaps by whoever calls this.
            self.pending = error
        elif isinstance(waiting, Signal):
            waiting._task = None
            self.throw(error)
        else:
            self.pending = error
            waiting.cancel()

    def _wait(self, waiting: Any) -> None:
        pending = self.pending
        if pending is not None and type(waiting) is Signal:
            self.pending = None
            self.throw(pending)
            return
        self.waiting = waiting
        if type(waiting) is Signal:
            waiting._task = self
        elif isinstance(waiting, Deferred):
            waiting.addBoth(self._resumed)
            if pending is not None:
                waiting.cancel()
        else:
            self.throw(TypeError(f"a transaction can't wait for {type(waiting).__name__}"))

    def _resumed(self, result: Any) -> None:
        pending = self.pending
        if pending is not None:
            self.pending = None
            if isinstance(result, Failure):
                spent(result)
            self.throw(pending)
            return
        if isinstance(result, Failure):
            assert result.value is not None
            self.throw(result.value)
        else:
            # The Deferred's own iterator hands its result over when it is asked again.
            self.step(None)

    def end(self) -> None:
        """It is over: say so, once. For its runner."""
        self.over = True
        self.running = False
        # What the coroutine holds must not outlive it.
        self.coroutine = None
        finished = self.finished
        if finished is not None:
            self.finished = None
            finished()

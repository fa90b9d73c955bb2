"""
Thread pools without threads: what would run in one runs in the reactor's turn, in order, when it is told to.

For plugins with C{thread="scan"} hooks, and for what they give to C{services.threads}. Admission and the answer's way
back are as in L{gateway.pipeline.threads}: nothing is called before the caller has its Deferred.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from gateway.api.services import Clock, Overloaded
from gateway.pipeline.threads import SIZES, Pool, PoolSize

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ran:
    """
    One call that a thread would have made.

    @ivar pool: the pool's name.
    @ivar name: the function's.
    """

    pool: str
    name: str


class FakeThreads:
    """
    The pools of a gateway in memory.

    @ivar ran: what was called, in order.
    @ivar full: the names of pools that take no more work, as one whose threads are all busy.
    """

    def __init__(self, time: Clock, sizes: Mapping[str, PoolSize] = SIZES) -> None:
        self.ran: list[Ran] = []
        self.full: set[str] = set()
        self._time = time
        self._waiting: list[Callable[[], None]] | None = None
        self.pools = {name: FakePool(name, size, self) for name, size in sizes.items()}

    def run(self, pool: str, function: Callable[..., T], /, *args: object) -> Deferred[T]:
        """
        Run a function soon.

        @return: fires with what it gives or raises, or fails with L{Overloaded}.
        @raise KeyError: there is no such pool.
        """
        return self.pools[pool].run(function, args)

    def hold(self) -> None:
        """Let no call begin before L{release}, as if every thread were busy: budgets run out meanwhile."""
        if self._waiting is None:
            self._waiting = []

    def release(self) -> None:
        """Let the calls that were held begin; they end when the gateway next does something."""
        waiting, self._waiting = self._waiting, None
        for begin in waiting or ():
            self._time.callLater(0, begin)

    def soon(self, begin: Callable[[], None]) -> None:
        """Let a call begin. For L{FakePool} only."""
        if self._waiting is not None:
            self._waiting.append(begin)
        else:
            self._time.callLater(0, begin)


class FakePool(Pool):
    """One pool without threads; it counts as a real one does, for the metrics."""

    def __init__(self, name: str, size: PoolSize, threads: FakeThreads) -> None:
        super().__init__(name, size, _Nobody(), lambda event: None, lambda name, run: None)
        self._all = threads

    def run(self, function: Callable[..., T], args: tuple[object, ...]) -> Deferred[T]:
        """Admit a call unless the test said that the pool is full."""
        if self.name in self._all.full:
            self.refused += 1
            return fail(Overloaded(self.name, "the test says so"))
        self.admitted += 1
        given_up: list[object] = []
        answer: Deferred[T] = Deferred(given_up.append)

        def begin() -> None:
            self.admitted -= 1
            if given_up:
                return
            self._all.ran.append(Ran(self.name, getattr(function, "__name__", repr(function))))
            try:
                value: Any = function(*args)
            except BaseException:
                answer.errback(Failure())
            else:
                answer.callback(value)

        self._all.soon(begin)
        return answer

    def stop(self) -> None:
        """Nothing: there are no threads."""


class _Nobody:
    """Stands for a reactor that is called from no thread."""

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:
        """
        Never called.

        @raise AssertionError: it was.
        """
        raise AssertionError("there are no threads here")

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> Any:
        """
        Never called: no call waits for room here.

        @raise AssertionError: it was.
        """
        raise AssertionError("no call waits for room here")

"""
Thread pools for calls that block, with an end to their queues.

Work is admitted or refused at once, by counting: a queue without a bound only hides that a pool is too slow. A thread
can't be killed: when nobody waits for its answer any more it stays counted as stuck, and a pool whose threads are all
stuck takes nothing new, so that its callers fail at once and not one budget later.

What is refused fails with L{Overloaded}. A pool may let calls wait for room instead, for a short time and in a bounded
number; that a hook has no opinion instead (C{bypass}) is the business of who calls hooks, L{gateway.pipeline.plugins}.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.api.catalogue.resource import POOL_FREE, POOL_FULL, POOL_ROOM, POOL_STUCK
from gateway.api.events import Event, EventType
from gateway.api.services import Overloaded

T = TypeVar("T")


#: Calls that may wait for room in a full pool, where it lets them.
MOST_WAITING = 1000


class FromThread(Protocol):
    """The parts of a reactor that pools need; the first may be called from any thread."""

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:
        """Let the reactor call a function in its own thread."""

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> Any:
        """Call a function later; only for pools that let calls wait for room."""


@dataclass(frozen=True, slots=True)
class PoolSize:
    """
    How large a pool is.

    @ivar workers: threads, made when they are first needed.
    @ivar queue_limit: how many calls may wait for a thread.
    @ivar wait_seconds: how long further calls may wait for room; 0: they are refused at once.
    """

    workers: int
    queue_limit: int
    wait_seconds: float = 0.0


#: Pools that exist unless said otherwise.
SIZES: Mapping[str, PoolSize] = {
    "scan": PoolSize(4, 64),
    "directory": PoolSize(4, 64),
    "disk": PoolSize(2, 256),
}


def daemon(name: str, run: Callable[[], None]) -> None:
    """Start a thread that does not keep the process from ending."""
    threading.Thread(target=run, name=name, daemon=True).start()


class ThreadPools:
    """
    The named pools; what plugins get as C{services.threads}.

    To be used from the reactor's thread only.
    """

    def __init__(
        self,
        reactor: FromThread,
        tell: Callable[[Event], None],
        sizes: Mapping[str, PoolSize] = SIZES,
        spawn: Callable[[str, Callable[[], None]], None] = daemon,
    ) -> None:
        """
        Make the pools; no thread is started yet.

        @param tell: where events go.
        @param spawn: starts a thread of this name that runs this function.
        """
        self.pools = {name: Pool(name, size, reactor, tell, spawn) for name, size in sizes.items()}

    def run(self, pool: str, function: Callable[..., T], /, *args: object) -> Deferred[T]:
        """
        Run a function in a thread of a pool.

        @return: fires with what it gives or raises, or with L{Overloaded}; cancelling it gives up the answer, and
            the call too if it has not begun.
        @raise KeyError: there is no such pool.
        """
        return self.pools[pool].run(function, args)

    def resize(self, sizes: Mapping[str, PoolSize]) -> None:
        """
        Make pools as large as another configuration says; calls that were admitted are not affected.

        @param sizes: by name, for pools that there are.
        """
        for name, size in sizes.items():
            self.pools[name].resize(size)

    def stop(self) -> None:
        """
        Let the threads end when they are done with what was admitted; waits for none of them.

        Nothing can be run after that.
        """
        for pool in self.pools.values():
            pool.stop()


class Pool:
    """
    One pool.

    @ivar admitted: calls that wait or run, stuck ones included.
    @ivar stuck: calls that run although nobody waits for their answer.
    @ivar refused: how many calls were not admitted.
    @ivar waiting: calls that wait for room, in their order.
    """

    def __init__(
        self,
        name: str,
        size: PoolSize,
        reactor: FromThread,
        tell: Callable[[Event], None],
        spawn: Callable[[str, Callable[[], None]], None],
    ) -> None:
        self.name = name
        self.size = size
        self.admitted = 0
        self.stuck = 0
        self.refused = 0
        self._reactor = reactor
        self._tell = tell
        self._spawn = spawn
        self._threads = 0
        self._stopped = False
        # What was told of, and is not over.
        self._is_full = self._is_stuck = False
        self._queue: SimpleQueue[_Call | None] = SimpleQueue()
        self.waiting: deque[_Call] = deque()

    def run(self, function: Callable[..., T], args: tuple[object, ...]) -> Deferred[T]:
        """Admit a call, let it wait for room, or refuse it at once."""
        why = self._closed() or self._full()
        call = _Call(self, function, args)
        if not why:
            self._admit(call)
        elif self.size.wait_seconds and not self._closed() and len(self.waiting) < MOST_WAITING:
            self.waiting.append(call)
            call.limit = self._reactor.callLater(self.size.wait_seconds, self._out_of_time, call)
        else:
            self._refuse(call, why)
        return call.answer

    def resize(self, size: PoolSize) -> None:
        """Be as large as this from now on; threads that are too many end when they have nothing to do."""
        self.size = size
        while self._threads > size.workers:
            self._threads -= 1
            self._queue.put(None)
        self._look()
        self._let_in()

    def stop(self) -> None:
        """End each thread after what is queued; what waits for room is refused."""
        self._stopped = True
        for _ in range(self._threads):
            self._queue.put(None)
        self._threads = 0
        self._let_in()

    def given_up(self, call: _Call) -> None:
        """Nobody waits for this call any more. For L{_Call} only."""
        if call.limit is not None:
            self._leave(call)
            return
        if not call.begun:
            call.dropped = True
            return
        self.stuck += 1
        self._look()

    def ended(self, call: _Call) -> None:
        """A call is out of its thread. For L{_Call} only."""
        self.admitted -= 1
        if call.abandoned and not call.dropped:
            self.stuck -= 1
        if self._is_full or self._is_stuck:
            self._look()
        self._let_in()

    def _admit(self, call: _Call) -> None:
        self.admitted += 1
        if self._threads < min(self.admitted, self.size.workers):
            self._threads += 1
            self._spawn(f"{self.name}-{self._threads}", self._work)
        self._queue.put(call)

    def _refuse(self, call: _Call, why: str) -> None:
        self.refused += 1
        if not self._is_full and not self._closed():
            # Once for each time that it fills up, not for each call.
            self._is_full = True
            self._say(POOL_FULL, f"the pool {self.name} refuses calls: {why}")
        call.answer.errback(Failure(Overloaded(self.name, why)))

    def _let_in(self) -> None:
        """Admit what waits for room, as far as there is some; refuse it when there never will be."""
        while self.waiting:
            why = self._closed()
            if not why and self._full():
                return
            call = self.waiting[0]
            self._leave(call)
            if why:
                self._refuse(call, why)
            else:
                self._admit(call)

    def _look(self) -> None:
        """Tell what begins or is over: no thread is left, or one is free again."""
        workers = self.size.workers
        if self._is_stuck is not (self.stuck >= workers):
            self._is_stuck = not self._is_stuck
            if self._is_stuck:
                self._say(POOL_STUCK, f"all {self.stuck} threads of the pool {self.name} are stuck")
            else:
                self._say(POOL_FREE, f"the pool {self.name} has a free thread again")
        if self._is_full and self.admitted < workers:
            self._is_full = False
            self._say(POOL_ROOM, f"the pool {self.name} has a thread without work again")

    def _leave(self, call: _Call) -> None:
        """Take a call out of those that wait for room."""
        self.waiting.remove(call)
        limit, call.limit = call.limit, None
        if limit.active():
            limit.cancel()

    def _out_of_time(self, call: _Call) -> None:
        self._leave(call)
        self._refuse(call, f"no room within {self.size.wait_seconds:g} s")

    def _closed(self) -> str:
        """Say why it takes nothing, however long one waits."""
        if self._stopped:
            return "it was stopped"
        if self.stuck >= self.size.workers:
            return "all its threads are stuck"
        return ""

    def _full(self) -> str:
        if self.admitted >= self.size.workers + self.size.queue_limit:
            return f"{self.admitted} calls run or wait already"
        return ""

    def _work(self) -> None:
        """In a thread: take calls until told to end."""
        while (call := self._queue.get()) is not None:
            self._reactor.callFromThread(call.end, *call.work())
            # What it was given, such as a file of held content, must not wait here for the next call.
            del call

    def _say(self, kind: EventType, text: str) -> None:
        self._tell(kind(text, self.name, stuck=str(self.stuck)))


class _Call:
    """
    One call on its way through a pool.

    C{begun} is written in the thread and read in the reactor's. A call that begins in the very moment in which it is
    given up may run without being counted as stuck; nothing worse comes of it.

    @ivar limit: while it waits for room: the end of its patience.
    @ivar begun: a thread has it.
    @ivar dropped: given up before any thread had it.
    @ivar abandoned: nobody waits for the answer.
    """

    __slots__ = ("_args", "_function", "_pool", "abandoned", "answer", "begun", "dropped", "limit")

    def __init__(self, pool: Pool, function: Callable[..., Any], args: tuple[object, ...]) -> None:
        self._pool = pool
        self._function = function
        self._args = args
        self.limit: Any = None
        self.begun = False
        self.dropped = False
        self.abandoned = False
        self.answer: Deferred[Any] = Deferred(self._give_up)

    def work(self) -> tuple[object, bool]:
        """In a thread: call the function, unless nobody wants its answer; gives the answer and whether it is one."""
        self.begun = True
        if self.dropped:
            return None, True
        try:
            return self._function(*self._args), True
        except BaseException as error:
            return error, False

    def end(self, value: Any, is_answer: bool) -> None:
        """In the reactor's thread: hand over the answer."""
        self._pool.ended(self)
        if self.abandoned:
            return
        if is_answer:
            self.answer.callback(value)
        else:
            self.answer.errback(Failure(value))

    def _give_up(self, answer: Deferred[Any]) -> None:
        self.abandoned = True
        self._pool.given_up(self)

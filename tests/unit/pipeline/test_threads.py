"""Tests of thread pools, with threads that run when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event
from gateway.api.services import Overloaded
from gateway.pipeline.threads import SIZES, PoolSize, ThreadPools, daemon


class Stage:
    """
    Threads and a reactor in one thread: nothing moves until the test says so.

    @ivar threads: by name, what each would run; L{work} runs one call of the first.
    """

    def __init__(self) -> None:
        self.threads: dict[str, Callable[[], None]] = {}
        self.events: list[Event] = []
        self._calls: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def spawn(self, name: str, run: Callable[[], None]) -> None:
        """Take a thread."""
        self.threads[name] = run

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:
        """Keep a call for the reactor."""
        self._calls.append((callable, args))

    def turn(self) -> None:
        """Let the reactor do what it was asked to."""
        calls, self._calls = self._calls, []
        for call, args in calls:
            call(*args)


class ThreadPoolsTests(SynchronousTestCase):
    """L{ThreadPools} admit by counting."""

    def setUp(self) -> None:
        """Make a pool of two threads and a queue of one."""
        self.stage = Stage()
        self.pools = ThreadPools(
            self.stage, self.stage.events.append, {"scan": PoolSize(2, 1)}, self.stage.spawn
        )
        self.pool = self.pools.pools["scan"]

    def work(self) -> None:
        """Let one thread do all that is queued, and end."""
        self.pool._queue.put(None)
        self.pool._work()
        self.stage.turn()

    def test_answer(self) -> None:
        """What a function gives comes back through the reactor."""
        answer = self.pools.run("scan", divmod, 7, 2)
        self.assertNoResult(answer)
        self.work()
        self.assertEqual(self.successResultOf(answer), (3, 1))
        self.assertEqual(self.pool.admitted, 0)

    def test_error(self) -> None:
        """So does what it raises, and the thread goes on."""
        wrong = self.pools.run("scan", divmod, 7, 0)
        right = self.pools.run("scan", divmod, 7, 1)
        self.work()
        self.failureResultOf(wrong, ZeroDivisionError)
        self.assertEqual(self.successResultOf(right), (7, 0))

    def test_threads_are_made_when_needed(self) -> None:
        """There are never more threads than calls, nor than allowed."""
        self.assertEqual(list(self.stage.threads), [])
        for expected in (1, 2, 2):
            self.pools.run("scan", divmod, 7, 2)
            self.assertEqual(len(self.stage.threads), expected)
        self.work()

    def test_full(self) -> None:
        """A call that finds all threads and the queue taken is refused at once, and counted."""
        admitted = [self.pools.run("scan", divmod, 7, 2) for _ in range(3)]
        refused = self.pools.run("scan", divmod, 7, 2)
        error = self.failureResultOf(refused, Overloaded).value
        self.assertEqual((error.pool, self.pool.refused), ("scan", 1))
        self.work()
        for answer in admitted:
            self.successResultOf(answer)
        self.pools.run("scan", divmod, 7, 2)

    def test_unknown_pool(self) -> None:
        """A pool that is not there is a mistake of the caller."""
        self.assertRaises(KeyError, self.pools.run, "scna", divmod, 7, 2)

    def test_given_up_in_the_queue(self) -> None:
        """A call that is cancelled before it began is never made."""
        made: list[int] = []
        answer = self.pools.run("scan", made.append, 1)
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.work()
        self.assertEqual((made, self.pool.admitted, self.pool.stuck), ([], 0, 0))

    def stick(self) -> tuple[Deferred[Any], list[int]]:
        """Run a call that is given up while it runs; gives what the pool counted as stuck then."""
        seen: list[int] = []

        def hang() -> None:
            answer.cancel()
            seen.append(self.pool.stuck)

        answer: Deferred[Any] = self.pools.run("scan", hang)
        return answer, seen

    def test_stuck(self) -> None:
        """A call that is cancelled while it runs keeps its place until it ends, and its answer is dropped."""
        answer, seen = self.stick()
        self.work()
        self.failureResultOf(answer, CancelledError)
        self.assertEqual((seen, self.pool.stuck, self.pool.admitted), ([1], 0, 0))

    def test_all_stuck(self) -> None:
        """When all threads are stuck that is told, and nothing is admitted until one is free."""
        first, second = self.pools.run("scan", divmod, 7, 2), self.pools.run("scan", divmod, 7, 2)
        calls = [self.pool._queue.get(), self.pool._queue.get()]
        for call in calls:
            assert call is not None
            call.begun = True
        first.cancel()
        second.cancel()
        self.failureResultOf(first, CancelledError)
        self.failureResultOf(second, CancelledError)
        error = self.failureResultOf(self.pools.run("scan", divmod, 7, 2), Overloaded).value
        self.assertIn("stuck", str(error))
        for call in calls:
            assert call is not None
            call.end(*call.work())
        self.assertEqual([event.name for event in self.stage.events], ["pool_stuck", "pool_free"])
        self.assertEqual((self.pool.stuck, self.pool.admitted), (0, 0))

    def test_stop(self) -> None:
        """A stopped pool ends its threads after what is queued and takes nothing new."""
        answer = self.pools.run("scan", divmod, 7, 2)
        self.pools.stop()
        self.failureResultOf(self.pools.run("scan", divmod, 7, 2), Overloaded)
        self.stage.threads["scan-1"]()
        self.stage.turn()
        self.assertEqual(self.successResultOf(answer), (3, 1))

    def test_named_pools(self) -> None:
        """Without another word the pools that plugins may name are there."""
        self.assertEqual(set(ThreadPools(self.stage, self.stage.events.append).pools), set(SIZES))


class RealThreadTests(SynchronousTestCase):
    """The same in a real thread."""

    def test_runs_elsewhere(self) -> None:
        """A function runs in a daemon thread named after its pool."""
        stage = Stage()
        done = threading.Event()
        arrived = threading.Event()

        class Waking(Stage):
            def callFromThread(self, callable: Callable[..., object], *args: object) -> None:
                super().callFromThread(callable, *args)
                arrived.set()

        stage = Waking()
        pools = ThreadPools(stage, stage.events.append, {"disk": PoolSize(1, 1)}, daemon)

        def where() -> tuple[str, bool]:
            done.set()
            thread = threading.current_thread()
            return thread.name, thread.daemon

        answer = pools.run("disk", where)
        self.assertTrue(done.wait(10) and arrived.wait(10))
        stage.turn()
        self.assertEqual(self.successResultOf(answer), ("disk-1", True))
        pools.stop()

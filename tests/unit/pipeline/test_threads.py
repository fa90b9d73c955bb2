"""Tests of thread pools, with threads that run when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import ref

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event
from gateway.api.services import Overloaded
from gateway.pipeline.threads import MOST_WAITING, SIZES, PoolSize, ThreadPools, daemon


class Stage(Clock):
    """
    Threads and a reactor in one thread: nothing moves until the test says so.

    @ivar threads: by name, what each would run; L{work} runs one call of the first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.threads: dict[str, Callable[[], None]] = {}
        self.events: list[Event] = []
        self._posted: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def spawn(self, name: str, run: Callable[[], None]) -> None:
        """Take a thread."""
        self.threads[name] = run

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:
        """Keep a call for the reactor."""
        self._posted.append((callable, args))

    def turn(self) -> None:
        """Let the reactor do what it was asked to."""
        calls, self._posted = self._posted, []
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

    def test_waiting_thread_keeps_nothing(self) -> None:
        """A thread that waits for its next call has let go of all that the last one was given."""

        class Given:
            """Something large."""

        given = Given()
        left = ref(given)
        self.pools.run("scan", id, given)
        del given
        queue = self.pool._queue
        kept: list[bool] = []

        class Watched:
            """The queue, which looks before it lets a thread wait."""

            def get(self) -> Any:
                """Give a call, or end the thread."""
                if not queue.empty():
                    return queue.get()
                stage.turn()
                kept.append(left() is not None)
                return None

        stage = self.stage
        self.pool._queue = Watched()  # type: ignore[assignment]
        self.pool._work()
        self.assertEqual(kept, [False])

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

    def stuck_calls(self) -> list[Any]:
        """Let all threads be stuck."""
        answers = [self.pools.run("scan", divmod, 7, 2) for _ in range(self.pool.size.workers)]
        calls: list[Any] = [self.pool._queue.get() for _ in answers]
        for call, answer in zip(calls, answers, strict=True):
            call.begun = True
            answer.cancel()
            self.failureResultOf(answer, CancelledError)
        return calls

    def test_stuck_and_made_larger(self) -> None:
        """A pool that is made larger while it is stuck has a free thread, which is told once."""
        calls = self.stuck_calls()
        size = self.pool.size
        self.pools.resize({"scan": replace(size, workers=size.workers + 1)})
        self.assertEqual([event.name for event in self.stage.events], ["pool_stuck", "pool_free"])
        for call in calls:
            call.end(*call.work())
        self.assertEqual(len(self.stage.events), 2)

    def test_stuck_and_made_smaller(self) -> None:
        """A pool that is made as small as what is stuck in it is stuck; it is over when one comes back."""
        answer = self.pools.run("scan", divmod, 7, 2)
        call: Any = self.pool._queue.get()
        call.begun = True
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.assertEqual(self.stage.events, [])
        self.pools.resize({"scan": replace(self.pool.size, workers=1)})
        call.end(*call.work())
        self.assertEqual([event.name for event in self.stage.events], ["pool_stuck", "pool_free"])

    def test_full_and_not_any_more(self) -> None:
        """That a pool refuses calls is told once, until a thread of it has no work; then that."""
        most = self.pool.size.workers + self.pool.size.queue_limit
        answers = [self.pools.run("scan", divmod, 7, 2) for _ in range(most)]
        for _ in range(3):
            self.failureResultOf(self.pools.run("scan", divmod, 7, 2), Overloaded)
        self.assertEqual([event.name for event in self.stage.events], ["pool_full"])
        self.work()
        for answer in answers:
            self.successResultOf(answer)
        full, room = self.stage.events
        self.assertEqual((room.name, room.subject), ("pool_room", full.subject))

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


class WaitTests(SynchronousTestCase):
    """A pool that lets calls wait for room."""

    def setUp(self) -> None:
        """Make a pool of one thread and a queue of one, which are both taken, and a wait of two seconds."""
        self.stage = Stage()
        self.pools = ThreadPools(
            self.stage, self.stage.events.append, {"scan": PoolSize(1, 1, 2.0)}, self.stage.spawn
        )
        self.pool = self.pools.pools["scan"]
        self.admitted = [self.pools.run("scan", divmod, 7, 2) for _ in range(2)]

    def work(self) -> None:
        """Let the thread do all that is queued, and end."""
        self.pool._queue.put(None)
        self.pool._work()
        self.stage.turn()

    def test_room(self) -> None:
        """Calls get in, in their order, when there is room; their time is off the clock then."""
        waiting = [self.pools.run("scan", divmod, number, 1) for number in (5, 6, 7)]
        self.assertEqual(len(self.pool.waiting), 3)
        self.work()
        self.assertEqual((len(self.pool.waiting), self.pool.admitted), (1, 2))
        self.work()
        self.work()
        self.assertEqual([self.successResultOf(one) for one in waiting], [(5, 0), (6, 0), (7, 0)])
        self.assertEqual(self.stage.getDelayedCalls(), [])

    def test_no_room(self) -> None:
        """A call that waited for long enough is refused, and counted then."""
        waiting = self.pools.run("scan", divmod, 7, 2)
        self.stage.advance(1.9)
        self.assertNoResult(waiting)
        self.assertEqual(self.pool.refused, 0)
        self.stage.advance(0.2)
        self.failureResultOf(waiting, Overloaded)
        self.assertEqual((self.pool.refused, len(self.pool.waiting)), (1, 0))

    def test_bound(self) -> None:
        """So many calls may wait; one more is refused at once."""
        waiting = [self.pools.run("scan", divmod, 7, 2) for _ in range(MOST_WAITING)]
        self.failureResultOf(self.pools.run("scan", divmod, 7, 2), Overloaded)
        self.pools.stop()
        for one in waiting:
            self.failureResultOf(one, Overloaded)

    def test_cancelled(self) -> None:
        """A call that nobody waits for any more gives up its place, and is not counted as stuck."""
        waiting = self.pools.run("scan", divmod, 7, 2)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual((len(self.pool.waiting), self.pool.stuck), (0, 0))
        self.assertEqual(self.stage.getDelayedCalls(), [])

    def test_stuck(self) -> None:
        """When all threads are stuck nobody waits for room: there may never be any."""
        self.pool._queue.get().begun = True  # type: ignore[union-attr]
        self.admitted[0].cancel()
        self.failureResultOf(self.admitted[0], CancelledError)
        self.failureResultOf(self.pools.run("scan", divmod, 7, 2), Overloaded)

    def test_stop(self) -> None:
        """What waits is refused at the end; what was admitted is still done."""
        waiting = self.pools.run("scan", divmod, 7, 2)
        self.pools.stop()
        self.failureResultOf(waiting, Overloaded)
        self.work()
        for answer in self.admitted:
            self.successResultOf(answer)

    def test_resize(self) -> None:
        """A pool that grows lets in what waits; one that shrinks lets threads end."""
        waiting = self.pools.run("scan", divmod, 7, 2)
        self.pools.resize({"scan": PoolSize(3, 1, 2.0)})
        self.assertEqual((len(self.pool.waiting), len(self.stage.threads)), (0, 2))
        self.pools.resize({"scan": PoolSize(1, 1, 2.0)})
        self.pool._work()
        self.stage.turn()
        for answer in (*self.admitted, waiting):
            self.successResultOf(answer)


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

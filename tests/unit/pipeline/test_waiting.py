"""Tests of answers that are waited for."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline.waiting import (
    Limits,
    _resumed,
    begin,
    begin_limited,
    forsake,
    limited,
)


class BeginTests(SynchronousTestCase):
    """L{begin} goes as far as possible without waiting."""

    def test_coroutine_without_a_wait(self) -> None:
        """A coroutine that needs no wait is answered on the spot."""

        async def answer() -> int:
            return await succeed(7)

        self.assertEqual(begin(answer()), 7)

    def test_coroutine_that_raises(self) -> None:
        """What a coroutine raises before its first wait is raised."""

        async def answer() -> int:
            raise KeyError("no")

        self.assertRaises(KeyError, begin, answer())

    def test_fired_deferred(self) -> None:
        """A Deferred that has fired is its value, or raises its error."""
        self.assertEqual(begin(succeed(7)), 7)
        self.assertRaises(KeyError, begin, fail(KeyError()))

    def test_waiting_deferred(self) -> None:
        """A Deferred that has not fired, or is paused, is waited for as it is."""
        waiting: Deferred[int] = Deferred()
        self.assertIs(begin(waiting), waiting)
        paused = succeed(7)
        paused.pause()
        self.assertIs(begin(paused), paused)

    def test_coroutine_that_waits(self) -> None:
        """A coroutine goes on through all its waits."""
        first: Deferred[int] = Deferred()
        second: Deferred[int] = Deferred()

        async def answer() -> int:
            return await first + await second

        waiting = begin(answer())
        assert isinstance(waiting, Deferred)
        first.callback(3)
        self.assertNoResult(waiting)
        second.callback(4)
        self.assertEqual(self.successResultOf(waiting), 7)

    def test_errors_reach_the_coroutine(self) -> None:
        """A wait that fails raises inside the coroutine, which may deal with it."""
        first: Deferred[int] = Deferred()
        second: Deferred[int] = Deferred()

        async def answer() -> str:
            try:
                await first
            except KeyError:
                await second
            return "never"

        waiting = begin(answer())
        assert isinstance(waiting, Deferred)
        first.errback(KeyError())
        second.errback(ValueError())
        self.failureResultOf(waiting, ValueError)

    def test_other_awaitables(self) -> None:
        """Anything that can be awaited is an answer."""

        class Soon:
            def __await__(self) -> Generator[Any, Any, int]:
                return succeed(7).__await__()

        self.assertEqual(begin(Soon()), 7)

    def test_foreign_awaitables(self) -> None:
        """What waits for another loop's future fails at once instead of waiting for ever."""

        class Foreign:
            def __await__(self) -> Generator[Any, Any, int]:
                yield self
                raise RuntimeError("await wasn't used with future")

        waiting = begin(Foreign())
        assert isinstance(waiting, Deferred)
        self.failureResultOf(waiting, RuntimeError)

    def test_closed_coroutine(self) -> None:
        """A coroutine that is dropped while it waits runs its clean-up."""
        cleaned: list[str] = []
        never: Deferred[int] = Deferred()

        async def answer() -> int:
            try:
                return await never
            finally:
                cleaned.append("done")

        coroutine = answer()
        steps = coroutine.__await__()
        resumed = _resumed(steps, next(steps))
        next(resumed)
        resumed.close()
        self.assertEqual(cleaned, ["done"])


class LimitedTests(SynchronousTestCase):
    """L{limited} keeps a time limit, come what may."""

    def setUp(self) -> None:
        """Make a wait of at most two seconds."""
        self.clock = Clock()
        self.cancelled: list[str] = []
        self.inner: Deferred[object] = Deferred(lambda _: self.cancelled.append("yes"))
        self.outer = limited(self.inner, 2.0, self.clock)

    def test_value_in_time(self) -> None:
        """A value in time passes and leaves nothing on the clock."""
        self.inner.callback(7)
        self.assertEqual(self.successResultOf(self.outer), 7)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_error_in_time(self) -> None:
        """An error in time passes as it is, a cancellation of its own included."""
        self.inner.errback(CancelledError())
        self.failureResultOf(self.outer, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_time_is_up(self) -> None:
        """When time is up the wait is cancelled and fails with TimeoutError."""
        self.clock.advance(2)
        failure = self.failureResultOf(self.outer, TimeoutError)
        self.assertIn("2 s", str(failure.value))
        self.assertEqual(self.cancelled, ["yes"])

    def deaf(self) -> tuple[Deferred[object], Deferred[object]]:
        """Make a limited wait that goes on waiting when it is cancelled; and what it waits for then."""
        first: Deferred[object] = Deferred()
        second: Deferred[object] = Deferred(lambda _: None)

        async def answer() -> object:
            try:
                return await first
            except CancelledError:
                return await second

        return limited(Deferred.fromCoroutine(answer()), 1.0, self.clock), second

    def test_late_error_is_dropped(self) -> None:
        """Time is up even for what does not heed its cancellation, and its late error says nothing any more."""
        outer, second = self.deaf()
        self.clock.advance(1)
        self.failureResultOf(outer, TimeoutError)
        second.errback(KeyError())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_late_value_is_dropped(self) -> None:
        """A value after the time was up is no answer."""
        outer, second = self.deaf()
        self.clock.advance(1)
        second.callback("late")
        self.failureResultOf(outer, TimeoutError)

    def test_value_in_answer_to_the_cancellation(self) -> None:
        """A wait may still give a value when it is cancelled."""
        inner: Deferred[object] = Deferred(lambda waiting: waiting.callback("default"))
        outer = limited(inner, 1.0, self.clock)
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(outer), "default")

    def test_cancelling(self) -> None:
        """Cancelling it cancels what is waited for, and is no time-out."""
        self.outer.cancel()
        self.failureResultOf(self.outer, CancelledError)
        self.assertEqual(self.cancelled, ["yes"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_forsaken(self) -> None:
        """A wait that is given up is cancelled without a word in the log."""
        forsake(self.outer)
        self.assertEqual(self.cancelled, ["yes"])
        del self.outer, self.inner
        self.assertEqual(self.flushLoggedErrors(), [])


class GoingTests(SynchronousTestCase):
    """L{begin_limited} lets a coroutine go on from wait to wait, and keeps its time."""

    def setUp(self) -> None:
        """Make what it may wait for."""
        self.clock = Clock()
        self.limits = Limits(2.0, self.clock)
        self.cancelled: list[str] = []
        self.first: Deferred[int] = Deferred(lambda _: self.cancelled.append("first"))
        self.second: Deferred[int] = Deferred(lambda _: self.cancelled.append("second"))

    def begin(self, answer: Any) -> Deferred[object]:
        """Begin what waits."""
        waiting = begin_limited(answer, self.limits)
        assert isinstance(waiting, Deferred)
        return waiting

    def over(self) -> None:
        """See that nothing is left on the clock or in the log."""
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    async def both(self) -> int:
        """Wait twice."""
        return await self.first + await self.second

    def test_at_once(self) -> None:
        """What needs no wait gives its value or raises, and has no time limit."""

        async def raises() -> int:
            raise KeyError("no")

        self.assertEqual(begin_limited(succeed(7), self.limits), 7)
        self.assertRaises(KeyError, begin_limited, raises(), self.limits)
        self.over()

    def test_deferred(self) -> None:
        """A Deferred that has not fired is waited for as any."""
        outer = self.begin(self.first)
        self.clock.advance(2)
        self.failureResultOf(outer, TimeoutError)
        self.assertEqual(self.cancelled, ["first"])

    def test_waits(self) -> None:
        """A coroutine goes on through all its waits, each step taken by who is to take it."""
        steps: list[object] = []

        def stepped(resume: Any, value: Any) -> Any:
            steps.append(value)
            return resume(value)

        outer = begin_limited(self.both(), self.limits, stepped)
        assert isinstance(outer, Deferred)
        self.first.callback(3)
        self.second.callback(4)
        self.assertEqual((self.successResultOf(outer), steps), (7, [3, 4]))
        self.over()

    def test_errors(self) -> None:
        """A wait that fails raises in the coroutine, and what that raises is its answer."""

        async def answer() -> int:
            try:
                return await self.first
            except KeyError:
                return await self.second

        outer = self.begin(answer())
        self.first.errback(KeyError())
        self.second.errback(ValueError("mine"))
        self.assertEqual(str(self.failureResultOf(outer, ValueError).value), "mine")
        self.over()

    def test_other_awaitables(self) -> None:
        """What gives something else than Deferreds to wait for gets it back, and what it waits for gives its value."""

        class Foreign:
            def __await__(inner) -> Generator[Any, Any, object]:
                given = yield inner
                return given is inner, (yield self.first)

        outer = self.begin(Foreign())
        self.first.callback(3)
        self.assertEqual(self.successResultOf(outer), (True, 3))
        self.over()

    def test_time_is_up(self) -> None:
        """All waits together have one time, and what is waited for when it is up is cancelled."""
        outer = self.begin(self.both())
        self.clock.advance(1)
        self.first.callback(3)
        self.clock.advance(1)
        self.failureResultOf(outer, TimeoutError)
        self.assertEqual(self.cancelled, ["second"])
        self.over()

    def test_deaf(self) -> None:
        """Time is up even for what does not heed its cancellation; it may clean up, and its late answer is dropped."""
        for late in (7, KeyError("late")):
            self.setUp()

            async def answer() -> int:
                try:
                    return await self.first
                except CancelledError:
                    return await self.second

            outer = self.begin(answer())
            self.clock.advance(2)
            self.failureResultOf(outer, TimeoutError)
            self.assertEqual(self.cancelled, ["first"])
            if isinstance(late, int):
                self.second.callback(late)
            else:
                self.second.errback(late)
            self.over()

    def test_cancelled(self) -> None:
        """Cancelling cancels what is waited for, and is no time-out."""
        outer = self.begin(self.both())
        outer.cancel()
        self.failureResultOf(outer, CancelledError)
        self.assertEqual(self.cancelled, ["first"])
        self.over()

    def test_cancelled_while_it_runs(self) -> None:
        """A cancellation from within one of its own steps comes to it at its next wait."""

        async def answer() -> int:
            await self.first
            outer.cancel()
            return await self.second

        outer = self.begin(answer())
        self.first.callback(3)
        self.failureResultOf(outer, CancelledError)
        self.assertEqual(self.cancelled, ["second"])
        self.over()

    def test_one_timer(self) -> None:
        """However many wait, there is one timer, and each has its own time; it goes with the last of them."""
        inner: list[Deferred[object]] = [Deferred() for _ in range(4)]
        outer = []
        for one in inner:
            outer.append(self.begin(one))
            self.clock.advance(0.3)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        inner[1].callback(7)
        self.assertEqual(self.successResultOf(outer[1]), 7)
        self.clock.advance(0.8)
        self.failureResultOf(outer[0], TimeoutError)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(0.3)
        self.assertNoResult(outer[2])
        self.clock.advance(0.4)
        self.failureResultOf(outer[2], TimeoutError)
        self.assertNoResult(outer[3])
        inner[3].callback(8)
        self.assertEqual(self.successResultOf(outer[3]), 8)
        self.over()

    def test_another_begins_meanwhile(self) -> None:
        """What is begun because the time of another one is up has a time of its own."""
        again: list[Deferred[object]] = []
        first = self.begin(self.first)
        first.addErrback(lambda _: again.append(self.begin(self.second)))
        self.clock.advance(2)
        self.assertNoResult(again[0])
        self.clock.advance(2)
        self.failureResultOf(again[0], TimeoutError)
        self.over()

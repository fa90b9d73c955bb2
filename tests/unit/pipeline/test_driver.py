"""The driver of transactions' coroutines: signals, Deferreds, interruptions."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline.driver import Signal, Task
from tests.effort import spare_what_lasts


class Stop(Exception):
    """Interrupts the tests' tasks."""


class TaskTestCase(SynchronousTestCase):
    """Runs coroutines that write down what happens to them."""

    def setUp(self) -> None:
        self.seen: list[Any] = []
        self.ends = 0

    def started(self, coroutine: Coroutine[Any, Any, None]) -> Task:
        """Start a task."""
        task = Task()
        task.start(coroutine, self._ended)
        return task

    def _ended(self) -> None:
        self.ends += 1

    async def wait_for(self, *waits: Any) -> None:
        """Wait for one after the other, taking down values and errors."""
        for wait in waits:
            try:
                self.seen.append(await wait)
            except (Stop, CancelledError, ValueError, TypeError) as error:
                self.seen.append(type(error))


class SignalTests(TaskTestCase):
    """L{Signal}."""

    def test_fired_after_the_wait(self) -> None:
        """A waiter goes on from inside the call that fires."""
        signal: Signal[int] = Signal()
        task = self.started(self.wait_for(signal))
        self.assertEqual((self.seen, task.over), ([], False))
        signal.fire(7)
        self.assertEqual((self.seen, task.over, self.ends), ([7], True, 1))

    def test_fired_before_the_wait(self) -> None:
        """What was fired before is there at once."""
        signal: Signal[int] = Signal()
        signal.fire(7)
        task = self.started(self.wait_for(signal))
        self.assertEqual((self.seen, task.over), ([7], True))

    def test_failed_after_the_wait(self) -> None:
        """A failure is raised in the waiter."""
        signal: Signal[int] = Signal()
        self.started(self.wait_for(signal))
        signal.fail(ValueError())
        self.assertEqual((self.seen, self.ends), ([ValueError], 1))

    def test_failed_before_the_wait(self) -> None:
        """So is one that came before."""
        signal: Signal[int] = Signal()
        signal.fail(ValueError())
        self.started(self.wait_for(signal))
        self.assertEqual((self.seen, self.ends), ([ValueError], 1))

    def test_once(self) -> None:
        """Of several before the wait the first counts, whether it is a value or a failure."""
        first: Signal[int] = Signal()
        first.fire(1)
        first.fire(2)
        first.fail(ValueError())
        second: Signal[int] = Signal()
        second.fail(ValueError())
        second.fire(2)
        self.started(self.wait_for(first, second))
        self.assertEqual(self.seen, [1, ValueError])

    def test_again(self) -> None:
        """A signal that was awaited can be fired and awaited again."""
        signal: Signal[int] = Signal()
        self.started(self.wait_for(signal, signal, signal))
        for number in range(3):
            signal.fire(number)
        self.assertEqual((self.seen, self.ends), ([0, 1, 2], 1))

    def test_nobody_waits(self) -> None:
        """Fired with nobody there it harms nobody."""
        signal: Signal[int] = Signal()
        task = self.started(self.wait_for(signal))
        signal.fire(1)
        signal.fire(2)
        signal.fail(ValueError())
        self.assertEqual((self.seen, task.over), ([1], True))


class DeferredTests(TaskTestCase):
    """Waiting for Deferreds."""

    def test_value(self) -> None:
        """A Deferred's value is what the wait gives."""
        waiting: Deferred[int] = Deferred()
        self.started(self.wait_for(waiting))
        waiting.callback(7)
        self.assertEqual((self.seen, self.ends), ([7], 1))

    def test_failure(self) -> None:
        """Its failure is raised, and nobody has to handle it twice."""
        waiting: Deferred[int] = Deferred()
        self.started(self.wait_for(waiting))
        waiting.errback(ValueError())
        self.assertEqual((self.seen, self.ends), ([ValueError], 1))

    def test_fired_before(self) -> None:
        """One that has fired already is no wait."""
        self.started(self.wait_for(succeed(1), fail(ValueError()), succeed(2)))
        self.assertEqual((self.seen, self.ends), ([1, ValueError, 2], 1))

    def test_mixed(self) -> None:
        """Signals and Deferreds may follow each other."""
        signal: Signal[int] = Signal()
        waiting: Deferred[int] = Deferred()
        self.started(self.wait_for(signal, waiting, signal))
        signal.fire(1)
        waiting.callback(2)
        signal.fire(3)
        self.assertEqual((self.seen, self.ends), ([1, 2, 3], 1))

    def test_something_else(self) -> None:
        """Waiting for anything else is a mistake, and raised as one."""

        class Odd:
            def __await__(self) -> Any:
                yield "nothing that can be waited for"

        self.started(self.wait_for(Odd()))
        self.assertEqual((self.seen, self.ends), ([TypeError], 1))


class EndTests(TaskTestCase):
    """How tasks end."""

    def test_without_a_wait(self) -> None:
        """A coroutine that never waits is over at once."""
        task = self.started(self.wait_for())
        self.assertEqual((task.over, self.ends), (True, 1))

    def test_without_a_listener(self) -> None:
        """Nobody has to listen."""
        task = Task()
        task.start(self.wait_for())
        self.assertTrue(task.over)

    def test_exception(self) -> None:
        """An exception that leaves the coroutine is logged and ends it."""

        async def broken(signal: Signal[int] | None) -> None:
            if signal is not None:
                await signal
            raise ZeroDivisionError

        task = self.started(broken(None))
        self.assertEqual((task.over, self.ends), (True, 1))
        signal: Signal[int] = Signal()
        task = self.started(broken(signal))
        signal.fire(1)
        self.assertEqual((task.over, self.ends), (True, 2))
        signal = Signal()
        self.started(broken(signal))
        signal.fail(ValueError())
        self.assertEqual(self.ends, 3)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_cancellation(self) -> None:
        """A cancellation that leaves the coroutine is no fault of anybody's."""

        async def waits(signal: Signal[int]) -> None:
            await signal

        task = self.started(waits(Signal()))
        task.interrupt(CancelledError())
        self.assertEqual((task.over, self.ends), (True, 1))

    def test_nothing_is_kept(self) -> None:
        """What the coroutine held is let go at its end, not later."""
        import gc
        from weakref import ref

        class Held:
            pass

        async def holds(held: Held, signal: Signal[int]) -> None:
            await signal
            self.seen.append(held)

        spare_what_lasts()
        held = Held()
        watch = ref(held)
        signal: Signal[int] = Signal()
        task = self.started(holds(held, signal))
        del held
        signal.fire(1)
        self.seen.clear()
        gc.collect()
        self.assertEqual((watch(), task.over), (None, True))


class InterruptTests(TaskTestCase):
    """L{Task.interrupt}, in each state."""

    def test_waiting_for_a_signal(self) -> None:
        """The exception comes at once, and the signal has no waiter any more."""
        signal: Signal[int] = Signal()
        task = self.started(self.wait_for(signal, signal))
        task.interrupt(Stop())
        self.assertEqual(self.seen, [Stop])
        signal.fire(2)
        self.assertEqual((self.seen, self.ends), ([Stop, 2], 1))

    def test_waiting_for_a_deferred(self) -> None:
        """The Deferred is cancelled, and the exception comes in place of the cancellation."""
        cancelled: list[object] = []
        task = self.started(self.wait_for(Deferred(cancelled.append)))
        task.interrupt(Stop())
        self.assertEqual((len(cancelled), self.seen, self.ends), (1, [Stop], 1))

    def test_deferred_that_answers_its_cancellation(self) -> None:
        """So it does when the Deferred gives a value instead of being cancelled."""
        waiting: Deferred[int] = Deferred(lambda this: this.callback(7))
        task = self.started(self.wait_for(waiting))
        task.interrupt(Stop())
        self.assertEqual((self.seen, self.ends), ([Stop], 1))

    def test_deferred_that_waits_for_another(self) -> None:
        """So it does when the Deferred waits for another one, which is cancelled."""
        inner: Deferred[int] = Deferred()
        outer = succeed(None)
        outer.addCallback(lambda _: inner)
        task = self.started(self.wait_for(outer))
        self.assertEqual(self.seen, [])
        task.interrupt(Stop())
        self.assertEqual((self.seen, inner.called, self.ends), ([Stop], True, 1))

    def test_running(self) -> None:
        """While it runs the exception comes at its next wait, for whatever that is."""
        for kind in (Signal, Deferred):
            self.seen.clear()
            task = Task()

            async def interrupts_itself(task: Task = task, wait: Any = kind()) -> None:  # noqa: B008
                task.interrupt(Stop())
                self.seen.append("still running")
                await self.wait_for(wait)

            task.start(interrupts_itself())
            self.assertEqual((self.seen, task.over), (["still running", Stop], True), kind)

    def test_running_and_nothing_to_wait_for(self) -> None:
        """If it never waits again the exception never comes."""
        task = Task()

        async def interrupts_itself() -> None:
            task.interrupt(Stop())

        task.start(interrupts_itself(), self._ended)
        self.assertEqual((task.over, self.ends), (True, 1))

    def test_running_and_what_it_waits_for_is_there(self) -> None:
        """What is there already is no wait: the exception comes at the next real one."""
        task = Task()
        ready: Signal[int] = Signal()
        ready.fire(1)

        async def interrupts_itself() -> None:
            task.interrupt(Stop())
            await self.wait_for(ready, succeed(2), Signal())

        task.start(interrupts_itself())
        self.assertEqual((self.seen, task.over), ([1, 2, Stop], True))

    def test_after_the_end(self) -> None:
        """After its end nothing happens."""
        task = self.started(self.wait_for())
        task.interrupt(Stop())
        self.assertEqual((self.seen, self.ends), ([], 1))

    def test_before_the_start(self) -> None:
        """Before its start it comes at the first wait."""
        task = Task()
        task.interrupt(Stop())
        task.start(self.wait_for(Signal()), self._ended)
        self.assertEqual((self.seen, self.ends), ([Stop], 1))

    def test_interrupted_again(self) -> None:
        """Each interruption comes, one after the other."""
        task = self.started(self.wait_for(Signal(), Deferred(), Signal()))
        for _ in range(3):
            task.interrupt(Stop())
        self.assertEqual((self.seen, self.ends), ([Stop] * 3, 1))

    def test_from_within_the_cancellation(self) -> None:
        """A canceller that interrupts again changes nothing."""
        task = Task()
        waiting: Deferred[int] = Deferred(lambda this: task.interrupt(ValueError()))
        task.start(self.wait_for(waiting), self._ended)
        task.interrupt(Stop())
        self.assertEqual((len(self.seen), self.ends), (1, 1))

    def test_exception_that_is_not_caught(self) -> None:
        """An interruption that nobody catches ends the task, and is logged."""

        async def waits() -> None:
            await Signal()

        task = self.started(waits())
        task.interrupt(Stop())
        self.assertEqual((task.over, self.ends), (True, 1))
        self.assertEqual(len(self.flushLoggedErrors(Stop)), 1)

    def test_cleaning_up(self) -> None:
        """What the coroutine waits for while it cleans up is waited for."""
        signal: Signal[int] = Signal()

        async def cleans_up() -> None:
            try:
                await Deferred()
            finally:
                self.seen.append(await signal)

        task = self.started(cleans_up())
        task.interrupt(CancelledError())
        self.assertFalse(task.over)
        signal.fire(1)
        self.assertEqual((self.seen, task.over, self.ends), ([1], True, 1))

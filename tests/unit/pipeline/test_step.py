"""Tests of one plugin's implementation of one hook."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.content import NONE, BodyFilter, Whole
from gateway.api.errors import PluginError
from gateway.api.events import Event
from gateway.api.hooks import HOOKS
from gateway.api.services import Overloaded
from gateway.api.verdicts import Allow, Block
from gateway.pipeline.conduct import UNHEALTHY_ERRORS, Instruments
from gateway.pipeline.step import Step
from tests.unit.pipeline.stepping import StepBench

BLOCK = Block("listed")


class Subclassed(Block):
    """A verdict of a plugin's own class."""


class ForeignCancelledError(BaseException):
    """As that of another event loop, which is no Exception either."""


class AnswerTests(SynchronousTestCase):
    """What counts as an answer."""

    def setUp(self) -> None:
        """Make what steps are made with."""
        self.bench = StepBench()

    def begun(self, answer: object, hook: str = "request_headers") -> Any:
        """Call a hook that gives this answer."""
        return self.bench.step(hook, lambda: answer).begin(())

    def refused(self, answer: object, hook: str = "request_headers") -> PluginError:
        """Call a hook that gives this answer, which is an error."""
        error: PluginError = self.assertRaises(PluginError, self.begun, answer, hook)
        self.assertEqual(len(self.flushLoggedErrors(type(error.cause))), 1)
        return error

    def test_verdicts(self) -> None:
        """A verdict and no opinion come back as they are."""
        for answer in (BLOCK, Allow("listed"), None):
            self.assertIs(self.begun(answer), answer)

    def test_subclass(self) -> None:
        """A plugin may answer with a class of its own below one of the named ones."""
        answer = Subclassed("listed")
        step = self.bench.step("request_headers", lambda: answer)
        self.assertIs(step.begin(()), answer)
        self.assertIs(step.begin(()), answer)

    def test_bool_is_no_verdict(self) -> None:
        """A bool is an error, whichever it is; which would mean what?"""
        for answer in (True, False, 0, "block"):
            error = self.refused(answer)
            self.assertIsInstance(error.cause, TypeError)
            self.assertIn("Allow | Block | Respond | ReadContent | None", str(error.cause))

    def test_full_pool(self) -> None:
        """A hook that may run in a pool and finds it full fails as it is to, but its plugin has not failed."""
        full = Overloaded("scan", "68 calls run or wait already")

        def scan(*args: object) -> None:
            raise full

        step = self.bench.step("scan_content", scan)
        for _ in range(UNHEALTHY_ERRORS + 1):
            refused = self.assertRaises(PluginError, step.begin, (None,))
            self.assertIs(refused.cause, full)
        self.assertEqual((step.errors, step.unhealthy, self.bench.events), (0, False, []))
        self.assertIsNone(self.bench.step("scan_content", scan, fail="open").begin((None,)))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_none_where_it_is_none(self) -> None:
        """Forgetting to answer a hook that always needs an answer is an error, not a need for nothing."""
        self.assertIsInstance(self.refused(None, "content_need").cause, TypeError)

    def test_abstract_answers(self) -> None:
        """A hook that answers a mapping takes any mapping."""
        counters: Mapping[str, float] = {"hits": 1.0}
        self.assertIs(self.begun(counters, "counters"), counters)

    def test_waiting_where_none_can_wait(self) -> None:
        """A hook whose answer can't wait refuses a coroutine, and one it never runs is closed."""

        async def late() -> None:
            """Never run."""

        for answer in (late(), Deferred(), succeed(None)):
            self.assertIn("can't wait", str(self.refused(answer, "request_filters").cause))

    def test_waiting_is_an_error_as_any(self) -> None:
        """A step that fails open has no opinion when its answer would have to be waited for."""
        step = self.bench.step("request_filters", Deferred, fail="open")
        self.assertIsNone(step.begin(()))
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_coroutine_at_once(self) -> None:
        """A coroutine that needs no wait is as good as an answer."""

        async def answer() -> Block:
            return BLOCK

        self.assertIs(self.begun(answer()), BLOCK)
        self.assertIs(self.begun(succeed(BLOCK)), BLOCK)

    def test_coroutine_with_a_wrong_answer(self) -> None:
        """The type of an answer counts however it came."""

        async def answer() -> bool:
            return True

        self.assertIsInstance(self.refused(answer()).cause, TypeError)

    def test_coroutine_that_raises(self) -> None:
        """An exception before the first wait is an error as any."""

        async def answer() -> None:
            raise KeyError("no")

        self.assertIsInstance(self.refused(answer()).cause, KeyError)
        self.assertIsInstance(self.refused(fail(KeyError("no"))).cause, KeyError)

    def test_cancelled_at_once(self) -> None:
        """A cancellation is never an error: it goes on as it is."""

        async def answer() -> None:
            raise CancelledError()

        def plain() -> None:
            raise CancelledError()

        self.assertRaises(CancelledError, self.begun, answer())
        self.assertRaises(CancelledError, self.begun, fail(CancelledError()))
        step = self.bench.step("request_headers", plain)
        self.assertRaises(CancelledError, step.begin, ())
        self.assertEqual(step.errors, 0)


class AnyErrorTests(SynchronousTestCase):
    """Whatever a plugin raises, what it should have judged does not pass."""

    def setUp(self) -> None:
        """Make what steps are made with."""
        self.bench = StepBench()

    def raising(self, error: BaseException, hook: str = "request_headers") -> Step:
        """Make a step that raises this."""

        def function(*_: object) -> None:
            raise error

        return self.bench.step(hook, function)

    def test_exit(self) -> None:
        """A plugin that wants to end the process fails; it ends nothing."""
        for error in (SystemExit(1), ForeignCancelledError()):
            refusal = self.assertRaises(PluginError, self.raising(error).begin, ())
            self.assertIs(refusal.cause, error)
            self.assertEqual(len(self.flushLoggedErrors(type(error))), 1)

    def test_exit_of_a_coroutine(self) -> None:
        """The same holds for an async def."""

        async def answer() -> None:
            raise SystemExit(1)

        step = self.bench.step("request_headers", answer)
        self.assertIsInstance(self.assertRaises(PluginError, step.begin, ()).cause, SystemExit)
        self.flushLoggedErrors(SystemExit)

    def test_interrupt(self) -> None:
        """The operator's Ctrl-C is nobody's fault."""
        step = self.raising(KeyboardInterrupt())
        self.assertRaises(KeyboardInterrupt, step.begin, ())
        self.assertEqual(step.errors, 0)

    def test_nothing_to_cancel(self) -> None:
        """Who is only told of something can't cancel it."""
        self.assertIsNone(self.raising(CancelledError(), "transaction_complete").begin(()))

    def test_awaitable_that_is_not_wanted(self) -> None:
        """A Deferred where no answer can wait is cancelled, so that nothing goes on behind our back."""
        cancelled: list[object] = []
        step = self.bench.step("request_filters", lambda: Deferred(cancelled.append))
        self.assertRaises(PluginError, step.begin, ())
        self.assertEqual(len(cancelled), 1)
        self.flushLoggedErrors(TypeError)


class VerdictTests(SynchronousTestCase):
    """How many answers of which kind."""

    def setUp(self) -> None:
        """Make what steps are made with."""
        self.bench = StepBench()

    def counted(self, hook: str, *answers: object) -> dict[str, int]:
        """Give these answers and tell what was counted."""
        left = list(answers)
        step = self.bench.step(hook, lambda: left.pop(0), fail="open")
        for _ in answers:
            step.begin(())
        return step.verdicts

    def test_each_kind(self) -> None:
        """Each kind is counted by its name, a plugin's own class as what it is derived from; no opinion is not."""
        self.assertEqual(
            self.counted(
                "request_headers", BLOCK, None, BLOCK, Allow("a"), Subclassed("b"), succeed(BLOCK)
            ),
            {"block": 4, "allow": 1},
        )

    def test_names(self) -> None:
        """The names are those of the API's classes in small letters."""
        self.assertEqual(
            self.counted("request_filters", BodyFilter(), BodyFilter()), {"body_filter": 2}
        )
        self.assertEqual(
            self.counted("content_need", NONE, Whole(1), NONE), {"whole": 1}, "no need is no answer"
        )
        self.assertEqual(self.counted("counters", {"a": 1.0}), {})

    def test_late(self) -> None:
        """An answer that had to be waited for counts when it is there."""
        inner: Deferred[Any] = Deferred()
        step = self.bench.step("request_headers", lambda: inner)
        settled = Deferred.fromCoroutine(step.settled(step.begin(())))
        self.assertEqual(step.verdicts, {})
        inner.callback(BLOCK)
        self.successResultOf(settled)
        self.assertEqual(step.verdicts, {"block": 1})

    def test_mistakes(self) -> None:
        """A wrong answer is an error and no verdict."""
        self.assertEqual(self.counted("request_headers", True, "block"), {})
        self.flushLoggedErrors(TypeError)


class WaitTests(SynchronousTestCase):
    """Answers that are waited for."""

    def setUp(self) -> None:
        """Make a hook that waits."""
        self.bench = StepBench()
        self.inner: Deferred[Any] = Deferred()
        self.step = self.bench.step("request_headers", lambda: self.inner, budget_seconds=0.5)

    def settled(self) -> Deferred[Any]:
        """Begin it and wait."""
        waiting = self.step.begin(())
        self.assertIsInstance(waiting, Deferred)
        return Deferred.fromCoroutine(self.step.settled(waiting))

    def test_answer(self) -> None:
        """The answer comes when it is there, and how long that took is noted."""
        settled = self.settled()
        self.bench.clock.advance(0.25)
        self.assertNoResult(settled)
        self.inner.callback(BLOCK)
        self.assertIs(self.successResultOf(settled), BLOCK)
        self.assertEqual(
            (self.step.waits, self.step.worst_wait, self.step.wait_seconds), (1, 0.25, 0.25)
        )
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])

    def test_error(self) -> None:
        """An error that comes late is the same as one at once."""
        settled = self.settled()
        self.inner.errback(KeyError())
        error = self.failureResultOf(settled, PluginError).value
        self.assertIsInstance(error.cause, KeyError)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_wrong_answer(self) -> None:
        """A wrong answer that comes late is an error."""
        settled = self.settled()
        self.inner.callback(True)
        self.failureResultOf(settled, PluginError)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_budget(self) -> None:
        """When its budget runs out the wait is cancelled, which is an error."""
        settled = self.settled()
        self.bench.clock.advance(0.5)
        error = self.failureResultOf(settled, PluginError).value
        self.assertIsInstance(error.cause, TimeoutError)
        self.assertEqual(len(self.flushLoggedErrors(TimeoutError)), 1)
        self.assertEqual(self.step.errors, 1)

    def test_specified_budget(self) -> None:
        """Without another word the specification's budget holds."""
        self.assertEqual(self.bench.step("cache_lookup", lambda: None).budget_seconds, 1.0)

    def test_open(self) -> None:
        """A step that fails open has no opinion after its budget."""
        self.step.fail = "open"
        settled = self.settled()
        self.bench.clock.advance(0.5)
        self.assertIsNone(self.successResultOf(settled))
        self.assertEqual(len(self.flushLoggedErrors(TimeoutError)), 1)

    def test_client_hangs_up(self) -> None:
        """A cancelled wait cancels the plugin's, and nobody failed."""
        cancelled: list[object] = []
        self.inner = Deferred(cancelled.append)
        settled = self.settled()
        settled.cancel()
        self.failureResultOf(settled, CancelledError)
        self.assertEqual((self.step.errors, len(cancelled)), (0, 1))
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])

    def test_cancelled_by_itself(self) -> None:
        """A wait that the plugin cancels by itself is passed on as what it is, and nobody failed."""
        settled = self.settled()
        self.inner.errback(CancelledError())
        self.failureResultOf(settled, CancelledError)
        self.assertEqual(self.step.errors, 0)

    def test_thrown_into(self) -> None:
        """An exception that the driver throws in is the driver's, not the plugin's; the plugin's wait ends."""
        cancelled: list[object] = []
        self.inner = Deferred(cancelled.append)
        coroutine = self.step.settled(self.step.begin(()))
        coroutine.send(None)
        self.assertRaises(ZeroDivisionError, coroutine.throw, ZeroDivisionError())
        self.assertEqual((self.step.errors, len(cancelled)), (0, 1))

    def test_dropped(self) -> None:
        """A wait whose coroutine is closed is cancelled."""
        cancelled: list[object] = []
        self.inner = Deferred(cancelled.append)
        coroutine = self.step.settled(self.step.begin(()))
        coroutine.send(None)
        coroutine.close()
        self.assertEqual(len(cancelled), 1)


class ErrorRuleTests(SynchronousTestCase):
    """What an error leads to."""

    def setUp(self) -> None:
        """Make a hook that fails as long as it is told to."""
        self.bench = StepBench()
        self.failing = True

    def hook(self, *_: object) -> None:
        """Fail, or have no opinion."""
        if self.failing:
            raise KeyError("no")

    def step(self, hook: str = "request_headers", **options: Any) -> Step:
        """Make a step of it."""
        return self.bench.step(hook, self.hook, "guard", **options)

    def test_closed(self) -> None:
        """A hook that fails closed raises PluginError, with who, where and why."""
        error = self.assertRaises(PluginError, self.step().begin, ())
        self.assertEqual(
            (error.plugin, error.hook, error.status), ("guard", "request_headers", 503)
        )
        self.assertIsInstance(error.cause, KeyError)
        self.assertIs(error.__cause__, error.cause)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_status(self) -> None:
        """The status of the answer is the hook's: nowhere to go is 502."""
        error = self.assertRaises(PluginError, self.step("select_upstream").begin, ())
        self.assertEqual(error.status, 502)
        self.flushLoggedErrors(KeyError)

    def test_open(self) -> None:
        """A hook that fails open has no opinion; the error is counted and logged."""
        step = self.step(fail="open")
        self.assertIsNone(step.begin(()))
        self.assertEqual((step.calls, step.errors), (1, 1))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_table(self) -> None:
        """Without another word the table's rule holds, and where nothing can be refused no other does."""
        self.assertEqual(self.step("cache_lookup").fail, "open")
        self.assertEqual(self.step("cache_lookup", fail="closed").fail, "closed")
        self.assertEqual(self.step("transaction_complete", fail="closed").fail, "open")

    def test_unhealthy(self) -> None:
        """Five errors in a row make one event, the rule keeps applying, and a good answer makes another."""
        step = self.step(fail="open")
        for _ in range(UNHEALTHY_ERRORS + 2):
            step.begin(())
        self.assertEqual(
            [(event.name, event.subject) for event in self.bench.events],
            [("plugin_unhealthy", "guard request_headers")],
        )
        self.assertEqual(self.bench.events[0].values["hook"], "request_headers")
        self.failing = False
        step.begin(())
        begun, over = self.bench.events
        self.assertEqual((over.name, over.subject), ("plugin_healthy", begun.subject))
        self.assertEqual((step.errors, step.row), (7, 0))
        self.flushLoggedErrors(KeyError)

    def test_row_is_broken(self) -> None:
        """Errors with good answers in between are counted but make no event."""
        step = self.step(fail="open")
        for _ in range(20):
            step.begin(())
            self.failing = not self.failing
        self.assertEqual((step.errors, self.bench.events), (10, []))
        self.flushLoggedErrors(KeyError)

    def test_late_answers_break_the_row(self) -> None:
        """An answer that took its time is as good as another."""
        answers: list[Awaitable[None]] = [fail(KeyError()), succeed(None)]
        step = self.bench.step("request_headers", lambda: answers.pop(0), fail="open")
        step.begin(())
        self.assertEqual(step.row, 1)
        step.begin(())
        self.assertEqual(step.row, 0)
        self.flushLoggedErrors(KeyError)

    def test_log_is_not_flooded(self) -> None:
        """The first errors of a row are logged, then one of a hundred."""
        step = self.step(fail="open")
        for _ in range(250):
            step.begin(())
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), UNHEALTHY_ERRORS + 2)

    def test_events_that_can_not_be_told(self) -> None:
        """What fails while an event is told does not reach the transaction."""

        def deaf(event: Event) -> None:
            raise ValueError(event.name)

        instruments = Instruments(self.bench.clock, deaf)
        step = Step("p", "event", self.hook, HOOKS["event"], instruments)
        for _ in range(UNHEALTHY_ERRORS):
            self.assertIsNone(step.begin(()))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.flushLoggedErrors(KeyError)


class StopwatchTests(SynchronousTestCase):
    """How long plugins keep the reactor."""

    def setUp(self) -> None:
        """Make a hook that takes as long as the stopwatch says."""
        self.bench = StepBench()
        self.step = self.bench.step("request_headers", lambda: None, "slow_one")

    def called(self, times: int) -> None:
        """Call it."""
        for _ in range(times):
            self.step.begin(())

    def test_slow(self) -> None:
        """A hook that keeps the reactor over 5 ms is counted and named."""
        self.bench.ticks = 0.006
        self.called(1)
        self.assertEqual(self.step.slow, 1)
        self.assertAlmostEqual(self.step.worst, 0.006)

    def test_quick(self) -> None:
        """One that does not is not."""
        self.bench.ticks = 0.004
        self.called(100)
        self.assertEqual(self.step.slow, 0)
        self.assertAlmostEqual(self.step.worst, 0.004)

    def test_looks_closer(self) -> None:
        """After a slow call each call is looked at until 256 in a row were quick."""
        self.assertFalse(self.step.watched)
        self.bench.ticks = 0.006
        self.called(10)
        self.assertEqual(self.step.slow, 10)
        self.bench.ticks = 0.0
        self.called(255)
        self.assertTrue(self.step.watched)
        self.called(1)
        self.assertFalse(self.step.watched)

    def test_time_in_all(self) -> None:
        """A quick call stands for itself and for those before it that were not timed, a slow one for itself."""
        self.bench.ticks = 0.001
        self.called(1)
        self.assertAlmostEqual(self.step.seconds, 0.001)
        self.step.unasked = lambda: 15
        self.called(1)
        self.assertAlmostEqual(self.step.seconds, 0.017)
        self.bench.ticks = 1.0
        self.step.unasked = lambda: 30
        self.called(1)
        self.assertAlmostEqual(self.step.seconds, 1.017)
        self.bench.ticks = 0.001
        self.called(1)
        self.assertAlmostEqual(self.step.seconds, 1.033)
        self.assertEqual(self.step.calls, 34)

    def test_time_of_errors(self) -> None:
        """A hook that takes long to fail is slow, too."""
        self.bench.ticks = 0.006

        def broken() -> None:
            raise KeyError("no")

        step = self.bench.step("request_headers", broken, fail="open")
        step.begin(())
        self.assertEqual((step.slow, step.errors), (1, 1))
        self.flushLoggedErrors(KeyError)

    def test_between_waits(self) -> None:
        """A coroutine that keeps the reactor after it waited is as slow as a plain function."""
        inner: Deferred[None] = Deferred()

        async def answer() -> None:
            await inner
            self.bench.ticks = 0.006

        step = self.bench.step("request_headers", answer)
        settled = Deferred.fromCoroutine(step.settled(step.begin(())))
        self.assertEqual(step.slow, 0)
        inner.callback(None)
        self.successResultOf(settled)
        self.assertEqual((step.slow, step.watched), (1, True))

    def test_coroutines(self) -> None:
        """Of a coroutine the part before its first wait is timed each time."""
        self.bench.ticks = 0.006

        async def answer() -> None:
            """Take no time but the stopwatch's."""

        step = self.bench.step("request_headers", answer)
        step.begin(())
        before = step.slow
        step.begin(())
        self.assertGreaterEqual(step.slow, before + 1)

"""Tests of rounds: what is counted and noticed although the usual call goes past the steps, and what that costs."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.errors import PluginError
from gateway.api.verdicts import Allow, Block
from gateway.pipeline.conduct import UNHEALTHY_ERRORS
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.rounds import SAMPLED
from tests.opcodes import opcodes
from tests.unit.pipeline.stepping import StepBench

BLOCK = Block("listed")


class RoundTestCase(SynchronousTestCase):
    """With plugins p0, p1, p2, ... that answer what C{answers} says."""

    hook = "request_headers"

    def setUp(self) -> None:
        """Make three without an opinion."""
        self.bench = StepBench()
        self.answers: list[Any] = [None, None, None]
        self.plan = self.planned()

    def planned(self, **options: Any) -> Any:
        """Make the plan."""
        return self.bench.plan(self.hook, *(self.hooked(index) for index in range(3)), **options)

    def hooked(self, index: int) -> Any:
        """Make the hook of one plugin."""

        def hook(_: object) -> Any:
            answer = self.answers[index]
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return hook

    @property
    def calls(self) -> list[int]:
        """How often each was called."""
        return [step.calls for step in self.bench.steps]

    def ask(self, times: int = 1) -> list[Any]:
        """Ask so often."""
        return [self.plan(None) for _ in range(times)]


class CountingTests(RoundTestCase):
    """Every call is counted."""

    def test_silence(self) -> None:
        """Calls that end in no opinion are counted, each of them."""
        for expected in range(1, 100):
            self.ask()
            self.assertEqual(self.calls, [expected] * 3)

    def test_answers(self) -> None:
        """Who stands behind the one that answers was not called, whichever round it was."""
        self.answers[1] = BLOCK
        for expected in range(1, 100):
            self.assertEqual(self.ask(), [BLOCK])
            self.assertEqual(self.calls, [expected, expected, 0])
        self.assertEqual(self.bench.steps[1].verdicts, {"block": 99})

    def test_answers_now_and_then(self) -> None:
        """The same holds when somebody has an opinion now and then only."""
        expected = [0, 0, 0]
        for turn in range(200):
            self.answers = [
                BLOCK if turn % 7 == 3 else None,
                BLOCK if turn % 5 == 0 else None,
                None,
            ]
            self.ask()
            stop = 0 if self.answers[0] else 1 if self.answers[1] else 2
            expected = [count + (index <= stop) for index, count in enumerate(expected)]
            self.assertEqual(self.calls, expected)

    def test_errors(self) -> None:
        """Who raises was called; who stands behind it was called if the rule is to go on."""
        self.plan = self.planned(fail="open")
        for turn in range(1, 40):
            self.answers[0] = KeyError() if turn % 3 == 0 else None
            self.ask()
            self.assertEqual(self.calls, [turn] * 3)
        self.assertEqual(self.bench.steps[0].errors, 13)
        self.flushLoggedErrors(KeyError)

    def test_waits(self) -> None:
        """One that has to be waited for, and those asked after it, are counted once."""
        for expected in range(1, 40):
            waiting: Deferred[None] = Deferred()
            self.answers[1] = waiting
            later = Deferred.fromCoroutine(self.plan(None))
            self.assertEqual(self.calls, [expected, expected, expected - 1])
            waiting.callback(None)
            self.assertIsNone(self.successResultOf(later))
            self.assertEqual(self.calls, [expected] * 3)
        self.assertEqual(self.bench.steps[1].waits, 39)

    def test_within_itself(self) -> None:
        """A plugin that brings about another round inside its own spoils no number."""
        plans: list[Any] = []

        def nested(depth: int) -> None:
            if depth:
                plans[0](depth - 1)

        plans.append(self.bench.plan(self.hook, nested, lambda _: None))
        for _ in range(30):
            plans[0](4)
        self.assertEqual(self.calls, [150, 150])


class TwoRoundsTests(RoundTestCase):
    """The same plugins in two rounds: one for all answers, one for what is stored, without those that do not want it."""

    hook = "response_headers"

    def setUp(self) -> None:
        """Let the first not want it."""
        super().setUp()
        self.steps = [
            self.bench.step(self.hook, self.hooked(index), f"p{index}", stored=index > 0)
            for index in range(3)
        ]
        plans = CallPlans({self.hook: self.steps})
        assert plans.stored.response_headers is not None
        self.of_all = plans.response_headers
        self.of_stored = plans.stored.response_headers

    def test_counted(self) -> None:
        """The calls of both are counted."""
        for _ in range(100):
            self.of_all(None)  # type: ignore[misc, arg-type]
        for _ in range(70):
            self.of_stored(None)  # type: ignore[arg-type]
        self.assertEqual([step.calls for step in self.steps], [100, 170, 170])

    def test_looked_at(self) -> None:
        """An error in one lets the other look closer, too."""
        for _ in range(3):
            self.of_all(None)  # type: ignore[misc, arg-type]
            self.of_stored(None)  # type: ignore[arg-type]
        self.answers[1] = ZeroDivisionError()
        self.assertRaises(PluginError, self.of_stored, None)
        self.answers[1] = None
        self.of_all(None)  # type: ignore[misc, arg-type]
        self.assertEqual((self.steps[1].row, self.steps[1].errors), (0, 1))
        self.assertEqual([step.calls for step in self.steps], [4, 8, 7])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_the_same(self) -> None:
        """Where everybody wants it there is one round; where nobody does there is none, and nothing to show."""
        steps = [self.bench.step(self.hook, self.hooked(0))]
        plans = CallPlans({self.hook: steps})
        self.assertIs(plans.stored.response_headers, plans.response_headers)
        self.assertTrue(plans.stored.shows)
        plans = CallPlans({self.hook: self.steps[:1]})
        self.assertIsNone(plans.stored.response_headers)
        self.assertFalse(plans.stored.shows)


class RuleTests(RoundTestCase):
    """The quick round keeps every rule, in each of the rounds."""

    def test_closed(self) -> None:
        """A plugin that fails refuses, and nobody behind it is asked."""
        self.ask(5)
        self.answers = [None, KeyError(), Allow("too late")]
        for _ in range(3):
            error = self.assertRaises(PluginError, self.plan, None)
            self.assertEqual((error.plugin, error.hook), ("p1", "request_headers"))
        self.assertEqual(self.calls[2], 5)
        self.flushLoggedErrors(KeyError)

    def test_wrong_answers(self) -> None:
        """A wrong answer is an error, whichever round it comes in."""
        self.ask(5)
        self.answers[2] = True
        self.assertRaises(PluginError, self.plan, None)
        self.assertEqual(self.bench.steps[2].row, 1)
        self.flushLoggedErrors(TypeError)

    def test_any_exception(self) -> None:
        """Not even an exit gets past."""
        self.ask(5)
        self.answers[0] = SystemExit()
        self.assertRaises(PluginError, self.plan, None)
        self.flushLoggedErrors(SystemExit)

    def test_cancelled(self) -> None:
        """A cancellation is no error."""
        self.ask(5)
        self.answers[0] = CancelledError()
        self.assertRaises(CancelledError, self.plan, None)
        self.assertEqual(self.bench.steps[0].errors, 0)

    def test_row(self) -> None:
        """The row of errors ends with the next good answer, even if that is none; so five in a row are five in a row."""
        self.plan = self.planned(fail="open")
        self.ask(5)
        for _ in range(4):
            self.answers[1] = KeyError()
            self.ask(UNHEALTHY_ERRORS - 1)
            self.answers[1] = None
            self.ask()
            self.assertEqual(self.bench.steps[1].row, 0)
        self.assertEqual(self.bench.events, [])
        self.answers[1] = KeyError()
        self.ask(UNHEALTHY_ERRORS)
        self.assertTrue(self.bench.steps[1].unhealthy)
        self.answers[1] = None
        self.ask()
        self.assertEqual(
            [(event.name, event.subject) for event in self.bench.events],
            [
                (name, f"p1 {self.bench.steps[1].hook}")
                for name in ("plugin_unhealthy", "plugin_healthy")
            ],
        )
        self.flushLoggedErrors(KeyError)


class TimingTests(RoundTestCase):
    """When the clock is read."""

    def test_sampled(self) -> None:
        """As long as nothing is slow one round of thirty-two is timed."""
        self.ask(4 * SAMPLED)
        self.assertEqual(self.bench.readings, 4 * 3 * 2)

    def test_time_in_all(self) -> None:
        """What was timed stands for the whole."""
        self.bench.ticks = 0.001
        self.ask(1 + 4 * SAMPLED)
        for step in self.bench.steps:
            self.assertAlmostEqual(step.seconds, 0.001 * (1 + 4 * SAMPLED))

    def test_slow(self) -> None:
        """After a slow call each round is timed until 256 in a row were quick."""
        self.bench.ticks = 0.006
        self.ask(10)
        self.assertEqual([step.slow for step in self.bench.steps], [10] * 3)
        self.bench.ticks = 0.0
        self.ask(256)
        before = self.bench.readings
        self.ask(SAMPLED)
        self.assertEqual(self.bench.readings, before + 3 * 2)

    def test_slow_for_another_reason(self) -> None:
        """The same holds when it was slow after the call itself, in a round that was not timed."""
        self.ask(3)

        async def dawdle() -> None:
            self.bench.ticks = 0.006

        self.answers[0] = dawdle()
        self.ask()
        self.bench.ticks = 0.0
        self.answers[0] = None
        before = self.bench.readings
        self.ask(5)
        self.assertEqual(self.bench.readings, before + 5 * 3 * 2)


class CostTests(SynchronousTestCase):
    """What one more plugin without an opinion costs, counted in opcodes: no machine is too noisy for that."""

    def opcodes(self, plugins: int) -> int:
        """Count what thirty-two rounds execute, the timed one among them."""
        plan = StepBench().plan("request_headers", *[lambda _: None] * plugins)

        def rounds() -> None:
            for _ in range(SAMPLED):
                plan(None)

        return opcodes(rounds)

    def test_one_more_plugin(self) -> None:
        """
        Each further plugin costs thirty opcodes a call at the most, its own three and its share of the timed round included.

        At some 10 ns each that is well below a microsecond for a plugin with two hooks.
        """
        few, many = self.opcodes(1), self.opcodes(21)
        self.assertLessEqual((many - few) / 20 / SAMPLED, 30)

    def test_first_plugin(self) -> None:
        """The first one costs no more than fifty, the round itself included."""
        self.assertLessEqual(self.opcodes(1) / SAMPLED, 50)

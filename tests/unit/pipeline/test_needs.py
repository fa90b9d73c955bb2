"""What each plugin wants of content is asked each time, and counted, however seldom it is looked at."""

from __future__ import annotations

from typing import Any

from gateway.api.content import NONE, FirstBytes, Need, Side, Whole
from gateway.api.errors import PluginError
from tests.unit.pipeline.test_dispatch import PlanTestCase

#: More than one round that is looked at, and no multiple of it.
ROUNDS = 41


class NeedTests(PlanTestCase):
    """Rounds of C{content_need}."""

    def setUp(self) -> None:
        """Let three plugins say what is set here."""
        super().setUp()
        self.wants: list[Any] = [NONE, Whole(5), FirstBytes()]
        self.plan = self.compiled("closed")

    def compiled(self, fail: Any) -> Any:
        """Make a plan of them."""
        self.asked.clear()
        return self.bench.plan("content_need", *map(self.hook, range(3)), fail=fail)

    def hook(self, number: int) -> Any:
        """Make one that says or raises what is set for it."""

        def ask(*args: object) -> Any:
            self.asked.append("abc"[number])
            want = self.wants[number]
            if isinstance(want, BaseException):
                raise want
            return want

        return ask

    def told(self, rounds: int = ROUNDS) -> list[Need]:
        """Give the answers of some rounds."""
        return [self.plan(self.txn, Side.RESPONSE) for _ in range(rounds)]

    def assertCounted(self, *verdicts: dict[str, int]) -> None:
        """Each call is counted, and each answer."""
        steps = self.bench.steps[-3:]
        self.assertEqual([step.calls for step in steps], [*map(self.asked.count, "abc")])
        self.assertEqual([step.verdicts for step in steps], [*verdicts])

    def test_as_usual(self) -> None:
        """The same answers are counted as often as they were given, whenever somebody looks."""
        for rounds in range(1, ROUNDS):
            self.assertEqual(self.told(1), [Whole(5)])
            self.assertCounted({}, {"whole": rounds}, {"first_bytes": rounds})

    def test_another_each_time(self) -> None:
        """What changes from message to message is told as it is, and counted as what it is."""
        for number in range(ROUNDS):
            self.wants[1] = Whole(number) if number % 3 else NONE
            self.assertEqual(self.told(1), [self.wants[1] if number % 3 else FirstBytes()])
        self.assertCounted({}, {"whole": ROUNDS * 2 // 3}, {"first_bytes": ROUNDS})

    def test_equal_is_enough(self) -> None:
        """An answer that is made anew each time counts as what it equals."""
        for _ in range(ROUNDS):
            self.wants[1] = Whole(5)
            self.assertEqual(self.told(1), [Whole(5)])
        self.assertCounted({}, {"whole": ROUNDS}, {"first_bytes": ROUNDS})

    def test_error(self) -> None:
        """Who fails closed ends the round, at whatever round that is; those behind were not asked."""
        for before in (0, 1, 7):
            self.wants[1] = Whole(5)
            self.told(before)
            self.wants[1] = KeyError()
            self.assertRaises(PluginError, self.told, 1)
        self.assertCounted({}, {"whole": 8}, {"first_bytes": 8})
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 3)

    def test_error_that_is_let_pass(self) -> None:
        """Where it fails open the others count, and so does the error."""
        self.plan = self.compiled("open")
        self.told(3)
        self.wants[1] = KeyError()
        self.assertEqual(self.told(2), [FirstBytes()] * 2)
        self.wants[1] = Whole(5)
        self.assertEqual(self.told(2), [Whole(5)] * 2)
        self.assertCounted({}, {"whole": 5}, {"first_bytes": 7})
        self.assertEqual(self.bench.steps[-2].errors, 2)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 2)

    def test_no_answer(self) -> None:
        """Nothing, or something else, is an error in the midst of good answers as well."""
        self.plan = self.compiled("open")
        for wrong in (None, 5):
            self.wants[1] = Whole(5)
            self.told(3)
            self.wants[1] = wrong
            self.assertEqual(self.told(3), [FirstBytes()] * 3)
        self.assertEqual(self.bench.steps[-2].errors, 6)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 6)

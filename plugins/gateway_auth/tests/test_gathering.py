"""Questions that wait: how they are gathered, in which order they are asked, and that none waits for longer than alone."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import Clock
from gateway_auth.gathering import Gathering


class Late(Exception):
    """It took too long."""


class GatheringTests(SynchronousTestCase):
    """Two at once, three together, four may wait, ten seconds each."""

    def setUp(self) -> None:
        """Keep what is asked until it is answered."""
        self.clock = Clock()
        self.asked: list[tuple[object, float]] = []
        self.answers: list[Deferred[object]] = []
        self.gathering: Gathering[str, str] = Gathering(
            self.clock, 10.0, self.one, self.several, Late, at_once=2, together=3, most=4
        )

    async def one(self, question: str, seconds: float) -> str:
        """Ask one."""
        return str(await self.noted(question, seconds))

    async def several(
        self, questions: Sequence[str], seconds: float
    ) -> Sequence[str | Exception | None]:
        """Ask several."""
        answers: Sequence[str | Exception | None] = await self.noted(list(questions), seconds)  # type: ignore[assignment]
        return answers

    def noted(self, question: object, seconds: float) -> Deferred[object]:
        """Note what is asked."""
        self.asked.append((question, seconds))
        self.answers.append(Deferred())
        return self.answers[-1]

    def ask(self, questions: str) -> list[Deferred[str]]:
        """Ask for each letter."""
        return [self.gathering.ask(one) for one in questions]

    def test_alone(self) -> None:
        """As long as there is room each is asked alone and at once."""
        a, b = self.ask("ab")
        self.assertEqual(self.asked, [("a", 10.0), ("b", 10.0)])
        self.answers[1].callback("B")
        self.assertEqual(self.successResultOf(b), "B")
        self.assertNoResult(a)

    def test_together(self) -> None:
        """Those that waited are asked together in their order, and each hears its own answer."""
        waiting = self.ask("abcdef")
        self.clock.advance(1)
        self.answers[0].callback("A")
        self.assertEqual(self.asked[2:], [(["c", "d", "e"], 9.0)])
        error = ValueError()
        self.answers[2].callback(["C", error, "E"])
        self.assertEqual(self.successResultOf(waiting[2]), "C")
        self.assertIs(self.failureResultOf(waiting[3], ValueError).value, error)
        self.assertEqual(self.successResultOf(waiting[4]), "E")
        self.assertEqual(self.asked[3:], [("f", 9.0)])

    def test_undecided(self) -> None:
        """What is not decided together is asked alone, within what is left of its time; so is all of it after a failure."""
        waiting = self.ask("abcde")
        self.answers[0].callback("A")
        self.clock.advance(4)
        self.answers[2].callback(["C", None, None])
        self.assertEqual(self.asked[3:], [("d", 6.0)])
        self.answers[3].callback("D")
        self.answers[4].errback(ValueError())
        self.assertEqual(self.successResultOf(waiting[3]), "D")
        self.failureResultOf(waiting[4], ValueError)
        waiting = self.ask("fghi")
        self.answers[5].callback("F")
        self.answers[6].errback(ValueError())
        for at, question in ((7, "G"), (8, "H"), (9, "I")):
            self.assertEqual(self.asked[at][0], question.lower())
            self.answers[at].callback(question)
        self.assertEqual([self.successResultOf(one) for one in waiting], ["F", "G", "H", "I"])

    def test_late(self) -> None:
        """What waits too long fails when its time is over, and what came later waits on."""
        waiting = self.ask("abc")
        self.clock.advance(3)
        waiting += self.ask("d")
        self.clock.advance(7)
        self.failureResultOf(waiting[2], Late)
        self.assertNoResult(waiting[3])
        self.answers[0].callback("A")
        self.assertEqual(self.asked[2:], [("d", 3.0)])

    def test_late_after_all(self) -> None:
        """What is undecided when its time is over is not asked again."""
        waiting = self.ask("abcd")
        self.answers[0].callback("A")
        self.clock.advance(10)
        self.answers[2].callback([None, None])
        for one in waiting[2:]:
            self.failureResultOf(one, Late)
        self.assertEqual(len(self.asked), 3)

    def test_too_many(self) -> None:
        """No more wait than the bound."""
        waiting = self.ask("abcdefg")
        self.failureResultOf(waiting[6], Late)
        for one in waiting[:6]:
            self.assertNoResult(one)

    def test_no_timer_left(self) -> None:
        """Where nothing waits any more nothing is looked for, and what waits later has its own time."""
        self.ask("abc")
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.answers[0].callback("A")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(4)
        (late,) = self.ask("d")
        self.clock.advance(9.9)
        self.assertNoResult(late)
        self.clock.advance(0.1)
        self.failureResultOf(late, Late)

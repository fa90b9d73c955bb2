"""Tests of states at a gate: L{gateway.alarms.states}, told at their edges, while they last and at their end."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.gate import MOST_STATES
from gateway.api.alarms import ChannelRules
from gateway.api.events import Severity
from gateway.config.sections.notify import Notify as Settings
from tests.unit.alarms.gates import (
    BACK,
    BEGIN,
    DOWN,
    FOUND,
    GONE,
    LOST,
    PING,
    UP,
    Bench,
)


class StatesTests(SynchronousTestCase):
    """Edges, reminders, ends."""

    def test_edges(self) -> None:
        """A beginning is told at once, and the end when it is over, if the limit has gone by."""
        bench = Bench()
        bench.take(DOWN, "a")
        bench.advance(100)
        bench.take(UP, "a")
        self.assertEqual(bench.lines, ["0 down begun 1 a", "100 up over 1 a"])
        over = bench.told[1].alarm
        self.assertEqual((over.type, over.first, over.last), (UP, BEGIN, BEGIN + 100))

    def test_flapping(self) -> None:
        """What comes and goes within the limit is told at its end, as what it then is, with the count."""
        bench = Bench()
        for _ in range(3):
            bench.take(DOWN, "a")
            bench.take(UP, "a")
        bench.advance(60)
        self.assertEqual(bench.lines, ["0 down begun 1 a", "60 up over 5 a"])
        bench.take(DOWN, "a")
        bench.take(UP, "a")
        bench.take(DOWN, "a")
        bench.advance(60)
        self.assertEqual(bench.lines[2:], ["60 down begun 1 a", "120 down goes_on 2 a"])

    def test_several(self) -> None:
        """Of one type no more than one alarm is told within the limit, whatever the subjects."""
        bench = Bench()
        for subject in "abc":
            bench.take(DOWN, subject)
        bench.take(UP, "b")
        bench.advance(60)
        self.assertEqual(bench.lines, ["0 down begun 1 a", "60 down begun 1 c", "60 up over 2 b"])

    def test_beginning_after_an_end(self) -> None:
        """A beginning waits for other beginnings alone: an end that was just told does not hold it back."""
        bench = Bench()
        bench.take(DOWN, "a")
        bench.advance(61)
        bench.take(UP, "a")
        bench.advance(1)
        bench.take(DOWN, "b")
        self.assertEqual(bench.lines[2:], ["62 down begun 1 b"])

    def test_repeats(self) -> None:
        """What lasts is told again on a grid of times, and no more when it is over."""
        bench = Bench()
        bench.take(DOWN, "a")
        bench.advance(600)
        bench.take(DOWN, "a")
        bench.advance(3600)
        bench.take(UP, "a")
        bench.advance(7200)
        self.assertEqual(
            bench.lines,
            [
                "0 down begun 1 a",
                "1800 down goes_on 1 a",
                "3600 down goes_on 0 a",
                "4200 up over 1 a",
            ],
        )
        self.assertEqual(len({told.alarm.id for told in bench.told}), 4)

    def test_repeats_after_late_ones(self) -> None:
        """A reminder that the limit held back does not shift those after it."""
        bench = Bench()
        bench.take(DOWN, "a")
        bench.advance(1770)
        bench.take(DOWN, "b")
        bench.advance(1830 + 1)
        self.assertEqual(
            bench.lines[1:],
            ["1770 down begun 1 b", "1830 down goes_on 0 a", "3570 down goes_on 0 b"],
        )
        bench.advance(100)
        self.assertEqual(bench.lines[4:], ["3630 down goes_on 0 a"])

    def test_no_repeats(self) -> None:
        """With C{notify.repeat} 0 what lasts is not told again; what was raised again is counted at the end."""
        bench = Bench(settings=Settings(repeat=0.0))
        bench.take(DOWN, "a")
        bench.take(DOWN, "a")
        bench.advance(86400)
        bench.take(UP, "a")
        self.assertEqual(bench.texts, ["down begun 1 a", "up over 2 a"])

    def test_worse(self) -> None:
        """What was told as a warning and is raised as an error is told again at once."""
        bench = Bench()
        bench.take(DOWN, "a", Severity.WARNING)
        bench.advance(100)
        bench.take(DOWN, "a", Severity.WARNING)
        bench.take(DOWN, "a", Severity.ERROR)
        self.assertEqual(bench.lines[1:], ["100 down goes_on 2 a"])
        self.assertIs(bench.told[1].alarm.event.severity, Severity.ERROR)

    def test_end_without_beginning(self) -> None:
        """Who has not heard of the beginning does not hear of the end; who has does, though ends are less severe."""
        bench = Bench(ChannelRules(least=Severity.WARNING, limit_seconds=0))
        bench.take(UP, "a")
        bench.take(DOWN, "b", Severity.INFO)
        bench.take(UP, "b")
        bench.take(DOWN, "c")
        bench.take(UP, "c")
        bench.take(UP, "c")
        bench.advance(3600)
        self.assertEqual(bench.texts, ["down begun 1 c", "up over 1 c"])

    def test_end_not_wanted(self) -> None:
        """Ends that are not wanted are not told, and the state is not told again."""
        bench = Bench(settings=Settings(events={"up": "never"}))
        bench.take(DOWN, "a")
        bench.advance(100)
        bench.take(UP, "a")
        bench.advance(7200)
        self.assertEqual(bench.texts, ["down begun 1 a"])

    def test_first(self) -> None:
        """With C{first} each subject's beginning is told at once, what follows of it soon in a digest, and later at once."""
        bench = Bench()
        bench.take(GONE, "a")
        bench.advance(60)
        bench.take(GONE, "b")
        bench.take(BACK, "a")
        bench.advance(1000)
        self.assertEqual(
            bench.lines, ["0 gone begun 1 a", "60 gone begun 1 b", "960 digest: back over 1 a"]
        )
        bench.take(BACK, "b")
        self.assertEqual(bench.lines[3:], ["1060 back over 1 b"])

    def test_digest(self) -> None:
        """In a digest a state is told as it is then; one that came and went is told as over, with both."""
        bench = Bench()
        bench.take(LOST, "a")
        bench.take(LOST, "b")
        bench.take(FOUND, "a")
        bench.advance(900)
        self.assertEqual(bench.texts, ["lost begun 1 b", "found over 2 a"])
        bench.advance(1800)
        bench.take(FOUND, "b")
        bench.advance(900)
        self.assertEqual(bench.lines[2:], ["3600 digest: found over 1 b"])

    def test_own_channel(self) -> None:
        """A channel is not told that it is down itself."""
        bench = Bench()
        bench.take(DOWN, "mail/ops")
        bench.take(UP, "mail/ops")
        bench.take(DOWN, "mail/boss")
        bench.advance(60)
        self.assertEqual(bench.texts, ["down begun 1 mail/boss"])

    def test_forgotten(self) -> None:
        """What was not told yet of a state whose end is not wanted is told all the same."""
        bench = Bench(settings=Settings(events={"up": "never"}))
        bench.take(DOWN, "a")
        bench.take(DOWN, "b")
        bench.take(UP, "b")
        bench.advance(60)
        self.assertEqual(bench.lines, ["0 down begun 1 a", "60 down begun 1"])

    def test_flapping_for_long(self) -> None:
        """However often a state came and went, what lasts then is told again at its time, once."""
        bench = Bench(ChannelRules(limit_seconds=0))
        for _ in range(500):
            bench.take(DOWN, "a")
            bench.take(UP, "a")
            bench.advance(1)
        bench.take(DOWN, "a")
        bench.advance(1800)
        self.assertEqual(bench.lines[1000:], ["500 down begun 1 a", "2300 down goes_on 0 a"])

    def test_many(self) -> None:
        """No more states are remembered than there is room for, and what was counted of the others is not lost."""
        bench = Bench()
        for number in range(MOST_STATES + 500):
            bench.take(DOWN, f"{number}")
        bench.take(UP, "3")
        bench.take(UP, str(MOST_STATES + 499))
        bench.advance(61)
        self.assertEqual(sum(told.alarm.count for told in bench.told), MOST_STATES + 501)
        self.assertLessEqual(max(len(told.alarm.subjects) for told in bench.told), 20)


class SeverityTests(SynchronousTestCase):
    """Events of one kind that matter more or less."""

    def test_worst_is_shown(self) -> None:
        """An alarm of several shows the last of the most severe ones, whatever comes behind it."""
        bench = Bench()
        bench.take(PING, "first")
        for subject, severity in (
            ("a", Severity.INFO),
            ("b", Severity.ERROR),
            ("c", Severity.ERROR),
            ("d", Severity.WARNING),
        ):
            bench.take(PING, subject, severity)
        bench.restart()
        bench.take(PING, "e", Severity.INFO)
        bench.advance(60)
        told = bench.told[-1].alarm
        self.assertEqual((told.event.subject, told.event.severity), ("c", Severity.ERROR))
        self.assertEqual((told.count, sorted(told.subjects)), (5, list("abcde")))

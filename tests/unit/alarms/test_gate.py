"""Tests of L{gateway.alarms.gate}: what a channel is told of, when, and with which count."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.gate import MOST_NAMES
from gateway.api.alarms import ChannelRules
from gateway.api.events import Event, Notify, Severity
from gateway.config.sections.notify import Notify as Settings
from tests.unit.alarms.gates import (
    LOST,
    PING,
    PONG,
    VIRUS,
    Bench,
    kind,
)


class WaysTests(SynchronousTestCase):
    """Never, first, digest, always; and the limit."""

    def test_always(self) -> None:
        """The first one is told at once, what comes within the limit together at its end, and so on."""
        bench = Bench()
        for _ in range(3):
            bench.take(PING, "a")
        bench.advance(59.9)
        self.assertEqual(bench.lines, ["0 ping 1 a"])
        bench.advance(0.1)
        bench.take(PING, "b")
        bench.advance(59.9)
        self.assertEqual(bench.lines, ["0 ping 1 a", "60 ping 2 a"])
        bench.advance(0.1)
        self.assertEqual(bench.lines[2:], ["120 ping 1 b"])
        bench.advance(60)
        bench.take(PING, "c")
        self.assertEqual(bench.lines[3:], ["180 ping 1 c"])
        self.assertEqual(bench.told[1].alarm.event.text, "ping of a")

    def test_first(self) -> None:
        """The first one is told at once, what follows in digests until a period goes by without any."""
        bench = Bench()
        for _ in range(1000):
            bench.take(VIRUS, "a")
        bench.advance(900)
        self.assertEqual(bench.lines, ["0 virus 1 a", "900 digest: virus 999 a"])
        bench.advance(100)
        bench.take(VIRUS, "b")
        bench.advance(900)
        self.assertEqual(bench.lines[2:], ["1900 digest: virus 1 b"])
        bench.advance(901)
        bench.take(VIRUS, "c")
        self.assertEqual(bench.lines[3:], ["2801 virus 1 c"])

    def test_digest(self) -> None:
        """What is told in digests is told in one notice, in the order of the first events, a period after the first."""
        bench = Bench()
        bench.advance(10)
        bench.take(LOST, "x")
        bench.advance(5)
        bench.take(PONG, "a")
        bench.take(PONG, "b")
        bench.advance(894)
        self.assertEqual(bench.lines, [])
        bench.advance(1)
        self.assertEqual(bench.lines, ["910 digest: lost begun 1 x", "910 digest: pong 2 a,b"])
        self.assertEqual(bench.notices, [2])

    def test_never(self) -> None:
        """What is never told is not counted either, by what the site says or the channel."""
        bench = Bench(
            ChannelRules(notify={"pong": Notify.NEVER}, default=Notify.ALWAYS),
            Settings(events={"ping": "never"}),
        )
        for one in (PING, PONG, VIRUS):
            bench.take(one)
        self.assertEqual(bench.texts, ["virus 1"])

    def test_who_says_how(self) -> None:
        """The channel's word on a name holds before the site's, that before the channel's on all, that before the type's."""
        bench = Bench(
            ChannelRules(notify={"ping": Notify.ALWAYS}),
            Settings(events={"ping": "never", "pong": "always"}),
        )
        for one in (PING, PONG, LOST):
            bench.take(one)
        self.assertEqual(bench.texts, ["ping 1", "pong 1"])
        bench.gate.follow(ChannelRules(default=Notify.ALWAYS), Settings())
        bench.take(PONG, "b")
        bench.advance(60)
        self.assertEqual(bench.texts[2:], ["lost begun 1", "pong 1 b"])

    def test_not_wanted(self) -> None:
        """What the channel does not want, and what is less severe than it says, is not for it."""
        bench = Bench(
            ChannelRules(least=Severity.WARNING, wants=lambda event: event.subject != "no")
        )
        bench.take(PING, "no")
        bench.take(PING, "a", Severity.INFO)
        bench.take(PING, "b")
        bench.advance(3600)
        self.assertEqual(bench.texts, ["ping 1 b"])

    def test_unknown(self) -> None:
        """Events that nobody described are told in digests."""
        bench = Bench()
        bench.gate.take(Event("strange", Severity.ERROR, "what?", "s"), None, bench.now(), 77)
        bench.advance(900)
        self.assertEqual(bench.lines, ["900 digest: strange 1 s"])
        self.assertIsNone(bench.told[0].alarm.type)

    def test_many_names(self) -> None:
        """Names beyond all measure are counted together."""
        bench = Bench()
        for number in range(MOST_NAMES + 10):
            event = Event(f"made_up_{number}", Severity.ERROR, "x")
            bench.gate.take(event, None, bench.now(), number)
        bench.advance(900)
        self.assertEqual(len(bench.told), MOST_NAMES + 1)
        self.assertEqual(sum(told.alarm.count for told in bench.told), MOST_NAMES + 10)

    def test_learned(self) -> None:
        """What is described later is told by that from then on, and what was counted before is not lost."""
        bench = Bench()
        late, over = kind("late"), kind("late_over", ends="late")
        for _ in range(2):
            bench.take(late, "a")
        bench.types.learn((late, over))
        bench.gate.learn()
        self.assertEqual(bench.texts, ["late 2 a"])
        bench.take(late, "a")
        bench.advance(61)
        bench.take(over, "a")
        self.assertEqual(bench.texts[1:], ["late begun 1 a", "late_over over 1 a"])
        self.assertTrue(bench.types.learn((kind("late", Notify.NEVER),)))
        self.assertFalse(bench.types.learn((kind("late", Notify.NEVER),)))
        bench.gate.learn()
        bench.take(late, "b")
        self.assertEqual(bench.texts[3:], [])

    def test_no_limit(self) -> None:
        """Without a limit each one is told, those that come at a time in one notice if the channel takes many."""
        bench = Bench(ChannelRules(limit_seconds=0, default=Notify.ALWAYS, most_together=4))
        for _ in range(10):
            bench.take(PING, "a")
        self.assertEqual(bench.notices, [1, 4, 4])
        bench.advance(0.25)
        self.assertEqual(bench.notices, [1, 4, 4, 1])
        self.assertEqual(bench.texts, ["ping 1 a"] * 10)
        self.assertEqual(len({told.alarm.id for told in bench.told}), 10)
        self.assertFalse(any(told.is_digest for told in bench.told))

    def test_idle(self) -> None:
        """A gate that has told everything has no call of the clock, and needs none to have a limit."""
        bench = Bench()
        self.assertEqual(bench.clock.calls, [])
        bench.take(PING)
        self.assertEqual(bench.clock.calls, [])

    def test_subjects(self) -> None:
        """Of many subjects those that are much of all are shown, with no more than there were."""
        bench = Bench()
        bench.take(PING, "first")
        for number in range(3000):
            bench.take(PING, f"once-{number}")
            if number % 3 == 0:
                bench.take(PING, "often")
        bench.advance(60)
        alarm = bench.told[1].alarm
        self.assertEqual(alarm.count, 4000)
        self.assertEqual(len(alarm.subjects), 20)
        self.assertEqual(next(iter(alarm.subjects)), "often")
        self.assertLessEqual(alarm.subjects["often"], 1000)
        self.assertGreater(alarm.subjects["often"], 900)
        self.assertTrue(all(count == 1 for one, count in alarm.subjects.items() if one != "often"))


class ClockTests(SynchronousTestCase):
    """Clocks that jump."""

    def test_wall(self) -> None:
        """The clock on the wall may go anywhere: limits do not depend on it, and no alarm ends before it begins."""
        bench = Bench()
        for jump in (-1e6, 2e6, -3e6):
            bench.take(PING, "a")
            bench.offset += jump
        bench.take(PING, "a")
        bench.advance(60)
        self.assertEqual(bench.texts, ["ping 1 a", "ping 3 a"])
        alarm = bench.told[1].alarm
        self.assertLess(alarm.first, alarm.last)

    def test_set_back(self) -> None:
        """Where the clock of the limits itself is set back, nothing waits longer than it would have."""
        bench = Bench()
        bench.advance(100_000)
        bench.take(PING, "a")
        bench.take(PING, "b")
        bench.take(PONG, "b")
        bench.take(LOST, "b")
        bench.clock.rightNow = 0.0
        bench.gate.set_back()
        bench.take(PING, "c")
        bench.advance(900)
        self.assertEqual(
            bench.lines[1:4],
            ["60 ping 2 b,c", "900 digest: pong 1 b", "900 digest: lost begun 1 b"],
        )
        bench.clock.rightNow = 500.0
        bench.gate.set_back()
        bench.advance(1800)
        self.assertEqual(bench.texts[4:], [])
        bench.advance(900)
        self.assertEqual(bench.lines[4:], ["3200 digest: lost goes_on 0 b"])

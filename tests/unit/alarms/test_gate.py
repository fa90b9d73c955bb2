"""Tests of L{gateway.alarms.gate}: what a channel is told of, when, and with which count."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.gate import MOST_NAMES, MOST_STATES
from gateway.api.alarms import AlarmState, ChannelRules
from gateway.api.events import Event, Notify, Severity
from gateway.config.sections.notify import Notify as Settings
from tests.unit.alarms.gates import (
    BACK,
    DOWN,
    FOUND,
    GONE,
    LOST,
    PING,
    PONG,
    UP,
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
        self.assertEqual((over.type, over.first, over.last), (UP, BEGINS, BEGINS + 100))

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


class MaintenanceTests(SynchronousTestCase):
    """What is kept back."""

    def test_kept_back(self) -> None:
        """Meanwhile only security is told; then what differs from what the receiver knows."""
        bench = Bench(ChannelRules(default=Notify.ALWAYS))
        bench.take(DOWN, "old")
        bench.advance(100)
        bench.hush.order(3600)
        bench.take(VIRUS, "x")
        bench.take(PING, "x")
        bench.take(UP, "old")
        bench.take(DOWN, "passing")
        bench.take(DOWN, "lasting")
        bench.take(UP, "passing")
        bench.advance(3599)
        self.assertEqual(bench.texts[1:], ["virus 1 x"])
        bench.advance(1)
        self.assertEqual(bench.texts[2:], ["down begun 1 lasting", "up over 1 old"])
        self.assertEqual(bench.hush.kept_back, 3)
        bench.advance(1800)
        self.assertEqual(bench.texts[4:], ["down goes_on 0 lasting"])

    def test_flapped(self) -> None:
        """A state that the receiver knows and that is as it was is not told at the end; its events are with the next."""
        bench = Bench()
        bench.take(DOWN, "a")
        bench.advance(100)
        bench.hush.order(600)
        bench.take(UP, "a")
        bench.take(DOWN, "a")
        bench.advance(1699)
        self.assertEqual(bench.texts[1:], [])
        bench.advance(1)
        self.assertEqual(bench.lines[1:], ["1800 down goes_on 2 a"])

    def test_gathered_before(self) -> None:
        """What was gathered before is kept back, and not lost."""
        bench = Bench()
        for _ in range(3):
            bench.take(PING, "a")
            bench.take(PONG, "a")
        bench.hush.order(7300)
        bench.advance(7300)
        self.assertEqual(bench.texts, ["ping 1 a", "ping 2 a"])
        bench.advance(900)
        self.assertEqual(bench.texts[2:], ["pong 3 a"])

    def test_over_early(self) -> None:
        """Whoever ends it hears at once of what lasts."""
        bench = Bench()
        bench.hush.order(7200)
        bench.take(DOWN, "a")
        bench.hush.order(None)
        bench.advance(0)
        self.assertEqual(bench.texts, ["down begun 1 a"])
        self.assertFalse(bench.hush.is_set)

    def test_restart(self) -> None:
        """A restart ends no maintenance that was ordered, and forgets nothing of it."""
        bench = Bench()
        bench.hush.order(7200)
        bench.take(DOWN, "a")
        bench.take(DOWN, "c")
        bench.restart()
        # What became of c nobody saw, so it came and went in maintenance.
        bench.take(DOWN, "a")
        bench.take(DOWN, "b")
        bench.advance(7199)
        self.assertEqual(bench.texts, [])
        bench.advance(61)
        self.assertEqual(bench.texts, ["down begun 3 a,b"])
        self.assertEqual(bench.kept_back, 1)


BEGINS = 1e9


class RestartTests(SynchronousTestCase):
    """What is remembered."""

    def test_maintenance_over_meanwhile(self) -> None:
        """What began in maintenance that ended while no gateway ran is told when one runs again."""
        bench = Bench()
        bench.hush.order(100)
        bench.take(DOWN, "a")
        bench.stop()
        bench.advance(200)
        bench.begin()
        self.assertEqual(bench.lines, ["200 down begun 1 a"])

    def test_shortest(self) -> None:
        """With times of nothing a gate waits all the same, and never only for itself."""
        bench = Bench(ChannelRules(digest_seconds=0, limit_seconds=0), Settings(repeat=0.0001))
        bench.take(PONG, "a")
        bench.hush.order(10)
        bench.take(LOST, "a")
        bench.advance(11)
        self.assertEqual(bench.texts[:2], ["pong 1 a", "lost begun 1 a"])


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


class KeptTests(SynchronousTestCase):
    """What is remembered."""

    def test_counts(self) -> None:
        """What was counted before a restart is told after it, when it would have been."""
        bench = Bench()
        for one in (PING, PONG, VIRUS):
            bench.take(one, "a")
            bench.take(one, "b")
        bench.advance(30)
        bench.restart()
        for one in (PING, PONG, VIRUS):
            bench.take(one, "c")
        bench.advance(29)
        self.assertEqual(bench.texts, ["ping 1 a", "virus 1 a"])
        bench.advance(900)
        self.assertEqual(
            bench.lines[2:],
            ["60 ping 2 b,c", "900 digest: pong 3 a,b,c", "900 digest: virus 2 b,c"],
        )

    def test_states(self) -> None:
        """Whose beginning was told before the restart, of that the end is told after it; raised anew it is no news."""
        bench = Bench()
        bench.take(DOWN, "a")
        bench.take(DOWN, "b")
        bench.advance(600)
        bench.restart()
        bench.advance(1000)
        self.assertEqual(bench.lines[2:], [])
        bench.take(DOWN, "a")
        bench.take(UP, "b")
        bench.advance(1800)
        self.assertEqual(bench.lines[2:], ["1600 up over 1 b", "3400 down goes_on 1 a"])

    def test_over_meanwhile(self) -> None:
        """What is not raised anew after a restart, for it is over, is told as over when it would be told again; once."""
        bench = Bench()
        bench.take(DOWN, "a")
        bench.take(DOWN, "b")
        bench.advance(60)
        bench.restart()
        bench.take(DOWN, "b")
        bench.advance(1799)
        self.assertEqual(bench.lines, ["0 down begun 1 a", "60 down begun 1 b"])
        bench.restart()
        bench.take(DOWN, "b")
        bench.advance(1800)
        self.assertEqual(bench.texts[2:], ["down goes_on 2 b", "up over 1 a"])
        self.assertIn("started anew", bench.told[3].alarm.event.text)
        bench.advance(1800)
        self.assertEqual(bench.texts[4:], ["down goes_on 0 b"])
        bench.take(DOWN, "a")
        bench.advance(60)
        self.assertEqual(bench.texts[5:], ["down begun 1 a"])

    def test_over_meanwhile_without_reminders(self) -> None:
        """The same holds without reminders, and who wants no ends gets none."""
        nobody: list[str] = []
        for way, texts in ((Notify.ALWAYS, ["up over 1 a"]), (Notify.NEVER, nobody)):
            bench = Bench(ChannelRules(notify={"up": way}), Settings(repeat=0.0))
            bench.take(DOWN, "a")
            bench.restart()
            bench.advance(2000)
            self.assertEqual(bench.texts[1:], texts)
            bench.take(UP, "a")
            bench.advance(2000)
            self.assertEqual(bench.texts[1:], texts)

    def test_crash(self) -> None:
        """After a crash nothing is told twice, and what was counted a second before it is there."""
        bench = Bench()
        bench.take(PING, "a")
        bench.take(PING, "b")
        bench.advance(60)
        bench.take(PING, "c")
        bench.advance(1)
        bench.crash()
        bench.advance(100)
        self.assertEqual(bench.texts, ["ping 1 a", "ping 1 b", "ping 1 c"])

    def test_unreadable(self) -> None:
        """What can't be read is as if nothing were remembered."""
        for kept in (b"{", b"[]", b'{"version": 9, "written": 0}'):
            bench = Bench()
            bench.kept = kept
            bench.restart()
            bench.kept = kept
            bench.crash()
            bench.take(PING, "a")
            self.assertEqual(bench.texts, ["ping 1 a"])

    def test_end(self) -> None:
        """Where nothing outlives the process all is told at its end, whatever the limit."""
        bench = Bench()
        for one in (PING, PONG, DOWN, LOST):
            bench.take(one, "a")
            bench.take(one, "b")
        bench.stop(empty=True)
        self.assertEqual(sum(told.alarm.count for told in bench.told), 8)
        self.assertEqual(bench.notices, [1, 1, 4])
        self.assertEqual(bench.clock.calls, [])

    def test_waits_for_ever(self) -> None:
        """Where what was remembered does not come, the gate begins without it after some seconds, or a thousand events."""
        for many in (1, 1000):
            bench = Bench()
            bench.gate = bench.bare()
            for _ in range(many):
                bench.take(PING, "a")
            bench.advance(0 if many > 1 else 10)
            self.assertEqual(bench.texts[0], "ping 1 a")
            bench.gate.restore(b"too late")
            bench.gate.close(empty=True)
            self.assertEqual(sum(told.alarm.count for told in bench.told), many)

    def test_closed_unread(self) -> None:
        """A gate that ends before it knows what was remembered leaves that as it is, and tells what it heard."""
        bench = Bench()
        bench.kept = b"what was remembered"
        bench.gate = bench.bare()
        bench.take(PONG, "a")
        bench.gate.close()
        self.assertEqual((bench.texts, bench.kept), (["pong 1 a"], b"what was remembered"))
        self.assertEqual(bench.clock.calls, [])

    def test_unwritable(self) -> None:
        """An event that can't be written down is logged, and keeps no other from being told at its time."""
        bench = Bench()
        bench.take(PING, "a")
        bench.take(PING, "a")
        bench.take(DOWN, "\udcff")
        self.assertTrue(self.flushLoggedErrors(UnicodeEncodeError))
        bench.take(UP, "\udcff")
        bench.advance(60)
        self.flushLoggedErrors(UnicodeEncodeError)
        self.assertEqual(
            bench.texts, ["ping 1 a", "down begun 1 \udcff", "ping 1 a", "up over 1 \udcff"]
        )
        bench.take(PING, "a")
        bench.take(PONG, "a")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_much(self) -> None:
        """Where there is so much to remember that it takes long to write, it is not written with each alarm."""
        bench = Bench()
        bench.gate._keep_seconds = 5.0
        bench.take(PING, "a")
        self.assertEqual(bench.kept, b"")
        bench.advance(5)
        self.assertNotEqual(bench.kept, b"")

    def test_late(self) -> None:
        """What happens before it is known what was remembered waits for that."""
        bench = Bench()
        bench.take(DOWN, "a")
        bench.stop()
        kept = bench.kept
        gate = bench.bare()
        gate.take(DOWN("x", "a"), DOWN, bench.now(), 9)
        gate.take(UP("x", "a"), UP, bench.now(), 10)
        self.assertEqual(bench.texts, ["down begun 1 a"])
        gate.restore(kept)
        bench.advance(60)
        self.assertEqual(bench.texts, ["down begun 1 a", "up over 2 a"])
        self.assertIs(bench.told[1].alarm.state, AlarmState.OVER)


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

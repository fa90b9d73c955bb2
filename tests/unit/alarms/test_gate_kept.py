"""Tests of what a gate remembers over a restart: L{gateway.alarms.kept}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.alarms import AlarmState, ChannelRules
from gateway.api.events import Notify
from gateway.config.sections.notify import Notify as Settings
from tests.unit.alarms.gates import (
    DOWN,
    LOST,
    PING,
    PONG,
    UP,
    VIRUS,
    Bench,
)


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

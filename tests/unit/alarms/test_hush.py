"""Tests of L{gateway.alarms.hush}: when it is quiet."""

from __future__ import annotations

from datetime import datetime

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.hush import LONGEST_SECONDS, Hush
from gateway.config.windows import window
from tests.unit.alarms.gates import PING, VIRUS


class HushTests(SynchronousTestCase):
    """Windows and orders."""

    def setUp(self) -> None:
        """Begin on a Sunday, an hour before the window."""
        self.clock = Clock()
        self.wall = datetime.fromisoformat("2026-11-22 01:00").timestamp()
        self.ended = 0

    def now(self) -> float:
        """What the clock on the wall shows."""
        return self.wall + self.clock.seconds()

    def end(self) -> None:
        """Take note that it is over."""
        self.ended += 1

    def hush(self, *texts: str) -> Hush:
        """Make one."""
        return Hush(tuple(map(window, texts)), self.clock, now=self.now, ended=self.end)

    def advance(self, seconds: float) -> None:
        """Let time go by in small steps."""
        for _ in range(int(seconds)):
            self.clock.advance(1)

    def test_nothing_set(self) -> None:
        """Without windows and orders it is never quiet, and no clock is looked at."""
        hush = self.hush()
        self.assertFalse(hush.is_set)
        self.assertIsNone(hush.until)
        self.assertEqual(self.clock.calls, [])

    def test_window(self) -> None:
        """In a window everything but security is kept back, to its end, which is noticed by itself."""
        hush = self.hush("Sun 02:00-04:00")
        self.assertFalse(hush.holds(PING))
        self.assertEqual(self.clock.calls, [])
        self.advance(3600)
        self.assertTrue(hush.holds(PING))
        self.assertTrue(hush.holds(None))
        self.assertFalse(hush.holds(VIRUS))
        self.assertEqual(hush.until, self.wall + 3 * 3600)
        self.advance(7199)
        self.assertEqual(self.ended, 0)
        self.advance(2)
        self.assertEqual(self.ended, 1)
        self.assertFalse(hush.holds(PING))
        self.assertEqual(self.clock.calls, [])

    def test_two_windows(self) -> None:
        """Where two overlap it is quiet to the end of the later one."""
        hush = self.hush("Sun 00:30-01:30", "Sun 01:10-02:00")
        self.assertTrue(hush.holds(PING))
        self.advance(1200)
        self.assertEqual(hush.until, self.wall + 3600)
        self.advance(2399)
        self.assertTrue(hush.holds(PING))
        self.assertEqual(self.ended, 0)
        self.advance(2)
        self.assertEqual(self.ended, 1)

    def test_wall_is_set(self) -> None:
        """When the clock on the wall is set it is looked at anew, in both directions."""
        hush = self.hush("Sun 02:00-04:00")
        self.assertFalse(hush.holds(PING))
        self.wall += 7000
        self.assertTrue(hush.holds(PING))
        self.wall -= 7000
        self.assertFalse(hush.holds(PING))
        self.clock.advance(0)
        self.assertEqual(self.ended, 1)

    def test_order(self) -> None:
        """What is ordered lasts as long as was said, whatever the clock on the wall shows, and can be ended."""
        hush = self.hush()
        hush.order(600)
        self.assertTrue(hush.holds(PING))
        self.assertEqual(hush.until, self.now() + 600)
        self.wall += 1e6
        self.advance(599)
        self.assertTrue(hush.holds(PING))
        self.advance(2)
        self.assertEqual(self.ended, 1)
        self.assertFalse(hush.is_set)
        hush.order(600)
        hush.order(None)
        self.assertFalse(hush.holds(PING))
        self.clock.advance(0)
        self.assertEqual((self.ended, self.clock.calls), (2, []))

    def test_order_in_window(self) -> None:
        """To end an order ends no window."""
        hush = self.hush("Sun 00:00-24:00")
        hush.order(600)
        hush.order(None)
        self.assertTrue(hush.holds(PING))

    def test_longest(self) -> None:
        """Nothing is ordered for ever, nor by a file whose clock was wrong."""
        hush = self.hush()
        hush.order(1e12)
        self.assertEqual(hush.until, self.now() + LONGEST_SECONDS)
        other = self.hush()
        other.restore(self.now() + 1e12)
        self.assertEqual(other.until, self.now() + LONGEST_SECONDS)
        other.restore(self.now() - 5)
        self.assertEqual(other.until, self.now() + LONGEST_SECONDS)

    def test_follow(self) -> None:
        """Another configuration's windows hold at once."""
        hush = self.hush("Sun 00:00-24:00")
        self.assertTrue(hush.holds(PING))
        hush.follow(())
        self.assertFalse(hush.holds(PING))
        self.clock.advance(0)
        self.assertEqual(self.ended, 1)
        hush.follow((window("Sun 00:00-24:00"),))
        self.assertTrue(hush.holds(PING))

"""Tests of maintenance at a gate: what it explains, and what is told all the same."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.alarms import ChannelRules
from gateway.api.events import Notify
from tests.unit.alarms.gates import (
    DOWN,
    PING,
    PONG,
    UP,
    VIRUS,
    Bench,
)


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

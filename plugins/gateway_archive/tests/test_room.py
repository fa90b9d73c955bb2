"""Tests of what is shared."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway_archive.room import Room


class RoomTests(SynchronousTestCase):
    """Who gets what there is."""

    def setUp(self) -> None:
        """Have ten of it."""
        self.clock = Clock()
        self.told: list[bool] = []
        self.room = Room(10, self.clock, self.told.append)

    def test_at_once(self) -> None:
        """What is there is given at once."""
        self.assertIs(self.successResultOf(self.room.take(10, 1.0)), True)
        self.assertEqual(self.room.used, 10)

    def test_in_turn(self) -> None:
        """Who came first gets it first, also if another one wants less."""
        self.room.take(8, 1.0)
        first, second = self.room.take(5, 10.0), self.room.take(1, 10.0)
        self.assertNoResult(second)
        self.room.give(8)
        self.assertNoResult(first)
        self.clock.advance(0)
        self.assertIs(self.successResultOf(first), True)
        self.assertIs(self.successResultOf(second), True)
        self.assertEqual(self.room.used, 6)

    def test_spare(self) -> None:
        """Who has to leave something comes after those who don't."""
        self.room.take(5, 1.0)
        new = self.room.take(3, 10.0, spare=4)
        going_on = self.room.take(5, 10.0)
        self.assertIs(self.successResultOf(going_on), True)
        self.room.give(5)
        self.clock.advance(0)
        self.assertNoResult(new)
        self.room.give(3)
        self.clock.advance(0)
        self.assertIs(self.successResultOf(new), True)
        self.assertEqual((self.room.used, self.clock.getDelayedCalls()), (5, []))

    def test_in_vain(self) -> None:
        """Nobody waits longer than he wants to, and then those behind have their turn."""
        self.room.take(8, 1.0)
        first, second = self.room.take(5, 1.0), self.room.take(2, 10.0)
        self.clock.advance(1.0)
        self.assertIs(self.successResultOf(first), False)
        self.clock.advance(0)
        self.assertIs(self.successResultOf(second), True)
        self.assertEqual(self.room.used, 10)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_gone(self) -> None:
        """Who goes away takes nothing, and leaves nothing on the clock."""
        self.room.take(10, 1.0)
        wait = self.room.take(5, 1.0)
        wait.cancel()
        self.failureResultOf(wait)
        self.room.give(10)
        self.clock.advance(0)
        self.assertEqual((self.room.used, self.clock.getDelayedCalls()), (0, []))

    def test_alarm(self) -> None:
        """It is told once when it is short, and once when it no longer is."""
        for count in (7, 1, 1):
            self.room.take(count, 1.0)
        self.assertEqual(self.told, [True])
        self.room.give(1)
        self.room.give(1)
        self.assertEqual(self.told, [True])
        self.room.give(1)
        self.assertEqual(self.told, [True, False])

"""Tests of waiting for another request's answer."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.collapsing import (
    MOST_PASSED,
    MOST_WAITING,
    PASSED_SECONDS,
    Flight,
    Flights,
    Turn,
)


class FlightsTests(SynchronousTestCase):
    """Leaders and those who wait for them."""

    def setUp(self) -> None:
        """Begin with none."""
        self.clock = Clock()
        self.flights = Flights(self.clock, 10.0)

    def lead(self, key: bytes = b"a") -> Flight:
        """Be the first."""
        flight = self.flights.join(key)
        assert isinstance(flight, Flight)
        return flight

    def wait(self, key: bytes = b"a") -> Deferred[Turn]:
        """Come later."""
        waiting: Any = self.flights.join(key)
        self.assertIsInstance(waiting, Deferred)
        self.assertNoResult(waiting)
        return waiting  # type: ignore[no-any-return]

    def test_landed(self) -> None:
        """All look again when it is stored, and the next one leads anew."""
        flight = self.lead()
        waiting = [self.wait(), self.wait()]
        self.assertIsInstance(self.flights.join(b"b"), Flight)
        self.flights.landed(flight)
        self.assertEqual([self.successResultOf(one) for one in waiting], [Turn.LOOK] * 2)
        self.assertIsInstance(self.flights.join(b"a"), Flight)
        self.assertEqual((self.clock.getDelayedCalls(), self.flights.collapsed), ([], 2))

    def test_not_stored(self) -> None:
        """All go when it can't be stored, and nobody waits for the next while."""
        flight = self.lead()
        waiting = self.wait()
        self.flights.not_stored(flight)
        self.assertIs(self.successResultOf(waiting), Turn.ALONE)
        self.assertIsNone(self.flights.join(b"a"))
        self.clock.advance(PASSED_SECONDS + 1)
        self.assertIsInstance(self.flights.join(b"a"), Flight)

    def test_not_remembered(self) -> None:
        """An error says nothing of the next answer."""
        flight = self.lead()
        waiting = self.wait()
        self.flights.not_stored(flight, remember=False)
        self.assertIs(self.successResultOf(waiting), Turn.ALONE)
        self.assertIsInstance(self.flights.join(b"a"), Flight)

    def test_failed(self) -> None:
        """When the leader brings nothing the next in line leads, for those behind him too."""
        flight = self.lead()
        first, second = self.wait(), self.wait()
        self.flights.failed(flight)
        self.assertIs(self.successResultOf(first), Turn.LEAD)
        self.assertNoResult(second)
        led = self.flights.led(b"a")
        self.flights.failed(led)
        self.assertIs(self.successResultOf(second), Turn.LEAD)
        self.flights.failed(led)
        self.assertEqual(len(self.flights), 0)

    def test_failed_afterwards(self) -> None:
        """That a leader ends after it has landed is no failure."""
        flight = self.lead()
        self.flights.landed(flight)
        newer = self.lead()
        waiting = self.wait()
        self.flights.failed(flight)
        self.assertNoResult(waiting)
        self.flights.landed(newer)
        self.assertIs(self.successResultOf(waiting), Turn.LOOK)

    def test_late(self) -> None:
        """Nobody waits longer than allowed; the others go on waiting."""
        flight = self.lead()
        first = self.wait()
        self.clock.advance(6)
        second = self.wait()
        self.clock.advance(5)
        self.assertIs(self.successResultOf(first), Turn.ALONE)
        self.assertNoResult(second)
        self.flights.landed(flight)
        self.assertIs(self.successResultOf(second), Turn.LOOK)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_gone(self) -> None:
        """One whose client has gone is not made the leader."""
        flight = self.lead()
        first, second = self.wait(), self.wait()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.flights.failed(flight)
        self.assertIs(self.successResultOf(second), Turn.LEAD)

    def test_bounds(self) -> None:
        """Who comes when very many wait goes on his own, and so many keys are remembered."""
        flight = self.lead()
        flight.waiting.extend(Deferred() for _ in range(MOST_WAITING))
        self.assertIsNone(self.flights.join(b"a"))
        for number in range(MOST_PASSED + 1):
            self.flights.not_stored(Flight(b"%d" % number))
        self.assertIsInstance(self.flights.join(b"0"), Flight)
        self.assertIsNone(self.flights.join(b"1"))

    def test_off(self) -> None:
        """With no time to wait nobody does."""
        flights = Flights(self.clock, 0.0)
        self.assertEqual([flights.join(b"a"), flights.join(b"a")], [None, None])

    def test_stop(self) -> None:
        """At the end all go on their own."""
        self.lead()
        waiting = self.wait()
        self.flights.stop()
        self.assertIs(self.successResultOf(waiting), Turn.ALONE)

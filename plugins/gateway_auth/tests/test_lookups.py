"""What was looked up, and questions that are asked once."""

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import Clock
from gateway_auth.flights import Flights
from gateway_auth.lookups import Lookups
from gateway_auth.verifier import Verified

ALICE, BOB = Verified("alice"), Verified("Bob")


class LookupsTests(SynchronousTestCase):
    """Kept for a time, and no more than so many."""

    def test_time(self) -> None:
        """The time runs from when it was laid down, whoever looks meanwhile."""
        clock = Clock()
        lookups = Lookups(clock, 10.0, 5)
        lookups.put("CN=Alice", ALICE)
        clock.advance(9.0)
        self.assertEqual(lookups.get("cn=alice"), ALICE)
        clock.advance(1.0)
        self.assertIsNone(lookups.get("cn=alice"))
        self.assertEqual(len(lookups), 0)

    def test_names_that_look_alike(self) -> None:
        """Names that are one to those alone who fold all letters are two, as they may be two entries."""
        lookups = Lookups(Clock(), 10.0, 5)
        lookups.put("cn=stra\u00dfe", ALICE)
        self.assertIsNone(lookups.get("cn=strasse"))
        self.assertEqual(lookups.get("CN=STRA\u00dfE"), ALICE)

    def test_size(self) -> None:
        """Who was not looked up for the longest time gives way."""
        lookups = Lookups(Clock(), 10.0, 2)
        lookups.put("a", ALICE)
        lookups.put("b", BOB)
        lookups.get("a")
        lookups.put("c", BOB)
        self.assertEqual([lookups.get(key) for key in "abc"], [ALICE, None, BOB])

    def test_forget(self) -> None:
        """All of one user is dropped, in any case of letters, and nothing of another."""
        lookups = Lookups(Clock(), 10.0, 5)
        lookups.put("a", ALICE)
        lookups.put("b", BOB)
        lookups.put("b2", BOB)
        lookups.forget("BOB")
        self.assertEqual([lookups.get(key) for key in ("a", "b", "b2")], [ALICE, None, None])


class FlightsTests(SynchronousTestCase):
    """Equal questions at the same time."""

    def setUp(self) -> None:
        """Count who asks."""
        self.flights: Flights[int] = Flights()
        self.asked: list[Deferred[int]] = []

    async def ask(self) -> int:
        """Ask, and wait for the test to answer."""
        self.asked.append(Deferred())
        return await self.asked[-1]

    def test_shared(self) -> None:
        """Who asks the same gets the same answer, and later questions are new ones."""
        first, second = (self.flights.join("a", self.ask) for _ in range(2))
        other = self.flights.join("b", self.ask)
        self.assertEqual(len(self.asked), 2)
        self.asked[0].callback(1)
        self.assertEqual([self.successResultOf(one) for one in (first, second)], [1, 1])
        self.assertNoResult(other)
        self.flights.join("a", self.ask)
        self.assertEqual(len(self.asked), 3)

    def test_failure(self) -> None:
        """A failure is everybody's."""
        both = [self.flights.join("a", self.ask) for _ in range(2)]
        self.asked[0].errback(ValueError())
        for one in both:
            self.failureResultOf(one, ValueError)

    def test_giving_up(self) -> None:
        """Who gives up leaves the others waiting; if all do, the answer is nobody's."""
        first, second = (self.flights.join("a", self.ask) for _ in range(2))
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertNoResult(second)
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.assertIn("a", self.flights)
        self.asked[0].errback(ValueError())
        self.assertEqual(len(self.flights), 0)

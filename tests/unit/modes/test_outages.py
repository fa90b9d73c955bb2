"""Outages of origins: told at the beginning and at the end, and not each time an origin is tried in between."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event, Severity
from gateway.config.addresses import Origin
from gateway.modes.balance import FIRST_OUTAGE, Pool
from gateway.modes.origins import OriginState
from gateway.modes.outages import Outages


class OutagesTests(SynchronousTestCase):
    """Two origins of one site."""

    def setUp(self) -> None:
        """Make what tells, and a site."""
        self.clock = Clock()
        self.told: list[Event] = []
        self.outages = Outages(self.told.append)
        self.pool = self.watched("www.example.com")
        self.first, self.second = self.pool.origins

    def watched(self, site: str) -> Pool:
        """Make a site of two origins."""
        origins = [Origin("http", f"10.0.1.{10 + i}", 8000) for i in range(2)]
        pool = Pool(site, origins, self.clock, fall=2)
        self.outages.watch(pool, site)
        return pool

    def fail(self, state: OriginState, times: int = 2) -> None:  # type: ignore[override]
        """Let requests fail."""
        for _ in range(times):
            self.pool.failed(state, "no answer")

    def names(self) -> list[str]:
        """Give the names of what was told, and forget it."""
        names = [event.name for event in self.told]
        self.told.clear()
        return names

    def test_begins_and_ends(self) -> None:
        """An outage is told with its site, its origin and how many are left; begin and end have one subject."""
        self.pool.checked(self.first, healthy=False, why="status 500")
        self.pool.checked(self.first, healthy=True, why="good again")
        begun, over = self.told
        self.assertEqual((begun.name, over.name), ("origin_down", "origin_up"))
        self.assertEqual(begun.subject, "www.example.com http://10.0.1.10:8000")
        self.assertEqual(over.subject, begun.subject)
        self.assertEqual((begun.values["up"], begun.values["origins"]), ("1", "2"))
        self.assertEqual((begun.severity, over.severity), (Severity.WARNING, Severity.INFO))

    def test_last_one(self) -> None:
        """The one after which no origin of the site is left is an error."""
        self.pool.checked(self.first, healthy=False, why="status 500")
        self.pool.checked(self.second, healthy=False, why="status 500")
        self.assertEqual(self.told[1].severity, Severity.ERROR)
        self.assertIn("no other one of this site works", self.told[1].text)

    def test_trials(self) -> None:
        """An origin that is tried after each time out and fails again has one outage, over when it answers."""
        self.fail(self.first)
        for _ in range(5):
            self.clock.advance(100)
            self.pool.choose("192.0.2.1")
            self.assertTrue(self.first.up)
            self.fail(self.first, 1)
        self.assertEqual(self.names(), ["origin_down"])
        self.clock.advance(100)
        self.pool.choose("192.0.2.1")
        self.pool.succeeded(self.first)
        self.assertEqual(self.names(), ["origin_up"])
        self.pool.succeeded(self.first)
        self.assertEqual(self.names(), [])

    def test_answers_during_time_out(self) -> None:
        """A request that was under way and is answered ends the outage at once, and once."""
        self.fail(self.first)
        self.pool.succeeded(self.first)
        self.clock.advance(FIRST_OUTAGE + 1)
        self.pool.choose("192.0.2.1")
        self.assertEqual(self.names(), ["origin_down", "origin_up"])

    def test_few_failures(self) -> None:
        """Failures that take nothing out, and the success after them, are nobody's business."""
        self.fail(self.first, 1)
        self.pool.succeeded(self.first)
        self.assertEqual(self.told, [])

    def test_shared(self) -> None:
        """Two sites of one name that share an origin have one outage; it is over when it is for both."""
        other = self.watched("www.example.com")
        for pool in (self.pool, other):
            pool.checked(pool.origins[0], healthy=False, why="status 500")
        self.assertEqual(self.names(), ["origin_down"])
        other.checked(other.origins[0], healthy=True, why="good again")
        self.assertEqual(self.names(), [])
        self.pool.checked(self.first, healthy=True, why="good again")
        self.assertEqual(self.names(), ["origin_up"])

    def test_two_sites(self) -> None:
        """The same origin of sites with other names is two: each has its own checks."""
        other = self.watched("shop.example.com")
        for pool in (self.pool, other):
            pool.checked(pool.origins[0], healthy=False, why="status 500")
        self.assertEqual(len({event.subject for event in self.told}), 2)

    def test_leaves(self) -> None:
        """What is not configured any more is no outage any more, and nothing is told of it later."""
        self.fail(self.first)
        self.outages.leave([self.pool])
        self.assertEqual(
            self.told[1].text.rpartition(": ")[2], "its site was changed or taken away"
        )
        self.assertEqual(self.names(), ["origin_down", "origin_up"])
        self.pool.succeeded(self.first)
        self.fail(self.second)
        self.assertEqual(self.names(), [])

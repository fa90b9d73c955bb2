"""The end of the gateway's CA is told in time, once for each threshold, unless another one follows it."""

from __future__ import annotations

import datetime
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event, Severity
from gateway.net.authority import Authority
from gateway.net.expiry import LOOK_SECONDS, CaExpiry, last_to_sign

DAY = datetime.timedelta(days=1)
START = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)


class CaExpiryTests(SynchronousTestCase):
    """A CA, and who looks after it."""

    def setUp(self) -> None:
        """Make both."""
        self.now = START
        self.clock = Clock()
        self.told: list[Event] = []
        self.authority = Authority(
            Path(self.mktemp()), now=lambda: self.now, warn=lambda caution: None
        )
        self.end = self.authority.signer().expires
        self.expiry = CaExpiry(self.told.append, self.clock)

    def look(self, days_left: float) -> list[tuple[str, Severity]]:
        """Go to so many days before the end, and give what is told then."""
        self.now = self.end - datetime.timedelta(days=days_left)
        self.clock.advance(LOOK_SECONDS)
        found = [(event.values["days"], event.severity) for event in self.told]
        self.told.clear()
        return found

    def test_thresholds(self) -> None:
        """It is told 30, 7 and 1 days before the end and when it is over, once each."""
        self.expiry.follow(self.authority)
        self.assertEqual(self.told, [])
        self.assertEqual(self.look(31), [])
        self.assertEqual(self.look(29.9), [("29", Severity.WARNING)])
        self.assertEqual(self.look(20), [])
        self.assertEqual(self.look(6.9), [("6", Severity.WARNING)])
        self.assertEqual(self.look(0.9), [("0", Severity.ERROR)])
        self.assertEqual(self.look(-0.1), [("0", Severity.ERROR)])
        self.assertEqual(self.look(-50), [])

    def test_what_is_told(self) -> None:
        """The event names the CA, its folder and its last day, and says what to do."""
        self.now = self.end - 5 * DAY
        self.expiry.follow(self.authority)
        (event,) = self.told
        self.assertEqual((event.name, event.subject), ("ca_expires", str(self.authority.folder)))
        self.assertEqual(event.values["until"], self.end.date().isoformat())
        self.assertTrue(event.values["names"].startswith("Gateway CA "))
        self.assertIn("gateway ca rotate", event.text)

    def test_another_follows(self) -> None:
        """A CA that takes over before the end makes the end one of no concern; its own end is one again."""
        self.now = self.end - 40 * DAY
        self.authority.rotate(self.end - 10 * DAY)
        self.expiry.follow(self.authority)
        self.assertEqual(self.look(5), [])
        self.end = self.authority.generations[1].expires
        self.assertEqual(self.look(29), [("29", Severity.WARNING)])

    def test_read_anew(self) -> None:
        """What a reload reads anew is looked at, at once."""
        self.now = self.end - 5 * DAY
        self.expiry.follow(self.authority)
        self.told.clear()
        self.authority.rotate(self.now + DAY)
        self.expiry.follow(self.authority)
        self.assertEqual(self.told, [])

    def test_too_late(self) -> None:
        """One that begins only after the end leaves days on which nothing can be signed."""
        self.now = self.end - 40 * DAY
        first = self.authority.generations[0]
        self.authority.rotate(self.end + DAY)
        self.assertIs(last_to_sign(self.authority.generations, self.now), first)
        self.now = self.end + 2 * DAY
        second = self.authority.generations[1]
        self.assertIs(last_to_sign(self.authority.generations, self.now), second)

    def test_nothing_runs(self) -> None:
        """Without a CA there is no timer, and none is left when it stops."""
        self.expiry.follow(None)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.expiry.follow(self.authority)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.expiry.follow(None)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.expiry.follow(self.authority)
        self.expiry.stop()
        self.expiry.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

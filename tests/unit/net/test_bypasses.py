"""Names that are passed on unread for a time."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event, Severity
from gateway.net.bypasses import MAX_BYPASSED, Bypass, Bypasses, TooMany

NAME = "api.example.com"


class BypassTests(SynchronousTestCase):
    """L{Bypasses}."""

    def setUp(self) -> None:
        self.clock = Clock()
        #: Events and ended bypasses, in their order.
        self.log: list[Event | Bypass] = []
        self.bypasses = Bypasses(
            self.clock, self.log.append, self.log.append, wall=lambda: 1000 + self.clock.seconds()
        )

    def test_time(self) -> None:
        """One lasts as long as it should; whoever made it hears of the end before it is told."""
        made = self.bypasses.begin(NAME, "", "operator", 60)
        self.assertEqual(made, Bypass(NAME, "", "operator", 1060))
        self.clock.advance(59)
        self.assertEqual(self.bypasses.all(), [made])
        self.clock.advance(1)
        begun, ended, event = self.log
        assert isinstance(begun, Event) and isinstance(event, Event)
        self.assertEqual((begun.name, begun.severity), ("tls_bypass_begun", Severity.INFO))
        self.assertEqual((ended, event.name), (made, "tls_bypass_ended"))
        self.assertEqual((self.bypasses.all(), self.bypasses.names()), ([], {}))

    def test_families(self) -> None:
        """Those of one name, for one family and for all, are apart."""
        one = self.bypasses.begin(NAME, "0123456789ab", "automatic", 60)
        other = self.bypasses.begin(NAME, "", "operator", 90)
        self.assertEqual(self.bypasses.of(NAME), {"0123456789ab": one, "": other})
        self.bypasses.end(one, "why not")
        self.assertEqual(self.bypasses.of(NAME), {"": other})
        self.assertEqual(self.bypasses.of("www.example.com"), {})
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_by_itself(self) -> None:
        """That one begins without anybody's order is a warning."""
        self.bypasses.begin(NAME, "0123456789ab", "automatic", 60)
        (event,) = self.log
        assert isinstance(event, Event)
        self.assertEqual(event.severity, Severity.WARNING)
        self.assertEqual(event.values["by"], "automatic")

    def test_bound(self) -> None:
        """There are only so many names, and at the bound nothing changes but what is there."""
        for number in range(MAX_BYPASSED):
            self.bypasses.begin(f"{number}.example.com", "", "operator", 60)
        self.assertRaises(TooMany, self.bypasses.begin, NAME, "", "operator", 60)
        self.bypasses.begin("0.example.com", "", "operator", 90)
        self.assertEqual(len(self.bypasses.all()), MAX_BYPASSED)
        self.bypasses.stop()
        self.assertEqual((self.bypasses.all(), self.clock.getDelayedCalls()), ([], []))

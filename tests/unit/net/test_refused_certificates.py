"""Certificates of servers that are refused: the first at once, the others once a minute with their number."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event
from gateway.net import refused_certificates as module
from gateway.net.refused_certificates import GATHER_SECONDS, RefusedCertificates
from gateway.net.tls_faults import TlsFault

UNKNOWN = TlsFault("unknown_root", "The issuer is not known.")
OVER = TlsFault("expired", "It expired on 2026-01-01.")


class RefusedCertificatesTests(SynchronousTestCase):
    """One process."""

    def setUp(self) -> None:
        """Begin with none."""
        self.clock = Clock()
        self.events: list[Event] = []
        self.refused = RefusedCertificates(self.clock, self.events.append)

    def told(self) -> list[tuple[str, str, int]]:
        """Give what was told, and forget it."""
        found = [
            (event.subject, event.values["reason"], int(event.values["times"]))
            for event in self.events
        ]
        self.events.clear()
        return found

    def test_first(self) -> None:
        """The first of a server is told at once, with what is wrong; another reason is another one."""
        self.refused.refused("a.example", UNKNOWN)
        self.assertEqual(self.events[0].name, "upstream_certificate_refused")
        self.assertIn("a.example was refused: The issuer is not known.", self.events[0].text)
        self.refused.refused("a.example", OVER)
        self.refused.refused("b.example", UNKNOWN)
        self.assertEqual(
            self.told(),
            [
                ("a.example", "unknown_root", 1),
                ("a.example", "expired", 1),
                ("b.example", "unknown_root", 1),
            ],
        )

    def test_many(self) -> None:
        """What follows is told once a minute as long as it goes on; the numbers add up."""
        for _ in range(500):
            self.refused.refused("a.example", UNKNOWN)
        self.assertEqual(self.told(), [("a.example", "unknown_root", 1)])
        self.clock.advance(GATHER_SECONDS)
        self.assertIn("499 more times within a minute", self.events[0].text)
        self.assertEqual(self.told(), [("a.example", "unknown_root", 499)])
        self.refused.refused("a.example", UNKNOWN)
        self.assertEqual(self.told(), [])
        self.clock.advance(GATHER_SECONDS)
        self.assertEqual(self.told(), [("a.example", "unknown_root", 1)])

    def test_quiet(self) -> None:
        """After a minute without any, nothing is left and no timer runs; the next one is the first again."""
        self.refused.refused("a.example", UNKNOWN)
        self.clock.advance(GATHER_SECONDS)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.refused.refused("a.example", UNKNOWN)
        self.assertEqual(len(self.told()), 2)

    def test_no_certificate(self) -> None:
        """A handshake that fails for another reason is not told of."""
        for token in ("closed", "timeout", "version", "not_tls"):
            self.refused.refused("a.example", TlsFault(token, "It failed."))
        self.assertEqual((self.events, self.clock.getDelayedCalls()), ([], []))

    def test_bounded(self) -> None:
        """Of more servers than are told apart the others are one, with no name."""
        self.patch(module, "MAX_SERVERS", 3)
        for index in range(10):
            self.refused.refused(f"{index}.example", UNKNOWN)
        self.assertEqual(
            [one[0] for one in self.told()], ["0.example", "1.example", "2.example", ""]
        )
        self.clock.advance(GATHER_SECONDS)
        self.assertEqual(self.told(), [("", "other", 6)])

    def test_stop(self) -> None:
        """What has gathered is told at the end, and no timer is left."""
        for _ in range(3):
            self.refused.refused("a.example", UNKNOWN)
        self.refused.stop()
        self.refused.stop()
        self.assertEqual([times for _, _, times in self.told()], [1, 2])
        self.assertEqual(self.clock.getDelayedCalls(), [])

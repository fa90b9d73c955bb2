"""Tests of L{gateway.modes.http2_only}: servers that can't be decrypted, remembered for a while."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event
from gateway.modes.http2_only import MAX_SERVERS, REMEMBERED_SECONDS, Http2Only


class MemoryTests(SynchronousTestCase):
    """What is remembered."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[Event] = []
        self.memory = Http2Only(self.clock.seconds, self.told.append)

    def test_for_a_while(self) -> None:
        """A server is known from then on, by host and port, until its time is over."""
        self.memory.found("a.example", 443)
        self.assertTrue(self.memory.known("a.example", 443))
        self.assertFalse(self.memory.known("a.example", 8443))
        self.assertFalse(self.memory.known("b.example", 443))
        self.clock.advance(REMEMBERED_SECONDS - 1)
        self.assertTrue(self.memory.known("a.example", 443))
        self.clock.advance(1)
        self.assertFalse(self.memory.known("a.example", 443))
        self.assertEqual(len(self.memory), 0)

    def test_told(self) -> None:
        """Each that is found is told of: nothing passes unread in silence."""
        self.memory.found("a.example", 443)
        (event,) = self.told
        self.assertEqual((event.name, event.subject), ("tls_http2_only", "a.example"))
        self.assertIn("a.example:443 speaks HTTP/2 alone", event.text)

    def test_bounded(self) -> None:
        """However many there are, only so many are remembered; the one found first gives way."""
        for number in range(MAX_SERVERS + 3):
            self.memory.found(f"{number}.example", 443)
        self.assertEqual(len(self.memory), MAX_SERVERS)
        self.assertFalse(self.memory.known("2.example", 443))
        self.assertTrue(self.memory.known("3.example", 443))

    def test_again(self) -> None:
        """One that is found once more counts from then on."""
        self.memory.found("a.example", 443)
        self.clock.advance(REMEMBERED_SECONDS / 2)
        self.memory.found("a.example", 443)
        self.clock.advance(REMEMBERED_SECONDS / 2)
        self.assertTrue(self.memory.known("a.example", 443))
        self.assertEqual(len(self.memory), 1)

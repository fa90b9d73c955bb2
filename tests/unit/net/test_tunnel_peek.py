"""Tests of L{gateway.net.tunnel_peek}: a look at what goes past."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from zope.interface.verify import verifyObject

from gateway.net.tunnel import EndReason
from gateway.net.tunnel_peek import FirstAnswer
from tests.unit.net.test_tunnel import TunnelTestCase


class FirstAnswerTests(TunnelTestCase):
    """A tunnel whose upstream is looked at until it has said three bytes."""

    def setUp(self) -> None:
        super().setUp()
        self.seen = b""

    def look(self, data: bytes) -> bool:
        """Look; what is looked at was passed on before."""
        self.seen += data
        self.assertTrue(self.client.value().endswith(self.seen))
        return len(self.seen) >= 3

    def test_passed_on_and_seen(self) -> None:
        """Bytes are passed on at once, and seen until there are enough."""
        self.tunnel.start(b"", b"", self.look)
        self.receive(self.upstream, b"ab")
        self.receive(self.client, b"xy")
        self.receive(self.upstream, b"cd")
        self.receive(self.upstream, b"ef")
        self.assertEqual(self.client.value(), b"abcdef")
        self.assertEqual(self.upstream.value(), b"xy")
        self.assertEqual(self.seen, b"abcd")
        self.assertNotIsInstance(self.upstream.protocol, FirstAnswer)
        self.assertEqual((self.tunnel.up, self.tunnel.down), (2, 6))

    def test_spoken_before(self) -> None:
        """Where the upstream has spoken before the tunnel there is nothing to look at."""
        self.tunnel.start(b"", b"hello", self.look)
        self.receive(self.upstream, b"abc")
        self.assertEqual(self.seen, b"")

    def test_ends_meanwhile(self) -> None:
        """Ends and breaks go to the tunnel, whether enough was seen or not."""
        self.tunnel.start(b"", b"", self.look)
        verifyObject(IHalfCloseableProtocol, self.upstream.protocol)
        self.receive(self.upstream, b"a")
        self.end(self.upstream)
        self.assertEqual(self.said, ["client end"])
        self.upstream.lose(ConnectionDone())
        self.turn()
        self.assertEqual([end.reason for end in self.ends], [EndReason.UPSTREAM_CLOSED])

    def test_taken_meanwhile(self) -> None:
        """A transport that somebody else has by then is left to him."""
        other = Protocol()

        def look(data: bytes) -> bool:
            self.upstream.protocol = other
            return True

        self.tunnel.start(b"", b"", look)
        self.receive(self.upstream, b"abc")
        self.assertIs(self.upstream.protocol, other)

"""What is looked for in requests on their way to the next hop: credentials that hold for a connection, which a plugin has put there."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.modes import onward

HOST, COOKIE = b"Host: www.example.com", b"Cookie: a=1"
BINDING = b"Authorization: Negotiate oRQwEg=="


class Hop:
    """
    A connection to the next hop.

    @ivar tainted: nobody else is to use it.
    """

    tainted = False

    def taint(self) -> None:
        """Take note of that."""
        self.tainted = True


class Way:
    """
    What is remembered of requests before.

    @ivar harmless: lines that hold for no connection.
    """

    harmless: tuple[bytes, ...] = (b"X-A: of another one",)


class TaintTests(SynchronousTestCase):
    """Requests as they came, and as plugins have left them."""

    def tainted(self, received: list[bytes], lines: list[bytes]) -> bool:
        """Tell whether a request's lines taint the connection, where nothing is remembered and where that is."""
        written = onward.rewritten(lines, received)
        way = Way()
        for remembered in (None, way, way):
            hop: Any = Hop()
            self.assertEqual(onward.taint(written, hop, remembered), hop.tainted)
            self.assertEqual(written == way.harmless, remembered is way and not hop.tainted)
        return bool(hop.tainted)

    def test_as_received(self) -> None:
        """What the client has sent was judged when it came, whatever else a plugin has changed."""
        received = [HOST, BINDING, COOKIE]
        for lines in ([HOST, BINDING, b"Cookie: b=2"], [*received, b"X-A: 1"]):
            self.assertFalse(self.tainted(received, lines), lines)

    def test_put_there(self) -> None:
        """What a plugin has put there shows wherever that is."""
        for lines in (
            [HOST, BINDING],
            [HOST, COOKIE, BINDING],
            [BINDING, HOST, COOKIE],
            [BINDING],
            [HOST, b"aUTHORIZATION:ntlm x"],
        ):
            self.assertTrue(self.tainted([HOST, COOKIE], lines), lines)

    def test_harmless(self) -> None:
        """Other credentials are those of the request alone."""
        for lines in ([HOST], [HOST, b"Authorization: Basic YTpi"], [HOST, COOKIE, b"X-A: ntlm"]):
            self.assertFalse(self.tainted([HOST, COOKIE], lines), lines)

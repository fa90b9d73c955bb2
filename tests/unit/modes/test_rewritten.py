"""What plugins have written into requests, how it is known again, and whether it holds for a connection."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

import gateway.modes.rewritten as module
from gateway.message.rewriting import Rewriting
from gateway.modes.rewritten import NOTHING, Rewritten, rewritten
from gateway.wire.events import Section

HOST, COOKIE = b"Host: www.example.com", b"Cookie: a=1"
BINDING = b"Authorization: Negotiate oRQwEg=="


class Way:
    """
    What is remembered of requests before.

    @ivar written: what plugins wrote into the last one.
    """

    written: Rewritten | None = None


class RewrittenTestCase(SynchronousTestCase):
    """Tests with requests of one connection."""

    def setUp(self) -> None:
        """Remember nothing."""
        self.way = Way()

    def found(
        self, received: list[bytes], lines: list[bytes], nominates: bool = False
    ) -> Rewritten:
        """Look at a request's lines; what is found is what is found without a memory."""
        section = Section(1, received, [])
        section.nominates = nominates
        found = rewritten(lines, section, self.way)
        alone = rewritten(lines, section, None)
        self.assertEqual((found.lines, found.binds), (alone.lines, alone.binds))
        self.assertIs(self.way.written, found)
        return found


class BindsTests(RewrittenTestCase):
    """Credentials that hold for the connection."""

    def test_nothing(self) -> None:
        """As long as the lines are the list that was received nothing is looked at."""
        received = [HOST, BINDING]
        self.assertIs(rewritten(received, Section(1, received, []), self.way), NOTHING)
        self.assertEqual((NOTHING.lines, NOTHING.binds), ([], False))

    def test_as_received(self) -> None:
        """What the client has sent was judged when it came, whatever else a plugin has changed."""
        received = [HOST, BINDING, COOKIE]
        for lines in ([HOST, BINDING, b"Cookie: b=2"], [*received, b"X-A: 1"]):
            self.assertFalse(self.found(received, lines).binds, lines)

    def test_put_there(self) -> None:
        """What a plugin has put there shows wherever that is, each time."""
        for lines in (
            [HOST, BINDING],
            [HOST, COOKIE, BINDING],
            [BINDING, HOST, COOKIE],
            [BINDING],
            [HOST, b"aUTHORIZATION:ntlm x"],
        ):
            for _ in range(2):
                self.assertTrue(self.found([HOST, COOKIE], lines).binds, lines)

    def test_harmless(self) -> None:
        """Other credentials are those of the request alone."""
        for lines in ([HOST], [HOST, b"Authorization: Basic YTpi"], [HOST, COOKIE, b"X-A: ntlm"]):
            self.assertFalse(self.found([HOST, COOKIE], lines).binds, lines)


class AgainTests(RewrittenTestCase):
    """The same done to the next request."""

    def test_same(self) -> None:
        """It is known again though another line has changed, also if its bytes were written anew."""
        ours, more = b"Cookie: b=2", b"X-A: 1"
        found = self.learnt([HOST, b"X: 1", COOKIE], [HOST, b"X: 1", ours, more])
        for number in range(3):
            received = [HOST, b"X: %d" % number, COOKIE]
            lines = [*received[:2], bytes(bytearray(ours)), bytes(bytearray(more))]
            self.assertIs(self.found(received, lines), found)
        self.assertEqual(found.lines, [ours, more])

    def learnt(self, received: list[bytes], lines: list[bytes]) -> Rewritten:
        """Look at the same request twice; from then on it is known again."""
        self.way.written = None
        self.found(received, lines)
        found = self.found(received, lines)
        self.assertIs(self.found(received, lines), found)
        return found

    def test_taken_out(self) -> None:
        """So it is where a line was taken out, and those behind it stand elsewhere."""
        received = [HOST, b"Authorization: Basic YTpi", b"X: 1", COOKIE]
        more = b"X-Remote-User: a"
        found = self.learnt(received, [HOST, b"X: 1", COOKIE, more])
        other = [*received[:2], b"X: 2", COOKIE]
        self.assertIs(self.found(other, [HOST, b"X: 2", COOKIE, more]), found)
        self.assertIsNot(self.found([HOST, b"X: 2"], [HOST, b"X: 2", more]), found)

    def test_another_each_time(self) -> None:
        """Of what has no rule none is looked for again and again."""
        tried: list[object] = []

        class Counted(Rewriting):
            """Counts how often it is tried."""

            def __init__(self, before: list[bytes], after: list[bytes]) -> None:
                tried.append(after)
                super().__init__(before, after)

        self.patch(module, "Rewriting", Counted)
        for number in range(9):
            self.found([HOST, COOKIE], [HOST, COOKIE, b"X-A: %d" % number])
        self.assertEqual(tried, [])
        for _ in range(9):
            self.found([HOST, COOKIE], [b"X-A: 1", HOST, COOKIE])
        self.assertEqual(len(tried), 3)

    def test_more(self) -> None:
        """One line more, less, or elsewhere, and it is looked at."""
        ours, more = b"Cookie: b=2", b"X-A: 1"
        received = [HOST, b"X: 1", COOKIE]
        for lines in (
            [HOST, b"X: 1", ours],
            [HOST, b"X: 1", ours, BINDING],
            [HOST, BINDING, ours, more],
            [HOST, b"X: 1", ours, more, BINDING],
            [HOST, b"X: 1"],
            [more],
            [],
        ):
            before = self.learnt([HOST, b"X: 1", COOKIE], [HOST, b"X: 1", ours, more])
            self.assertIsNot(self.found(received, lines), before)

    def test_named_by_the_client(self) -> None:
        """Where the client names fields that end here it is looked at whose a line is, though it says what the client has said."""
        guess, ours = b"X-Remote-User: anna", b"Cookie: b=2"
        received = [HOST, guess, COOKIE]
        self.learnt(received, [HOST, guess, ours])
        lines = [HOST, bytes(bytearray(guess)), ours]
        self.assertEqual(self.found(received, lines, True).lines, [guess, ours])

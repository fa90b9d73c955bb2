"""What the cache costs requests that it can't answer, counted in opcodes: the same on every machine and at every load."""

from __future__ import annotations

from email.utils import formatdate
from itertools import count

from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from gateway_cache import taking
from tests.opcodes import Unhurried, opcodes
from tests.scenarios.caches import CachedTestCase

#: A multiple of how many rounds go by between two that are looked at.
REQUESTS = 32
#: Lines of heads that are there once are what most requests have; and what one gateway has learned must not help the next.
_MADE = count()
HEAD = (
    b"Server: nginx",
    b"Content-Type: text/plain",
    b"Date: " + formatdate(usegmt=True).encode("ascii"),
)


class CostTests(Unhurried, CachedTestCase):
    """Requests on kept connections through a reverse proxy with an access log, each for another URL."""

    def opcodes(self, gateway: Harness, control: bytes, method: bytes = b"GET") -> float:
        """Count what the gateway executes for one request, with all that it leaves to threads."""
        origin = gateway.origin()
        client = gateway.client()
        executed = 0
        for number in range(2 * REQUESTS):
            origin.reply = response(
                b"x" * 1024, *HEAD, b"Cache-Control: " + control, b"X-Made: %032d" % next(_MADE)
            )
            # What the peers keep would be looked through again and again.
            client.take()
            asked = request(b"/%d" % number, method=method)
            took = opcodes(lambda asked=asked: client.send(asked), without="/gateway/testing/")  # type: ignore[misc]
            if number >= REQUESTS:
                executed += took
            elif number == REQUESTS - 1:
                gateway.advance(1)
        executed += opcodes(lambda: gateway.advance(0.06), without="/gateway/testing/")
        self.assertEqual(len(origin.requests), 2 * REQUESTS)
        return executed / REQUESTS

    def test_not_stored(self) -> None:
        """What may not be stored costs 950 opcodes more than without the cache at the most."""
        more = self.opcodes(self.cached(), b"no-store") - self.opcodes(self.reverse(), b"no-store")
        self.assertLessEqual(more, 950)

    def test_stored(self) -> None:
        """What is stored costs 3,200 opcodes more at the most, with the writing of it to the index."""
        stored = b"public, max-age=86400"
        more = self.opcodes(self.cached(), stored) - self.opcodes(self.reverse(), stored)
        self.assertLessEqual(more, 3200)

    def test_unsafe(self) -> None:
        """What is never cached, but makes void what is, costs 1,050 opcodes more at the most where there is nothing of it."""
        costs = [self.opcodes(made(), b"no-store", b"POST") for made in (self.cached, self.reverse)]
        self.assertLessEqual(costs[0] - costs[1], 1050)


class RefusedTests(CachedTestCase):
    """What says plainly that it may not be stored is judged in a shorter way."""

    def answers(self, control: bytes, status: bytes) -> tuple[list[list[bytes]], int]:
        """Give the C{Cache-Status} of two requests, and how many of two more at once go to the origin."""
        gateway = self.cached()
        origin = gateway.origin()
        origin.reply = response(b"x", *HEAD, b"Cache-Control: " + control, status=status)
        one, other = gateway.client(), gateway.client()
        said = []
        for _ in range(2):
            one.send(request(b"/a"))
            lines = bytes(one.take()).split(b"\r\n")
            said.append([line for line in lines if line.startswith(b"Cache-Status:")])
        origin.reply = None
        before = len(origin.requests)
        for client in (one, other):
            client.send(request(b"/a"))
        return said, len(origin.requests) - before

    def test_same(self) -> None:
        """That way says, counts and remembers what the long one does: of an error, nothing for those to come."""
        for control in (b"no-store", b"private", b"max-age=60, Private"):
            for status, most in ((b"200 OK", 2), (b"404 Not Found", 2), (b"503 No", 1)):
                quick = self.answers(control, status)
                patch = self.patch(taking, "hopeless", lambda lines, policy: "")
                slow = self.answers(control, status)
                patch.restore()
                self.assertEqual(quick, slow)
                self.assertEqual([len(lines) for lines in quick[0]], [1, 1])
                self.assertEqual(quick[1], most)

"""What an answer out of the cache costs, counted in opcodes: the same on every machine and at every load."""

from __future__ import annotations

from email.utils import formatdate

from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from tests.opcodes import Unhurried, opcodes
from tests.scenarios.caches import CachedTestCase

#: A multiple of how many rounds go by between two that are looked at.
REQUESTS = 32
HEAD = (
    b"Server: nginx",
    b"Content-Type: text/html; charset=utf-8",
    b"Last-Modified: Sun, 22 Nov 2026 11:47:20 GMT",
    b'ETag: "5f3a-1"',
    b"Accept-Ranges: bytes",
    b"Vary: Accept-Encoding",
    b"Cache-Control: max-age=3600",
    b"Date: " + formatdate(usegmt=True).encode("ascii"),
)


class CostTests(Unhurried, CachedTestCase):
    """Requests on kept connections through a reverse proxy with an access log, for two objects in turn."""

    def opcodes(self, gateway: Harness) -> float:
        """Count what the gateway executes for one request."""
        origin = gateway.origin(reply=response(b"x" * 1024, *HEAD))
        client = gateway.client()
        asked = [request(path, b"Accept-Encoding: gzip") for path in (b"/a", b"/b")]
        for number in range(REQUESTS):
            client.send(asked[number % 2])
        count = 0
        for number in range(REQUESTS):
            # What the peers keep would be looked through again and again.
            client.take()
            one = asked[number % 2]
            count += opcodes(lambda one=one: client.send(one), without="/gateway/testing/")  # type: ignore[misc]
        self.went_on = len(origin.requests)
        return count / REQUESTS

    def test_hit(self) -> None:
        """A hit costs 2,050 opcodes at the most, and less than what no cache looks at and the origin answers."""
        hit = self.opcodes(self.cached())
        self.assertEqual(self.went_on, 2)
        self.assertLessEqual(hit, 2050)
        proxied = self.opcodes(self.reverse())
        self.assertEqual(self.went_on, 2 * REQUESTS)
        self.assertLess(hit, proxied)

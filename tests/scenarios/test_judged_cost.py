"""What content costs whose answer is remembered, counted in opcodes: the same on every machine and at every load."""

from __future__ import annotations

from gateway.api import NONE, Need, Side, Transaction, Whole, hookimpl
from gateway.testing.peers import request, response
from tests.opcodes import opcodes
from tests.scenarios.scanners import clean
from tests.scenarios.support import ScenarioTestCase
from tests.scenarios.unpackers import Shallow

#: A multiple of how many rounds go by between two that are looked at.
REQUESTS = 32
HEAD = (
    b"Server: nginx",
    b"Date: Sun, 22 Nov 2026 11:47:20 GMT",
    b"Content-Type: text/html; charset=utf-8",
    b"Last-Modified: Sun, 22 Nov 2026 11:47:20 GMT",
    b'ETag: "5f3a-1"',
    b"Accept-Ranges: bytes",
)


class Chooses(Shallow):
    """A scanner that wants everything, or nothing."""

    def __init__(self, *, wants: bool) -> None:
        super().__init__(clean)
        self.need = Whole(1 << 20) if wants else NONE

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want it, or not."""
        return self.need


class CostTests(ScenarioTestCase):
    """Requests on kept connections through a reverse proxy, with an access log."""

    def opcodes(self, *, wants: bool) -> float:
        """Count what the gateway executes for one request."""
        scanner = Chooses(wants=wants)
        gateway = self.reverse(plugins={"test": scanner})
        gateway.origin(reply=response(b"x" * 1024, *HEAD))
        client = gateway.client()
        asked = request(b"/1k")
        for _ in range(REQUESTS):
            client.send(asked)
        count = 0
        for _ in range(REQUESTS):
            # What the peers keep would be looked through again and again.
            client.take()
            count += opcodes(lambda: client.send(asked), without="/gateway/testing/")
        self.assertEqual(len(scanner.asked), int(wants))
        self.assertEqual(
            gateway.log[-1]["notes"]["scan_response"], "clean" if wants else "not_needed"
        )
        return count / REQUESTS

    def test_remembered(self) -> None:
        """Content whose answer is remembered costs 1.2 times what content does that nobody asks for, at the most."""
        self.assertLessEqual(self.opcodes(wants=True) / self.opcodes(wants=False), 1.2)

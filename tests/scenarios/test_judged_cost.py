"""What content costs whose answer is remembered, counted in opcodes: the same on every machine and at every load."""

from __future__ import annotations

from gateway.api import NONE, Need, Side, Transaction, Whole, hookimpl
from gateway.testing.peers import request, response
from tests.opcodes import Unhurried, opcodes
from tests.scenarios.scanners import BAD, clean
from tests.scenarios.support import ScenarioTestCase
from tests.scenarios.unpackers import Shallow, shallow

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
        super().__init__(lambda job: shallow(job) if BAD in job.content else clean(job))
        self.need = Whole(1 << 20) if wants else NONE

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want it, or not."""
        return self.need


class CostTests(Unhurried, ScenarioTestCase):
    """Requests on kept connections through a reverse proxy, with an access log."""

    def opcodes(self, *, wants: bool | None, infected: bool = False) -> float:
        """
        Count what the gateway executes for one request.

        @param wants: C{None}: nobody scans.
        @param infected: malware was found elsewhere.
        """
        scanner = Chooses(wants=bool(wants))
        gateway = self.reverse(plugins={} if wants is None else {"test": scanner})
        origin = gateway.origin(reply=response(BAD, *HEAD))
        client = gateway.client()
        if infected:
            client.send(request(b"/bad"))
        origin.reply = response(b"x" * 1024, *HEAD)
        asked = request(b"/1k")
        for _ in range(REQUESTS):
            client.send(asked)
        count = 0
        for _ in range(REQUESTS):
            # What the peers keep would be looked through again and again.
            client.take()
            count += opcodes(lambda: client.send(asked), without="/gateway/testing/")
        self.assertEqual(len(scanner.asked), bool(wants) + infected)
        said = {True: "clean", False: "not_needed", None: None}[wants]
        self.assertEqual(gateway.log[-1]["notes"].get("scan_response"), said)
        return count / REQUESTS

    def test_remembered(self) -> None:
        """Content whose answer is remembered costs 1.2 times what content does that nobody asks for, at the most."""
        self.assertLessEqual(self.opcodes(wants=True) / self.opcodes(wants=False), 1.2)

    def test_remembered_without_scanners(self) -> None:
        """It costs little more than where nobody scans at all: the question, the tag, a look, and two notes."""
        self.assertLessEqual(self.opcodes(wants=True) - self.opcodes(wants=None), 275)

    def test_after_malware(self) -> None:
        """Nor is it much more while some other URL is known for malware."""
        usual = self.opcodes(wants=True)
        self.assertLessEqual(self.opcodes(wants=True, infected=True) / usual, 1.5)

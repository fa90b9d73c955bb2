"""The order about URLs that gave malware."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.admin import scan_urls
from gateway.admin.scan_urls import scan_urls_order
from gateway.api.content import Side
from gateway.pipeline.infected import InfectedUrls
from gateway.pipeline.judged import Judged

URL = "http://www.example.com/setup.exe"
BAD = Judged(
    Side.RESPONSE, "infected", "block", "malware was found", "EICAR", "clamd", "1.4/27800", "a/b"
)


class OrderTests(SynchronousTestCase):
    """L{scan_urls_order}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.urls = InfectedUrls(self.clock, wall=lambda: 1_800_000_000.0)

    def order(self, **said: Any) -> dict[str, Any]:
        """Carry an order out; what it gives can be written as JSON."""

        async def carried_out() -> dict[str, Any]:
            return await scan_urls_order(lambda: self.urls)(said)

        answer = self.successResultOf(Deferred.fromCoroutine(carried_out()))
        found: dict[str, Any] = json.loads(json.dumps(answer))
        return found

    def test_nothing(self) -> None:
        """While nothing was found there is nothing."""
        self.assertEqual(
            self.order(), {"ok": True, "why": "", "most": 10_000, "count": 0, "urls": []}
        )

    def test_list(self) -> None:
        """A URL is listed with what was found by whom, when, and for how long that holds."""
        self.urls.remember(URL + "?token=secret", 'etag:"a" 5 ', BAD)
        self.urls.known(URL + "?token=secret", 'etag:"a" 5 ')
        self.clock.advance(60)
        self.assertEqual(
            self.order()["urls"],
            [
                {
                    "url": URL + "?…",
                    "known_by": "etag",
                    "reason": "infected",
                    "name": "EICAR",
                    "member": "a/b",
                    "engine": "clamd",
                    "patterns": "1.4/27800",
                    "found": "2027-01-15T08:00:00+00:00",
                    "left_seconds": 4 * 3600 - 60,
                    "refused": 1,
                }
            ],
        )

    def test_many(self) -> None:
        """The answer stays small, and says how many there are."""
        self.patch(scan_urls, "MOST_LISTED", 2)
        for number in range(3):
            self.urls.remember(f"{URL}{number}", "", BAD)
        answer = self.order()
        self.assertEqual((answer["count"], len(answer["urls"])), (3, 2))

    def test_purge(self) -> None:
        """One is forgotten, or all are; what is neither changes nothing."""
        for number in range(3):
            self.urls.remember(f"{URL}{number}", "", BAD)
        for wrong in (False, None, 5, ["x"]):
            self.assertFalse(self.order(purge=wrong)["ok"])
        self.assertEqual(self.order(purge=URL + "1")["purged"], 1)
        self.assertEqual(self.order(purge=URL)["purged"], 0)
        self.assertEqual(self.order(purge=True)["purged"], 2)
        self.assertEqual(self.order(purge=True)["purged"], 0)

"""The plugin of docs/plugins.md that uses what plugins are given: store, HTTP client, jobs, metrics and log."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import gateway
from gateway.api import Block, Fields, HttpAnswer, HttpFailed, Refused, StoreFailed
from gateway.api.settings import Secret
from gateway.testing import FakeGateway

PAGE = Path(gateway.__file__).parent.parent / "docs/plugins.md"
SERVICE = "https://reputation.example.com"
KEY = "a key for the service"


class ReputationTests(SynchronousTestCase):
    """The example does what the page says."""

    def setUp(self) -> None:
        """Start it between an origin, and a service that knows two hosts."""
        (shown,) = re.findall(
            r"^```python\n# gateway_reputation.py\n(.*?)^```$", PAGE.read_text(), re.M | re.S
        )
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "gateway_reputation.py").write_text(shown)
        self.patch(sys, "path", [str(folder), *sys.path])
        self.addCleanup(sys.modules.pop, "gateway_reputation", None)
        importlib.invalidate_caches()
        module = importlib.import_module("gateway_reputation")
        self.gw = FakeGateway(
            module.plugin,
            module.ReputationSettings(key=Secret(KEY)),
            http={
                f"{SERVICE}/exceptions": answer(b"odd.example\n"),
                f"{SERVICE}/hosts/bad.example": answer(b"bad"),
                f"{SERVICE}/hosts/good.example": answer(b"good"),
            },
        )
        self.addCleanup(self.gw.stop)

    def outcome(self, host: str) -> Any:
        """Visit a host."""
        return self.successResultOf(self.gw.get(f"http://{host}/")).outcome

    def test_judged(self) -> None:
        """A host of bad repute is refused and others are not; the service is asked once for each, with the key."""
        blocked = Refused(Block("bad.example is of bad repute.", category="reputation"))
        for _ in range(2):
            self.assertEqual(self.outcome("bad.example"), blocked)
            self.assertNotEqual(self.outcome("good.example"), blocked)
        looked_up = [asked for asked in self.gw.http.requests if "/hosts/" in asked.url]
        self.assertEqual(len(looked_up), 2)
        self.assertEqual(looked_up[0].fields.get("Authorization"), f"Bearer {KEY}")
        self.assertEqual(self.gw.services.metrics.value("asked", result="answered"), 2)  # type: ignore[attr-defined]

    def test_exceptions(self) -> None:
        """Hosts of the list of exceptions are not asked for; the list is read anew every five minutes."""
        self.gw.clock.advance(0)
        self.outcome("odd.example")
        self.gw.clock.advance(301)
        urls = [asked.url for asked in self.gw.http.requests]
        self.assertEqual(urls, [f"{SERVICE}/exceptions"] * 2)

    def test_forgotten(self) -> None:
        """What was remembered is asked for again after an hour."""
        self.outcome("good.example")
        self.gw.clock.advance(3601)
        self.outcome("good.example")
        looked_up = [asked for asked in self.gw.http.requests if "/hosts/" in asked.url]
        self.assertEqual(len(looked_up), 2)

    def test_no_service(self) -> None:
        """Without the service nobody is refused; the log says why, and nothing of the key."""
        self.gw.http[f"{SERVICE}/hosts/bad.example"] = HttpFailed("timeout", f"sent {KEY}")
        self.assertNotIsInstance(self.outcome("bad.example"), Refused)
        (said,) = [text for text in self.gw.log if "no opinion" in text]
        self.assertIn("no opinion on bad.example: timeout", said)
        self.assertNotIn(KEY, said)

    def test_no_store(self) -> None:
        """A store that fails costs look-ups and refuses nobody for it."""
        self.gw.services.store.failing = StoreFailed("full", "the share is used up")  # type: ignore[attr-defined]
        for _ in range(2):
            self.assertNotIsInstance(self.outcome("good.example"), Refused)
        looked_up = [asked for asked in self.gw.http.requests if "/hosts/" in asked.url]
        self.assertEqual(len(looked_up), 2)


def answer(content: bytes) -> HttpAnswer:
    """Make the service's answer."""
    return HttpAnswer(200, Fields(), content)

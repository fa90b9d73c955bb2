"""The plugin with scripted clamds, on a clock that is told the time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Event, ScanJob, ScanResult, Services, Unscannable
from gateway.testing import FakeServices
from gateway_clamd import Clamd, ClamdSettings
from gateway_clamd.settings import Address
from gateway_clamd.tests.scripted import ScriptedClamd

#: Longer than any answer of a scripted clamd takes.
MOMENT = 0.01
#: When the signatures of a scripted clamd were made, and when tests begin: Mon Nov 16 09:00:00 2026.
MADE = 1794819600.0


class PluginTestCase(SynchronousTestCase):
    """Tests with the plugin's object."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clamd = ScriptedClamd(self.clock)
        self.clamds = {"/one": self.clamd}
        self.events: list[Event] = []

    def made(self, *, begin: bool = True, **settings: Any) -> Clamd:
        """
        Make the plugin with all scripted clamds.

        @param begin: let it find out what there is.
        """
        addresses = tuple(Address(path) for path in self.clamds)
        self.equips = FakeServices(self.clock, self.events.append)
        self.services: Services = self.equips.for_plugin("clamd")
        self.plugin = Clamd(
            ClamdSettings(address=addresses, **settings),
            self.services,
            connect=self._connect,
            wall=lambda: MADE + self.clock.seconds(),
        )
        self.addCleanup(self._stop)
        if begin:
            self.pass_by(0.1)
        return self.plugin

    def _connect(self, address: Address, protocol: Protocol) -> Deferred[Any]:
        return self.clamds[address.path].connect(address, protocol)

    def _stop(self) -> None:
        self.plugin.stop()
        self.equips.stop()
        self.clock.advance(0)
        every: Any = self.services.every
        self.assertEqual(every.errors, [])
        # Every wait of the plugin's own has ended.
        self.assertEqual(self.clock.getDelayedCalls(), [])
        for clamd in self.clamds.values():
            self.assertEqual(clamd.open, [])

    def pass_by(self, seconds: float, step: float = 0.5) -> None:
        """Let time go by in steps, each followed by what happens at once then."""
        left = seconds
        while True:
            for _ in range(200):
                if not self.clock.calls or self.clock.calls[0].getTime() > self.clock.seconds():
                    break
                self.clock.advance(0)
            if left <= 0:
                return
            self.clock.advance(min(step, left))
            left -= step

    def scan(self, content: bytes | ScanJob) -> Deferred[ScanResult]:
        """Begin a scan."""
        job = content if isinstance(content, ScanJob) else ScanJob.of(content)
        return Deferred.fromCoroutine(self.plugin.scan_content(job))

    def scanned(self, content: bytes | ScanJob) -> ScanResult:
        """Scan, and let as little time go by as it takes."""
        waiting = self.scan(content)
        self.pass_by(MOMENT)
        return self.successResultOf(waiting)

    def reason(self, content: bytes | ScanJob) -> str:
        """Give why content can't be scanned."""
        found = self.scanned(content)
        assert isinstance(found, Unscannable), found
        self.assertNotEqual(found.why, "")
        return found.reason

    def in_file(self, content: bytes) -> ScanJob:
        """Give a job whose content is in a file."""
        path = Path(self.mktemp()).absolute()
        path.write_bytes(content)
        return ScanJob(
            b"", path, len(content), "", hashlib.sha256(content).hexdigest(), "http://example.com/"
        )

    def told(self) -> Sequence[str]:
        """Give the names of the events so far, and forget them."""
        names = [event.name for event in self.events]
        self.events.clear()
        return names

    def value(self, name: str, **labels: str) -> float:
        """Give a number of the plugin's."""
        metrics: Any = self.services.metrics
        return float(metrics.value(name, **labels))

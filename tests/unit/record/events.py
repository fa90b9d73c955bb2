"""Test cases that see what is logged."""

from __future__ import annotations

from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase


class EventsTestCase(SynchronousTestCase):
    """
    A test case that gathers the events of the code under test.

    @ivar events: what C{gateway.record} logged.
    """

    def setUp(self) -> None:
        """Listen."""
        self.events: list[LogEvent] = []
        globalLogPublisher.addObserver(self._see)
        self.addCleanup(globalLogPublisher.removeObserver, self._see)

    def _see(self, event: LogEvent) -> None:
        if str(event.get("log_namespace", "")).startswith("gateway.record."):
            self.events.append(event)

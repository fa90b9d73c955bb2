"""Test cases that see what is logged."""

from __future__ import annotations

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer


@implementer(ILogObserver)
class _Ear:
    """Hears what C{gateway.record} logs."""

    def __init__(self) -> None:
        self.heard: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        if str(event.get("log_namespace", "")).startswith("gateway.record."):
            self.heard.append(event)


class EventsTestCase(SynchronousTestCase):
    """
    A test case that gathers the events of the code under test.

    @ivar events: what C{gateway.record} logged.
    """

    def setUp(self) -> None:
        """Listen."""
        ear = _Ear()
        self.events = ear.heard
        globalLogPublisher.addObserver(ear)
        self.addCleanup(globalLogPublisher.removeObserver, ear)

"""
What holds and scans are made with: the settings, the room, the time, and what all snapshots of the configuration share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.api.events import Event
from gateway.api.services import Clock
from gateway.config.sections.scan import Scan
from gateway.pipeline.deferred import Fetches
from gateway.pipeline.infected import InfectedUrls
from gateway.pipeline.quarantine import Quarantine
from gateway.pipeline.spool import TempBudget


class ScanTally(Protocol):
    """Pieces of content and their bytes."""

    messages: int
    bytes: int


class ScanCounts(Protocol):
    """Who counts what becomes of content: L{gateway.record.scan_counters.ScanCounters}."""

    @property
    def again(self) -> ScanTally:
        """What clean content of answers is counted by whose answer was remembered, for who counts often, and by itself."""

    def judged(self, side: str, result: str, size: int) -> None:
        """Count one piece of content and its bytes."""

    def took(self, side: str, seconds: float, members: int) -> None:
        """Count how long a scan took, and how many members were scanned with it."""

    def looked_up(self, found: bool) -> None:
        """Count a look for what is remembered."""


class _NotCounted:
    """For where nobody wants to know."""

    messages = 0
    bytes = 0

    @property
    def again(self) -> ScanTally:
        """Give what nobody reads."""
        return self

    def judged(self, side: str, result: str, size: int) -> None:
        """Count nothing."""

    def took(self, side: str, seconds: float, members: int) -> None:
        """Count nothing."""

    def looked_up(self, found: bool) -> None:
        """Count nothing."""


NOT_COUNTED = _NotCounted()


@dataclass(frozen=True, slots=True)
class Scanning:
    """
    What the holds of one snapshot of the configuration are made with.

    @ivar tell: where events go.
    @ivar infected: which URLs gave malware a while ago.
    @ivar fetches: downloads whose clients look at a progress page.
    @ivar quarantine: keeps refused content; C{None}: nobody does.
    @ivar counts: told of each piece of content.
    """

    settings: Scan
    clock: Clock
    tell: Callable[[Event], None]
    budget: TempBudget
    infected: InfectedUrls
    fetches: Fetches
    quarantine: Quarantine | None = None
    counts: ScanCounts = NOT_COUNTED

    @classmethod
    def of(
        cls,
        settings: Scan,
        clock: Clock,
        tell: Callable[[Event], None] = lambda event: None,
        before: Scanning | None = None,
        quarantine: Quarantine | None = None,
        counts: ScanCounts | None = None,
    ) -> Scanning:
        """
        Make it.

        @param before: that of the snapshot before, whose running transactions use room too.
        """
        budget = TempBudget(
            settings.temp_limit, clock, tell, before=None if before is None else before.budget
        )
        infected = InfectedUrls(
            clock,
            settings.infected_urls,
            settings.infected_urls_ttl,
            before=None if before is None else before.infected,
        )
        fetches = Fetches(clock) if before is None else before.fetches
        counts = counts or NOT_COUNTED
        return cls(settings, clock, tell, budget, infected, fetches, quarantine, counts)

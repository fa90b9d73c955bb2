"""
Stepping aside: while the disk is full or broken nothing is stored, and what is stored is found; then it is tried again.

Operators are told once when it begins and once when it is over.
"""

from __future__ import annotations

from pathlib import Path

from twisted.python.failure import Failure

from gateway.api import EventType, Services
from gateway.api.catalogue.service import CACHE_ASIDE, CACHE_BACK
from gateway_cache.limits import Limits, relieve
from gateway_cache.memory import Memory
from gateway_cache.opening import Folder
from gateway_cache.write_queue import WriteQueue

#: How long to do without writing when the disk is full or broken, seconds.
ASIDE_SECONDS = 30.0
#: How long to keep to what was found out about the room on the disk, seconds.
_CAPS_SECONDS = 600.0


class Aside:
    """
    Whether a store steps aside.

    @ivar until: when to try again; C{None}: it stores.
    """

    def __init__(self, services: Services, folder: Path, memory: Memory, limits: Limits) -> None:
        self.until: float | None = None
        self._services = services
        self._folder = folder
        self._memory = memory
        self._limits = limits
        self._caps_until = 0.0

    def may_try(self) -> bool:
        """Tell whether it is time to try what could not be done."""
        return self.until is None or self._services.clock.seconds() >= self.until

    def step(self, why: str) -> None:
        """Store nothing for now."""
        first = self.until is None
        self.until = self._services.clock.seconds() + ASIDE_SECONDS
        # What is in memory and can't be written must not stand for what is stored.
        for held in list(self._memory.entries.values()):
            if any(copy.place is None for copy in held.copies):
                self._memory.drop(held)
        if first:
            self._tell(CACHE_ASIDE, f"the cache stores nothing for now: {why}")

    def failed(self, failure: Failure) -> None:
        """Store nothing for now, after a call in a thread that failed."""
        self.step(failure.getErrorMessage())

    def back(self) -> None:
        """Store again, if it did not."""
        if self.until is None:
            return
        self.until = None
        self._tell(CACHE_BACK, "the cache stores again")

    def tend(self, folder: Folder, queue: WriteQueue | None) -> None:
        """Make room on a disk that was full, when it is time; later on, forget how small it was."""
        now = self._services.clock.seconds()
        if self.until is not None and queue is not None and not queue.is_busy and now >= self.until:
            self.until = now + ASIDE_SECONDS
            trying = queue.alone(relieve, folder, self._limits)
            trying.addCallbacks(self._relieved, self.failed)
        elif self._limits.caps and now > self._caps_until:
            self._limits.caps = {}

    def _relieved(self, _: object) -> None:
        self._caps_until = self._services.clock.seconds() + _CAPS_SECONDS
        self.back()

    def _tell(self, kind: EventType, text: str) -> None:
        self._services.events(kind(text, str(self._folder)))

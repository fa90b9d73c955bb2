"""
A circuit breaker: what failed several times in a row is left alone, and tried by one probe now and then.

Knows nothing of what it protects. Its time is the plugin's clock; used in the reactor's thread only.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from gateway.api import Clock

State: TypeAlias = Literal["closed", "open", "half_open"]


class Breaker:
    """
    Counts failures.

    @ivar state: C{closed}: all is well and everybody may; C{open}: nobody may; C{half_open}: a probe is under way, and
        nobody else may.
    """

    __slots__ = ("_clock", "_due", "_failures", "_limit", "_retry", "state")

    def __init__(self, clock: Clock, failures: int, retry_seconds: float) -> None:
        """
        Begin closed.

        @param failures: it opens after so many in a row, 1 or more.
        @param retry_seconds: so long after it opened, or after a probe failed, a probe may be made.
        """
        self.state: State = "closed"
        self._clock = clock
        self._limit = failures
        self._retry = retry_seconds
        self._failures = 0
        self._due = 0.0

    @property
    def is_closed(self) -> bool:
        """Tell whether everybody may."""
        return self.state == "closed"

    def begin_probe(self) -> bool:
        """
        Ask to make the one probe; who is allowed to must say how it ended.

        @return: whether it is time for one, and nobody else makes one.
        """
        if self.state != "open" or self._clock.seconds() < self._due:
            return False
        self.state = "half_open"
        return True

    def succeeded(self) -> bool:
        """
        Note that it worked.

        @return: whether that closed it.
        """
        self._failures = 0
        was, self.state = self.state, "closed"
        return was != "closed"

    def failed(self, *, wait_seconds: float | None = None) -> bool:
        """
        Note that it failed.

        @param wait_seconds: it opens at once, and no probe is made for so long: to try again would do harm.
        @return: whether that opened it; a probe that fails opens nothing that was not open.
        """
        self._failures += 1
        if self.state == "closed" and self._failures < self._limit and wait_seconds is None:
            return False
        was, self.state = self.state, "open"
        # What was sent off before it opened does not put the probe off.
        if was != "open" or wait_seconds is not None:
            self._due = self._clock.seconds() + (wait_seconds or self._retry)
        return was == "closed"

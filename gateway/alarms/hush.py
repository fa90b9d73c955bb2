"""
Whether maintenance explains what happens now: by the configuration's windows, or because an operator said so.

Malware does not wait for the end of maintenance, so events of the group C{SECURITY} are never kept back. Windows go by the
clock on the wall, which may be set at any time, so it is looked at anew whenever it shows what it could not; what an
operator ordered lasts as long as was said, whatever that clock does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Any

from twisted.logger import Logger

from gateway.alarms.family import EARLY
from gateway.api.events import EventGroup, EventType
from gateway.api.services import Clock
from gateway.config.windows import Window

#: Nobody wants quiet for longer than so many seconds without saying so again.
LONGEST_SECONDS = 7 * 86400.0
#: Seconds between two looks at the clock while it is quiet.
_LOOK_SECONDS = 60.0
_SHORTEST_SECONDS = 0.01


class Hush:
    """
    Knows whether it is quiet.

    @ivar is_set: whether it could be quiet at all.
    @ivar kept_back: how often a channel was not told of an event and never will be.
    """

    _log = Logger()

    def __init__(
        self,
        windows: tuple[Window, ...],
        clock: Clock,
        *,
        now: Callable[[], float] = time.time,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Begin.

        @param now: wall-clock time, seconds since 1970.
        @param ended: called when it is over, not from within a call of anybody's.
        """
        self.kept_back = self._kept_back_before = 0
        self._clock = clock
        self._now = now
        self._ended = ended
        self._windows = windows
        self._ordered_at = -inf
        self._ordered_seconds = 0.0
        self.is_set = bool(windows)
        # What was found out, and from when until when by the clock on the wall it holds.
        self._is_quiet = False
        self._from = inf
        self._to = -inf
        self._until = 0.0
        self._timer: Any = None

    def holds(self, kind: EventType | None) -> bool:
        """Tell whether an event of a type is kept back now."""
        if kind is not None and kind.group is EventGroup.SECURITY:
            return False
        return self.is_quiet()

    def is_quiet(self) -> bool:
        """Tell whether anything is kept back now."""
        if not self.is_set:
            return False
        at = self._now()
        if not self._from <= at < self._to or self._ordered_at > -inf:
            self._look(at)
        return self._is_quiet

    @property
    def until(self) -> float | None:
        """When it is over by the clock on the wall; C{None}: it is not quiet."""
        return self._until if self.is_quiet() else None

    @property
    def ordered_until(self) -> float | None:
        """When what an operator ordered is over, by the clock on the wall; C{None}: nothing is ordered."""
        left = self._ordered_left()
        return self._now() + left if left > 0 else None

    def order(self, seconds: float | None) -> None:
        """
        Be quiet from now on.

        @param seconds: for how long; C{None}: no longer by order. Windows hold all the same.
        """
        if seconds is None:
            self._ordered_at = -inf
        else:
            self._ordered_at = self._clock.seconds()
            self._ordered_seconds = min(seconds, LONGEST_SECONDS)
            self.is_set = True
        self._look(self._now())

    def restore(self, until: float) -> None:
        """Go on with what was ordered before a restart, if that is not over."""
        left = min(until - self._now(), LONGEST_SECONDS)
        if left > max(0.0, self._ordered_left()):
            self.order(left)

    def follow(self, windows: tuple[Window, ...]) -> None:
        """Take other windows."""
        self._windows = windows
        self.is_set = self.is_set or bool(windows)
        self._look(self._now())

    def stop(self) -> None:
        """Look no more, before somebody asks again."""
        self._from = inf
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _ordered_left(self) -> float:
        since = self._clock.seconds() - self._ordered_at
        left = self._ordered_seconds - since
        # Less than nothing has gone by: the clock was set back.
        return left if since >= 0 and left > EARLY else 0.0

    def _look(self, at: float) -> None:
        """Find out."""
        ends = [end for window in self._windows if (end := window.end(at)) is not None]
        left = self._ordered_left()
        if left > 0:
            ends.append(at + left)
        elif self._ordered_at > -inf:
            self._ordered_at = -inf
        was_quiet, self._is_quiet = self._is_quiet, bool(ends)
        self.is_set = self._is_quiet or bool(self._windows)
        self._from = at
        # Windows begin and end with a minute.
        self._to = (at // 60 + 1) * 60
        if ends:
            self._until = max(ends)
            self._look_later(min(_LOOK_SECONDS, max(_SHORTEST_SECONDS, min(ends) - at)))
            if not was_quiet:
                self._kept_back_before = self.kept_back
                self._log.info("maintenance: only what is about security is told")
        elif was_quiet:
            self._look_later(0.0)

    def _look_later(self, seconds: float) -> None:
        self._cancel()
        self._timer = self._clock.callLater(seconds, self._looked)

    def _looked(self) -> None:
        self._timer = None
        if self._is_quiet:
            self._look(self._now())
        if not self._is_quiet:
            self._cancel()
            self._log.info(
                "maintenance is over: {count} times nobody was told of what began and ended meanwhile",
                count=self.kept_back - self._kept_back_before,
            )
            self._ended()

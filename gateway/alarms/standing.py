"""
How one receiver fares: what failed in a row, since when it is down, who has heard of that, and when it is asked again.

That a receiver is down is told to the others, once in each process; since when it is outlives the process, so that its
return is told as well. What to do about a notice that failed is not decided here, nor how anything is written.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.alarms.means import Means
from gateway.api.alarms import DeliveryFailed
from gateway.api.catalogue.service import CHANNEL_DOWN, CHANNEL_UP

#: Seconds between attempts.
FIRST_SECONDS = 1.0
LONGEST_SECONDS = 300.0
#: The longest that a receiver may put us off.
PUT_OFF_SECONDS = 3600.0

#: After so many failed attempts in a row others are told.
DOWN_AFTER = 3


class Standing:
    """
    A receiver's.

    @ivar failures: attempts that failed since one did not.
    @ivar down_since: wall-clock time, seconds since 1970; 0: it is not down.
    """

    __slots__ = ("_is_told", "_keep", "_key", "_means", "_refused", "down_since", "failures")

    def __init__(self, key: str, means: Means, keep: Callable[[], None]) -> None:
        """
        Begin with one that works.

        @param keep: writes C{down_since} down.
        """
        self.failures = 0
        self.down_since = 0.0
        self._key = key
        self._means = means
        self._keep = keep
        self._is_told = False
        # What was refused for good since the receiver took something: notices, and their events.
        self._refused = (0, 0)

    @property
    def is_failing(self) -> bool:
        """Tell whether so much failed that it counts as down."""
        return self.failures >= DOWN_AFTER

    def restore(self, since: float) -> None:
        """Take what a former process wrote down; what is known here goes before it."""
        if not self.down_since:
            self.down_since = since
        elif not since:
            self._keep()

    def refused(self, events: int) -> None:
        """Take note of a notice that was refused for good, with so many events in it."""
        notices, lost = self._refused
        self._refused = notices + 1, lost + events

    def worked(self, queued: int) -> tuple[int, int]:
        """
        Take note that a notice was taken, and tell of it if that is news.

        @return: what was refused for good before: notices, and their events. Now somebody listens who may be told.
        """
        self.failures = 0
        refused, self._refused = self._refused, (0, 0)
        since, self.down_since = self.down_since, 0.0
        self._is_told = False
        if since:
            self._keep()
            seconds = max(0.0, self._means.now() - since)
            self._means.tell(
                CHANNEL_UP(
                    f"{self._key} takes alarms again, after {seconds:.0f} s",
                    self._key,
                    seconds=f"{seconds:.0f}",
                    queued=str(queued),
                )
            )
        return refused

    def tell_down(self, why: str, queued: int) -> None:
        """Tell the others that it is down, if it is and they don't know."""
        if not self.is_failing or self._is_told:
            return
        # Once in each process: that it goes on is news for nobody who was told of it, but that it is not over.
        self._is_told = True
        if not self.down_since:
            self.down_since = self._means.now()
            self._keep()
        self._means.tell(
            CHANNEL_DOWN(
                f"{self._key} takes no alarms: {why}",
                self._key,
                why=why,
                failures=str(self.failures),
                queued=str(queued),
            )
        )

    def let_go(self, queued: int) -> None:
        """Nobody delivers any more: that it is down is over, or others would be reminded of it for ever."""
        if not self._is_told:
            return
        self._is_told = False
        self.failures, self.down_since = 0, 0.0
        self._keep()
        text = f"{self._key} is not used any more; {queued} notices wait for it in vain"
        self._means.tell(CHANNEL_UP(text, self._key, queued=str(queued)))

    def pause_seconds(self, error: BaseException) -> float:
        """Say how long it is left alone after this failure: twice as long each time, or as long as it asks for."""
        seconds = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self.failures - 1, 20))
        # So that the machines of a site do not all return at once.
        seconds *= 1.0 - self._means.random() / 4
        if isinstance(error, DeliveryFailed) and error.after_seconds is not None:
            seconds = max(seconds, min(error.after_seconds, PUT_OFF_SECONDS))
        return seconds

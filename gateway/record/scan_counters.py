"""
What is counted of content that plugins look at: how much of it, what was said, how long it took.

Once for each piece of content. What was said becomes a label only if it is one of a few words of ours; what plugins make
up is C{other}.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: What can be said of content; see the docs of the hook C{content_need}.
RESULTS: Final = frozenset(
    (
        "clean",
        "infected",
        "suspicious",
        "encrypted",
        "malformed",
        "limit",
        "too_large",
        "extract_failed",
        "engine_error",
        "engine_timeout",
        "capacity",
        "unscanned",
        "failed",
        "not_judged",
        "not_needed",
        "tunnel",
    )
)
#: Stands for every other word.
OTHER: Final = "other"
#: Upper bounds of the buckets of scans, in seconds.
SCAN_BOUNDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class ScanRoom:
    """
    What held content takes at a moment.

    @ivar used: bytes, in memory and in files.
    @ivar waiting: messages that wait for room.
    @ivar remembered: pieces of content of which is remembered what was said.
    """

    used: int
    waiting: int
    remembered: int


class Tally:
    """
    How much content was said one thing of.

    @ivar messages: pieces.
    @ivar bytes: how long these were.
    """

    __slots__ = ("bytes", "messages")

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0


_CLEAN = ("response", "clean")
_NOTHING = Tally()


class Took:
    """
    How long scans took.

    @ivar buckets: one more than there are L{SCAN_BOUNDS}; not cumulated.
    @ivar seconds: their sum.
    """

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(SCAN_BOUNDS) + 1)
        self.seconds = 0.0


class ScanCounters:
    """
    The numbers of one process.

    @ivar again: clean content of answers whose answer was remembered, which is the most usual; for who counts by itself.
    @ivar times: how long scans took, by side.
    @ivar members: pieces that were unpacked and scanned.
    @ivar misses: pieces whose answer was not.
    @ivar room: tells what held content takes now; C{None}: nothing is ever held.
    """

    def __init__(self) -> None:
        self.again = Tally()
        self.times: dict[str, Took] = {}
        self.members = 0
        self.misses = 0
        self.room: Callable[[], ScanRoom | None] = _none
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._hits = 0

    @property
    def tallies(self) -> dict[tuple[str, str], Tally]:
        """Give pieces of content and their bytes, by side and result."""
        found = dict(self._tallies)
        again = self.again
        if again.messages:
            clean = found.get(_CLEAN, _NOTHING)
            found[_CLEAN] = both = Tally()
            both.messages = clean.messages + again.messages
            both.bytes = clean.bytes + again.bytes
        return found

    @property
    def hits(self) -> int:
        """Count the pieces whose answer was remembered."""
        return self._hits + self.again.messages

    def judged(self, side: str, result: str, size: int) -> None:
        """Count one piece of content and its bytes."""
        key = (side, result if result in RESULTS else OTHER)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally()
        tally.messages += 1
        tally.bytes += size

    def took(self, side: str, seconds: float, members: int) -> None:
        """Count how long a scan took, and how many members were scanned with it."""
        took = self.times.get(side)
        if took is None:
            took = self.times[side] = Took()
        took.buckets[bisect_left(SCAN_BOUNDS, seconds)] += 1
        took.seconds += seconds
        self.members += members

    def looked_up(self, found: bool) -> None:
        """Count a look for what is remembered."""
        if found:
            self._hits += 1
        else:
            self.misses += 1


def _none() -> None:
    """Nothing is held."""

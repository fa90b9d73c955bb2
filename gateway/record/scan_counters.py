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

    @ivar tallies: pieces of content and their bytes, by side and result.
    @ivar times: how long scans took, by side.
    @ivar members: pieces that were unpacked and scanned.
    @ivar hits: pieces whose answer was remembered.
    @ivar misses: pieces whose answer was not.
    @ivar room: tells what held content takes now; C{None}: nothing is ever held.
    """

    def __init__(self) -> None:
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.times: dict[str, Took] = {}
        self.members = 0
        self.hits = 0
        self.misses = 0
        self.room: Callable[[], ScanRoom | None] = _none

    def judged(self, side: str, result: str, size: int) -> None:
        """Count one piece of content and its bytes."""
        tally = self.tallies.get((side, result)) or self.tally(side, result)
        tally.messages += 1
        tally.bytes += size

    def tally(self, side: str, result: str) -> Tally:
        """Give what a side and a result are counted by; for who counts often, and by itself."""
        return self.tallies.setdefault((side, result if result in RESULTS else OTHER), Tally())

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
            self.hits += 1
        else:
            self.misses += 1


def _none() -> None:
    """Nothing is held."""

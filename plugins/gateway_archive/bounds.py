"""
How far the walk through one piece of content may go, and how far it went.

Each bound is for everything that is found in the content, at every depth; sizes and ratios are of what is unpacked.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from gateway_archive.faults import TooMuch


class Enough(TooMuch):
    """The whole walk is over: what is left of the content stays unseen."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    What the operator allows.

    @ivar depth: how often something may be packed in something.
    @ivar files: members of all archives.
    @ivar ratio: bytes unpacked, all together, for each byte of the content.
    @ivar floor: bytes that may be unpacked whatever the ratio.
    @ivar size: bytes unpacked, all together.
    @ivar member: bytes of one member.
    @ivar room: bytes that may be kept at once.
    @ivar texts: whether encoded content is looked for in text.
    """

    depth: int = 10
    files: int = 10_000
    ratio: int = 100
    floor: int = 1 << 20
    size: int = 2 << 30
    member: int = 128 << 20
    room: int = 128 << 20
    texts: bool = False


class Tally:
    """
    Counts what was found in one piece of content, and how long that took.

    @ivar deadline: when the time is over, by C{time.monotonic}; whoever lets the walk wait puts it off.
    """

    def __init__(self, bounds: Bounds, size: int, deadline: float = float("inf")) -> None:
        """
        Begin.

        @param size: of the content.
        """
        self._most = max(bounds.floor, size * bounds.ratio)
        self.bounds = bounds
        self.deadline = deadline
        self._files = 0
        self._size = 0

    @property
    def files_left(self) -> int:
        """How many members may still come."""
        return self.bounds.files - self._files

    def file(self) -> None:
        """
        Count a member.

        @raise Enough: one too many.
        """
        self._files += 1
        if self._files > self.bounds.files:
            raise Enough("files", f"there are more than {self.bounds.files} files in it")
        self._in_time()

    def grow(self, count: int) -> None:
        """
        Count bytes that were unpacked.

        @raise Enough: too many.
        """
        self._size += count
        if self._size > self._most:
            ratio = self.bounds.ratio
            raise Enough("ratio", f"what is in it is more than {ratio} times as long as it is")
        if self._size > self.bounds.size:
            raise Enough("size", f"there are more than {self.bounds.size} bytes in it")
        self._in_time()

    def of_member(self, size: int) -> None:
        """
        Count one member.

        @param size: of it, so far.
        @raise TooMuch: it is too long.
        """
        if size > self.bounds.member:
            raise TooMuch("size", f"it is longer than {self.bounds.member} bytes")

    def _in_time(self) -> None:
        if monotonic() > self.deadline:
            raise Enough("time", "unpacking it takes too long")

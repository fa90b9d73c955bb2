"""
What comes out of a packed stream, taken when it is wanted: so an archive in it can be gone through without being there as a whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from gateway_archive.faults import Fault


class Pull:
    """
    The pieces of one stream.

    @ivar fault: what ended it before its end.
    """

    def __init__(self, pieces: Iterable[bytes], count: Callable[[int], None]) -> None:
        """
        Begin.

        @param count: is told of each piece how long it is; what it raises ends the stream.
        """
        self.fault: Fault | None = None
        self._pieces = iter(pieces)
        self._count = count
        self._kept: deque[bytes] = deque()

    def piece(self) -> bytes:
        """Give the next piece; empty: there is none, and C{fault} says whether that is the end."""
        if self._kept:
            return self._kept.popleft()
        return self._more()

    def peek(self, count: int) -> bytes:
        """Show the first bytes, which stay."""
        seen = b"".join(self._kept)
        while len(seen) < count and (piece := self._more()):
            self._kept.append(piece)
            seen += piece
        return seen[:count]

    def unread(self, data: bytes) -> None:
        """Give back what was taken last."""
        if data:
            self._kept.appendleft(data)

    def __iter__(self) -> Iterator[bytes]:
        """
        Give the rest.

        @raise Fault: it ended before its end.
        """
        while piece := self.piece():
            yield piece
        if self.fault is not None:
            raise self.fault

    def _more(self) -> bytes:
        if self.fault is not None:
            return b""
        try:
            for piece in self._pieces:
                if piece:
                    self._count(len(piece))
                    return piece
        except Fault as fault:
            self.fault = fault
        return b""

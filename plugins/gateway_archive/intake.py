"""
Coded bytes as a decoder takes them: a few at a time, some given back, and counted.

It must not know any coding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: How many bytes are in hand at once, at most.
PIECE = 64 * 1024


class Intake:
    """
    A stream to take bytes from.

    @ivar taken: bytes that came in so far, those given back included.
    @ivar trailing: where, in what came in, bytes begin that are no part of what was read; C{None}: there are none.
    @ivar first: for the decoder to say where in its output its first member ended.
    """

    def __init__(self, reader: Iterable[bytes]) -> None:
        self.taken = 0
        self.trailing: int | None = None
        self.first: int | None = None
        self._reader = iter(reader)
        # What came in and was not taken yet begins at the offset: cutting it off each time would copy the rest each time.
        self._kept = b""
        self._offset = 0

    @property
    def at(self) -> int:
        """Bytes taken so far, without those given back."""
        return self.taken - (len(self._kept) - self._offset)

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.piece():
            yield piece

    def piece(self, most: int = PIECE) -> bytes:
        """Take what there is, at most so much; empty: it is at its end."""
        if self._offset >= len(self._kept) and not self._more():
            return b""
        found = self._kept[self._offset : self._offset + most]
        self._offset += len(found)
        return found

    def read(self, count: int) -> bytes:
        """Take as many bytes, fewer only at the end."""
        found = self.piece(count)
        while len(found) < count:
            more = self.piece(count - len(found))
            if not more:
                break
            found += more
        return found

    def peek(self, count: int) -> bytes:
        """Show the next bytes, which stay."""
        found = self.read(count)
        self.unread(found)
        return found

    def unread(self, data: bytes) -> None:
        """Give back what was taken last."""
        if not data:
            return
        if self._kept[self._offset - len(data) : self._offset] == data and self._offset >= len(
            data
        ):
            self._offset -= len(data)
        else:
            self._kept = data + self._kept[self._offset :]
            self._offset = 0

    def through(self, mark: bytes) -> Iterator[bytes]:
        """Take everything up to a byte and that byte too, or to the end."""
        while piece := self.piece():
            end = piece.find(mark) + 1
            if end:
                self.unread(piece[end:])
                yield piece[:end]
                return
            yield piece

    def skip_zeros(self) -> None:
        """Take bytes as long as they are zero."""
        while piece := self.piece():
            rest = piece.lstrip(b"\0")
            if rest:
                self.unread(rest)
                return

    def end_here(self, at: int | None = None) -> None:
        """
        Say that all was read, so that anything more is trailing.

        @param at: where that begins, if not at what is taken next.
        """
        if self.peek(1):
            self.trailing = self.at if at is None else at

    def _more(self) -> bool:
        for chunk in self._reader:
            if chunk:
                self._kept = chunk
                self._offset = 0
                self.taken += len(chunk)
                return True
        return False

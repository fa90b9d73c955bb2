"""
A response on its way into the store: kept in memory while it is short, written to a file piece by piece when it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from gateway_cache.entry import Head
from gateway_cache.memory import COPY
from gateway_cache.operations import Spill

#: What is not longer than that is in the index, and in memory.
INLINE_BYTES = 65_536
#: A file is written in pieces of about that.
_PIECE_BYTES = 262_144


class Takes(Protocol):
    """
    What takes it in: the store.

    @ivar max_object: longest content, bytes.
    """

    max_object: int

    def taken(self, size: int) -> bool:
        """Count content that is in memory; C{False}: there is no room for it."""

    def given_back(self, size: int) -> None:
        """Count content that is no longer there, or is in the queue."""

    def spilled(self, spill: Spill, chunks: list[bytes], size: int) -> None:
        """Write content to a file."""

    def discarded(self, spill: Spill) -> None:
        """Throw a file away."""

    def finished(
        self,
        head: Head,
        since: int,
        content: bytes,
        spill: Spill | None,
        done: Callable[[], object],
    ) -> None:
        """Store what is complete; C{done} is called when it is found, or will not be."""


class Incoming:
    """A response that is being stored (a L{gateway_cache.contract.Writing})."""

    __slots__ = ("_chunks", "_ended", "_head", "_length", "_since", "_size", "_spill", "_store")

    def __init__(self, store: Takes, head: Head, since: int) -> None:
        self._store = store
        self._head = head
        self._since = since
        self._chunks: list[bytes] = []
        self._size = 0
        self._length = 0
        self._spill: Spill | None = None
        self._ended = False

    def write(self, chunk: bytes) -> None:
        """Take a piece of content."""
        if self._ended:
            return
        size = len(chunk)
        length = self._length = self._length + size
        store = self._store
        if length > store.max_object or not store.taken(size):
            self.abort()
            return
        self._chunks.append(chunk)
        self._size += size
        if length > INLINE_BYTES and self._size >= _PIECE_BYTES:
            self._spill_over()

    def finish(self, head: Head | None = None, done: Callable[[], object] | None = None) -> None:
        """Store it."""
        if done is None:
            done = _nobody_waits
        if self._ended:
            done()
            return
        if self._length > INLINE_BYTES and self._size:
            self._spill_over()
        self._ended = True
        begun = self._head
        if head is None:
            head = begun
        # The memo of a head that was found leads to another content.
        if head.length != self._length or COPY in head.memo:
            head = replace(head, length=self._length, memo={})
        content = b"" if self._spill is not None else b"".join(self._chunks)
        self._chunks = []
        self._store.given_back(self._size)
        self._size = 0
        if self._spill is None or not self._spill.failed:
            self._store.finished(head, self._since, content, self._spill, done)
        else:
            done()

    def abort(self) -> None:
        """Forget it."""
        if self._ended:
            return
        self._ended = True
        self._chunks = []
        self._store.given_back(self._size)
        self._size = 0
        if self._spill is not None:
            self._store.discarded(self._spill)

    def _spill_over(self) -> None:
        """Let what is here be written to a file."""
        if self._spill is None:
            self._spill = Spill()
        chunks, self._chunks = self._chunks, []
        size, self._size = self._size, 0
        self._store.given_back(size)
        self._store.spilled(self._spill, chunks, size)


def _nobody_waits() -> None:
    """It is found when it is found."""

"""
Sinks of the hook C{cache_store}: each takes the content of one response beside the client, and knows when it is whole.

What becomes of it then, and of those who wait for it, is L{gateway_cache.taking}'s to say.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from gateway_cache.contract import Writing
from gateway_cache.entry import Head
from gateway_cache.parts import COMBINED_BYTES
from gateway_cache.state import Asking


class Keeps(Protocol):
    """What becomes of content: L{Taking<gateway_cache.taking.Taking>}."""

    def begin(self, asking: Asking, head: Head, expected: int | None) -> Writing | None:
        """Begin to store; C{None}: there is no room, and whoever waits for it was told."""

    def keep(self, asking: Asking, writing: Writing, head: Head) -> None:
        """Store what is complete."""

    def keep_short(self, asking: Asking, head: Head, content: bytes) -> None:
        """Store what came whole."""

    def join(self, asking: Asking, head: Head, content: bytes | None, writing: Writing) -> bool:
        """Store a part, with those that are stored already; C{False}: it can't be."""

    def lost(self, asking: Asking, *, too_large: bool = False) -> None:
        """It is not stored, for it broke off, or is too large."""


class ShortSink:
    """
    Takes a short content of a length that is known, which mostly comes in one piece: then it is stored in one step.

    In several pieces it goes the way of all others.
    """

    __slots__ = ("_asking", "_content", "_head", "_most", "_rest", "_taking")

    def __init__(self, taking: Keeps, asking: Asking, head: Head, most: int) -> None:
        """
        Begin.

        @param head: with the length.
        @param most: as for L{Sink}.
        """
        self._taking = taking
        self._asking = asking
        self._head = head
        self._most = most
        self._content: bytes | None = None
        self._rest: Sink | None = None

    def write(self, chunk: bytes) -> None:
        """Take a piece."""
        rest = self._rest
        if rest is not None:
            rest.write(chunk)
        elif self._content is None and len(chunk) == self._head.length:
            self._content = chunk
        else:
            head = self._head
            writing = self._taking.begin(self._asking, head, head.length)
            rest = Sink(self._taking, self._asking, head, writing, self._most, head.length)
            if self._content is not None:
                rest.write(self._content)
            rest.write(chunk)
            self._rest = rest

    def finish(self) -> None:
        """Keep it."""
        if self._rest is not None:
            self._rest.finish()
        elif self._content is not None:
            self._taking.keep_short(self._asking, self._head, self._content)
        elif self._head.length:
            self._taking.lost(self._asking)
        else:
            self._taking.keep_short(self._asking, self._head, b"")

    def abort(self) -> None:
        """Drop it."""
        if self._rest is not None:
            self._rest.abort()
        else:
            self._taking.lost(self._asking)


class Sink:
    """Takes the content of one response."""

    __slots__ = ("_asking", "_expected", "_head", "_most", "_size", "_taking", "_writing")

    def __init__(
        self,
        taking: Keeps,
        asking: Asking,
        head: Head,
        writing: Writing | None,
        most: int,
        expected: int | None,
    ) -> None:
        """
        Begin.

        @param writing: C{None}: there is no room for it, and whatever comes is passed over.
        @param most: longer content is not stored, bytes.
        @param expected: content of any other length is not either; C{None}: it is not known.
        """
        self._taking = taking
        self._asking = asking
        self._head = head
        self._writing = writing
        self._most = most
        self._expected = expected
        self._size = 0

    def write(self, chunk: bytes) -> None:
        """Take a piece."""
        writing = self._writing
        if writing is None:
            return
        self._size += len(chunk)
        if self._size > self._most:
            self._writing = None
            writing.abort()
            self._taking.lost(self._asking, too_large=True)
        else:
            writing.write(chunk)

    def finish(self) -> None:
        """Keep it."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        if self._expected is not None and self._expected != self._size:
            writing.abort()
            self._taking.lost(self._asking)
        else:
            self._keep(writing)

    def abort(self) -> None:
        """Drop it."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.abort()
            self._taking.lost(self._asking)

    def _keep(self, writing: Writing) -> None:
        head = self._head
        if head.length != self._size:
            head = replace(head, length=self._size)
        self._taking.keep(self._asking, writing, head)


class PartSink(Sink):
    """Takes the content of a 206, which may become one with parts that are stored (RFC 9111 section 3.4)."""

    __slots__ = ("_content",)

    def __init__(
        self,
        taking: Keeps,
        asking: Asking,
        head: Head,
        writing: Writing,
        most: int,
        expected: int | None,
    ) -> None:
        Sink.__init__(self, taking, asking, head, writing, most, expected)
        self._content: list[bytes] | None = []

    def write(self, chunk: bytes) -> None:
        """Take a piece; of large parts it is not kept for becoming one with others."""
        Sink.write(self, chunk)
        if self._content is not None:
            if self._size > COMBINED_BYTES:
                self._content = None
            else:
                self._content.append(chunk)

    def _keep(self, writing: Writing) -> None:
        head = replace(self._head, length=self._size)
        content = None if self._content is None else b"".join(self._content)
        if not self._taking.join(self._asking, head, content, writing):
            self._taking.lost(self._asking)

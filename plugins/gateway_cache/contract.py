"""
What the plugin may ask of a store, whoever keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred

from gateway.api import Stored
from gateway_cache.entry import Found, Head
from gateway_cache.messages import Asked
from gateway_cache.policy import Policy


class Writing(Protocol):
    """A response that is being stored; L{finish} or L{abort} ends it, once."""

    def write(self, chunk: bytes) -> None:
        """Take a piece of content."""

    def finish(self, head: Head | None = None, done: Callable[[], object] | None = None) -> None:
        """
        All of the content was written: store it.

        @param head: in place of the one it was begun with, with the same key and variant.
        @param done: called once, when this process finds it: at once, or a moment later where it is in a file; also when it
            is not stored after all.
        """

    def abort(self) -> None:
        """Forget it."""


class Store(Protocol):
    """Stored responses."""

    def find(self, key: bytes) -> tuple[Head, ...]:
        """Give all variants of a key, newest first."""

    def lacks(self, key: bytes) -> bool:
        """Tell quickly whether nothing is stored of a key; C{False}: it has to be looked for (L{find})."""

    def open(self, head: Head) -> Found | None:
        """
        Give a response that was found, with its content; counts as a use.

        @return: a C{file} of it has to be released, once; C{None}: it is torn or gone, and so a miss.
        """

    def ready(self, key: bytes, asked: Asked, policy: Policy, now: float) -> Stored | None:
        """
        Give an answer that was given a moment ago, if it holds and nobody has changed the key; counts as a use.

        @param asked: a plain one.
        @return: C{None}: it has to be looked for.
        """

    def mark(self) -> int:
        """Give the time for L{begin}: before a request is sent on, so that an invalidation meanwhile counts."""

    def begin(self, head: Head, expected: int | None, since: int | None = None) -> Writing | None:
        """
        Begin to store a response.

        @param expected: length of the content; C{None}: not known.
        @param since: L{mark} from before its request; now, unless said.
        @return: C{None}: it can't be stored: too large, no room, or the store steps aside.
        """

    def put(self, head: Head, content: bytes, since: int, *, alone: bool = False) -> bool:
        """
        Store a response whose content is short and all here; this process finds it at once.

        @param content: not longer than what is kept in memory (L{gateway_cache.incoming.INLINE_BYTES}).
        @param since: as for L{begin}.
        @param alone: after that L{find} has found nothing of the key.
        @return: C{False}: it can't be stored, as with L{begin}.
        """

    def update(self, head: Head, newer: Head) -> None:
        """Give a response that was found other fields and times; its content stays."""

    def remove(self, key: bytes) -> None:
        """Remove all variants of a key: from now on no process finds them."""

    def purge(self, *, prefix: bytes = b"", tag: str = "") -> Deferred[int]:
        """
        Remove what fits both: from when it is in the log no process finds it, and this fires when it is removed.

        @return: how many there were; fails with C{OSError} or L{Overloaded<gateway.api.Overloaded>}.
        """

    def entries(
        self, *, prefix: bytes = b"", after: bytes = b"", most: int = 100
    ) -> Deferred[Entries]:
        """List what is stored, in the order of keys."""

    def stats(self) -> Mapping[str, int]:
        """Give numbers for people and metrics."""


@dataclass(frozen=True, slots=True)
class Entries:
    """
    A part of the list.

    @ivar heads: in the order of their keys.
    @ivar after: to go on behind them; empty: that was all.
    """

    heads: tuple[Head, ...]
    after: bytes

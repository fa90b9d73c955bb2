"""
The hot tier: heads and small contents as they are answered with, in this process alone.

Bounded by bytes. What was used once waits in a short queue and leaves it first, so that a scan of what nobody asks for again
does not push out what is asked for all the time (S3-FIFO: Yang et al., SOSP 2023). A hit writes one number; no list is
reordered.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from gateway_cache.encoding import Place
from gateway_cache.entry import Found, Head
from gateway_cache.ready import Ready

#: What a key, a head and its content take beyond their own bytes, about.
ENTRY_BYTES = 600
HEAD_BYTES = 900
#: Uses that count.
MOST_USES = 3
#: The largest content of a file that is taken in, bytes, and its largest share of the tier: one in so many.
MOST_BYTES = 1 << 18
_LARGEST_SHARE = 64
#: The share of the short queue: one in so many.
_SHORT_SHARE = 10


class Copy:
    """
    One variant in memory.

    @ivar head: of it; its C{memo} leads here.
    @ivar place: where it is in the index; C{None} until it is written.
    @ivar since: when it was begun.
    @ivar content: all of it; C{None}: not in memory.
    @ivar found: what is found with it.
    @ivar ready: what it is answered with at the moment; C{None}: that is still to be made.
    @ivar held: the key it belongs to.
    @ivar slot: that key's.
    """

    __slots__ = ("content", "found", "head", "held", "place", "ready", "since", "slot")

    def __init__(self, head: Head, place: Place | None, since: int, slot: int) -> None:
        self.head = head
        self.place = place
        self.since = since
        self.slot = slot
        self.content: bytes | None = None
        self.found: Found | None = None
        self.held: Held | None = None
        self.ready: Ready | None = None
        head.memo[COPY] = self

    def fill(self, content: bytes) -> Found:
        """Take the content."""
        self.content = content
        self.found = Found(self.head, content)
        if self.held is not None:
            self.held.size += len(content)
        return self.found


def when_received(copy: Copy) -> tuple[float, int]:
    """Give what the variants of a key are in the order of, the newest last."""
    return copy.head.received, copy.since


def same_object(one: Copy, other: Copy) -> bool:
    """Tell whether both are of one object, though perhaps with different heads."""
    if one is other:
        return True
    there, here = one.place, other.place
    return there is not None and here is not None and there.number == here.number


#: Where a head's memo leads to its copy.
COPY = "gateway_cache.copy"


class Held:
    """
    One key in memory.

    @ivar heads: of its variants, newest first.
    @ivar copies: the same, with where they are.
    @ivar stamp: of the slot, from before this was read.
    @ivar size: bytes it is counted with.
    @ivar counted: bytes the tier has counted.
    @ivar uses: since it came or was last passed over.
    @ivar gone: the tier has it no more.
    """

    __slots__ = (
        "copies",
        "counted",
        "gone",
        "heads",
        "is_long",
        "key",
        "size",
        "slot",
        "stamp",
        "uses",
    )

    def __init__(self, key: bytes, slot: int, stamp: int, copies: list[Copy]) -> None:
        self.key = key
        self.slot = slot
        self.stamp = stamp
        self.copies = copies
        self.uses = self.counted = 0
        self.gone = self.is_long = False
        size = ENTRY_BYTES + len(key)
        self.heads = tuple([copy.head for copy in copies])
        for copy in copies:
            copy.held = self
            size += HEAD_BYTES + len(copy.content or b"")
        self.size = size


class Memory:
    """
    The tier.

    @ivar entries: what is in it, by key.
    @ivar size: bytes it is counted with.
    @ivar max_bytes: its bound; one entry more than that may be there.
    @ivar most_bytes: the largest content that is worth its room, though it is in a file.
    """

    def __init__(self, max_bytes: int) -> None:
        self.entries: dict[bytes, Held] = {}
        self.max_bytes = max_bytes
        self.most_bytes = min(MOST_BYTES, max_bytes // _LARGEST_SHARE)
        self.size = 0
        self._short: deque[Held] = deque()
        self._long: deque[Held] = deque()
        self._short_size = 0
        # Keys that left the short queue unused: one that comes again was pushed out too early.
        self._ghosts: OrderedDict[int, None] = OrderedDict()

    def put(self, held: Held) -> None:
        """Take a key in, in place of what is there of it, whose uses it keeps."""
        key = held.key
        before = self.entries.get(key)
        if before is not None:
            held.uses = before.uses
            held.is_long = before.is_long
            self.drop(before)
        elif self._ghosts:
            mark = hash(key)
            if mark in self._ghosts:
                del self._ghosts[mark]
                held.is_long = True
        self.entries[key] = held
        (self._long if held.is_long else self._short).append(held)
        self.grown(held)

    def grown(self, held: Held) -> None:
        """Count what an entry has taken more, and let others go for it."""
        if held.gone:
            return
        size = held.size
        more = size - held.counted
        held.counted = size
        if not held.is_long:
            self._short_size += more
        self.size = size = self.size + more
        if size > self.max_bytes:
            self._shrink()

    def drop(self, held: Held) -> None:
        """Let an entry go, if it is there still."""
        if held.gone:
            return
        held.gone = True
        del self.entries[held.key]
        self.size -= held.counted
        if not held.is_long:
            self._short_size -= held.counted
        # It is still in its queue: whoever meets it there skips it. Not too many of them, though.
        if len(self._short) + len(self._long) > 2 * len(self.entries) + 64:
            self._short = deque(one for one in self._short if not one.gone)
            self._long = deque(one for one in self._long if not one.gone)

    def clear(self) -> None:
        """Let all go."""
        for held in self.entries.values():
            held.gone = True
        self.entries.clear()
        self._short.clear()
        self._long.clear()
        self.size = self._short_size = 0

    def _shrink(self) -> None:
        short_bytes = self.max_bytes // _SHORT_SHARE
        while self.size > self.max_bytes and self.entries:
            if self._short and (self._short_size > short_bytes or not self._long):
                held = self._short.popleft()
                if held.gone:
                    continue
                if held.uses > 1:
                    self._short_size -= held.counted
                    held.is_long = True
                    held.uses = 0
                    self._long.append(held)
                    continue
                self._ghosts[hash(held.key)] = None
                while len(self._ghosts) > len(self.entries):
                    self._ghosts.popitem(last=False)
            else:
                held = self._long.popleft()
                if held.gone:
                    continue
                if held.uses:
                    held.uses -= 1
                    self._long.append(held)
                    continue
            self.drop(held)

"""
How an index is laid out: its queues, its sums, the pieces of contents, and what an object is counted with.

Tables of one LMDB environment: C{heads} by names (L{gateway_cache.encoding}), C{contents} by number and piece, C{queues} by
queue and position, C{files} with the numbers of files, and C{meta}. Pure; who reads them is L{gateway_cache.index}, who writes
them L{gateway_cache.change}.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

#: Objects are in one of four queues: those in the index and those in files, each new or proven.
INLINE, FILES = 0, 2
NEW, PROVEN = 0, 1

#: A content is cut into pieces of four pages: longer runs of free pages are hard to find in a file that has been used.
PIECE_BYTES = 4 * 4096 - 16
PAGE_BYTES = 4096
#: What fits into a page beside others.
_IN_PAGE = 2000

#: What is in C{meta}.
TOTALS = b"totals"
PURGES = b"purges"
RESERVE = b"reserve"

#: What is in C{queues}: the slot, and behind it the name.
QUEUED = struct.Struct("<I")
_SUMS = struct.Struct("<10Q")


class Totals:
    """
    Sums over all objects.

    @ivar next: the next number and the next position.
    @ivar bytes: charges, by queue.
    @ivar count: objects, by queue.
    @ivar evicted: how many were let go for room, ever.
    """

    __slots__ = ("bytes", "count", "evicted", "next")

    def __init__(self, packed: bytes | None) -> None:
        values = _SUMS.unpack(packed) if packed else (1, *[0] * 9)
        self.next = values[0]
        self.bytes = list(values[1:5])
        self.count = list(values[5:9])
        self.evicted = values[9]

    def packed(self) -> bytes:
        """Give them as they are stored."""
        return _SUMS.pack(self.next, *self.bytes, *self.count, self.evicted)


def charge_of(head_bytes: int, length: int, *, inline: bool) -> int:
    """Give what an object takes on the disk, about: pages of a tree are two thirds full, those of contents are whole."""
    charge = (head_bytes + 160) * 3 // 2
    if not inline or length > _IN_PAGE:
        return charge + -(-(length + 16) // PAGE_BYTES) * PAGE_BYTES
    return charge + (length + 32) * 4 // 3


def pieces_of(length: int) -> int:
    """Give how many pieces a content has."""
    return -(-length // PIECE_BYTES)


def number_key(number: int) -> bytes:
    """Give a number as it is in keys: in their order."""
    return number.to_bytes(8, "big")


#: Gives the key of a position in a queue, from both: in the order of both.
queue_key: Callable[[int, int], bytes] = struct.Struct(">BQ").pack

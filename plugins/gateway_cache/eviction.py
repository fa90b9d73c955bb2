"""
Which objects go when room is needed: S3-FIFO (Yang et al., SOSP 2023), with the queues in the index.

What is new waits in a short queue; if it was not used twice until it is first there, it goes, however many come: so a scan of
what nobody asks for again takes a tenth of the room. What was is proven, and gets as many further turns through the long queue
as it has been used. What comes again soon after it went was let go too early, and is proven at once. Contents in the index and
those in files have queues and room of their own, so that large ones never push out small ones.

Uses are counted in memory that all processes share and not in the index: a hit writes one byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import lmdb

from gateway_cache.change import Change
from gateway_cache.shared import EVICTIONS, Shared
from gateway_cache.tables import NEW, PROVEN

#: Uses that count.
MOST_USES = 3
#: One in so many bytes is for what is new.
_NEW_SHARE = 10
#: Objects that are passed over for one that goes, at most: the change is held up meanwhile.
_MOST_PASSED = 256

_HALF = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Room:
    """
    What there is room for, bytes of charges.

    @ivar inline: of objects whose content is in the index.
    @ivar files: of those whose content is in a file.
    """

    inline: int
    files: int

    def of(self, kind: int) -> int:
        """Give one of them, by L{gateway_cache.tables.INLINE} or C{FILES}."""
        return self.files if kind else self.inline


def make_room(change: Change, shared: Shared, room: Room, kind: int, need: int) -> bool:
    """
    Let objects of a kind go until there is room for one more.

    @param need: its charge.
    @return: there is; C{False}: it is larger than all the room.
    """
    most = room.files if kind else room.inline
    if need > most:
        return False
    totals = change.totals
    new, proven = kind + NEW, kind + PROVEN
    taken = totals.bytes
    passed = 0
    while taken[new] + taken[proven] + need > most:
        from_new = taken[new] > most // _NEW_SHARE or not totals.count[proven]
        queue = new if from_new else proven
        first = change.first(queue)
        if first is None:
            return False
        name, slot = first
        use = slot - shared.use
        uses = min(shared.uses[use], MOST_USES)
        if passed < _MOST_PASSED and uses > from_new:
            passed += 1
            shared.uses[use] = 0 if from_new else uses - 1
            change.move(name, slot, proven)
            continue
        passed = 0
        shared.uses[use] = 0
        if not change.remove(name):
            # It would be first for ever.
            raise lmdb.CorruptedError("a queue names what is not there")
        totals.evicted += 1
        words = shared.words
        words[EVICTIONS] += 1
        if from_new:
            words[slot + shared.ghost] = crc32(name) << 32 | words[EVICTIONS] & _HALF
    return True


def queue_for(change: Change, shared: Shared, name: bytes, slot: int, kind: int) -> int:
    """Give the queue for an object that comes: proven, if it was let go not long ago."""
    ghost = shared.words[slot + shared.ghost]
    if ghost and ghost >> 32 == crc32(name):
        age = (shared.words[EVICTIONS] - ghost) & _HALF
        if age <= change.totals.count[kind + NEW] + change.totals.count[kind + PROVEN]:
            return kind + PROVEN
    return kind + NEW

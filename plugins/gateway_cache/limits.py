"""
How much may be on the disk: what is set, what the index's map can hold, and what a full disk has shown.

And how room is made when there is none left, not even for the pages that removing something takes first. For the writing
thread.
"""

from __future__ import annotations

from gateway_cache.change import Change
from gateway_cache.eviction import Room, make_room
from gateway_cache.opening import Folder
from gateway_cache.shared import SLOT_BYTES
from gateway_cache.tables import FILES, INLINE, NEW, PROVEN

#: What one call writes, bytes; the bound of the store may be exceeded by that for a moment.
_CALL_BYTES = 8 << 20

#: So much of the size is kept for what is not whole yet: one byte in so many.
_UNFINISHED_SHARE = 4

#: Of the index's map: the rest is for heads of files, and for runs of pages that are free but too short.
_FILL = 0.85

#: Of what is there when the disk turns out to be full: how much may stay, and how much may be there later on.
_STAYS, _MAY_BE, _OF = 16, 18, 20
#: But so much of the size in any case: one in so many bytes.
_LEAST_SHARE = 256
#: Objects that are removed in one change when there is room for that again; at first it is one, for it takes pages too.
_MANY = 64


class Limits:
    """
    How much may be there, as far as it is known by now; changed in the writing thread alone.

    @ivar fill: how much of the index's map may be taken: less, if runs of free pages turn out to be too short.
    @ivar caps: bounds below those that are set, while the disk has less room than that; by kind.
    @ivar unfinished: how much may be on its way into files, of all processes together, bytes; what would go beyond is not
        stored.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.fill = _FILL
        self.caps: dict[int, int] = {}
        self.call_bytes = max(1 << 16, min(_CALL_BYTES, size // 16))
        self.unfinished = size // _UNFINISHED_SHARE

    def room(self, folder: Folder) -> Room:
        """Give what there is room for."""
        index = folder.index
        shared = (len(folder.shared.uses) * SLOT_BYTES) + (1 << 16)
        inline = int(index.map_size * self.fill)
        files = self.size - index.used_bytes - shared - self.call_bytes - self.unfinished
        return Room(
            min(inline, self.caps.get(INLINE, inline)),
            max(0, min(files, self.caps.get(FILES, files))),
        )


def relieve(folder: Folder, limits: Limits) -> None:
    """
    Make room on a disk that was full, in a thread.

    @raise OSError: nothing can be written, not even that.
    @raise lmdb.Error: the same.
    """
    least = limits.size // _LEAST_SHARE
    totals = folder.index.totals()
    stay = {}
    for kind in (INLINE, FILES):
        there = totals.bytes[kind + NEW] + totals.bytes[kind + PROVEN]
        limits.caps[kind] = max(least, there * _MAY_BE // _OF)
        stay[kind] = there * _STAYS // _OF
    shrink(folder, Room(stay[INLINE], stay[FILES]))


def shrink(folder: Folder, room: Room) -> None:
    """Let objects go until there are no more than that, when there may be no free page left."""
    with Change(folder.index) as change:
        change.use_reserve()
    # What one change frees the change after the next can use.
    with Change(folder.index):
        pass
    for kind in (FILES, INLINE):
        over = True
        few = 1
        while over:
            with Change(folder.index) as change:
                for _ in range(few):
                    there = change.totals.bytes[kind + NEW] + change.totals.bytes[kind + PROVEN]
                    over = there > room.of(kind)
                    if over:
                        # Room for one byte more than there is room for now: so at least one goes.
                        make_room(change, folder.shared, Room(there, there), kind, 1)
            unlink(folder, change)
            few = min(_MANY, few * 2)
    with Change(folder.index) as change:
        change.reserve()


def unlink(folder: Folder, change: Change) -> None:
    """Remove the files that are no object's any more, once a change is committed."""
    for number in change.gone:
        folder.files.remove(number)

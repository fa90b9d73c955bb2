"""
Writing: many objects in one change of the index, and their files; the carrying out of one call's operations, in a thread.

A full or broken disk is no fault of any request: what was in that call is not stored, and L{gateway_cache.aside} steps aside
for a while.
"""

from __future__ import annotations

from zlib import crc32

import lmdb

from gateway_cache.change import Change, seal
from gateway_cache.encoding import Place, name_of
from gateway_cache.entry import Head
from gateway_cache.eviction import make_room, queue_for
from gateway_cache.limits import Limits, shrink, unlink
from gateway_cache.memory import Copy
from gateway_cache.opening import Folder
from gateway_cache.operations import (
    Append,
    Discard,
    Operation,
    Put,
    Remove,
    RemoveTorn,
    Renew,
    Written,
)
from gateway_cache.purging import read_log
from gateway_cache.tables import FILES, INLINE

#: How often a change that does not fit into the map is tried again with more room, and how much more.
_TRIES = 4
_LESS = 0.9


def write(folder: Folder, operations: list[Operation], limits: Limits) -> Written:
    """Do what is to be done, in a thread; the index and the files are as before if it can't be."""
    done = Written()
    changes: list[Put | Renew | Remove | RemoveTorn] = []
    room: int | None = None
    try:
        for one in operations:
            if type(one) is Put:
                # What nearly all are.
                changes.append(one)
                continue
            match one:
                case Append():
                    if room is None:
                        room = limits.unfinished - folder.files.unfinished_bytes()
                    room -= _append(folder, one, room)
                case Discard():
                    one.spill.failed = True
                    if one.spill.out is not None:
                        one.spill.out.discard()
                case _:
                    changes.append(one)
        if changes:
            _change(folder, changes, limits, done)
    except (OSError, lmdb.Error) as error:
        done.error = error
        for one in operations:
            if isinstance(one, Append | Put) and one.spill is not None:
                one.spill.failed = True
                if one.spill.out is not None:
                    one.spill.out.discard()
    return done


def _append(folder: Folder, one: Append, room: int) -> int:
    """
    Write a piece of content to its file, if there is room for what is not whole yet.

    @return: how much room that took; below 0: it gave some back, for the rest of it was thrown away.
    """
    spill = one.spill
    if spill.failed:
        return 0
    if one.size > room:
        spill.failed = True
        if spill.out is None:
            return 0
        spill.out.discard()
        return -spill.out.length
    if spill.out is None:
        spill.out = folder.files.create()
    for chunk in one.chunks:
        spill.out.write(chunk)
    return one.size


def _change(
    folder: Folder,
    changes: list[Put | Renew | Remove | RemoveTorn],
    limits: Limits,
    done: Written,
) -> None:
    for left in reversed(range(_TRIES)):
        attempt = _Attempt(folder, limits)
        try:
            with attempt.change:
                put = attempt.put
                for one in changes:
                    if type(one) is Put:
                        put(one)
                    else:
                        attempt.do(one)
        except lmdb.MapFullError:
            limits.fill *= _LESS
            if not left:
                raise
            shrink(folder, limits.room(folder))
            continue
        break
    unlink(folder, attempt.change)
    done.placed += attempt.placed
    done.refused += attempt.refused
    done.gone += attempt.change.gone
    done.evicted = attempt.change.totals.evicted - attempt.evicted_before
    shared, stamps = folder.shared, done.stamps
    words = shared.words
    for slot, times in attempt.slots.items():
        before = words[slot]
        after = shared.changed(slot)
        if times == 1:
            stamps[slot] = before, after


class _Attempt:
    """One change, with what it does beside the index."""

    def __init__(self, folder: Folder, limits: Limits) -> None:
        self.placed: list[tuple[Copy, Place]] = []
        self.slots: dict[int, int] = {}
        self.refused: list[Copy] = []
        self._known: dict[Copy, Place] = {}
        self._folder = folder
        self._shared = folder.shared
        self._room = limits.room(folder)
        self.change = Change(folder.index)
        self.evicted_before = self.change.totals.evicted
        self._purges = read_log(self.change.purges())
        # Below neither is there a purge that is to be looked at, nor one that is forgotten.
        self._purged = max((self._purges.floor, *(one.since for one in self._purges.purges)))

    def do(self, one: Put | Renew | Remove | RemoveTorn) -> None:
        """Make one change."""
        match one:
            case Put():
                self.put(one)
            case Renew():
                self._renew(one)
            case Remove():
                self.change.remove_key(one.key, one.until)
                self.slots[one.slot] = self.slots.get(one.slot, 0) + 1
            case RemoveTorn():
                place = self.change.place(one.name)
                if one.number is None or (place is not None and place.number == one.number):
                    self.change.remove(one.name)

    def put(self, one: Put) -> None:
        """Store an object."""
        copy = one.copy
        head = copy.head
        spill = one.spill
        out = None if spill is None else spill.out
        if spill is not None and (spill.failed or out is None):
            self.refused.append(copy)
            return
        since, slot = copy.since, copy.slot
        change, shared = self.change, self._shared
        kind = INLINE if out is None else FILES
        sealed = seal(head, inline=out is None)
        if not self._holds(head, since, slot) or not make_room(
            change, shared, self._room, kind, sealed.charge
        ):
            self.refused.append(copy)
            if out is not None:
                out.discard()
            return
        queue = queue_for(change, shared, sealed.name, slot, kind)
        if out is None:
            content = one.content
            place = change.put_sealed(sealed, since, slot, content, crc32(content), queue)
        else:
            self._folder.files.publish(out)
            place = change.put_sealed(sealed, since, slot, out.number, out.checksum, queue)
        self._placed(copy, place)

    def _renew(self, one: Renew) -> None:
        before = one.before
        place = before.place or self._placed_now(before)
        if place is None or not self._holds(one.after.head, one.after.since, one.after.slot):
            return
        name = name_of(before.head.key, before.head.variant)
        after = one.after
        renewed = self.change.renew(name, place.number, after.head, after.since, after.slot)
        if renewed is not None:
            self._placed(after, renewed)

    def _placed(self, copy: Copy, place: Place) -> None:
        self.placed.append((copy, place))
        slots, slot = self.slots, copy.slot
        slots[slot] = slots[slot] + 1 if slot in slots else 1

    def _placed_now(self, copy: Copy) -> Place | None:
        """Give where this change has put something, as few ask; C{None}: it has not."""
        known = self._known
        known.update(self.placed[len(known) :])
        return known.get(copy)

    def _holds(self, head: Head, since: int, slot: int) -> bool:
        """Tell whether nobody has invalidated it since it was begun."""
        shared = self._shared
        return since > shared.words[slot + shared.floor] and (
            since > self._purged or not self._purges.forbids(head, since)
        )

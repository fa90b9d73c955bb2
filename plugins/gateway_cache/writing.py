"""
Writing: off the reactor, many objects in one change, and not more of them in waiting than memory is set aside for.

What is to be written is collected for a moment and then done in one call of the pool C{disk}. One call is under way at a time,
so everything happens in its order. A full or broken disk is no fault of any request: what was in that call is not stored, and
L{gateway_cache.store} steps aside for a while.
"""

from __future__ import annotations

import errno
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from zlib import crc32

import lmdb
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.api import Clock, Overloaded, Threads
from gateway_cache.encoding import Place, encoded_head, name_of
from gateway_cache.entry import Head
from gateway_cache.eviction import Room, make_room, queue_for
from gateway_cache.files import OutFile
from gateway_cache.index import FILES, INLINE, NEW, PROVEN, Change, charge_of
from gateway_cache.memory import Copy
from gateway_cache.opening import Folder
from gateway_cache.purging import read_log
from gateway_cache.shared import SLOT_BYTES

#: How long changes are collected, seconds.
GATHER_SECONDS = 0.05
#: What one call writes, bytes; the bound of the store may be exceeded by that for a moment.
_CALL_BYTES = 8 << 20
#: Operations of one call: a long change holds up other processes.
_CALL_OPERATIONS = 1000
#: How long to wait when all threads are busy, seconds.
_BUSY_SECONDS = 0.25
#: What operations without content are counted with, bytes.
_SMALL = 1000

#: Of the index's map: the rest is for heads of files, and for runs of pages that are free but too short.
_FILL = 0.85
#: How often a change that does not fit into the map is tried again with more room, and how much more.
_TRIES = 4
_LESS = 0.9

#: Of what is there when the disk turns out to be full: how much may stay, and how much may be there later on.
_STAYS, _MAY_BE, _OF = 16, 18, 20
#: But so much of the size in any case: one in so many bytes.
_LEAST_SHARE = 256
#: Objects that are removed in one change when there is room for that again; at first it is one, for it takes pages too.
_MANY = 64


@dataclass(slots=True, eq=False)
class Spill:
    """
    A content on its way into a file.

    @ivar out: the file, once it is made.
    @ivar failed: nothing more is to be written.
    """

    out: OutFile | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """Write a piece of content to a file."""

    spill: Spill
    chunks: list[bytes]
    size: int


@dataclass(frozen=True, slots=True)
class Put:
    """Store an object: with content in the index, unless it is in a file."""

    copy: Copy
    content: bytes
    spill: Spill | None
    size: int


@dataclass(frozen=True, slots=True)
class Renew:
    """Give an object another head."""

    before: Copy
    after: Copy
    size: int = _SMALL


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove all variants of a key that were begun until then."""

    key: bytes
    slot: int
    until: int
    size: int = _SMALL


@dataclass(frozen=True, slots=True)
class RemoveTorn:
    """Remove one object, if it is still that one; by its number, or any by its name."""

    name: bytes
    number: int | None
    size: int = _SMALL


@dataclass(frozen=True, slots=True)
class Discard:
    """Throw a file away that will not be whole."""

    spill: Spill
    size: int = 1


Operation: TypeAlias = Append | Put | Renew | Remove | RemoveTorn | Discard


@dataclass(slots=True)
class Written:
    """
    What became of a call.

    @ivar placed: what is in the index now, and where.
    @ivar stamps: of slots in which one thing was changed: the stamp before and the one after.
    @ivar refused: what is not stored: begun before it was invalidated, or too large.
    @ivar gone: numbers of files that are no more.
    @ivar error: why the rest was not done.
    """

    placed: list[tuple[Copy, Place]] = field(default_factory=list)
    stamps: dict[int, tuple[int, int]] = field(default_factory=dict)
    refused: list[Copy] = field(default_factory=list)
    evicted: int = 0
    gone: list[int] = field(default_factory=list)
    error: OSError | lmdb.Error | None = None


class Limits:
    """
    How much may be there, as far as it is known by now; changed in the writing thread alone.

    @ivar fill: how much of the index's map may be taken: less, if runs of free pages turn out to be too short.
    @ivar caps: bounds below those that are set, while the disk has less room than that; by kind.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.fill = _FILL
        self.caps: dict[int, int] = {}
        self.call_bytes = max(1 << 16, min(_CALL_BYTES, size // 16))

    def room(self, folder: Folder) -> Room:
        """Give what there is room for."""
        index = folder.index
        shared = (len(folder.shared.uses) * SLOT_BYTES) + (1 << 16)
        inline = int(index.map_size * self.fill)
        files = self.size - index.used_bytes - shared - self.call_bytes
        return Room(
            min(inline, self.caps.get(INLINE, inline)),
            max(0, min(files, self.caps.get(FILES, files))),
        )


def write(folder: Folder, operations: list[Operation], limits: Limits) -> Written:
    """Do what is to be done, in a thread; the index and the files are as before if it can't be."""
    done = Written()
    changes: list[Put | Renew | Remove | RemoveTorn] = []
    try:
        for one in operations:
            match one:
                case Append():
                    _append(folder, one)
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
    _shrink(folder, Room(stay[INLINE], stay[FILES]))


def _shrink(folder: Folder, room: Room) -> None:
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
            _unlink(folder, change)
            few = min(_MANY, few * 2)
    with Change(folder.index) as change:
        change.reserve()


def _append(folder: Folder, one: Append) -> None:
    spill = one.spill
    if spill.failed:
        return
    if spill.out is None:
        spill.out = folder.files.create()
    for chunk in one.chunks:
        spill.out.write(chunk)


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
                for one in changes:
                    attempt.do(one)
        except lmdb.MapFullError:
            limits.fill *= _LESS
            if not left:
                raise
            _shrink(folder, limits.room(folder))
            continue
        break
    _unlink(folder, attempt.change)
    done.placed += attempt.placed
    done.refused += attempt.refused
    done.gone += attempt.change.gone
    done.evicted = attempt.change.totals.evicted - attempt.evicted_before
    for slot, times in attempt.slots.items():
        stamps = folder.shared.words[slot], folder.shared.changed(slot)
        if times == 1:
            done.stamps[slot] = stamps


def _unlink(folder: Folder, change: Change) -> None:
    for number in change.gone:
        folder.files.remove(number)


class _Attempt:
    """One change, with what it does beside the index."""

    def __init__(self, folder: Folder, limits: Limits) -> None:
        self.placed: list[tuple[Copy, Place]] = []
        self.slots: Counter[int] = Counter()
        self.refused: list[Copy] = []
        self._folder = folder
        self._shared = folder.shared
        self._room = limits.room(folder)
        self._places: dict[int, Place] = {}
        self.change = Change(folder.index)
        self.evicted_before = self.change.totals.evicted
        self._purges = read_log(self.change.purges())

    def do(self, one: Put | Renew | Remove | RemoveTorn) -> None:
        """Make one change."""
        match one:
            case Put():
                self._put(one)
            case Renew():
                self._renew(one)
            case Remove():
                self.change.remove_key(one.key, one.until)
                self.slots[one.slot] += 1
            case RemoveTorn():
                place = self.change.place(one.name)
                if one.number is None or (place is not None and place.number == one.number):
                    self.change.remove(one.name)

    def _put(self, one: Put) -> None:
        copy = one.copy
        head = copy.head
        out = None if one.spill is None else one.spill.out
        if one.spill is not None and (one.spill.failed or out is None):
            self.refused.append(copy)
            return
        content = one.content
        kind = INLINE if out is None else FILES
        name = name_of(head.key, head.variant)
        size = len(name) + len(encoded_head(head))
        need = charge_of(size, head.length, inline=out is None)
        if not self._holds(head, copy.since, copy.slot) or not make_room(
            self.change, self._shared, self._room, kind, need
        ):
            self.refused.append(copy)
            if out is not None:
                out.discard()
            return
        queue = queue_for(self.change, self._shared, name, copy.slot, kind)
        if out is None:
            checksum = crc32(content)
            place = self.change.put(head, copy.since, copy.slot, content, checksum, queue)
        else:
            self._folder.files.publish(out)
            place = self.change.put(head, copy.since, copy.slot, out.number, out.checksum, queue)
        self._placed(copy, place)

    def _renew(self, one: Renew) -> None:
        before = one.before
        place = before.place or self._places.get(id(before))
        if place is None or not self._holds(one.after.head, one.after.since, one.after.slot):
            return
        name = name_of(before.head.key, before.head.variant)
        after = one.after
        renewed = self.change.renew(name, place.number, after.head, after.since, after.slot)
        if renewed is not None:
            self._placed(after, renewed)

    def _placed(self, copy: Copy, place: Place) -> None:
        self.placed.append((copy, place))
        self._places[id(copy)] = place
        self.slots[copy.slot] += 1

    def _holds(self, head: Head, since: int, slot: int) -> bool:
        """Tell whether nobody has invalidated it since it was begun."""
        floor = max(self._purges.floor, self._shared.words[slot + self._shared.floor])
        return since > floor and not self._purges.means(head, since)


class WriteQueue:
    """
    What waits to be written.

    @ivar size: bytes of it, with what is being written.
    """

    def __init__(
        self,
        folder: Folder,
        limits: Limits,
        threads: Threads,
        clock: Clock,
        told: Callable[[Written], None],
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        """
        Make it.

        @param told: what became of each call, in the reactor's thread.
        """
        self.size = 0
        self._folder = folder
        self._limits = limits
        self._threads = threads
        self._clock = clock
        self._told = told
        self._gather_seconds = gather_seconds
        self._waiting: deque[Operation] = deque()
        self._is_busy = False
        self._call: Any = None
        self._idle: list[Deferred[None]] = []

    def add(self, operation: Operation) -> None:
        """Let something be done soon, after all that was added before."""
        self._waiting.append(operation)
        self.size += operation.size
        if self._is_busy or self._call is not None:
            return
        self._call = self._clock.callLater(self._gather_seconds, self._begin)

    def idle(self) -> Deferred[None]:
        """Fire when nothing is left to be written; nothing is collected any longer until then."""
        waiting: Deferred[None] = Deferred()
        self._idle.append(waiting)
        if not self._is_busy:
            if self._call is not None:
                self._call.cancel()
            self._begin()
        return waiting

    def alone(self, function: Callable[..., Any], *args: object) -> Deferred[Any]:
        """Call a function in a thread, while nothing is written; the queue has to be idle."""
        assert not self._is_busy
        self._is_busy = True
        call = in_thread(self._threads, function, *args)
        call.addBoth(self._over)
        return call

    @property
    def is_busy(self) -> bool:
        """Something is being written."""
        return self._is_busy

    def _over(self, result: Any) -> Any:
        self._is_busy = False
        if (self._waiting or self._idle) and self._call is None:
            self._call = self._clock.callLater(0, self._begin)
        return result

    def _begin(self) -> None:
        self._call = None
        if self._is_busy:
            return
        if not self._waiting:
            waiting, self._idle = self._idle, []
            for one in waiting:
                one.callback(None)
            return
        operations: list[Operation] = []
        size = 0
        while (
            self._waiting and size < self._limits.call_bytes and len(operations) < _CALL_OPERATIONS
        ):
            operation = self._waiting.popleft()
            size += operation.size
            operations.append(operation)
        self._is_busy = True
        call = in_thread(self._threads, write, self._folder, operations, self._limits)
        call.addCallbacks(
            self._done, self._failed, callbackArgs=(size,), errbackArgs=(operations, size)
        )

    def _done(self, written: Written, size: int) -> None:
        self.size -= size
        for copy, place in written.placed:
            copy.place = place
        self._is_busy = False
        self._told(written)
        self._go_on()

    def _failed(self, failure: Failure, operations: list[Operation], size: int) -> None:
        self._is_busy = False
        if failure.check(Overloaded) is not None:
            self._waiting.extendleft(reversed(operations))
            self._call = self._clock.callLater(_BUSY_SECONDS, self._begin)
            return
        self.size -= size
        self._told(Written(error=OSError(errno.EIO, failure.getErrorMessage())))
        self._go_on()

    def _go_on(self) -> None:
        if self._is_busy or self._call is not None:
            return
        if self._waiting or self._idle:
            seconds = (
                0.0 if self._idle or self.size > self._limits.call_bytes else self._gather_seconds
            )
            self._call = self._clock.callLater(seconds, self._begin)


def in_thread(threads: Threads, function: Callable[..., Any], *args: object) -> Deferred[Any]:
    """Call a function in the pool C{disk}; fires with what it gives or raises."""
    call = threads.run("disk", function, *args)
    # Its shape says only that it can be awaited.
    assert isinstance(call, Deferred)
    return call

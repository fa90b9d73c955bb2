"""
Changing an index: one writer at a time, of all processes, and all of a change happens or nothing.

Writers wait for one another, so this belongs into a thread. A commit is not forced to the disk: a killed process loses nothing
of it, and what a broken-down machine leaves is not used (L{gateway_cache.opening}).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import lmdb

from gateway_cache.encoding import (
    Place,
    Torn,
    encoded_head,
    head_part,
    name_of,
    names_of,
    place_of,
    read,
    record,
)
from gateway_cache.entry import Head
from gateway_cache.index import Index
from gateway_cache.tables import (
    PAGE_BYTES,
    PIECE_BYTES,
    PURGES,
    QUEUED,
    RESERVE,
    TOTALS,
    Totals,
    charge_of,
    number_key,
    pieces_of,
    queue_key,
)

#: Variants of one key; a site whose answers vary with everything must not fill the store.
MOST_VARIANTS = 16
#: Pages that are free when no other is: to remove something takes pages first.
_RESERVE_BYTES = 16 * PAGE_BYTES


class Sealed(NamedTuple):
    """
    A head as it is going to be stored.

    @ivar name: of it.
    @ivar encoded: itself.
    @ivar charge: bytes that it is counted with, together with its content.
    """

    head: Head
    name: bytes
    encoded: bytes
    charge: int


def seal(head: Head, *, inline: bool) -> Sealed:
    """
    Bring a head into the form in which it is stored.

    @param inline: its content will be in the index, not in a file.
    """
    name = name_of(head.key, head.variant)
    encoded = encoded_head(head)
    charge = charge_of(len(name) + len(encoded), head.length, inline=inline)
    return Sealed(head, name, encoded, charge)


class Change:
    """
    A change of the index by one writer: all of it happens, or nothing.

    C{with} begins it, waiting for other writers, and commits it, or leaves everything as it was after an exception.

    @ivar totals: the sums, as they will be.
    @ivar gone: numbers of files that are no object's when this is committed.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._txn = index.env.begin(write=True)
        try:
            self.totals = Totals(self._txn.get(TOTALS, db=index.meta))
            self._heads = self._txn.cursor(index.heads)
        except BaseException:
            self._txn.abort()
            raise
        self.gone: list[int] = []

    def __enter__(self) -> Change:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self._txn.abort()
            return
        try:
            self._txn.put(TOTALS, self.totals.packed(), db=self._index.meta)
            self._txn.commit()
        except BaseException:
            self._txn.abort()
            raise

    def put(
        self,
        head: Head,
        since: int,
        slot: int,
        content: bytes | int,
        checksum: int,
        queue: int,
    ) -> Place:
        """Do as L{put_sealed} does, with a head."""
        sealed = seal(head, inline=not isinstance(content, int))
        return self.put_sealed(sealed, since, slot, content, checksum, queue)

    def put_sealed(
        self,
        sealed: Sealed,
        since: int,
        slot: int,
        content: bytes | int,
        checksum: int,
        queue: int,
    ) -> Place:
        """
        Store an object in place of what there is of its variant.

        @param content: a number: it is in the file of that.
        """
        head, name, encoded, charge = sealed
        # All names of a key begin with that of the one without a variant; nearly always there is none.
        names = names_of(head.key) if head.variant else name
        cursor = self._heads
        if cursor.set_range(names) and cursor.key().startswith(names):
            self._room_among_variants(head, name)
        totals = self.totals
        position = totals.next
        totals.next = position + 1
        index = self._index
        if isinstance(content, int):
            place = Place(since, content, position, charge, head.length, checksum, queue, True)
            self._txn.put(number_key(content), b"", db=index.files)
        else:
            place = Place(since, position, position, charge, head.length, checksum, queue, False)
            start = number_key(position)
            if len(content) <= PIECE_BYTES:
                if content:
                    self._append(start + b"\0", content)
            else:
                view = memoryview(content)
                for at in range(pieces_of(len(content))):
                    piece = view[at * PIECE_BYTES : (at + 1) * PIECE_BYTES]
                    self._append(start + bytes((at,)), piece)
        self._txn.put(name, record(place, encoded), db=index.heads)
        self._enqueue(place, slot, name)
        return place

    def place(self, name: bytes) -> Place | None:
        """Give where an object is; C{None}: there is none, or its record is torn."""
        value = self._txn.get(name, db=self._index.heads)
        if value is None:
            return None
        try:
            return place_of(value)
        except Torn:
            return None

    def renew(self, name: bytes, number: int, head: Head, since: int, slot: int) -> Place | None:
        """
        Give an object another head.

        @param number: the object's; another one by this name is left alone, and C{None} is given.
        """
        place = self.place(name)
        if place is None or place.number != number:
            return None
        new_name = name_of(head.key, head.variant)
        encoded = encoded_head(head)
        charge = charge_of(len(new_name) + len(encoded), place.length, inline=not place.in_file)
        if new_name != name:
            self._room_among_variants(head, new_name)
            self._txn.delete(name, db=self._index.heads)
        self._dequeue(place)
        place = place._replace(since=since, charge=charge)
        self._txn.put(new_name, record(place, encoded), db=self._index.heads)
        self._enqueue(place, slot, new_name)
        return place

    def remove(self, name: bytes) -> bool:
        """Remove an object; C{False}: there is none."""
        value = self._txn.pop(name, db=self._index.heads)
        if value is None:
            return False
        # A record that is torn has no place to be trusted: then the sums can't hold either, and the whole is given up.
        place = _trusted(value)
        self._dequeue(place)
        start = number_key(place.number)
        if place.in_file:
            self._txn.delete(start, db=self._index.files)
            self.gone.append(place.number)
        else:
            for at in range(pieces_of(place.length)):
                self._txn.delete(start + bytes((at,)), db=self._index.contents)
        return True

    def remove_key(self, key: bytes, until: int) -> int:
        """Remove all variants of a key that were begun until then; gives how many."""
        names = [name for name, since in self._variants(key) if since <= until]
        for name in names:
            self.remove(name)
        return len(names)

    def first(self, queue: int) -> tuple[bytes, int] | None:
        """Give the name and the slot of what is first in a queue; C{None}: it is empty."""
        cursor = self._txn.cursor(self._index.queues)
        if not cursor.set_range(bytes((queue,))):
            return None
        key, value = cursor.item()
        if key[0] != queue:
            return None
        return value[QUEUED.size :], QUEUED.unpack_from(value)[0]

    def move(self, name: bytes, slot: int, queue: int) -> None:
        """Put an object at the end of a queue."""
        value = self._txn.get(name, db=self._index.heads)
        place = _trusted(value)
        assert value is not None
        self._dequeue(place)
        place = place._replace(position=self.totals.next, queue=queue)
        self.totals.next += 1
        self._txn.put(name, record(place, head_part(value)), db=self._index.heads)
        self._enqueue(place, slot, name)

    def reserve(self) -> None:
        """Set pages aside for L{use_reserve}, if there are none."""
        if self._txn.get(RESERVE, db=self._index.meta) is None:
            self._txn.put(RESERVE, bytes(_RESERVE_BYTES), db=self._index.meta)

    def use_reserve(self) -> None:
        """Let the pages that were set aside be free, from the change after the next on."""
        self._txn.delete(RESERVE, db=self._index.meta)

    def set_purges(self, log: bytes) -> None:
        """Replace the log of purges."""
        self._txn.put(PURGES, log, db=self._index.meta)

    def purges(self) -> bytes:
        """Give the log of purges, which nobody changes meanwhile."""
        return self._txn.get(PURGES, b"", db=self._index.meta)

    def unknown_files(self, numbers: list[int]) -> list[int]:
        """Give those that are the number of no object in a file, and that none is about to get."""
        return [
            one for one in numbers if self._txn.get(number_key(one), db=self._index.files) is None
        ]

    def _append(self, key: bytes, piece: bytes | memoryview) -> None:
        """Put a piece of content behind all others, as numbers grow: so pages get full, and half as many are written."""
        contents = self._index.contents
        if not self._txn.put(key, piece, append=True, db=contents):
            self._txn.put(key, piece, db=contents)

    def _room_among_variants(self, head: Head, name: bytes) -> None:
        """Remove what has this name, and the oldest variants if there are too many."""
        there = list(self._variants(head.key))
        others = sorted((since, other) for other, since in there if other != name)
        if len(others) < len(there):
            self.remove(name)
        for _, other in others[: max(0, len(others) - MOST_VARIANTS + 1)]:
            self.remove(other)

    def _variants(self, key: bytes) -> Iterator[tuple[bytes, int]]:
        """Give names, and since when they hold; those of another key that is the beginning of a name are not."""
        names = names_of(key)
        cursor = self._txn.cursor(self._index.heads)
        there = cursor.set_range(names)
        while there:
            name, value = cursor.item()
            if not name.startswith(names):
                return
            place, head = _trusted_head(value)
            if head.key == key:
                yield name, place.since
            there = cursor.next()

    def _enqueue(self, place: Place, slot: int, name: bytes) -> None:
        queue = place.queue
        key = queue_key(queue, place.position)
        self._txn.put(key, QUEUED.pack(slot) + name, db=self._index.queues)
        totals = self.totals
        totals.bytes[queue] += place.charge
        totals.count[queue] += 1

    def _dequeue(self, place: Place) -> None:
        key = queue_key(place.queue, place.position)
        if not self._txn.delete(key, db=self._index.queues):
            raise lmdb.CorruptedError("an object is in no queue")
        self.totals.bytes[place.queue] -= place.charge
        self.totals.count[place.queue] -= 1


def _trusted(value: bytes | None) -> Place:
    """Read a place that has to be there."""
    try:
        return place_of(value or b"")
    except Torn as error:
        raise lmdb.CorruptedError("a record is torn") from error


def _trusted_head(value: bytes) -> tuple[Place, Head]:
    try:
        return read(value)
    except Torn as error:
        raise lmdb.CorruptedError("a record is torn") from error

"""
The index: heads, small contents, queues and sums of a store, in one LMDB file that all processes map.

Reading is of mapped memory and needs no thread; each look has a transaction of its own, for one that stays open pins the pages
that writers would use again. Writers wait for one another, so they belong into a thread. A commit is not forced to the disk:
a killed process loses nothing of it, and what a broken-down machine leaves is not used (L{gateway_cache.opening}).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import lmdb

from gateway_cache.encoding import (
    Place,
    Torn,
    encoded_head,
    head_part,
    name_of,
    names_of,
    place_of,
    prefix_of,
    read,
    record,
)
from gateway_cache.entry import Head

#: Objects are in one of four queues: those in the index and those in files, each new or proven.
INLINE, FILES = 0, 2
NEW, PROVEN = 0, 1

#: A content is cut into pieces of four pages: longer runs of free pages are hard to find in a file that has been used.
PIECE_BYTES = 4 * 4096 - 16
#: Variants of one key; a site whose answers vary with everything must not fill the store.
MOST_VARIANTS = 16

_PAGE = 4096
#: What fits into a page beside others.
_IN_PAGE = 2000

_TOTALS = struct.Struct("<10Q")
_QUEUED = struct.Struct("<I")
_META_TOTALS = b"totals"
_META_PURGES = b"purges"
_META_RESERVE = b"reserve"
#: Pages that are free when no other is: to remove something takes pages first.
_RESERVE_BYTES = 16 * _PAGE


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
        values = _TOTALS.unpack(packed) if packed else (1, *[0] * 9)
        self.next = values[0]
        self.bytes = list(values[1:5])
        self.count = list(values[5:9])
        self.evicted = values[9]

    def packed(self) -> bytes:
        """Give them as they are stored."""
        return _TOTALS.pack(self.next, *self.bytes, *self.count, self.evicted)


class Index:
    """
    One open index.

    @ivar map_size: its hard bound, bytes.
    """

    def __init__(self, folder: Path, map_size: int) -> None:
        """
        Open it, or make an empty one.

        @raise lmdb.Error: it is broken, or the disk is.
        """
        self.env = lmdb.open(
            str(folder),
            map_size=map_size,
            max_dbs=8,
            max_readers=1024,
            max_spare_txns=4,
            sync=False,
            metasync=False,
            readahead=False,
            meminit=False,
            mode=0o600,
        )
        try:
            self.env.reader_check()
            info = self.env.info()
            self.map_size = info["map_size"]
            if (folder / "data.mdb").stat().st_size < (info["last_pgno"] + 1) * _PAGE:
                # To read what a mapped file should have and has not is the end of the process.
                raise lmdb.CorruptedError("the file is shorter than it says")
            self.heads = self.env.open_db(b"heads")
            self.contents = self.env.open_db(b"contents")
            self.queues = self.env.open_db(b"queues")
            self.files = self.env.open_db(b"files")
            self.meta = self.env.open_db(b"meta")
        except BaseException:
            self.env.close()
            raise

    @property
    def used_bytes(self) -> int:
        """What the file takes on the disk, bytes; it never shrinks."""
        return (self.env.info()["last_pgno"] + 1) * _PAGE

    def totals(self) -> Totals:
        """Read the sums."""
        with self.env.begin() as txn:
            return Totals(txn.get(_META_TOTALS, db=self.meta))

    def variants(self, key: bytes, torn: list[bytes]) -> list[tuple[Place, Head]]:
        """
        Give all that is stored of a key.

        @param torn: gets the names of records that are none.
        """
        names = names_of(key)
        found = []
        with self.env.begin() as txn:
            cursor = txn.cursor(self.heads)
            there = cursor.set_range(names)
            while there:
                name, value = cursor.item()
                if not name.startswith(names):
                    break
                try:
                    one = read(value)
                except Torn:
                    torn.append(name)
                else:
                    if one[1].key == key:
                        found.append(one)
                there = cursor.next()
        return found

    def content(self, place: Place) -> bytes | None:
        """Give the content of an object that has it in the index; C{None}: it is gone, or torn."""
        start = place.number.to_bytes(8, "big")
        with self.env.begin() as txn:
            if place.length <= PIECE_BYTES:
                content = txn.get(start + b"\0", db=self.contents) if place.length else b""
            else:
                pieces = [
                    txn.get(start + bytes((at,)), db=self.contents) or b""
                    for at in range(_pieces(place.length))
                ]
                content = b"".join(pieces)
        if content is None or len(content) != place.length or crc32(content) != place.checksum:
            return None
        return content

    def walk(
        self, prefix: bytes, after: bytes, most: int
    ) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """
        Give names and records in the order of keys, some at a time.

        @param after: the name to go on behind; empty: from the beginning.
        @return: they, and the name to go on behind; empty: that was all.
        """
        names = prefix_of(prefix)
        found: list[tuple[bytes, bytes]] = []
        with self.env.begin() as txn:
            cursor = txn.cursor(self.heads)
            there = cursor.set_range(max(names, after))
            if there and after and cursor.key() == after:
                there = cursor.next()
            while there and len(found) < most:
                name, value = cursor.item()
                if not name.startswith(names):
                    return found, b""
                found.append((name, value))
                there = cursor.next()
        return found, found[-1][0] if found and there else b""

    def purges(self) -> bytes:
        """Give the log of purges, as it was set; empty: there is none."""
        with self.env.begin() as txn:
            return txn.get(_META_PURGES, b"", db=self.meta)

    def unknown_files(self, numbers: list[int]) -> list[int]:
        """Give those that are the number of no object in a file."""
        with self.env.begin() as txn:
            return [one for one in numbers if txn.get(_number(one), db=self.files) is None]

    def check(self) -> None:
        """
        Look whether the index holds together, as far as that goes without reading all of it.

        @raise lmdb.Error: it does not.
        """
        with self.env.begin() as txn:
            totals = Totals(txn.get(_META_TOTALS, db=self.meta))
            heads = txn.stat(self.heads)["entries"]
            queued = txn.stat(self.queues)["entries"]
            if not heads == queued == sum(totals.count):
                raise lmdb.CorruptedError("the sums are wrong")

    def close(self) -> None:
        """Close it; nothing of it can be used any more."""
        self.env.close()


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
            self.totals = Totals(self._txn.get(_META_TOTALS, db=index.meta))
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
            self._txn.put(_META_TOTALS, self.totals.packed(), db=self._index.meta)
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
        """
        Store an object in place of what there is of its variant.

        @param content: a number: it is in the file of that.
        """
        name = name_of(head.key, head.variant)
        encoded = encoded_head(head)
        self._room_among_variants(head.key, name)
        totals = self.totals
        position = totals.next
        totals.next += 1
        in_file = isinstance(content, int)
        number = content if isinstance(content, int) else position
        charge = charge_of(len(name) + len(encoded), head.length, inline=not in_file)
        place = Place(since, number, position, charge, head.length, checksum, queue, in_file)
        start = _number(number)
        if isinstance(content, int):
            self._txn.put(start, b"", db=self._index.files)
        else:
            view = memoryview(content)
            for at in range(_pieces(len(content))):
                piece = view[at * PIECE_BYTES : (at + 1) * PIECE_BYTES]
                self._txn.put(start + bytes((at,)), piece, db=self._index.contents)
        self._txn.put(name, record(place, encoded), db=self._index.heads)
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
            self._room_among_variants(head.key, new_name)
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
        start = _number(place.number)
        if place.in_file:
            self._txn.delete(start, db=self._index.files)
            self.gone.append(place.number)
        else:
            for at in range(_pieces(place.length)):
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
        return value[_QUEUED.size :], _QUEUED.unpack_from(value)[0]

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
        if self._txn.get(_META_RESERVE, db=self._index.meta) is None:
            self._txn.put(_META_RESERVE, bytes(_RESERVE_BYTES), db=self._index.meta)

    def use_reserve(self) -> None:
        """Let the pages that were set aside be free, from the change after the next on."""
        self._txn.delete(_META_RESERVE, db=self._index.meta)

    def set_purges(self, log: bytes) -> None:
        """Replace the log of purges."""
        self._txn.put(_META_PURGES, log, db=self._index.meta)

    def purges(self) -> bytes:
        """Give the log of purges, which nobody changes meanwhile."""
        return self._txn.get(_META_PURGES, b"", db=self._index.meta)

    def unknown_files(self, numbers: list[int]) -> list[int]:
        """Give those that are the number of no object in a file, and that none is about to get."""
        return [one for one in numbers if self._txn.get(_number(one), db=self._index.files) is None]

    def _room_among_variants(self, key: bytes, name: bytes) -> None:
        """Remove what has this name, and the oldest variants if there are too many."""
        there = list(self._variants(key))
        if not there:
            return
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
        key = bytes((place.queue,)) + _number(place.position)
        self._txn.put(key, _QUEUED.pack(slot) + name, db=self._index.queues)
        self.totals.bytes[place.queue] += place.charge
        self.totals.count[place.queue] += 1

    def _dequeue(self, place: Place) -> None:
        key = bytes((place.queue,)) + _number(place.position)
        if not self._txn.delete(key, db=self._index.queues):
            raise lmdb.CorruptedError("an object is in no queue")
        self.totals.bytes[place.queue] -= place.charge
        self.totals.count[place.queue] -= 1


def charge_of(head_bytes: int, length: int, *, inline: bool) -> int:
    """Give what an object takes on the disk, about: pages of a tree are two thirds full, those of contents are whole."""
    charge = (head_bytes + 160) * 3 // 2
    if not inline or length > _IN_PAGE:
        return charge + -(-(length + 16) // _PAGE) * _PAGE
    return charge + (length + 32) * 4 // 3


def _pieces(length: int) -> int:
    return -(-length // PIECE_BYTES)


def _number(number: int) -> bytes:
    return number.to_bytes(8, "big")


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

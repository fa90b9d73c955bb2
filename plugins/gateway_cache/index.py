"""
The index: heads, small contents, queues and sums of a store, in one LMDB file that all processes map; here it is read.

Reading is of mapped memory and needs no thread; each look has a transaction of its own, for one that stays open pins the pages
that writers would use again. Who writes is L{gateway_cache.change}.
"""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import lmdb

from gateway_cache.encoding import Place, Torn, names_of, prefix_of, read
from gateway_cache.entry import Head
from gateway_cache.tables import (
    PAGE_BYTES,
    PIECE_BYTES,
    PURGES,
    TOTALS,
    Totals,
    number_key,
    pieces_of,
)

#: Errors that say that the index is broken; any other is a miss and no more.
CORRUPT = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.VersionMismatchError,
)


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
            if (folder / "data.mdb").stat().st_size < (info["last_pgno"] + 1) * PAGE_BYTES:
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
        return (self.env.info()["last_pgno"] + 1) * PAGE_BYTES

    def totals(self) -> Totals:
        """Read the sums."""
        with self.env.begin() as txn:
            return Totals(txn.get(TOTALS, db=self.meta))

    def has(self, key: bytes) -> bool:
        """Tell whether there is anything that could be of a key; of most keys that are asked for there is nothing."""
        names = names_of(key)
        txn = self.env.begin(self.heads)
        # Each miss asks this, and C{with} is a sixth of it.
        try:
            cursor = txn.cursor()
            return cursor.set_range(names) and cursor.key().startswith(names)
        finally:
            txn.abort()

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
                    for at in range(pieces_of(place.length))
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
            return txn.get(PURGES, b"", db=self.meta)

    def unknown_files(self, numbers: list[int]) -> list[int]:
        """Give those that are the number of no object in a file."""
        with self.env.begin() as txn:
            return [one for one in numbers if txn.get(number_key(one), db=self.files) is None]

    def check(self) -> None:
        """
        Look whether the index holds together, as far as that goes without reading all of it.

        @raise lmdb.Error: it does not.
        """
        with self.env.begin() as txn:
            totals = Totals(txn.get(TOTALS, db=self.meta))
            heads = txn.stat(self.heads)["entries"]
            queued = txn.stat(self.queues)["entries"]
            if not heads == queued == sum(totals.count):
                raise lmdb.CorruptedError("the sums are wrong")

    def close(self) -> None:
        """Close it; nothing of it can be used any more."""
        self.env.close()

"""Tests of L{gateway_cache.store} after kills and damage: what is torn is never served, and storing goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from unittest import SkipTest

from gateway_cache.change import Change
from gateway_cache.opening import acquire, release
from gateway_cache.tests.stores import KEY, StoreTestCase, content_of, disk_bytes, head, put

#: Stores one object after another until it is killed; contents say what they belong to.
_STORES = """
import sys
from gateway_cache.tests.stores import Bench, head, put
bench = Bench(sys.argv[1])
store = bench.store(size=8 << 20)
print("open", flush=True)
for number in range(1_000_000):
    key = b"http://example.com/%d" % (number % 300)
    length = number * 7919 % (150_000 if number % 5 == 0 else 20_000)
    put(store, head(key), (key + b"#%d " % number) * (length // 20), pieces=3)
    if number % 10 == 0:
        store.remove(b"http://example.com/%d" % (number * 31 % 300))
    bench.clock.advance(0.03)
"""


class StoreDamageTests(StoreTestCase):
    """A store whose process is killed, or whose files are damaged."""

    def test_killed(self) -> None:
        """What was written is there after a kill, what was not is gone, and so is its half of a file."""
        store = self.store()
        put(store, head(b"a"), b"a" * 100)
        put(store, head(b"b"), b"b" * 100_000)
        self.bench.settle()
        put(store, head(b"c"), b"c" * 100)
        half = store.begin(head(b"d"), 1_000_000)
        assert half is not None
        half.write(b"d" * 500_000)
        store = self.again(store, clean=False)
        self.assertEqual([len(store.find(key)) for key in (b"a", b"b", b"c", b"d")], [1, 1, 0, 0])
        self.assertEqual(content_of(store, b"b"), b"b" * 100_000)
        unfinished = list((self.bench.folder / "unfinished").glob("*/*"))
        self.assertEqual([one.name for one in unfinished], ["lock"])

    def test_damaged_content(self) -> None:
        """A file with other bytes of the same length is a miss in whoever has not written it, and its object is gone."""
        store = self.store()
        for torn, length in enumerate((100_000, 2_000_000)):
            put(store, head(b"a"), b"a" * length)
            put(store, head(b"b"), b"b" * length)
            self.bench.settle()
            store = self.again(store)
            for path in (self.bench.folder / "files").glob("*/*"):
                with path.open("r+b") as file:
                    if file.read(1) == b"a":
                        file.seek(length // 2)
                        file.write(b"x")
            # Long content is a miss until a thread has read it.
            for key in (b"a", b"b"):
                content_of(store, key)
            self.bench.settle()
            self.assertTrue(content_of(store, b"a") is None, torn)
            self.assertTrue(content_of(store, b"b") == b"b" * length, torn)
            self.bench.settle()
            self.assertEqual((len(store.find(b"a")), store.stats()["torn"]), (0, 1))

    def test_killed_at_any_moment(self) -> None:
        """A process that is killed in the midst of storing leaves nothing torn, no orphan, and no more than may be."""
        for seconds in (0.05, 0.15, 0.3, 0.45):
            with subprocess.Popen(
                [sys.executable, "-c", _STORES, str(self.bench.folder)],
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            ) as other:
                assert other.stdout is not None
                self.assertEqual(other.stdout.readline(), b"open\n")
                try:
                    other.wait(seconds)
                except subprocess.TimeoutExpired:
                    other.kill()
                else:
                    raise AssertionError("it ended by itself")
            self.assertLessEqual(disk_bytes(self.bench.folder), 9 << 20)
            store = self.store(size=8 << 20)
            there = 0
            for number in range(300):
                key = b"http://example.com/%d" % number
                for one in store.find(key):
                    content = content_of(store, key)
                    assert content is not None, one
                    piece, _, _ = content.partition(b" ")
                    self.assertTrue(not content or piece.startswith(key + b"#"))
                    self.assertEqual(content, (piece + b" ") * (len(content) // (len(piece) + 1)))
                    there += 1
            # What was removed and not yet taken out of the index is not found either.
            self.assertLessEqual(there, store.stats()["objects"])
            names = list((self.bench.folder / "files").glob("*/*"))
            folder = acquire(self.bench.folder, 0)
            numbers = [int(one.name, 16) for one in names]
            self.assertEqual(folder.index.unknown_files(numbers), [])
            folder.index.check()
            with Change(folder.index):
                pass
            release(folder)
            self.assertEqual(store.stats()["torn"], 0)
            self.bench.stop(store)
            self.stores.remove(store)
        if not there:
            raise SkipTest("this machine is too slow to store anything in that time")

    def test_torn(self) -> None:
        """Content that is torn or gone is a miss, is not served, and is removed."""
        store = self.store()
        put(store, head(b"small"), b"x" * 1000)
        put(store, head(b"large"), b"x" * 100_000)
        store = self.again(store)
        folder = acquire(self.bench.folder, 0)
        with folder.index.env.begin(write=True, db=folder.index.contents) as txn:
            cursor = txn.cursor()
            cursor.first()
            txn.put(cursor.key(), b"y" * 1000)
        release(folder)
        path = next((self.bench.folder / "files").glob("*/*"))
        os.truncate(path, 99_999)
        self.assertEqual((len(store.find(b"small")), len(store.find(b"large"))), (1, 1))
        self.assertEqual((content_of(store, b"small"), content_of(store, b"large")), (None, None))
        self.bench.settle()
        self.assertEqual((store.find(b"small"), store.find(b"large")), ((), ()))
        self.assertEqual((store.stats()["torn"], store.stats()["objects"]), (2, 0))

    def test_index_breaks(self) -> None:
        """An index that turns out to be broken is replaced by an empty one, for all stores, and they go on."""
        one, other = self.store(), self.store()
        put(one, head(), b"abc")
        self.bench.settle()
        folder = acquire(self.bench.folder, 0)
        with folder.index.env.begin(write=True, db=folder.index.heads) as txn:
            cursor = txn.cursor()
            cursor.first()
            txn.put(cursor.key(), cursor.value()[:-1] + b"!")
        folder.shared.changed(folder.shared.slot(KEY))
        self.assertEqual(one.find(KEY), ())
        self.bench.settle()
        self.assertEqual(folder.epoch, 2)
        self.assertEqual((one.find(KEY), other.find(KEY)), ((), ()))
        for store in (one, other):
            put(store, head(), b"new")
            self.bench.settle()
            self.assertEqual((content_of(one), content_of(other)), (b"new", b"new"))
        release(folder)

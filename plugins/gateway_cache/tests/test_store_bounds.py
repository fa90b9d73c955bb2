"""Tests of the bounds of L{gateway_cache.store}: of the disk, of memory and of what waits to be written."""

from __future__ import annotations

from gateway_cache.tests.stores import KEY, StoreTestCase, content_of, disk_bytes, head, put


class StoreBoundsTests(StoreTestCase):
    """A store that is given more than it may keep."""

    def test_too_large(self) -> None:
        """What is longer than may be is not begun, and not stored if it turns out to be."""
        store = self.store(max_object=1000)
        self.assertIsNone(store.begin(head(), 1001))
        writing = store.begin(head(), None)
        assert writing is not None
        writing.write(b"x" * 600)
        writing.write(b"x" * 600)
        writing.finish()
        self.bench.settle()
        self.assertEqual((store.find(KEY), store.stats()["queue_bytes"]), ((), 0))

    def test_bounded(self) -> None:
        """Whatever is stored, in the index and in files, no more is on the disk than may be, and the last is there."""
        size = 8 << 20
        store = self.store(size=size)
        largest = 0
        for number in range(600):
            length = number * 7919 % (300_000 if number % 6 == 0 else 60_000)
            put(store, head(b"http://example.com/%d" % number), bytes(length))
            self.bench.clock.advance(0.06)
            self.bench.clock.advance(0)
            if number % 20 == 0:
                largest = max(largest, disk_bytes(self.bench.folder))
        self.bench.settle()
        self.assertLessEqual(largest, size)
        self.assertGreater(largest, size * 6 // 10)
        stats = store.stats()
        self.assertEqual((stats["aside"], stats["torn"], self.bench.events), (0, 0, []))
        self.assertGreater(stats["evicted"], 100)
        self.assertIsNotNone(content_of(store, b"http://example.com/599"))

    def test_memory_is_bounded(self) -> None:
        """A store with next to no memory finds everything in the index."""
        store = self.store(memory=10_000)
        for number in range(100):
            put(store, head(b"%d" % number), b"%d" % number * 500)
        self.bench.settle()
        for number in range(100):
            self.assertEqual(content_of(store, b"%d" % number), b"%d" % number * 500)
        self.assertLessEqual(store.stats()["memory_bytes"], 10_000)

    def test_queue_is_bounded(self) -> None:
        """When the disk does not keep up nothing more is taken, and it goes on when it does."""
        store = self.store(queue=300_000)
        self.bench.services.threads.hold()
        begun = []
        for number in range(20):
            writing = store.begin(head(b"%d" % number), 50_000)
            begun.append(writing is not None)
            if writing is not None:
                writing.write(b"x" * 50_000)
                writing.finish()
        self.assertEqual(begun, [True] * 5 + [False] * 15)
        unknown = store.begin(head(b"u"), None)
        self.assertIsNone(unknown)
        self.bench.services.threads.release()
        self.bench.settle()
        self.assertEqual((store.stats()["objects"], store.stats()["queue_bytes"]), (5, 0))
        put(store, head(), b"abc")

    def test_all_threads_busy(self) -> None:
        """When there is no thread what is to be written waits for one."""
        store = self.store()
        self.bench.services.threads.full.add("disk")
        put(store, head(), b"abc")
        self.bench.settle()
        self.assertEqual(store.stats()["objects"], 0)
        self.bench.services.threads.full.clear()
        self.bench.settle()
        self.assertEqual((store.stats()["objects"], content_of(store)), (1, b"abc"))

    def test_removed_without_end(self) -> None:
        """However much is removed while nothing can be written, no more of it waits than may."""
        store = self.store(queue=100_000)
        put(store, head(), b"abc")
        self.bench.settle()
        self.bench.services.threads.hold()
        for number in range(1000):
            store.remove(b"http://example.com/x%d" % number)
        store.remove(KEY)
        self.assertLess(store.stats()["queue_bytes"], 110_000)
        self.bench.services.threads.release()
        self.bench.settle()
        self.assertEqual(store.find(KEY), ())
        self.assertEqual(self.again(store).find(KEY), ())

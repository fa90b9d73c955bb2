"""Tests of L{gateway_cache.aside} and L{gateway_cache.limits}: no fault of a disk is a request's, and storing goes on after it."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from gateway_cache.aside import ASIDE_SECONDS
from gateway_cache.tests.stores import KEY, StoreTestCase, content_of, head, put


@contextmanager
def no_room(limit: int = 0) -> Iterator[None]:
    """Let no file of this process grow beyond a length, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class AsideTests(StoreTestCase):
    """A store on a disk that is full, or small."""

    def test_disk_full(self) -> None:
        """On a full disk the store steps aside and says so once; what is stored is found; then it stores again."""
        store = self.store()
        put(store, head(b"before"), b"x" * 1000)
        put(store, head(b"file"), b"x" * 100_000)
        self.bench.settle()
        with no_room():
            put(store, head(b"a"), b"x" * 60_000)
            put(store, head(b"b"), b"x" * 200_000)
            self.bench.settle()
            self.assertEqual((store.find(b"a"), store.find(b"b")), ((), ()))
            self.assertIsNone(store.begin(head(b"c"), 10))
            self.assertEqual(len(content_of(store, b"before") or b""), 1000)
            self.assertEqual(len(content_of(store, b"file") or b""), 100_000)
            store.remove(b"before")
            self.assertEqual(store.find(b"before"), ())
            self.bench.clock.pump([5.0] * 20)
            self.assertIsNone(store.begin(head(b"c"), 10))
        self.assertEqual([one.name for one in self.bench.events], ["cache_aside"])
        self.assertEqual(store.stats()["queue_bytes"], 0)
        self.bench.clock.pump([5.0] * int(ASIDE_SECONDS // 5 + 2))
        self.bench.settle()
        self.assertEqual([one.name for one in self.bench.events], ["cache_aside", "cache_back"])
        put(store, head(b"after"), b"x" * 100_000)
        self.bench.settle()
        self.assertEqual(len(content_of(store, b"after") or b""), 100_000)
        self.assertEqual(store.find(b"before"), ())

    def test_stopped_while_it_makes_room(self) -> None:
        """A store that is stopped while it makes room on a full disk is closed after that."""
        store = self.store()
        with no_room():
            put(store, head(), b"x" * 60_000)
            self.bench.settle()
        self.bench.clock.pump([5.0] * int(ASIDE_SECONDS // 5 - 1))
        self.bench.services.threads.hold()
        self.bench.clock.pump([5.0] * 2)
        stopped: list[object] = []
        store.stop().addBoth(stopped.append)
        self.stores.remove(store)
        self.bench.services.threads.release()
        self.bench.settle()
        self.assertEqual(stopped, [None])

    def test_disk_full_at_the_beginning(self) -> None:
        """A folder that can't be made is tried again; until then everything is a miss."""
        with no_room():
            store = self.store()
            self.assertIsNone(store.begin(head(), 3))
            self.assertEqual((store.find(KEY), store.stats()["aside"]), ((), 1))
            store.remove(KEY)
            self.bench.clock.pump([5.0] * 10)
        self.bench.clock.pump([5.0] * int(ASIDE_SECONDS // 5 + 2))
        self.bench.settle()
        self.assertEqual([one.name for one in self.bench.events], ["cache_aside", "cache_back"])
        put(store, head(), b"abc")
        self.assertEqual(content_of(store), b"abc")

    def test_small_disk(self) -> None:
        """On a disk that is smaller than the store's size something else goes, and storing goes on."""
        store = self.store()
        stored = 0
        with no_room(1 << 20):
            for number in range(1500):
                key = b"http://example.com/%d" % number
                writing = store.begin(head(key), 3000)
                if writing is not None:
                    writing.write(b"x" * 3000)
                    writing.finish()
                self.bench.clock.advance(0.5)
                stored += content_of(store, key) is not None
        self.assertGreater(stored, 1000)
        self.assertEqual(store.stats()["torn"], 0)

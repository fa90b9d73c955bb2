"""Tests of purges in L{gateway_cache.store}: from the log on nobody finds what they mean, and it is removed."""

from __future__ import annotations

from gateway_cache.opening import acquire, release
from gateway_cache.purging import carry_out, log_purge
from gateway_cache.tests.stores import KEY, StoreTestCase, content_of, head, put


class StorePurgingTests(StoreTestCase):
    """Purges, of a store or of a second one on the same folder."""

    def test_purged(self) -> None:
        """A purge by prefix, by tag or by both is seen by all stores, and says how many there were."""
        one, other = self.store(), self.store()
        for number in range(20):
            tags = ("even", "all") if number % 2 == 0 else ("all",)
            put(one, head(b"http://a/%d" % number, tags=tags), b"x" * (number * 10_000))
        put(one, head(b"http://b/", tags=("even",)), b"x")
        self.bench.settle()

        def there() -> list[int]:
            keys = [b"http://a/%d" % number for number in range(20)] + [b"http://b/"]
            counts = [
                sum(content_of(store, key) is not None for key in keys) for store in (one, other)
            ]
            return [*counts, one.stats()["objects"]]

        self.assertEqual(there(), [21, 21, 21])
        self.assertEqual(self.bench.result(other.purge(prefix=b"http://a/", tag="even")), 10)
        self.assertEqual(there(), [11, 11, 11])
        self.assertEqual(self.bench.result(one.purge(prefix=b"http://a/1")), 6)
        self.assertEqual(there(), [5, 5, 5])
        self.assertEqual(self.bench.result(one.purge(tag="even")), 1)
        self.assertEqual(self.bench.result(one.purge()), 4)
        self.assertEqual(there(), [0, 0, 0])
        self.assertEqual(list((self.bench.folder / "files").glob("*/*")), [])

    def test_purged_meanwhile(self) -> None:
        """What was begun before a purge that means it is not stored, and what waits is not found."""
        one, other = self.store(), self.store()
        writing = one.begin(head(tags=("t",)), 3)
        assert writing is not None
        writing.write(b"abc")
        self.bench.result(other.purge(tag="t"))
        writing.finish()
        self.bench.settle()
        self.assertEqual((one.find(KEY), one.stats()["not_stored"]), ((), 1))
        put(one, head(tags=("t",)), b"new")
        self.bench.settle()
        self.assertEqual(content_of(other), b"new")

    def test_purged_while_it_waits(self) -> None:
        """What waits to be written while a purge that means it is carried out is not written after it."""
        one = self.store()
        put(one, head(), b"abc")
        folder = acquire(self.bench.folder, 0)
        self.assertEqual(carry_out(folder, log_purge(folder, b"", "")), 0)
        self.bench.settle()
        self.assertEqual((one.find(KEY), one.stats()["objects"]), ((), 0))
        release(folder)

    def test_purge_counts_before_it_is_done(self) -> None:
        """From when a purge is in the log nobody finds what it means, though it is still in the index."""
        one, other = self.store(), self.store()
        put(one, head(), b"abc")
        self.bench.settle()
        content_of(other)
        folder = acquire(self.bench.folder, 0)
        purge = log_purge(folder, b"http://example", "")
        self.assertEqual(one.stats()["objects"], 1)
        self.assertEqual((one.find(KEY), other.find(KEY)), ((), ()))
        self.assertEqual(carry_out(folder, purge), 1)
        release(folder)

    def test_killed_in_a_purge(self) -> None:
        """A purge whose process was killed at it counts from its log on, and whoever opens the store next ends it."""
        one = self.store()
        put(one, head(), b"abc")
        self.bench.settle()
        folder = acquire(self.bench.folder, 0)
        log_purge(folder, b"http://", "")
        self.assertEqual((one.find(KEY), one.stats()["objects"]), ((), 1))
        self.bench.stop(one, clean=False)
        release(folder, clean=False)
        self.stores.clear()
        one = self.store()
        self.assertEqual((one.find(KEY), one.stats()["objects"]), ((), 0))

    def test_stopped_in_a_purge(self) -> None:
        """A store that is stopped waits for the thread that purges, which leaves the rest to the next one."""
        one = self.store()
        put(one, head(), b"abc")
        self.bench.settle()
        self.bench.services.threads.hold()
        failed: list[object] = []
        one.purge().addErrback(lambda failure: failed.append(failure.type))
        stopped: list[object] = []
        one.stop().addBoth(stopped.append)
        self.bench.settle()
        self.assertEqual((failed, stopped), ([], []))
        self.bench.services.threads.release()
        self.bench.settle()
        self.assertEqual((failed, stopped), ([OSError], [None]))
        self.stores.clear()
        self.assertEqual(self.store().find(KEY), ())

"""Tests of L{gateway_cache.store}: what is stored is found, and what is removed is not."""

from __future__ import annotations

import os
from dataclasses import replace

from gateway_cache import write_queue
from gateway_cache.limits import Limits
from gateway_cache.opening import Folder, acquire, release
from gateway_cache.operations import Operation, Put, Written
from gateway_cache.shared import Shared
from gateway_cache.tests.stores import KEY, AtOnce, StoreTestCase, content_of, head, put
from gateway_cache.writing import write


class StoreTests(StoreTestCase):
    """A store, and sometimes a second one on the same folder."""

    def test_found_at_once(self) -> None:
        """What is complete is found before it is written, by this process; by others once it is."""
        one, other = self.store(), self.store()
        put(one, head(), b"abc", pieces=2)
        self.assertEqual(content_of(one), b"abc")
        self.assertEqual(other.find(KEY), ())
        self.bench.settle()
        self.assertEqual((content_of(one), content_of(other)), (b"abc", b"abc"))
        self.assertEqual(one.stats()["objects"], 1)

    def test_lengths(self) -> None:
        """Content of any length is there again after a restart, in the index or in a file, and its head says how long."""
        store = self.store()
        lengths = (0, 1, 16_368, 65_536, 65_537, 300_000, 1_000_001)
        for length in lengths:
            put(store, head(b"%d" % length), os.urandom(1) * length, pieces=7)
        self.bench.settle()
        for _ in range(2):
            for length in lengths:
                self.assertEqual(len(content_of(store, b"%d" % length) or b""), length)
                self.assertEqual(store.find(b"%d" % length)[0].length, length)
            store = self.again(store)
        self.assertEqual(self.bench.events, [])

    def test_hot_file(self) -> None:
        """Content of a file that is asked for again and again comes from memory, unless it takes too much of it."""
        store = self.store(memory=8 << 20)
        for length, hits in ((100_000, 2), (131_072, 2), (131_073, 6)):
            put(store, head(b"%d" % length), os.urandom(1) * length)
            self.bench.settle()
            before = store.stats()["hits_file"]
            given = [content_of(store, b"%d" % length) for _ in range(6)]
            self.assertEqual([len(content or b"") for content in given], [length] * 6)
            self.assertEqual(len(set(given)), 1)
            self.assertEqual(store.stats()["hits_file"] - before, hits)

    def test_aborted(self) -> None:
        """What breaks off is not found, and leaves nothing."""
        store = self.store()
        for length in (10, 400_000):
            writing = store.begin(head(), None)
            assert writing is not None
            writing.write(b"x" * length)
            writing.abort()
            writing.finish()
            self.bench.settle()
        self.assertEqual(store.find(KEY), ())
        self.assertEqual(store.stats()["queue_bytes"], 0)
        self.assertEqual(len(list((self.bench.folder / "unfinished").glob("*/*"))), 1)

    def test_variants(self) -> None:
        """All variants of a key are given, newest first, each with its own content."""
        store = self.store()
        for received, variant in ((3.0, b"c"), (1.0, b"a"), (2.0, b"b")):
            put(store, head(variant=variant, received=received), variant)
        for _ in range(2):
            self.assertEqual([one.variant for one in store.find(KEY)], [b"c", b"b", b"a"])
            for variant in (b"a", b"b", b"c"):
                self.assertEqual(content_of(store, KEY, variant), variant)
            store = self.again(store)
        put(store, head(variant=b"b", received=9.0), b"new")
        self.assertEqual([one.variant for one in store.find(KEY)], [b"b", b"c", b"a"])
        self.assertEqual(content_of(store, KEY, b"b"), b"new")

    def test_head_at_the_end(self) -> None:
        """The head that is given with the end is the one that is stored."""
        store = self.store()
        writing = store.begin(head(), 3)
        assert writing is not None
        writing.write(b"abc")
        writing.finish(replace(head(), digest=b"\x01\x02", verdict="clean"))
        self.bench.settle()
        found = self.again(store).find(KEY)
        self.assertEqual(
            [(one.digest, one.verdict, one.length) for one in found], [(b"\x01\x02", "clean", 3)]
        )

    def test_updated(self) -> None:
        """Another head is found at once, before and after it is written, with the content of the one before."""
        for length in (3, 100_000):
            one, other = self.store(), self.store()
            put(one, head(), b"x" * length)
            if length > 65_536:
                self.bench.settle()
            found = one.find(KEY)[0]
            one.update(found, replace(found, lines=(b'ETag: "2"',), received=2000.0))
            self.assertEqual(one.find(KEY)[0].lines, (b'ETag: "2"',))
            self.assertEqual(content_of(one), b"x" * length)
            self.bench.settle()
            for store in (one, other, self.again(self.store())):
                self.assertEqual([each.received for each in store.find(KEY)], [2000.0])
                self.assertEqual(content_of(store), b"x" * length)

    def test_updated_head_of_the_caller(self) -> None:
        """Whoever has a head from before an update, or the one he updated with, can open it still."""
        store = self.store()
        put(store, head(), b"abc")
        before = store.find(KEY)[0]
        newer = replace(before, lines=())
        store.update(before, newer)
        for one in (before, newer, replace(store.find(KEY)[0], memo={})):
            found = store.open(one)
            assert found is not None
            self.assertEqual((found.head, found.content), (one, b"abc"))

    def test_updated_too_late(self) -> None:
        """What was removed or replaced since it was found is not brought back by an update."""
        one, other = self.store(), self.store()
        put(one, head(), b"abc")
        self.bench.settle()
        found = one.find(KEY)[0]
        one.open(found)
        other.remove(KEY)
        one.update(found, replace(found, received=2000.0, memo={}))
        self.assertEqual(one.find(KEY), ())
        put(other, head(etag="2"), b"new")
        self.bench.settle()
        one.update(found, replace(found, received=2000.0, memo={}))
        for store in (one, other):
            self.assertEqual(content_of(store), b"new")
        self.bench.settle()
        for store in (one, other):
            self.assertEqual((content_of(store), store.find(KEY)[0].received), (b"new", 1000.0))

    def test_removed(self) -> None:
        """What is removed is found by nobody from that moment on, and after a kill neither."""
        one, other = self.store(), self.store()
        put(one, head(), b"abc")
        self.bench.settle()
        self.assertEqual((content_of(one), content_of(other)), (b"abc", b"abc"))
        other.remove(KEY)
        self.assertEqual((one.find(KEY), other.find(KEY)), ((), ()))
        self.bench.stop(one, clean=False)
        self.bench.stop(other, clean=False)
        self.stores.clear()
        self.assertEqual(self.store().find(KEY), ())

    def test_removed_meanwhile(self) -> None:
        """What was begun, or asked for, before its key was removed is not stored; what comes later is."""
        one, other = self.store(), self.store()
        put(one, head(), b"old", before=lambda: other.remove(KEY))
        self.bench.settle()
        self.assertEqual((one.find(KEY), other.find(KEY)), ((), ()))
        since = one.mark()
        other.remove(KEY)
        writing = one.begin(head(), 3, since)
        assert writing is not None
        writing.write(b"old")
        writing.finish()
        self.assertEqual(one.find(KEY), ())
        put(one, head(), b"new")
        self.bench.settle()
        self.assertEqual((content_of(one), content_of(other)), (b"new", b"new"))

    def test_nothing_to_remove(self) -> None:
        """To remove what is not there writes nothing to the index, and voids what was begun before all the same."""
        one, other = self.store(), self.store()
        late = AtOnce(other, head())
        one.remove(KEY)
        self.assertEqual(one.stats()["queue_bytes"], 0)
        late.write(b"abc")
        late.finish()
        self.bench.settle()
        self.assertEqual((one.find(KEY), other.find(KEY)), ((), ()))

    def test_stored_meanwhile(self) -> None:
        """Who has found nothing of a key, and stores it, finds what another process has stored of it since as well."""
        one, other = self.store(), self.store()
        for settles in (True, False):
            late, early = (AtOnce(one, head(variant=variant)) for variant in (b"late", b"early"))
            put(other, head(variant=b"other", received=1001.0), b"abc")
            if settles:
                self.bench.settle()
            early.write(b"xyz")
            early.finish()
            if settles:
                self.assertEqual({found.variant for found in one.find(KEY)}, {b"other", b"early"})
            late.write(b"xyz")
            late.finish()
            self.bench.settle()
            for store in (one, other):
                self.assertEqual(
                    {found.variant for found in store.find(KEY)}, {b"other", b"late", b"early"}
                )
            one.remove(KEY)
            self.bench.settle()

    def test_removed_while_it_waits(self) -> None:
        """What waits to be written when its key is removed is not found then, nor when it would have been written."""
        store = self.store()
        put(store, head(), b"abc")
        store.remove(KEY)
        self.assertEqual(store.find(KEY), ())
        self.bench.settle()
        self.assertEqual((store.find(KEY), store.stats()["objects"]), ((), 0))

    def test_removed_between_two_steps_of_its_writer(self) -> None:
        """What is removed just when its writer notes in its slot that it is written is not taken for the writer's own change."""
        store = self.store()
        folder = store.folder
        assert folder is not None
        changed = Shared.changed
        invalidated: list[int] = []

        def meanwhile(shared: Shared, slot: int) -> int:
            if not invalidated:
                invalidated.append(slot)
                # As another process does, whose own writing comes later.
                shared.invalidate(slot)
            return changed(shared, slot)

        put(store, head(), b"abc")
        self.patch(Shared, "changed", meanwhile)
        self.bench.settle()
        self.assertEqual(invalidated, [folder.shared.slot(KEY)])
        self.assertEqual(store.find(KEY), ())

    def test_written_in_pieces(self) -> None:
        """What waits is written in calls of so many operations and bytes at most, in its order, and nothing is left out."""
        for most, size, expected in (
            (1000, 1 << 20, [7]),
            (3, 1 << 20, [3, 3, 1]),
            (9, 2500, [3, 3, 1]),
        ):
            calls: list[list[bytes]] = []

            def noted(
                folder: Folder,
                operations: list[Operation],
                limits: Limits,
                calls: list[list[bytes]] = calls,
            ) -> Written:
                calls.append([one.content for one in operations if isinstance(one, Put)])
                return write(folder, operations, limits)

            store = self.store()
            queue = store._storing.queue
            assert queue is not None
            queue._limits.call_bytes = size
            self.patch(write_queue, "_CALL_OPERATIONS", most)
            self.patch(write_queue, "write", noted)
            for number in range(7):
                put(store, head(key=b"%b?%d" % (KEY, number)), b"%d" % number)
            self.bench.settle()
            self.assertEqual([len(call) for call in calls], expected)
            self.assertEqual(b"".join(b"".join(call) for call in calls), b"0123456")
            self.assertEqual((queue.size, store.stats()["objects"]), (0, 7))

    def test_stored_twice_at_once(self) -> None:
        """Of two that are written together the later one is found, whatever their lengths."""
        store = self.store()
        put(store, head(), b"small")
        put(store, head(etag="2"), b"x" * 100_000)
        self.bench.settle()
        self.assertEqual(content_of(store), b"x" * 100_000)

    def test_waits_while_others_change(self) -> None:
        """What waits to be written is found, and not what it replaces, though others change the key meanwhile."""
        one, other = self.store(), self.store()
        put(one, head(), b"old")
        self.bench.settle()
        put(one, head(etag="2"), b"new")
        folder = acquire(self.bench.folder, 0)
        folder.shared.changed(folder.shared.slot(KEY))
        self.assertEqual((content_of(one), content_of(other)), (b"new", b"old"))
        self.bench.settle()
        self.assertEqual((content_of(one), content_of(other)), (b"new", b"new"))
        release(folder)

    def test_opened_slowly(self) -> None:
        """A folder that takes long to open is opened once, however often it is looked after meanwhile."""
        self.bench.services.threads.hold()
        store = self.store()
        self.bench.clock.pump([5.0] * 5)
        self.bench.services.threads.release()
        self.bench.settle()
        put(store, head(), b"abc")
        self.bench.stop(store)
        self.stores.clear()
        self.assertIn(b'"clean":true', (self.bench.folder / "state").read_bytes())

    def test_stopped(self) -> None:
        """What waits when a store is stopped is written; then it finds nothing and takes nothing, and nothing raises."""
        store = self.store()
        put(store, head(), b"abc")
        put(store, head(b"file"), b"x" * 100_000)
        found = store.find(KEY)[0]
        self.bench.stop(store)
        self.stores.clear()
        self.assertEqual((store.find(KEY), store.begin(head(), 1)), ((), None))
        self.assertEqual(store.mark(), 0)
        store.remove(KEY)
        store.update(found, found)
        store.open(found)
        self.assertEqual(self.store().stats()["objects"], 2)

    def test_reload(self) -> None:
        """The next store of a process is opened before the last one is stopped, and has all of it."""
        one = self.store()
        put(one, head(), b"abc")
        other = self.store()
        self.bench.stop(one)
        self.stores.remove(one)
        self.assertEqual(content_of(other), b"abc")

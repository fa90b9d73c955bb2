"""Tests of L{gateway_cache.eviction}: what goes, and that there is room then."""

from __future__ import annotations

from pathlib import Path
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.change import Change
from gateway_cache.encoding import encoded_head, name_of
from gateway_cache.eviction import Room, make_room, queue_for
from gateway_cache.index import Index
from gateway_cache.shared import Shared, make
from gateway_cache.tables import FILES, INLINE, charge_of
from gateway_cache.tests.stores import head


class EvictionTests(SynchronousTestCase):
    """An index with room for about a hundred objects of a kilobyte."""

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        make(folder / "shared", 64 << 20)
        self.shared = Shared(folder / "shared")
        self.index = Index(folder, 16 << 20)
        self.addCleanup(self.index.close)
        self.charge = charge_of(len(encoded_head(head(b"00000"))) + 6, 1000, inline=True)
        self.room = Room(100 * self.charge, 100_000_000)

    def ask(self, key: bytes, size: int = 1000) -> bool:
        """Use an object, or store it if it is not there; gives whether it was."""
        slot = self.shared.slot(key)
        if self.index.variants(key, []):
            self.shared.uses[slot - self.shared.use] += 1
            return True
        with Change(self.index) as change:
            need = charge_of(len(encoded_head(head(key))) + 6, size, inline=True)
            self.assertTrue(make_room(change, self.shared, self.room, INLINE, need))
            queue = queue_for(change, self.shared, name_of(key, b""), slot, INLINE)
            change.put(head(key, length=size), 1, slot, bytes(size), 0, queue)
        self.assertLessEqual(sum(self.index.totals().bytes[:2]), self.room.inline)
        return False

    def test_bounded(self) -> None:
        """There is never more than there is room for, whatever comes in which order and of which size."""
        random = Random(7)
        for _ in range(600):
            self.ask(b"%05d" % random.randrange(300), random.randrange(20_000))
        self.index.check()
        self.assertGreater(self.index.totals().evicted, 100)

    def test_scan(self) -> None:
        """What is asked for again and again is there after a scan of ten times what there is room for."""
        hot = [b"%05d" % number for number in range(50)]
        for _ in range(4):
            for key in hot:
                self.ask(key)
        for number in range(1000, 2000):
            self.ask(b"%05d" % number)
            if number % 10 == 0:
                self.ask(hot[number // 10 % 50])
        self.assertGreaterEqual(sum(self.ask(key) for key in hot), 48)

    def test_large_files_push_out_nothing_small(self) -> None:
        """Room for files is made among files."""
        for number in range(90):
            self.ask(b"%05d" % number)
        with Change(self.index) as change:
            for number in range(20):
                self.assertTrue(make_room(change, self.shared, self.room, FILES, 10_000_000))
                key = b"file %d" % number
                change.put(head(key, length=9_990_000), 1, self.shared.slot(key), number, 0, FILES)
        self.assertEqual(len(change.gone), 10)
        self.assertEqual(self.index.totals().count, [90, 0, 10, 0])

    def test_comes_again(self) -> None:
        """What comes again soon after it went is proven at once."""
        for number in range(150):
            self.ask(b"%05d" % number)
        totals = self.index.totals()
        self.assertFalse(self.ask(b"%05d" % 30))
        self.assertEqual(self.index.totals().count[1], totals.count[1] + 1)

    def test_larger_than_all(self) -> None:
        """For what is larger than all the room nothing is let go."""
        self.ask(b"1")
        with Change(self.index) as change:
            self.assertFalse(make_room(change, self.shared, self.room, INLINE, 1 << 30))
        self.assertEqual(self.index.totals().count[0], 1)

    def test_zipf(self) -> None:
        """With a popularity like that of the web it hits as often as an ideal of the same room nearly."""
        random = Random(11)
        weights = [1 / rank**0.9 for rank in range(1, 1001)]
        asked = random.choices(range(1000), weights, k=6000)
        hits = sum(self.ask(b"%05d" % number) for number in asked)
        ideal = sum(number < 100 for number in asked)
        self.assertGreater(hits / ideal, 0.8)

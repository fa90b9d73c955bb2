"""Tests of L{gateway_cache.shared}: numbers that several processes see."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.shared import SLOTS, Shared, make


class SharedTests(SynchronousTestCase):
    """The mapped file."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        make(self.path, 64 << 20)

    def test_seen_by_others(self) -> None:
        """What one writes the other sees at once, and both find a key in the same slot."""
        one, other = Shared(self.path), Shared(self.path)
        slot = one.slot(b"http://example.com/")
        self.assertEqual(other.slot(b"http://example.com/"), slot)
        before = other.words[slot]
        until = one.invalidate(slot)
        self.assertNotEqual(other.words[slot], before)
        self.assertEqual(other.words[slot + other.floor], until)
        one.uses[slot - one.use] = 3
        self.assertEqual(other.uses[slot - other.use], 3)

    def test_time_never_goes_back(self) -> None:
        """Ticks grow, and those after a boot of the machine are greater than all before."""
        shared = Shared(self.path)
        ticks = [shared.tick() for _ in range(100)]
        shared.booted()
        ticks += [shared.tick(), Shared(self.path).tick()]
        self.assertEqual(ticks, sorted(ticks))
        self.assertGreater(ticks[-2] - ticks[-3], 1 << 47)

    def test_unchanged(self) -> None:
        """A change is seen by who began before it, whoever made it and in whichever boot; who began later has seen it."""
        one, other = Shared(self.path), Shared(self.path)
        slot = one.slot(b"k")
        for shared in (one, other):
            since = shared.tick()
            one.changed(slot)
            self.assertFalse(shared.is_unchanged(slot, since))
            self.assertTrue(shared.is_unchanged(slot, since + 1_000_000))
            shared.booted()
        one.words[slot] = (1 << 63) + 1
        self.assertFalse(one.is_unchanged(slot, one.tick()))

    def test_floor_never_falls(self) -> None:
        """An invalidation that comes late does not undo a later one."""
        shared = Shared(self.path)
        slot = shared.slot(b"k")
        shared.words[slot + shared.floor] = (1 << 62) + 5
        shared.invalidate(slot)
        self.assertEqual(shared.words[slot + shared.floor], (1 << 62) + 5)

    def test_slots_are_secret(self) -> None:
        """Two stores put the same keys into different slots, so nobody can choose keys of one slot."""
        other = Path(self.mktemp())
        make(other, 64 << 20)
        keys = [b"http://example.com/%d" % number for number in range(50)]
        one, two = Shared(self.path), Shared(other)
        self.assertNotEqual([one.slot(key) for key in keys], [two.slot(key) for key in keys])

    def test_regions_are_apart(self) -> None:
        """Stamps, floors, ghosts and uses of the last slot are all within the file."""
        shared = Shared(self.path)
        last = shared.use + shared.words[SLOTS] - 1
        self.assertEqual(last + shared.ghost, len(shared.words) - 1)
        self.assertEqual(last - shared.use, len(shared.uses) - 1)

    def test_blocks_are_taken(self) -> None:
        """All of it is on the disk from the beginning: writing to a hole of a full disk ends the process."""
        found = os.stat(self.path)
        self.assertGreaterEqual(found.st_blocks * 512, found.st_size)

    def test_no_such_file(self) -> None:
        """A file that is empty, cut or of another kind is refused."""
        whole = self.path.read_bytes()
        for content in (b"", whole[:100], whole[:-1], b"x" * len(whole)):
            self.path.write_bytes(content)
            self.assertRaises(ValueError, Shared, self.path)

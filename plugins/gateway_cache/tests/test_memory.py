"""Tests of L{gateway_cache.memory}: the hot tier is bounded, and a scan does not empty it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.memory import Copy, Held, Memory
from gateway_cache.tests.stores import head


def held(number: int, size: int = 1000) -> Held:
    """Make an entry with content."""
    key = b"http://example.com/%d" % number
    copy = Copy(head(key), None, 1, 0)
    copy.fill(bytes(size))
    return Held(key, 0, 0, [copy])


class MemoryTests(SynchronousTestCase):
    """The tier."""

    def test_bounded(self) -> None:
        """It holds no more than its bound, whatever comes."""
        memory = Memory(100_000)
        for number in range(500):
            memory.put(held(number, number * 13 % 5000))
            self.assertLessEqual(memory.size, 100_000)
        self.assertEqual(memory.size, sum(one.size for one in memory.entries.values()))
        self.assertGreater(len(memory.entries), 10)

    def test_scan(self) -> None:
        """What is used again and again survives ten times as much that is used once."""
        memory = Memory(100_000)
        hot = [held(number) for number in range(20)]
        for one in hot:
            memory.put(one)
            one.uses = 3
        for number in range(1000, 1400):
            memory.put(held(number))
            if number % 20 == 0:
                for one in hot:
                    one.uses = min(3, one.uses + 1)
        self.assertEqual([one.gone for one in hot], [False] * 20)

    def test_grown(self) -> None:
        """Content that comes later counts."""
        memory = Memory(10_000)
        copy = Copy(head(), None, 1, 0)
        one = Held(b"k", 0, 0, [copy])
        memory.put(one)
        before = memory.size
        copy.fill(bytes(3000))
        memory.grown(one)
        self.assertEqual(memory.size, before + 3000)
        copy.fill(bytes(30_000))
        memory.grown(one)
        self.assertEqual((memory.size, memory.entries, one.gone), (0, {}, True))

    def test_replaced(self) -> None:
        """Another entry of a key takes the place and the uses of the one before."""
        memory = Memory(100_000)
        one, other = held(1), held(1, 2000)
        memory.put(one)
        one.uses = 2
        memory.put(other)
        self.assertEqual((one.gone, other.uses, memory.size), (True, 2, other.size))
        memory.drop(one)
        self.assertEqual(list(memory.entries.values()), [other])

    def test_comes_again(self) -> None:
        """What was pushed out unused and comes again is not pushed out by the next scan."""
        memory = Memory(100_000)
        for number in range(60):
            memory.put(held(number))
        self.assertNotIn(b"http://example.com/0", memory.entries)
        again = held(0)
        memory.put(again)
        for number in range(100, 130):
            memory.put(held(number))
        self.assertFalse(again.gone)

    def test_dropped_leave_no_trace(self) -> None:
        """Entries that come and are dropped do not pile up in the queues."""
        memory = Memory(1 << 30)
        for number in range(5000):
            one = held(number % 3)
            memory.put(one)
        self.assertLess(len(memory._short) + len(memory._long), 100)
        memory.clear()
        self.assertEqual((memory.size, memory.entries), (0, {}))

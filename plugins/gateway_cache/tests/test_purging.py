"""Tests of L{gateway_cache.purging}: the log of purges."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.purging import MOST, Purge, PurgeLog, read_log
from gateway_cache.tests.stores import head


class PurgeLogTests(SynchronousTestCase):
    """The log."""

    def test_means(self) -> None:
        """A purge means what was begun before it and fits prefix and tag, both if both are given."""
        log = PurgeLog().added(Purge(10, b"http://a/", "")).added(Purge(20, b"http://b/", "t"))
        self.assertTrue(log.means(head(b"http://a/x"), 10))
        self.assertFalse(log.means(head(b"http://a/x"), 11))
        self.assertFalse(log.means(head(b"http://b/x"), 5))
        self.assertTrue(log.means(head(b"http://b/x", tags=("s", "t")), 15))
        self.assertFalse(log.means(head(b"http://c/x", tags=("t",)), 5))

    def test_packed(self) -> None:
        """It is stored and read again; what is none is an empty one."""
        log = PurgeLog(3).added(Purge(10, b"\xff", "t"))
        self.assertEqual(read_log(log.packed()), log)
        self.assertEqual(read_log(b""), PurgeLog())
        self.assertEqual(read_log(b"\x01\x02"), PurgeLog())

    def test_bounded(self) -> None:
        """It keeps the last ones, and what was begun before the others is not stored any more."""
        log = PurgeLog()
        for number in range(1, MOST + 11):
            purge = Purge(number, b"http://a/", "")
            log = log.added(purge).carried_out(purge)
        self.assertEqual((len(log.purges), log.floor), (MOST, 10))
        self.assertFalse(log.means(head(b"http://b/"), 5))
        self.assertEqual(log.under_way, PurgeLog(10))

    def test_not_done(self) -> None:
        """One that is not carried out stays, however many come after it."""
        first = Purge(1, b"http://a/", "")
        log = PurgeLog().added(first)
        for number in range(2, MOST + 11):
            purge = Purge(number, b"http://b/", "")
            log = log.added(purge).carried_out(purge)
        self.assertEqual((len(log.purges), log.under_way.purges), (MOST, (first,)))
        self.assertTrue(log.means(head(b"http://a/"), 1))
        self.assertEqual(log.later(1).under_way, PurgeLog(log.floor))

"""The access log writes one line for each transaction, and its own faults harm nobody."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.record.access import AccessLog
from tests.effort import spare_what_lasts
from tests.unit.record.builders import ended


class AccessLogTests(SynchronousTestCase):
    """From transaction to file."""

    def setUp(self) -> None:
        """Start a log."""
        self.path = Path(self.mktemp())
        self.log = AccessLog(str(self.path), "custom %rm %ru %id", (), Clock())
        self.log.start()
        self.addCleanup(self.log.stop)

    def test_one_line_each(self) -> None:
        """Each call is one line, in their order."""
        for method in (b"GET", b"HEAD"):
            self.log.write(ended(method=method))
        self.log.stop()
        self.assertEqual(
            self.path.read_text(),
            "GET http://www.example.com/a.html 7f3a00000001\n"
            "HEAD http://www.example.com/a.html 7f3a00000001\n",
        )
        self.assertEqual(self.log.count, 2)

    def test_nothing_is_kept(self) -> None:
        """A transaction is free as soon as its line is made, written or not."""
        spare_what_lasts()
        txn = ended()
        alive = weakref.ref(txn)
        self.log.write(txn)
        del txn
        gc.collect()
        self.assertIsNone(alive())

    def test_fault_of_a_format(self) -> None:
        """A transaction that can't be told does not break what ends it; the lost line is counted."""
        txn = ended()
        txn.request = None  # type: ignore[assignment]
        self.log.write(txn)
        self.assertEqual((self.log.count, self.log.file.dropped), (0, 1))
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_several(self) -> None:
        """Several at once are told as one after the other."""
        self.log.write_all([ended(method=b"GET"), ended(method=b"HEAD")])
        self.log.stop()
        self.assertEqual(
            [line.split()[0] for line in self.path.read_text().splitlines()], ["GET", "HEAD"]
        )
        self.assertEqual(self.log.count, 2)

    def test_fault_among_several(self) -> None:
        """Of several only the one that can't be told is lost."""
        txn = ended()
        txn.request = None  # type: ignore[assignment]
        self.log.write_all([ended(method=b"GET"), txn, ended(method=b"HEAD")])
        self.log.stop()
        self.assertEqual(
            [line.split()[0] for line in self.path.read_text().splitlines()], ["GET", "HEAD"]
        )
        self.assertEqual((self.log.count, self.log.file.dropped), (2, 1))
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_reopen(self) -> None:
        """After a rotation lines go to the new file."""
        rotated = self.path.rename(self.mktemp())
        self.log.reopen()
        self.log.write(ended())
        self.log.stop()
        self.assertEqual(rotated.read_text(), "")
        self.assertEqual(len(self.path.read_text().splitlines()), 1)

    def test_fault_in_the_configuration(self) -> None:
        """A format that can't be compiled is told when the log is made, not at the first line."""
        self.assertRaises(ValueError, AccessLog, "-", "custom %zz", (), Clock())
        self.assertRaises(ValueError, AccessLog, "-", "squid", ("querry",), Clock())

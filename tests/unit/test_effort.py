"""Tests of what makes the inner loop quick: nothing that a test could see is lost by it."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from unittest import TestResult

from twisted.trial.unittest import SynchronousTestCase


class _Warning(SynchronousTestCase):
    """One that warns, always at the same place."""

    seen: list[str]

    def runTest(self) -> None:
        warnings.warn("as before", UserWarning, stacklevel=1)
        self.seen += [one["message"] for one in self.flushWarnings()]


class BeginTests(SynchronousTestCase):
    """What is done before each test."""

    def test_warnings(self) -> None:
        """A test gets to see a warning that another one got from the same line."""
        _Warning.seen = []
        for _ in range(3):
            result = TestResult()
            _Warning().run(result)
            self.assertEqual(result.errors, [])
        self.assertEqual(_Warning.seen, ["as before"] * 3)

    def test_warnings_of_no_test(self) -> None:
        """So it does where the line has warned outside of tests, which gives each warning once."""
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("default")
            for _ in range(2):
                _warn()
        self.assertEqual(len(given), 1)
        _warn()
        self.assertEqual([one["message"] for one in self.flushWarnings()], ["once"])


class SyncTests(SynchronousTestCase):
    """Files that are to outlast a power cut."""

    def test_no_file(self) -> None:
        """What has no file fails, as it does on a disk."""
        path = Path(self.mktemp())
        with path.open("wb") as out:
            os.fsync(out)
            number = out.fileno()
            os.fsync(number)
        self.assertRaises(OSError, os.fsync, number)
        self.assertRaises(ValueError, os.fsync, out)


def _warn() -> None:
    warnings.warn("once", UserWarning, stacklevel=1)

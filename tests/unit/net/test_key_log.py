"""Tests of L{gateway.net.key_log}: the file of secrets."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from gateway.net.key_log import KeyLog

#: Lines do not ask whose they are.
NOBODY = cast(Any, None)


class KeyLogTests(SynchronousTestCase):
    """A file that lines are added to."""

    def test_lines(self) -> None:
        """Lines are added to what is there, in a file that its owner alone can read."""
        path = Path(self.mktemp())
        for text in (b"one", b"two"):
            log = KeyLog(str(path))
            log(NOBODY, text)
            log.close()
            log(NOBODY, b"late")
            log.close()
        self.assertEqual(path.read_bytes(), b"one\ntwo\n")
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)

    def test_link(self) -> None:
        """A symbolic link is not followed: it may have been laid there."""
        path = self.mktemp()
        os.symlink("/nowhere", path)
        self.assertRaises(OSError, KeyLog, path)

    def test_let_go(self) -> None:
        """A log that nobody holds any more leaves no descriptor behind."""
        before = len(os.listdir("/proc/self/fd"))
        log = KeyLog(self.mktemp())
        self.assertEqual(len(os.listdir("/proc/self/fd")), before + 1)
        del log
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_full(self) -> None:
        """A disk that takes no more ends the log, and no handshake."""
        log = KeyLog("/dev/full")
        log(NOBODY, b"one")
        log(NOBODY, b"two")

    def test_equal(self) -> None:
        """Two of one path are one to contexts."""
        path = self.mktemp()
        one, two, three = KeyLog(path), KeyLog(path), KeyLog(path + "3")
        self.assertEqual(one, two)
        self.assertEqual(hash(one), hash(two))
        self.assertNotEqual(one, three)
        for log in (one, two, three):
            log.close()

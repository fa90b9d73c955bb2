"""Tests of L{gateway_cache.files}: large contents."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zlib import crc32

from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.files import Files, OutFile

#: Begins a file in a folder, says so, and waits to be killed.
_BEGINS = """
import sys, time
from pathlib import Path
from gateway_cache.files import Files
files = Files(Path(sys.argv[1]))
files.create().write(b"x" * 1000)
print("begun", flush=True)
time.sleep(60)
"""


class FilesTests(SynchronousTestCase):
    """Files of one process."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.files = Files(self.folder)

    def written(self, content: bytes) -> OutFile:
        """Write a file and give it its name."""
        out = self.files.create()
        out.write(content[:10])
        out.write(content[10:])
        self.files.publish(out)
        return out

    def test_whole(self) -> None:
        """What was written is read, by several at once and after it was removed."""
        out = self.written(b"a" * 100_000)
        self.assertEqual((out.length, out.checksum), (100_000, crc32(b"a" * 100_000)))
        one = self.files.open(out.number, 100_000)
        other = self.files.open(out.number, 100_000)
        assert one is not None
        assert other is not None
        self.assertEqual(one.descriptor, other.descriptor)
        self.files.remove(out.number)
        self.files.forget_removed()
        one.release()
        self.assertEqual(os.pread(other.descriptor, 200_000, 0), b"a" * 100_000)
        other.release()
        self.assertRaises(OSError, os.fstat, other.descriptor)
        self.assertIsNone(self.files.open(out.number, 100_000))

    def test_published_twice(self) -> None:
        """A change that is tried again publishes its files again."""
        out = self.written(b"abc")
        self.files.publish(out)
        self.assertIsNotNone(self.files.open(out.number, 3))

    def test_other_length(self) -> None:
        """A file that is not as long as it should be is none."""
        out = self.written(b"a" * 1000)
        os.truncate(out.path, 999)
        self.assertIsNone(self.files.open(out.number, 1000))

    def test_discarded(self) -> None:
        """What is thrown away leaves nothing, whole or not, and it may be thrown away twice."""
        out = self.files.create()
        out.write(b"x")
        for one in (out, self.written(b"y")):
            one.discard()
            one.discard()
            self.assertFalse(one.path.exists())

    def test_few_stay_open(self) -> None:
        """No more files are kept open than is said, and those in use stay readable."""
        self.files.close()
        self.files = Files(self.folder, keep_open=2)
        outs = [self.written(b"%d" % number) for number in range(5)]
        before = len(os.listdir("/proc/self/fd"))
        opened = [self.files.open(out.number, 1) for out in outs]
        self.assertEqual(len(os.listdir("/proc/self/fd")), before + 5)
        for number, one in enumerate(opened):
            assert one is not None
            self.assertEqual(os.pread(one.descriptor, 9, 0), b"%d" % number)
            one.release()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before + 2)

    def test_swept(self) -> None:
        """What a killed process has not finished is removed; what a living one writes is not."""
        own = self.files.create()
        with subprocess.Popen(
            [sys.executable, "-c", _BEGINS, str(self.folder)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as other:
            assert other.stdout is not None
            other.stdout.readline()
            self.assertEqual(self.files.sweep_unfinished(), 0)
            other.kill()
        self.assertEqual(self.files.sweep_unfinished(), 1)
        self.assertEqual(len(list((self.folder / "unfinished").iterdir())), 1)
        own.write(b"x")

    def test_named(self) -> None:
        """All files with a number are listed, and nothing else."""
        numbers = {self.written(b"x").number for _ in range(20)}
        (self.folder / "files" / "00").mkdir(exist_ok=True)
        (self.folder / "files" / "00" / "README").touch()
        self.assertEqual({one for some in self.files.named() for one in some}, numbers)

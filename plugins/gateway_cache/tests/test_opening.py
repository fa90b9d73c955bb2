"""Tests of L{gateway_cache.opening}: what was left in a folder, and what becomes of it."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.change import Change
from gateway_cache.opening import Folder, acquire, release
from gateway_cache.shared import EPOCH
from gateway_cache.tests.stores import KEY, head

#: Has a folder open until it is killed.
_HAS_IT_OPEN = """
import sys, time
from pathlib import Path
from gateway_cache.opening import acquire
folder = acquire(Path(sys.argv[1]), 64 << 20)
print("open", flush=True)
time.sleep(60)
"""


class OpeningTests(SynchronousTestCase):
    """One folder, opened again and again."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def open(self, boot: str = "monday", size: int = 64 << 20) -> Folder:
        """Open the folder, on a machine that has been up since then."""
        return acquire(self.path, size, boot, lambda path: None)

    def fill(self, folder: Folder) -> None:
        """Store one object in the index and one in a file."""
        out = folder.files.create()
        out.write(b"f" * 100_000)
        with Change(folder.index) as change:
            change.put(head(length=3), folder.shared.tick(), 16, b"abc", crc32(b"abc"), 0)
            folder.files.publish(out)
            one = head(b"file", length=100_000)
            change.put(one, folder.shared.tick(), 16, out.number, out.checksum, 2)

    def count(self, folder: Folder) -> tuple[int, int]:
        """Count objects, and files by their names."""
        files = sum(len(some) for some in folder.files.named())
        return sum(folder.index.totals().count), files

    def again(self, *, clean: bool, boot: str = "monday", damage: object = None) -> tuple[int, int]:
        """Fill a folder, leave it, damage it, open it again and count."""
        folder = self.open()
        self.fill(folder)
        release(folder, clean=clean)
        if callable(damage):
            damage()
        folder = self.open(boot)
        counted = self.count(folder)
        # Whatever was there, it is of use now.
        self.fill(folder)
        folder.sweep(everything=True)
        self.assertEqual(self.count(folder), (2, 1))
        self.assertEqual(list(self.path.glob("broken-*")), [])
        release(folder)
        return counted

    def test_left_in_order(self) -> None:
        """What was left in order is there again, after a restart of the machine too."""
        self.assertEqual(self.again(clean=True, boot="tuesday"), (2, 1))

    def test_killed(self) -> None:
        """What a killed process left is there again."""
        self.assertEqual(self.again(clean=False), (2, 1))

    def test_machine_crashed(self) -> None:
        """What was not left in order before the machine went down is not trusted."""
        self.assertEqual(self.again(clean=False, boot="tuesday"), (0, 0))

    def test_nobody_knows_the_boot(self) -> None:
        """Ticks of a boot that follows are greater than all before."""
        folder = self.open()
        before = folder.shared.tick()
        release(folder)
        folder = self.open("tuesday")
        self.assertGreater(folder.shared.tick() >> 48, before >> 48)
        release(folder)

    def test_broken(self) -> None:
        """An index that is garbage, cut, empty of sense or of another format is put aside, never an error."""

        def overwrite(name: str, content: bytes | None, at: int = 0) -> Callable[[], None]:
            def damage() -> None:
                path = next(self.path.glob(name))
                data = bytearray(path.read_bytes())
                if content is None:
                    del data[at:]
                else:
                    data[at : at + len(content)] = content
                path.write_bytes(data)

            return damage

        damages = (
            overwrite("index-*/data.mdb", os.urandom(8192)),
            overwrite("index-*/data.mdb", None, 4096 * 3),
            overwrite("index-*/data.mdb", None, 100),
            overwrite("shared", b"x" * 8),
            overwrite("shared", None, 1000),
            overwrite("state", b"["),
            overwrite("state", b'{"format":9,'),
            lambda: (self.path / "state").unlink(),
            lambda: (self.path / "shared").unlink(),
        )
        for number, damage in enumerate(damages):
            self.path = Path(self.mktemp())
            self.assertEqual(self.again(clean=True, damage=damage)[0], 0, number)

    def test_nothing_of_a_damaged_memory(self) -> None:
        """Without the numbers that say what was invalidated the index is not trusted either."""
        folder = self.open()
        self.fill(folder)
        release(folder)
        (self.path / "shared").unlink()
        folder = self.open()
        self.assertEqual(folder.index.variants(KEY, []), [])
        self.assertEqual(folder.shared.words[EPOCH], 2)
        release(folder)

    def test_replaced(self) -> None:
        """Of several that find the index broken one puts it aside, and all have the new one then."""
        folder = self.open()
        self.fill(folder)
        epoch = folder.epoch
        folder.use(folder.replace_index(epoch))
        self.assertEqual((self.count(folder)[0], folder.epoch), (0, epoch + 1))
        folder.sweep(everything=True)
        self.assertEqual(self.count(folder), (0, 0))
        release(folder)

    def test_once_for_a_process(self) -> None:
        """Whoever opens it in a process that has it open gets the same, and the last one closes it."""
        one, other = self.open(), self.open()
        self.assertIs(one, other)
        release(one)
        self.fill(other)
        release(other)
        self.assertIsNot(self.open(), one)
        release(self.open())

    def test_orphans(self) -> None:
        """A file that got its number but no object, as its process was killed in between, is swept."""
        folder = self.open()
        out = folder.files.create()
        out.write(b"x")
        folder.files.publish(out)
        self.fill(folder)
        self.assertEqual(self.count(folder), (2, 2))
        self.assertEqual(folder.sweep(everything=True), 1)
        self.assertEqual(self.count(folder), (2, 1))
        release(folder)

    def test_not_while_others_have_it(self) -> None:
        """As long as another process has it open it is not left in order, and nothing of it is put aside."""
        with subprocess.Popen(
            [sys.executable, "-c", _HAS_IT_OPEN, str(self.path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as other:
            assert other.stdout is not None
            other.stdout.readline()
            folder = acquire(self.path, 128 << 20, None, lambda path: None)
            self.assertEqual(folder.index.map_size, 48 << 20)
            self.fill(folder)
            release(folder)
            self.assertIn(b'"clean":false', (self.path / "state").read_bytes())
            folder = acquire(self.path, 64 << 20, None, lambda path: None)
            self.assertEqual(self.count(folder), (2, 1))
            release(folder)
            other.kill()
        folder = acquire(self.path, 128 << 20, None, lambda path: None)
        self.assertEqual((self.count(folder), folder.index.map_size), ((2, 1), 96 << 20))
        release(folder)
        self.assertIn(b'"clean":true', (self.path / "state").read_bytes())

    def test_no_room(self) -> None:
        """On a disk without room it is not opened, nothing is mapped that has no blocks, and nothing stays open."""
        before = len(os.listdir("/proc/self/fd"))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for limit in (0, 2000, 100_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            try:
                error = self.assertRaises(OSError, self.open)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            self.assertEqual(error.errno, errno.EFBIG)
            self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        self.fill(folder := self.open())
        release(folder)

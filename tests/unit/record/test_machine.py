"""Tests of L{gateway.record.memory} and L{gateway.record.disks}: what is read of memory and file systems."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.record.disks import DiskLook
from gateway.record.memory import Memory, MemoryUse

GIB = 1 << 30


class MemoryTests(SynchronousTestCase):
    """Memory."""

    def setUp(self) -> None:
        """Make a machine of 8 GiB."""
        folder = Path(self.mktemp())
        self.proc, self.groups = folder / "proc", folder / "cgroup"
        (self.proc / "self").mkdir(parents=True)
        self.groups.mkdir()
        (self.proc / "meminfo").write_text(
            "MemTotal:        8388608 kB\nMemFree:          100000 kB\nMemAvailable:    2097152 kB\n"
        )

    def group(self, name: str, limit: str, current: int, stat: str = "") -> None:
        """Make a control group."""
        folder = self.groups / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{current}\n")
        (folder / "memory.stat").write_text(stat)

    def uses(self) -> list[MemoryUse]:
        """Read."""
        return Memory(self.proc, self.groups).uses()

    def test_machine(self) -> None:
        """Of the machine everything counts that is not available."""
        (use,) = self.uses()
        self.assertEqual(use, MemoryUse("machine", 6 * GIB, 8 * GIB))
        self.assertEqual(use.share, 0.75)

    def test_groups(self) -> None:
        """Each group above ours that has a limit is one, and caches that give way do not count; a tmpfs does."""
        (self.proc / "self/cgroup").write_text("1:name=x:/old\n0::/system.slice/gateway.service\n")
        self.group(
            "system.slice/gateway.service",
            str(GIB),
            GIB // 2,
            f"anon 9\nfile {GIB // 4}\nshmem 5\nactive_file 1000\ninactive_file 500\nslab_reclaimable 100\n",
        )
        self.group("system.slice", "max", 3 * GIB)
        self.group("", str(4 * GIB), 3 * GIB)
        self.assertEqual(
            self.uses()[1:],
            [
                MemoryUse("system.slice/gateway.service", GIB // 2 - 1600, GIB),
                MemoryUse("container", 3 * GIB, 4 * GIB),
            ],
        )

    def test_container(self) -> None:
        """In a container that sees its own group as the root, that is the limit; one whose path leads out is not followed."""
        (self.proc / "self/cgroup").write_text("0::/../../docker/abc\n")
        self.group("", str(GIB), 1000)
        self.assertEqual(self.uses()[1:], [MemoryUse("container", 1000, GIB)])

    def test_nothing_there(self) -> None:
        """Where nothing can be read, or it makes no sense, nothing is known."""
        (self.proc / "meminfo").write_text("MemTotal: 0 kB\n")
        self.group("", "x", 1)
        self.assertEqual(self.uses(), [])
        self.assertEqual(Memory(self.proc / "none", self.groups / "none").uses(), [])

    def test_this_machine(self) -> None:
        """This machine has some memory, and has not used up more than all of it."""
        for use in Memory().uses():
            self.assertTrue(0 <= use.used <= use.limit * 1.01, use)


class DiskTests(SynchronousTestCase):
    """File systems."""

    def setUp(self) -> None:
        """Have a file system for each first letter."""
        self.said: dict[str, Any] = {}
        self.asked: list[str] = []

    def look(self, **folders: str) -> DiskLook:
        """Look at folders."""

        def stat(path: str) -> Any:
            if path not in self.said:
                raise FileNotFoundError(2, "No such file or directory", path)
            if isinstance(self.said[path], OSError):
                raise self.said[path]
            return SimpleNamespace(st_dev=ord(path[1:2] or "/"))

        def statvfs(path: str) -> Any:
            self.asked.append(path)
            return self.said[path]

        return DiskLook(folders, stat=stat, statvfs=statvfs)

    def disk(self, path: str, *, avail: int, files: int = 0, free_files: int = 0) -> None:
        """Make a file system of 1000 blocks, 50 of them for root."""
        self.said[path] = SimpleNamespace(
            f_blocks=1050,
            f_bfree=avail + 50,
            f_bavail=avail,
            f_frsize=4096,
            f_files=files,
            f_favail=free_files,
        )

    def test_share(self) -> None:
        """Free is what an ordinary user may write, of what such users could."""
        self.disk("/v", avail=100)
        (use,) = self.look(state="/v").run()
        self.assertEqual((use.free, use.size, use.share), (409600, 4096000, 0.1))
        self.assertEqual((use.folder, use.purposes, use.free_files), ("/v", ("state",), None))

    def test_inodes(self) -> None:
        """A disk without room for further files is full."""
        self.disk("/v", avail=900, files=100, free_files=3)
        (use,) = self.look(state="/v").run()
        self.assertEqual((use.share, use.free_files, use.files), (0.03, 3, 100))

    def test_one_disk(self) -> None:
        """Folders on one file system are one disk, under the name of the first."""
        self.disk("/v/state", avail=100)
        self.disk("/v/log", avail=100)
        self.disk("/s", avail=500)
        found = self.look(state="/v/state", log="/v/log", scan="/s").run()
        self.assertEqual(
            [(use.folder, use.purposes) for use in found],
            [("/v/state", ("state", "log")), ("/s", ("scan",))],
        )

    def test_not_made_yet(self) -> None:
        """A folder that does not exist yet stands for the one above it."""
        self.disk("/v", avail=100)
        (use,) = self.look(quarantine="/v/a/b").run()
        self.assertEqual((use.folder, use.share, self.asked), ("/v/a/b", 0.1, ["/v"]))

    def test_fails(self) -> None:
        """A file system that fails says why, and keeps nobody from the next one."""
        self.disk("/v", avail=100)
        self.said["/n"] = OSError(116, "Stale file handle")
        found = self.look(log="/n", state="/v").run()
        self.assertEqual(
            [(use.folder, use.error) for use in found], [("/n", "Stale file handle"), ("/v", "")]
        )

    def test_where(self) -> None:
        """Who waits can see which folder does not answer."""
        look = self.look(log="/n")
        seen: list[str] = []

        def stat(path: str) -> os.stat_result:
            seen.append(look.at)
            return os.stat("/")

        look._stat = stat
        look._statvfs = os.statvfs
        look.run()
        self.assertEqual((seen, look.at), (["/n"], ""))

    def test_this_machine(self) -> None:
        """The folder of this test is on some disk."""
        (use,) = DiskLook({"state": os.path.abspath(self.mktemp())}).run()
        self.assertTrue(0 <= use.free <= use.size and 0 <= use.share <= 1, use)

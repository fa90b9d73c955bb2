"""Tests of the folder of the quarantine."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.secrets import Secret
from gateway.config.sections.quarantine import Quarantine
from gateway.pipeline import quarantine_folder
from gateway.pipeline.quarantine_folder import Folder, QuarantineError
from gateway.pipeline.sealing import SealError, WrongKey, sealed_size

DAY = 86400.0
KEY = "k" * 40


class Broken(io.BytesIO):
    """A file that can't be read to its end."""

    def read(self, count: int | None = -1) -> bytes:
        """Fail."""
        raise OSError("broken")


class FolderTests(SynchronousTestCase):
    """The folder."""

    def setUp(self) -> None:
        self.now = 1_800_000_000.0
        self.above = Path(self.mktemp())
        self.above.mkdir()
        self.path = self.above / "quarantine"

    def folder(self, *, limit: int = 10 << 20, key: str = KEY, spare_bytes: int = 0) -> Folder:
        """Make one."""
        return Folder(
            self.path,
            keep_seconds=30 * DAY,
            limit=limit,
            key=key,
            wall=lambda: self.now,
            spare_bytes=spare_bytes,
        )

    def keep(self, folder: Folder, content: bytes, source: BinaryIO | None = None) -> str:
        """Keep content; gives its id."""
        digest = hashlib.sha256(content).hexdigest()
        head: dict[str, Any] = {"id": digest[:32], "sha256": digest, "size": len(content)}
        folder.keep(head, lambda: source or io.BytesIO(content))
        return digest[:32]

    def content(self, folder: Folder) -> list[bytes]:
        """Take everything out, the oldest first."""
        found = []
        for item in folder.items():
            with folder.opened(item) as opened:
                found.append(b"".join(opened.pieces()))
        return found

    def names(self) -> list[str]:
        """List the files."""
        return sorted(os.listdir(self.path))

    def test_kept(self) -> None:
        """Content is kept, can be taken out by another process, and nothing of it can be executed or seen by others."""
        id = self.keep(self.folder(), b"evil")
        (item,) = self.folder().items()
        self.assertEqual((item.id, item.since), (id, self.now))
        self.assertEqual(self.content(self.folder()), [b"evil"])
        self.assertEqual(stat.S_IMODE(item.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o700)
        self.assertEqual(self.names(), [id + ".gwquar"])
        self.assertNotIn(b"evil", item.path.read_bytes())

    def test_umask(self) -> None:
        """A umask takes nothing away and adds nothing."""
        before = os.umask(0o777)
        try:
            self.keep(self.folder(key=""), b"evil")
        finally:
            os.umask(before)
        self.assertEqual(self.content(self.folder(key="")), [b"evil"])

    def test_once(self) -> None:
        """Content that is there is not kept again, and does not become younger by that."""
        folder = self.folder()
        self.keep(folder, b"evil")
        self.now += DAY
        self.keep(folder, b"evil")
        (item,) = folder.items()
        self.assertEqual(item.since, self.now - DAY)

    def test_made_key(self) -> None:
        """A key that nobody gave is made once, beside the folder, for its owner alone."""
        self.keep(self.folder(key=""), b"evil")
        key = self.above / "quarantine.key"
        self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)
        made = key.read_text()
        self.assertEqual(len(made.strip()), 64)
        self.keep(self.folder(key=""), b"worse")
        self.assertEqual(key.read_text(), made)
        self.assertEqual(sorted(self.content(self.folder(key=""))), [b"evil", b"worse"])
        self.assertEqual(sorted(os.listdir(self.above)), ["quarantine", "quarantine.key"])

    def test_key_of_another(self) -> None:
        """Another key opens nothing, and says so; nor does one that is missing or short."""
        self.keep(self.folder(), b"evil")
        with self.assertRaises(WrongKey):
            self.content(self.folder(key="x" * 40))
        with self.assertRaises(QuarantineError) as caught:
            self.content(self.folder(key=""))
        self.assertIn("quarantine.key is not there", str(caught.exception))
        (self.above / "quarantine.key").write_text("short\n")
        with self.assertRaises(QuarantineError):
            self.content(self.folder(key=""))

    def test_key_that_others_may_read(self) -> None:
        """The rights of others to the key's file and the folder are taken away."""
        self.keep(self.folder(key=""), b"evil")
        key = self.above / "quarantine.key"
        key.chmod(0o644)
        self.path.chmod(0o755)
        self.folder(key="").prepare()
        self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o700)

    def test_tampered(self) -> None:
        """A container that was changed on the disk can't be opened."""
        self.keep(self.folder(), b"evil")
        (item,) = self.folder().items()
        content = bytearray(item.path.read_bytes())
        content[-1] ^= 1
        item.path.write_bytes(content)
        with self.assertRaises(SealError):
            self.content(self.folder())

    def test_age(self) -> None:
        """What is too old goes when something is kept and when there is a sweep."""
        folder = self.folder()
        self.keep(folder, b"one")
        self.now += 30 * DAY
        self.keep(folder, b"two")
        self.assertEqual(self.content(folder), [b"two"])
        self.now += 30 * DAY
        folder.sweep()
        self.assertEqual(folder.items(), [])

    def test_limit(self) -> None:
        """There is never more than configured: the oldest goes; what is larger by itself is not kept."""
        limit = 3 * sealed_size(100_000)
        folder = self.folder(limit=limit)
        for at in range(6):
            self.keep(folder, bytes((at,)) * 100_000)
            self.now += 1
        kept = [content[0] for content in self.content(folder)]
        self.assertEqual(kept, [2, 3, 4, 5])
        self.assertLessEqual(sum(item.size for item in folder.items()), limit)
        with self.assertRaises(QuarantineError):
            self.keep(folder, bytes(limit))
        self.assertEqual(len(folder.items()), 4)

    def test_number(self) -> None:
        """Nor are there more pieces than there may be, however small they are."""
        self.patch(quarantine_folder, "MOST_ITEMS", 3)
        folder = self.folder()
        for at in range(5):
            self.keep(folder, bytes((at,)))
            self.now += 1
        self.assertEqual(self.content(folder), [b"\2", b"\3", b"\4"])
        folder.sweep()
        self.assertEqual(len(folder.items()), 3)

    def test_disk_almost_full(self) -> None:
        """The last of the disk is left to others."""
        folder = self.folder(spare_bytes=1 << 60)
        with self.assertRaises(QuarantineError) as caught:
            self.keep(folder, b"evil")
        self.assertIn("almost full", str(caught.exception))
        self.assertEqual(self.names(), [])

    def test_nothing_half(self) -> None:
        """What can't be read or written leaves nothing behind."""
        folder = self.folder()
        with self.assertRaises(OSError):
            self.keep(folder, b"evil", Broken())
        self.assertEqual(self.names(), [])

    def test_leftovers(self) -> None:
        """A sweep removes what a crash has left over, and not what somebody is writing."""
        folder = self.folder()
        folder.prepare()
        (self.path / ".new-0123").write_bytes(b"half")
        with open(self.path / ".new-4567", "wb") as writing:
            fcntl.flock(writing, fcntl.LOCK_EX)
            folder.sweep()
            self.assertEqual(self.names(), [".new-4567"])
        folder.sweep()
        self.assertEqual(self.names(), [])

    def test_what_is_no_container(self) -> None:
        """Other files are neither listed nor removed, whatever they are called; no link is followed."""
        folder = self.folder()
        self.keep(folder, b"evil")
        (self.path / "notes.txt").write_text("mine")
        (self.path / "short.gwquar").write_text("mine")
        (self.path / f"{'0' * 32}.gwquar").symlink_to("/etc/passwd")
        self.now += 31 * DAY
        folder.sweep()
        self.assertEqual(self.names(), ["0" * 32 + ".gwquar", "notes.txt", "short.gwquar"])

    def test_no_folder(self) -> None:
        """Where nothing was kept yet there is nothing to list; where it can't be made, that is said."""
        self.assertEqual(self.folder().items(), [])
        self.above.joinpath("quarantine").write_text("a file")
        with self.assertRaises(QuarantineError):
            self.folder().sweep()
        missing = Folder(self.above / "a" / "b", keep_seconds=1, limit=1, key=KEY)
        with self.assertRaises(QuarantineError) as caught:
            missing.prepare()
        self.assertIn("can't be made", str(caught.exception))

    def test_deleted(self) -> None:
        """What is deleted is gone; twice is no fault."""
        folder = self.folder()
        self.keep(folder, b"evil")
        (item,) = folder.items()
        folder.delete(item)
        folder.delete(item)
        self.assertEqual(folder.items(), [])

    def test_settings(self) -> None:
        """A folder does as its settings say."""
        settings = Quarantine(path=str(self.path), keep=DAY, limit=1 << 20, key=Secret(KEY))
        folder = Folder.of(settings, lambda: self.now)
        self.keep(self.folder(), b"evil")
        self.assertEqual(self.content(folder), [b"evil"])
        self.now += DAY
        folder.sweep()
        self.assertEqual(folder.items(), [])

"""The folder of the CA: private, and written whole or not at all."""

from __future__ import annotations

import datetime
import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.net import ca_files
from gateway.net.ca_files import AuthorityError

WHEN = datetime.datetime(2027, 1, 31, tzinfo=datetime.UTC)


class FolderTestCase(SynchronousTestCase):
    """Has a folder with one file."""

    def setUp(self) -> None:
        """Write the file."""
        self.warnings: list[str] = []
        self.folder = Path(self.mktemp())
        with ca_files.locked(self.folder, self.warnings.append):
            self.path = ca_files.add(self.folder, WHEN, b"content")


class PermissionTests(FolderTestCase):
    """Who may read."""

    def test_file_others_can_read(self) -> None:
        """Rights that are too wide are taken away with a warning that names the file and what to do."""
        self.path.chmod(0o644)
        self.assertEqual(ca_files.read(self.path, self.warnings.append), b"content")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        (warning,) = self.warnings
        self.assertIn(str(self.path), warning)
        self.assertIn("mode 0644", warning)
        self.assertIn("gateway ca rotate --now", warning)

    def test_folder_others_can_write(self) -> None:
        """The same for the folder, where others could exchange the CA."""
        self.folder.chmod(0o777)
        ca_files.check_folder(self.folder, self.warnings.append)
        self.assertEqual(stat.S_IMODE(self.folder.stat().st_mode), 0o700)
        self.assertEqual(len(self.warnings), 1)

    def test_narrower_is_fine(self) -> None:
        """Nobody is given a right that he had not."""
        self.path.chmod(0o400)
        ca_files.read(self.path, self.warnings.append)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o400)
        self.assertEqual(self.warnings, [])

    def test_somebody_elses(self) -> None:
        """A file of another user is refused: he may exchange it whatever its mode is."""
        if os.geteuid() != 0:
            self.skipTest("only root can give files away")
        os.chown(self.path, 12345, -1)
        self.folder.parent.chmod(0o755)
        os.chown(self.folder, 23456, -1)
        # What was given away is read as a user who owns neither.
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.chmod(self.path, 0o644)
            os.chmod(self.folder, 0o755)
            here = os.open(self.folder, os.O_RDONLY)
            os.setuid(23456)
            os.fchdir(here)
            try:
                ca_files.read(Path(self.path.name), lambda warning: None)
            except AuthorityError as error:
                os.write(write, str(error).encode())
            os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        with open(read, "rb") as stream:
            self.assertIn(b"belongs to another user (uid 12345)", stream.read())


class KindTests(FolderTestCase):
    """What is no file of ours."""

    def test_links_pipes_and_folders(self) -> None:
        """A link is not followed, a pipe is not waited for, a folder is not read."""
        link, pipe, folder = (self.folder / name for name in ("link", "pipe", "folder"))
        link.symlink_to(self.path)
        os.mkfifo(pipe)
        folder.mkdir()
        for path in (link, pipe, folder, self.folder / "missing"):
            error = self.assertRaises(AuthorityError, ca_files.read, path, self.warnings.append)
            self.assertEqual(error.path, str(path))

    def test_huge(self) -> None:
        """A file is read up to a bound."""
        self.path.write_bytes(b"x" * (300 * 1024))
        error = self.assertRaises(AuthorityError, ca_files.read, self.path, self.warnings.append)
        self.assertIn("more than", str(error))

    def test_no_folder(self) -> None:
        """A file where the folder should be is an error; nothing at all is not."""
        ca_files.check_folder(self.folder / "missing", self.warnings.append)
        self.assertEqual(ca_files.found(self.folder / "missing"), [])
        self.assertRaises(AuthorityError, ca_files.check_folder, self.path, self.warnings.append)
        self.assertRaises(AuthorityError, ca_files.found, self.path)


class WritingTests(FolderTestCase):
    """How it is written."""

    def test_name_is_the_time(self) -> None:
        """The file's name says from when it signs; a second one of the same second gets the next."""
        self.assertEqual(self.path.name, "ca-20270131T000000Z.pem")
        with ca_files.locked(self.folder, self.warnings.append):
            second = ca_files.add(self.folder, WHEN, b"second")
        self.assertEqual(second.name, "ca-20270131T000001Z.pem")
        self.assertEqual([path for _, path in ca_files.found(self.folder)], [self.path, second])

    def test_failure_leaves_nothing(self) -> None:
        """A write that fails leaves the old content and no leftover."""
        with ca_files.locked(self.folder, self.warnings.append):
            blocked = self.folder / "in the way"
            (blocked / "full").mkdir(parents=True)
            error = self.assertRaises(AuthorityError, ca_files.replace, blocked, b"new")
            self.assertIn("can't be written", str(error))
        self.assertEqual(sorted(os.listdir(self.folder)), ["ca-20270131T000000Z.pem", "in the way"])

    def test_owner(self) -> None:
        """What root writes belongs to the owner of the folder, whose process has to read it."""
        if os.geteuid() != 0:
            self.skipTest("only root can give files away")
        os.chown(self.folder, 12345, 12345)
        with ca_files.locked(self.folder, self.warnings.append):
            path = ca_files.add(self.folder, WHEN, b"second")
        self.assertEqual(path.stat().st_uid, 12345)

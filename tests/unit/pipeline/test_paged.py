"""Tests of the files in memory that long stored contents are sent from."""

from __future__ import annotations

import errno
import os

from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline.paged import LEAST_BYTES, SENT, Paged, PagedContents


def content(letter: bytes = b"a") -> bytes:
    """Give a content that is no other's."""
    return letter * LEAST_BYTES


class PagedTests(SynchronousTestCase):
    """One content each, sent again and again."""

    def send(self, files: PagedContents, of: bytes, memo: dict[str, object]) -> Paged | None:
        """Send it as often as it takes."""
        given = [files.of(of, memo) for _ in range(SENT)]
        self.assertEqual(given[:-1], [None] * (SENT - 1))
        return given[-1]

    def test_often(self) -> None:
        """What is sent often gets a file with just that in it, which nobody can change and no program inherits."""
        files = PagedContents()
        memo: dict[str, object] = {}
        one = content()
        made = self.send(files, one, memo)
        assert made is not None
        self.assertIs(files.of(one, memo), made)
        self.assertEqual(os.pread(made.descriptor, 2 * LEAST_BYTES, 0), one)
        self.assertFalse(os.get_inheritable(made.descriptor))
        with self.assertRaises(PermissionError):
            os.pwrite(made.descriptor, b"x", 0)
        with self.assertRaises(PermissionError):
            os.ftruncate(made.descriptor, 0)
        self.assertEqual(files.size, LEAST_BYTES)

    def test_gone(self) -> None:
        """The file goes with the memo of what is stored."""
        files = PagedContents()
        memo: dict[str, object] = {}
        made = self.send(files, content(), memo)
        assert made is not None
        descriptor = made.descriptor
        del made
        memo.clear()
        self.assertEqual(files.size, 0)
        self.assertRaises(OSError, os.fstat, descriptor)

    def test_another_content(self) -> None:
        """What a plugin has put in the content's place never leaves from the file of that."""
        files = PagedContents()
        memo: dict[str, object] = {}
        one = content()
        self.send(files, one, memo)
        for _ in range(SENT - 1):
            self.assertIsNone(files.of(content(b"b"), memo))
        self.assertIsNone(files.of(bytearray(one), memo))  # type: ignore[arg-type]
        self.assertEqual(files.size, 0)

    def test_another_snapshot(self) -> None:
        """After a reload it is counted anew, and the file from before goes."""
        before, after = PagedContents(), PagedContents()
        memo: dict[str, object] = {}
        one = content()
        self.send(before, one, memo)
        made = self.send(after, one, memo)
        self.assertIsNotNone(made)
        self.assertEqual((before.size, after.size), (0, LEAST_BYTES))

    def test_room(self) -> None:
        """For lack of room what was not sent again goes, and comes again when it is sent often."""
        files = PagedContents(2 * LEAST_BYTES)
        contents = [content(letter) for letter in (b"a", b"b", b"c")]
        memos: list[dict[str, object]] = [{}, {}, {}]
        first = self.send(files, contents[0], memos[0])
        second = self.send(files, contents[1], memos[1])
        self.assertIs(files.of(contents[0], memos[0]), first)
        third = self.send(files, contents[2], memos[2])
        assert first is not None
        assert second is not None
        assert third is not None
        self.assertEqual(second.descriptor, -1)
        self.assertEqual(files.size, 2 * LEAST_BYTES)
        self.assertIs(files.of(contents[0], memos[0]), first)
        self.assertIsNotNone(self.send(files, contents[1], memos[1]))
        self.assertEqual(third.descriptor, -1)
        larger = PagedContents(LEAST_BYTES - 1)
        for _ in range(2 * SENT):
            self.assertIsNone(larger.of(contents[0], {}))

    def test_forbidden(self) -> None:
        """Where there can be no file the content leaves as bytes, and it is tried again after a while."""

        def refuse(name: str, flags: int) -> int:
            raise OSError(errno.EMFILE, "too many")

        files = PagedContents()
        memo: dict[str, object] = {}
        one = content()
        self.patch(os, "memfd_create", refuse)
        for _ in range(2):
            self.assertIsNone(self.send(files, one, memo))
        self.assertEqual(files.size, 0)

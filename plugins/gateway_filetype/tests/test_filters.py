"""Tests of the filters of filetype: what is kept back, for how long, and what never is."""

from __future__ import annotations

import gzip
import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Block, ContentRefused, true_type
from gateway_filetype.coding import HEAD, Head, Undecodable, acceptable
from gateway_filetype.filters import FormFilter, HeadFilter
from gateway_filetype.forms import File
from gateway_filetype.names import of_disposition, of_path, shown
from gateway_filetype.tests.test_filetype import IMAGE, PROGRAM, TEXT, form

BLOCK = Block("a program")


def judge(head: bytes, is_all: bool) -> Block | None:
    """Refuse programs."""
    return BLOCK if true_type(head) == "exe" else None


def nothing(why: str) -> Block | None:
    """Let pass what can't be read."""
    return None


def made(coding: str | None = None, *, waits: bool = True) -> HeadFilter:
    """Make a filter that refuses programs."""
    return HeadFilter(judge, nothing, coding, waits=waits)


class HeadFilterTests(SynchronousTestCase):
    """Content that is judged by its first bytes."""

    def test_unchanged(self) -> None:
        """What may pass passes whole and unchanged, however it is cut and coded."""
        for content, coding in (
            (IMAGE, None),
            (TEXT, None),
            (gzip.compress(TEXT), "gzip"),
            (b"", None),
        ):
            for size in (1, 7, 1000, 20_000):
                for waits in (True, False):
                    subject = made(coding, waits=waits)
                    pieces = [content[at : at + size] for at in range(0, len(content), size)]
                    passed = b"".join(map(subject.data, pieces)) + subject.end()
                    self.assertEqual(passed, content)
        self.assertFalse(made().changes_length)

    def test_kept_back(self) -> None:
        """Of a declared length, nothing passes before the kind is sure; then it goes on at once."""
        subject = made()
        self.assertEqual(subject.data(IMAGE[: HEAD - 1]), b"")
        self.assertEqual(subject.data(IMAGE[HEAD - 1 : HEAD + 5]), IMAGE[: HEAD + 5])
        self.assertEqual(subject.data(b"more"), b"more")
        self.assertEqual(subject.end(), b"")

    def test_late_first_bytes(self) -> None:
        """Coded content that shows nothing of itself is looked at for so long, and then is as what can't be read."""
        slow = b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 300_000
        for waits in (True, False):
            subject = HeadFilter(judge, lambda why: BLOCK, "gzip", waits=waits)
            subject.data(slow[:200_000])
            self.assertRaises(ContentRefused, subject.data, slow[200_000:])
            subject = HeadFilter(judge, nothing, "gzip", waits=waits)
            passed = subject.data(slow[:200_000]) + subject.data(slow[200_000:]) + subject.end()
            self.assertEqual(passed, slow)

    def test_stream(self) -> None:
        """Without one, every piece passes when it comes, until it shows that it must not."""
        subject = made(waits=False)
        self.assertEqual(subject.data(b"data: 1\n\n"), b"data: 1\n\n")
        self.assertEqual(subject.data(b"data: 2\n\n"), b"data: 2\n\n")
        subject = made(waits=False)
        self.assertEqual(subject.data(PROGRAM[:10]), PROGRAM[:10])
        error = self.assertRaises(ContentRefused, subject.data, PROGRAM[10:])
        self.assertIs(error.block, BLOCK)

    def test_never_complete(self) -> None:
        """However it is cut, a program is refused before its last byte passes."""
        for coding, content in ((None, PROGRAM), ("gzip", gzip.compress(PROGRAM))):
            for size in (1, 3, 64, 700, 5000):
                for waits in (True, False):
                    subject = made(coding, waits=waits)
                    passed = 0
                    try:
                        for at in range(0, len(content), size):
                            passed += len(subject.data(content[at : at + size]))
                        subject.end()
                        self.fail(f"it passed: {coding} {size}")
                    except ContentRefused:
                        self.assertLess(passed, len(content))
                        self.assertTrue(not waits or passed == 0)

    def test_refused_for_good(self) -> None:
        """After a refusal nothing passes, whoever goes on asking."""
        subject = made()
        self.assertRaises(ContentRefused, subject.data, PROGRAM + bytes(HEAD))
        self.assertRaises(ContentRefused, subject.data, b"more")
        self.assertRaises(ContentRefused, subject.end)


class HeadTests(SynchronousTestCase):
    """First bytes behind a content coding."""

    @given(st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip, br"]), st.binary(max_size=300))
    def test_any(self, coding: str, noise: bytes) -> None:
        """Whatever comes, there are at most so many first bytes, and no error but that it is not so coded."""
        for begin in (b"", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"x\x9c", b"(\xb5/\xfd"):
            head = Head(coding)
            if head.why:
                continue
            try:
                for at in range(0, len(begin + noise), 7):
                    head.take((begin + noise)[at : at + 7])
            except Undecodable:
                self.assertEqual(head.raw, (begin + noise)[: len(head.raw)])
            self.assertLessEqual(len(head.bytes), HEAD)

    def test_bomb(self) -> None:
        """However much a piece decodes to, no more than the head is made of it."""
        content = gzip.compress(bytes(50_000_000))
        head = Head("gzip")
        head.take(content)
        self.assertEqual(head.bytes, bytes(HEAD))
        content = gzip.compress(gzip.compress(bytes(50_000_000)))
        head = Head("gzip, gzip")
        head.take(content)
        self.assertEqual(head.bytes, bytes(HEAD))

    def test_libraries(self) -> None:
        """Brotli and Zstandard are undone where their libraries are, however they are cut."""
        content = random.Random(1).randbytes(100) * 200
        coded = {}
        try:
            import brotli

            coded["br"] = brotli.compress(content)
        except ImportError:
            self.assertTrue(Head("br").why)
        try:
            from backports import zstd

            coded["zstd"] = zstd.compress(content)
            coded["ZSTD"] = zstd.compress(content[:50]) + zstd.compress(content[50:])
        except ImportError:
            self.assertTrue(Head("zstd").why)
        for coding, written in coded.items():
            for size in (1, 10, 10_000):
                head = Head(coding)
                for at in range(0, len(written), size):
                    head.take(written[at : at + size])
                self.assertEqual(head.bytes, content[:HEAD], (coding, size))

    def test_many_codings(self) -> None:
        """Four codings on top of one another are not undone."""
        self.assertEqual(Head("gzip, gzip, gzip").why, "")
        self.assertIn("can't be undone", Head("gzip, gzip, gzip, gzip").why)

    def test_acceptable(self) -> None:
        """Only codings that can't be undone here are taken out of what is asked for."""
        self.assertIsNone(acceptable("gzip, deflate;q=0.5"))
        self.assertEqual(acceptable("gzip;q=1, compress, *"), "gzip;q=1")
        self.assertEqual(acceptable("compress"), "identity")


class FormTests(SynchronousTestCase):
    """Files in forms."""

    def found(self, content: bytes, size: int) -> list[tuple[str, str, bytes]]:
        """Give the parts that are found, by name, type and first bytes."""
        parts: list[tuple[str, str, bytes]] = []

        def look(file: File) -> None:
            if file.is_all:
                parts.append((file.name, file.media, file.head))

        subject = FormFilter("multipart/form-data; boundary=XYZ", look, nothing)
        passed = b""
        for at in range(0, len(content), size):
            passed += subject.data(content[at : at + size])
        self.assertEqual(passed + subject.end(), content)
        return parts

    def test_cut(self) -> None:
        """The same files are found however a form is cut."""
        content = form(
            ("a", "", "", b"one\r\ntwo"),
            ("b", "b.png", "Image/PNG; a=b", IMAGE),
            ("c", "c.txt", "text/plain", b""),
            ("d", 'd\\"e.exe', "", PROGRAM),
        )
        expected = [
            ("", "", b"one\r\ntwo"),
            ("b.png", "image/png", IMAGE[:HEAD]),
            ("c.txt", "text/plain", b""),
            ('d"e.exe', "", PROGRAM),
        ]
        for size in (1, 2, 7, 50, 1000, 100_000):
            found = self.found(content, size)
            self.assertEqual(
                [part for part in found if part[2]], [part for part in expected if part[2]]
            )

    @given(st.data())
    def test_any(self, data: st.DataObject) -> None:
        """Whatever a form looks like, it passes unchanged, and the same parts are found however it is cut."""
        bit = st.sampled_from(
            [
                b"--XYZ",
                b"--XYZ--",
                b"\r\n",
                b"\n",
                b"\r\n\r\n",
                b"-",
                b"-XYZ",
                b"a",
                b"MZ\0",
                b": ",
                b"filename=x",
            ]
        )
        content = b"".join(data.draw(st.lists(bit, max_size=40)))
        whole = self.found(content, len(content) + 1)
        for size in (1, 2, 3, data.draw(st.integers(1, 60))):
            self.assertEqual(self.found(content, size), whole)


class NameTests(SynchronousTestCase):
    """What a file is called."""

    def test_disposition(self) -> None:
        """The extended form wins, and what is no name gives none."""
        for value, expected in (
            ("attachment; filename=a.txt", "a.txt"),
            ('attachment; filename="a;b.txt"', "a;b.txt"),
            ("attachment; filename=a.txt; filename*=UTF-8''%c3%a4.exe", "ä.exe"),
            ("attachment; FileName = a.exe", "a.exe"),
            ("inline", ""),
            ("", ""),
            (None, ""),
        ):
            self.assertEqual(of_disposition(value), expected)

    def test_path(self) -> None:
        """Of a path the last part counts, unquoted."""
        self.assertEqual(of_path("/a/b%2eexe"), "b.exe")
        self.assertEqual(of_path("/"), "")

    def test_shown(self) -> None:
        """People see no folders and no control characters, and not any length."""
        self.assertEqual(shown("C:\\a\\b\x1b[31m.exe"), "b?[31m.exe")
        self.assertEqual(len(shown("x" * 1000)), 100)

"""Tests of the reader of forms: however the content is cut, it sees the same parts."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_upload_limit.parts import MAX_HEAD, HeadTooLong, PartReader, boundary_of
from gateway_upload_limit.rules import Limit

BOUNDARY = b"--x--B"


def part(content: bytes, *, name: str = "f", file: str | None = None, media: str = "") -> bytes:
    """Write a part."""
    head = f'Content-Disposition: form-data; name="{name}"'
    if file is not None:
        head += f'; filename="{file}"'
    if media:
        head += f"\r\nContent-Type: {media}"
    return b"--" + BOUNDARY + b"\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """Write a form."""
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def images(media: str) -> Limit | None:
    """Hold images to 100 bytes."""
    return Limit(100, "rule") if media.startswith("image/") else None


class ReadTests(SynchronousTestCase):
    """L{PartReader}."""

    def over(self, content: bytes, size: int) -> str:
        """Read content in pieces; gives what was too large, empty if nothing was."""
        reader = PartReader(BOUNDARY, images)
        for at in range(0, len(content), size):
            if reader.read(content[at : at + size]):
                return reader.what
        return reader.what if reader.finish() else ""

    def assertOver(self, content: bytes, expected: str) -> None:
        """It is the same in pieces of every size."""
        for size in (1, 2, 3, 5, 7, 50, 99, 1000, len(content)):
            self.assertEqual(self.over(content, size), expected, size)

    def test_exact(self) -> None:
        """A file of exactly its limit passes, one byte more does not."""
        for size, expected in (
            (0, ""),
            (99, ""),
            (100, ""),
            (101, 'the file "a.png"'),
            (500, 'the file "a.png"'),
        ):
            self.assertOver(form(part(bytes(size), file="a.png", media="image/png")), expected)

    def test_which(self) -> None:
        """Each part is measured by itself, and only those that have a limit."""
        small, large = bytes(60), bytes(300)
        self.assertOver(
            form(
                part(small, file="a.png", media="image/png"),
                part(small, file="b.png", media="IMAGE/PNG; x=y"),
                part(large, file="c.txt", media="text/plain"),
                part(large, name="comment"),
            ),
            "",
        )
        self.assertOver(
            form(part(large, name="comment"), part(large, file="b.png", media="image/png")),
            'the file "b.png"',
        )
        self.assertOver(form(part(large, name="i", media="image/png")), 'the field "i"')

    def test_like_a_delimiter(self) -> None:
        """What only begins like a delimiter is content."""
        content = b"\r\n--" + BOUNDARY + b"y" + b"\r\n--" + BOUNDARY[:-1] + b"\r\n-" + b"\r" * 5
        self.assertOver(
            form(part(content + bytes(100 - len(content)), file="a.png", media="image/png")), ""
        )
        self.assertOver(
            form(part(content + bytes(101 - len(content)), file="a.png", media="image/png")),
            'the file "a.png"',
        )

    def test_odd_forms(self) -> None:
        """A preamble, an epilogue, padding and parts without a head are as RFC 2046 has them."""
        pad = b"--" + BOUNDARY + b" \t \r\n"
        image = b"Content-Type: image/png\r\n\r\n"
        self.assertOver(
            b"before" + bytes(200) + b"\r\n" + form(part(b"x", file="a.png", media="image/png")), ""
        )
        self.assertOver(form(part(b"x", file="a.png", media="image/png")) + bytes(500), "")
        self.assertOver(pad + image + bytes(101) + b"\r\n", "a part without a name")
        self.assertOver(
            b"--" + BOUNDARY + b"\r\n\r\n" + bytes(500) + b"\r\n--" + BOUNDARY + b"--", ""
        )
        self.assertOver(bytes(1000), "")

    def test_names(self) -> None:
        """File names are shown without folders and control characters, and not at any length."""
        for written, shown in (
            ("a.png", "a.png"),
            ("C:\\\\dir\\\\a.png", "a.png"),
            ("/etc/a.png", "a.png"),
            ("größe.png", "größe.png"),
            ('a\\"b.png', "a?b.png"),
            ("a\x1b[31m\x7f.png", "a?[31m?.png"),
            ("x" * 500, "x" * 99 + "…"),
        ):
            content = form(part(bytes(101), file=written, media="image/png"))
            self.assertEqual(self.over(content, len(content)), f'the file "{shown}"')
        content = part(bytes(101), media="image/png").replace(
            b'name="f"', b"filename*=UTF-8''%e2%82%ac.png"
        )
        self.assertEqual(self.over(content, 10), 'the file "€.png"')

    def test_long_head(self) -> None:
        """A head without an end is given up, and no more than that is kept of it."""
        for size in (1, 1000, 100_000):
            reader = PartReader(BOUNDARY, images)
            content = b"--" + BOUNDARY + b"\r\nX: " + b"x" * 100_000
            sent = 0
            try:
                for at in range(0, len(content), size):
                    sent = at
                    reader.read(content[at : at + size])
            except HeadTooLong:
                pass
            else:
                self.fail("the head has no end")
            self.assertLessEqual(sent, MAX_HEAD + 100)

    def test_bounded(self) -> None:
        """Whatever comes, not more than a head is kept."""
        for piece in (
            bytes(1000),
            b"\r\n--" * 300,
            b"\r\n--" + BOUNDARY + b" " * 900,
            b"\r\n--" + BOUNDARY + b"-",
        ):
            reader = PartReader(BOUNDARY, None)
            for _ in range(100):
                try:
                    reader.read(piece)
                except HeadTooLong:
                    break
                self.assertLessEqual(len(reader._kept), MAX_HEAD)

    def test_boundary(self) -> None:
        """The boundary is what the field says, quoted or not."""
        for value, expected in (
            ("multipart/form-data; boundary=abc", b"abc"),
            ('multipart/form-data; x=y;boundary="a b;c"', b"a b;c"),
            ("multipart/form-data;BOUNDARY=----WebKitFormBoundaryA1", b"----WebKitFormBoundaryA1"),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            (f"multipart/form-data; boundary={'x' * 70}", b"x" * 70),
        ):
            self.assertEqual(boundary_of(value), expected, value)

    @settings(derandomize=True, deadline=None, max_examples=150)
    @given(st.lists(st.tuples(st.integers(0, 130), st.booleans()), max_size=4), st.data())
    def test_any_cut(self, sizes: list[tuple[int, bool]], data: Any) -> None:
        """However content is cut, the first file over its limit is found, and no other."""
        parts = [
            part(
                b"\r\n-" * 50 + bytes(size) if size == 77 else bytes(size),
                file=f"{index}",
                media="image/x" if is_image else "",
            )
            for index, (size, is_image) in enumerate(sizes)
        ]
        expected = [
            f'the file "{index}"'
            for index, (size, is_image) in enumerate(sizes)
            if is_image and (size > 100 or size == 77)
        ]
        content = form(*parts)
        reader = PartReader(BOUNDARY, images)
        found = ""
        while content and not found:
            cut = data.draw(st.integers(1, 200))
            if reader.read(content[:cut]):
                found = reader.what
            content = content[cut:]
        self.assertFalse(not found and reader.finish())
        self.assertEqual(found, expected[0] if expected else "")

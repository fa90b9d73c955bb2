"""Parts of complete stored responses."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import StoredFile
from gateway_cache.entry import Head
from gateway_cache.messages import Asked
from gateway_cache.ranges import (
    FILE_BYTES,
    Multipart,
    Single,
    Unsatisfiable,
    cut,
    ranges_of,
)
from gateway_cache.tests.rules import NOW, at, lines, request

CONTENT = bytes(range(256)) * 40
TYPE = "Content-Type: text/plain"


def stored(*fields: str, content: bytes = CONTENT, status: int = 200) -> Head:
    """Make something stored."""
    return Head(b"k", b"", (), status, tuple(lines(*fields)), NOW, NOW, len(content))


def read(value: str, head: Head | None = None, *fields: str) -> object:
    """Cut a range."""
    head = stored(TYPE) if head is None else head
    return cut(request("Range: " + value, *fields), head, head.lines)


def parsed(made: Multipart, content: bytes) -> list[tuple[str, bytes]]:
    """Parse a multipart with the standard library's parser: ranges and contents."""
    body = made.of(content)
    assert len(body) == made.length
    kind = next(line for line in made.lines if line.startswith(b"Content-Type:"))
    message: Message = message_from_bytes(kind + b"\r\n\r\n" + body)
    assert not message.defects
    found = []
    for part in message.get_payload():
        assert isinstance(part, Message)
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        found.append((part["Content-Range"], payload))
    return found


class RangesOfTests(SynchronousTestCase):
    """RFC 9110 section 14.1.2."""

    def test_table(self) -> None:
        """What each range is of ten bytes."""
        for value, expected in (
            ("bytes=0-0", [(0, 1)]),
            ("bytes=0-", [(0, 10)]),
            ("bytes=4-9", [(4, 6)]),
            ("bytes=4-99", [(4, 6)]),
            ("bytes=-3", [(7, 3)]),
            ("bytes=-99", [(0, 10)]),
            ("bytes=10-", []),
            ("bytes=-0", []),
            ("bytes=0-0,-1", [(0, 1), (9, 1)]),
            ("bytes= 0-0 , ,\t5-6,", [(0, 1), (5, 2)]),
            ("bytes=0-1,20-30", [(0, 2)]),
            ("BYTES=1-1", [(1, 1)]),
            ("bytes=" + "9" * 500 + "-", []),
            ("bytes=1-" + "9" * 500, [(1, 9)]),
            ("bytes=" + "0" * 500 + "1-1", [(1, 1)]),
            # What is to be ignored.
            ("bytes=5-4", None),
            ("bytes=0-1,5-4", None),
            ("bytes=", None),
            ("bytes=,", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=1-b", None),
            ("bytes=-b", None),
            ("bytes=+1-2", None),
            ("bytes=1 -2", None),
            ("bytes=1--2", None),
            ("bytes 0-1", None),
            ("bytes =0-1", None),
            ("items=0-1", None),
            ("bytes=" + "1-1," * 70, None),
            ("bytes=\xb2-", None),
        ):
            self.assertEqual(ranges_of(value.encode("latin-1"), 10), expected, value)

    def test_empty(self) -> None:
        """Of nothing there is no first byte; its end is what the whole says as well."""
        self.assertEqual(ranges_of(b"bytes=0-", 0), [])
        self.assertIsNone(ranges_of(b"bytes=-1", 0))

    @given(st.binary(max_size=60), st.integers(0, 50))
    def test_anything(self, value: bytes, length: int) -> None:
        """No bytes raise, and what is found is there."""
        for unit in (b"", b"bytes="):
            for first, size in ranges_of(unit + value, length) or ():
                self.assertTrue(0 <= first < first + size <= length)


class CutTests(SynchronousTestCase):
    """RFC 9110 section 15.3.7."""

    def test_single(self) -> None:
        """One range has its place and all fields of the response but those of its length."""
        head = stored(TYPE, 'ETag: "a"', "content-length: 9", "Content-Range: x", "A: 1")
        made = read("bytes=1-3", head)
        assert isinstance(made, Single)
        self.assertEqual((made.first, made.length, made.of(CONTENT)), (1, 3, CONTENT[1:4]))
        self.assertEqual(
            made.lines, lines(TYPE, 'ETag: "a"', "A: 1", "Content-Range: bytes 1-3/10240")
        )

    def test_file(self) -> None:
        """A range of a file is read from the file, and releases it once."""
        released: list[int] = []
        made = read("bytes=100-")
        assert isinstance(made, Single)
        whole = StoredFile(7, 1000, len(CONTENT), lambda: released.append(1))
        part = made.file(whole)
        self.assertEqual((part.descriptor, part.offset, part.length), (7, 1100, 10_140))
        self.assertIs(part.release, whole.release)
        self.assertEqual(released, [])

    def test_unsatisfiable(self) -> None:
        """A range of which there is nothing is told how long the content is (RFC 9110 section 15.5.17)."""
        made = read("bytes=10240-")
        assert isinstance(made, Unsatisfiable)
        self.assertEqual(made.lines, lines("Content-Range: bytes */10240"))

    def test_whole(self) -> None:
        """A range only counts for a GET of a 200, if it can be read (RFC 9110 section 14.2)."""
        head = stored(TYPE)
        asked = request("Range: bytes=0-1", method=b"HEAD")
        self.assertIsNone(cut(asked, head, head.lines))
        for status in (203, 204, 301, 404):
            self.assertIsNone(read("bytes=0-1", stored(TYPE, status=status)))
        twice = request("Range: bytes=0-1", "Range: bytes=0-1")
        self.assertIsNone(cut(twice, head, head.lines))
        self.assertIsNone(read("lines=0-1"))

    def test_if_range(self) -> None:
        """If-Range has to be the same strong validator (RFC 9110 section 13.1.5)."""
        old, new = at(-3600), at(-30)
        for field, value, holds in (
            ('"a"', '"a"', True),
            ('"a"', 'W/"a"', False),
            ('W/"a"', 'W/"a"', False),
            ('"a"', '"b"', False),
            ('"a"', "*", False),
            ("a", "a", False),
            ("", "", False),
            (None, old, True),
            (None, at(-3599), False),
        ):
            tag = "X: 1" if field is None else "ETag: " + field
            head = stored(tag, "Last-Modified: " + old, "Date: " + at(0))
            made = read("bytes=0-1", head, "If-Range: " + value)
            self.assertEqual(made is not None, holds, (field, value))
        for head in (
            stored("Last-Modified: " + new, "Date: " + at(0)),
            stored("Last-Modified: " + new),
            stored("Last-Modified: never", "Date: " + at(0)),
        ):
            value = next(iter(head.lines)).decode().partition(": ")[2]
            self.assertIsNone(read("bytes=0-1", head, "If-Range: " + value))
        twice = ('If-Range: "a"', 'If-Range: "a"')
        self.assertIsNone(read("bytes=0-1", stored('ETag: "a"'), *twice))

    def test_multipart(self) -> None:
        """Several ranges come as parts, in the order asked for (RFC 9110 section 15.3.7.2)."""
        made = read("bytes=5000-5009,0-99,-10", stored(TYPE, "A: 1"))
        assert isinstance(made, Multipart)
        self.assertEqual(
            parsed(made, CONTENT),
            [
                ("bytes 5000-5009/10240", CONTENT[5000:5010]),
                ("bytes 0-99/10240", CONTENT[:100]),
                ("bytes 10230-10239/10240", CONTENT[-10:]),
            ],
        )
        self.assertEqual(made.lines[0], b"A: 1")
        self.assertEqual(len(made.lines), 2)
        self.assertEqual(made.of(CONTENT).count(b"\r\nContent-Type: text/plain\r\n"), 3)
        self.assertEqual(made.read(lambda size, at: CONTENT[at : at + size]), made.of(CONTENT))
        with self.assertRaises(EOFError):
            made.read(lambda size, at: CONTENT[:200][at : at + size])

    def test_boundary(self) -> None:
        """What stands between parts is another one each time, so that no content can have it in it."""
        first, second = read("bytes=0-99,5000-5009"), read("bytes=0-99,5000-5009")
        assert isinstance(first, Multipart) and isinstance(second, Multipart)
        self.assertNotEqual(first.lines, second.lines)
        self.assertEqual(len(first.lines[-1].partition(b"boundary=")[2]), 64)

    def test_joined(self) -> None:
        """Ranges that overlap or lie close together are one, and one of several needs no parts."""
        made = read("bytes=0-99,50-149,200-249")
        assert isinstance(made, Single)
        self.assertEqual((made.first, made.length), (0, 250))
        made = read("bytes=5000-5010,0-99,150-160")
        assert isinstance(made, Multipart)
        self.assertEqual(
            [where for where, _ in parsed(made, CONTENT)],
            ["bytes 5000-5010/10240", "bytes 0-160/10240"],
        )
        made = read("bytes=0-9,99999-")
        assert isinstance(made, Single)

    def test_abuse(self) -> None:
        """Many ranges, overlaps and many without order are answered with the whole (RFC 9110 section 17.15)."""
        spread = [f"{n * 150}-{n * 150 + 4}" for n in range(20)]
        self.assertIsInstance(read("bytes=" + ",".join(spread)), Multipart)
        self.assertIsNone(read("bytes=" + ",".join(reversed(spread))))
        self.assertIsInstance(read("bytes=0-9,5-14,8-20"), Single)
        self.assertIsNone(read("bytes=0-9,5-14,8-20,10-30"))
        self.assertIsNone(read("bytes=" + ",".join(["0-"] * 60)))
        self.assertIsNone(read("bytes=" + ",".join(f"{n}-" for n in range(1000))))

    def test_no_shorter(self) -> None:
        """Parts that would be as long as the whole are the whole."""
        self.assertIsNone(read("bytes=0-5000,5200-"))

    def test_parts_of_file(self) -> None:
        """Of a file only few bytes are put into parts."""
        size = FILE_BYTES * 4
        head = Head(b"k", b"", (), 200, (), NOW, NOW, size)
        for last, kind in ((FILE_BYTES // 2, Multipart), (FILE_BYTES, type(None))):
            asked = request(f"Range: bytes=0-{last},{size - 5}-")
            self.assertIsInstance(cut(asked, head, (), in_file=True), kind)
            self.assertIsInstance(cut(asked, head, ()), Multipart)

    @given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 250))
    def test_slices(self, first: int, last: int, length: int) -> None:
        """A single range is the slice of the content that it says it is."""
        content = CONTENT[:length]
        head = stored(TYPE, content=content)
        for value, begin, end in (
            (f"{first}-{last}", first, last + 1),
            (f"{first}-", first, length),
            (f"-{last}", max(length - last, 0), length),
        ):
            made = read("bytes=" + value, head)
            expected = content[begin:end]
            if value == f"{first}-{last}" and last < first:
                self.assertIsNone(made)
            elif isinstance(made, Single):
                self.assertEqual(made.of(content), expected)
                where = b"bytes %d-%d/%d" % (begin, begin + len(expected) - 1, length)
                self.assertEqual(made.lines[-1], b"Content-Range: " + where)
            else:
                self.assertIsInstance(made, Unsatisfiable)
                self.assertEqual(expected, b"")

    @given(
        st.lists(st.tuples(st.integers(0, 11_000), st.integers(0, 400)), min_size=2, max_size=8),
        st.binary(max_size=40),
    )
    def test_any_parts(self, wanted: list[tuple[int, int]], salt: bytes) -> None:
        """Each byte of the parts is what the content has there, and none that was asked for is missing."""
        content = salt + CONTENT
        head = stored(TYPE, content=content)
        value = ",".join(f"{first}-{first + size}" for first, size in wanted)
        made = read("bytes=" + value, head)
        asked_for = set[int]()
        for first, size in wanted:
            asked_for.update(range(first, min(first + size + 1, len(content))))
        given_ = set[int]()
        if isinstance(made, Multipart):
            for where, piece in parsed(made, content):
                span, _, complete = where.removeprefix("bytes ").partition("/")
                first, last = map(int, span.split("-"))
                self.assertEqual(int(complete), len(content))
                self.assertEqual(content[first : last + 1], piece)
                self.assertTrue(given_.isdisjoint(range(first, last + 1)))
                given_.update(range(first, last + 1))
        elif isinstance(made, Single):
            given_.update(range(made.first, made.first + made.length))
        elif made is None:
            return
        self.assertLessEqual(asked_for, given_)

    @given(st.binary(max_size=80), st.binary(max_size=30))
    def test_anything(self, value: bytes, condition: bytes) -> None:
        """No bytes raise."""
        head = stored(TYPE, 'ETag: "a"')
        numbers = count()
        for unit in (b"", b"bytes="):
            asked = Asked(b"GET", [b"Range: " + unit + value, b"If-Range: " + condition])
            cut(asked, head, head.lines, boundary=lambda: f"b{next(numbers)}")

"""Stored parts."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.entry import Head
from gateway_cache.messages import Asked
from gateway_cache.parts import (
    MOST_PARTS,
    Combined,
    combine,
    completing,
    cut_part,
    part_variant,
    parts_for,
    variant_of_part,
    whole_of,
)
from gateway_cache.tests.rules import NOW, POLICY, at, lines, request
from gateway_cache.vary import variant_of

TAG = 'ETag: "a"'
CONTROL = "Cache-Control: max-age=3600"
WHOLE = bytes(range(100))


def part(first: int, end: int, *fields: str, complete: int = 100, age: float = 0) -> Head:
    """Make a stored part: from its first byte to the one before C{end}."""
    date = "Date: " + at(-age)
    return Head(
        b"k",
        b"",
        (),
        206,
        tuple(lines(*(fields or (TAG, CONTROL)), date)),
        NOW - age,
        NOW - age,
        end - first,
        part=(first, complete),
    )


def of(head: Head) -> bytes:
    """Give the content of a part."""
    assert head.part is not None
    return WHOLE[head.part[0] : head.part[0] + head.length]


def put_together(combined: Combined) -> bytes:
    """Give the content of a combination."""
    return b"".join(of(head)[at : at + length] for head, at, length in combined.pieces)


def joined(stored: list[Head], new: Head, *fields: str, most: int = 1000) -> Combined | None:
    """Combine."""
    return combine(stored, new, request("Range: bytes=0-", *fields), POLICY, most=most)


class CutTests(SynchronousTestCase):
    """RFC 9111 section 3.3: what a part can answer."""

    def test_table(self) -> None:
        """A range that lies wholly within it."""
        for value, complete, expected in (
            ("4-8", 10, (0, 5)),
            ("5-5", 10, (1, 1)),
            ("6-", 10, (2, 4)),
            ("-3", 10, (3, 3)),
            ("-6", 10, (0, 6)),
            ("-7", 10, None),
            ("3-8", 10, None),
            ("0-0", 10, None),
            ("5-99", 10, (1, 5)),
            ("10-", 10, None),
            ("5-9", 11, (1, 5)),
            ("5-10", 11, None),
            ("5-", 11, None),
            ("-1", 11, None),
            # Nobody knows how long the whole is.
            ("5-9", -1, (1, 5)),
            ("5-10", -1, None),
            ("5-", -1, None),
            ("-1", -1, None),
            # Several ranges, or none.
            ("4-5,7-8", 10, None),
            ("4-5,99-", 10, None),
            ("x", 10, None),
        ):
            head = part(4, 10, complete=complete)
            made = cut_part(request("Range: bytes=" + value), head, head.lines)
            found = None if made is None else (made.first, made.length)
            self.assertEqual(found, expected, (value, complete))
            if made is not None:
                first = 4 + made.first
                whole = b"*" if complete < 0 else b"%d" % complete
                where = b"bytes %d-%d/%b" % (first, first + made.length - 1, whole)
                self.assertEqual(made.lines[-1], b"Content-Range: " + where)
                self.assertEqual(made.of(of(head)), WHOLE[first : first + made.length])

    def test_never_whole(self) -> None:
        """It answers nothing but a GET with a range, and no If-Range of something else."""
        head = part(0, 10, complete=20)
        self.assertIsNone(cut_part(request(), head, head.lines))
        asked = request("Range: bytes=0-1", method=b"HEAD")
        self.assertIsNone(cut_part(asked, head, head.lines))
        for value, holds in (('"a"', True), ('"b"', False), ('W/"a"', False)):
            asked = request("Range: bytes=0-1", "If-Range: " + value)
            self.assertIs(cut_part(asked, head, head.lines) is not None, holds, value)

    @given(st.integers(0, 99), st.integers(1, 100), st.integers(0, 120), st.integers(0, 120))
    def test_slices(self, first: int, size: int, low: int, high: int) -> None:
        """Whatever it answers is the slice of the whole that it says it is."""
        head = part(first, min(first + size, 100))
        for value in (f"{low}-{high}", f"{low}-", f"-{high}"):
            made = cut_part(request("Range: bytes=" + value), head, head.lines)
            if made is not None:
                where = made.lines[-1].decode().removeprefix("Content-Range: bytes ")
                begin, _, last = where.partition("/")[0].partition("-")
                self.assertEqual(made.of(of(head)), WHOLE[int(begin) : int(last) + 1])

    @given(st.binary(max_size=60))
    def test_anything(self, value: bytes) -> None:
        """No bytes raise."""
        for unit in (b"", b"bytes="):
            for complete in (-1, 10):
                head = part(4, 10, complete=complete)
                cut_part(Asked(b"GET", [b"Range: " + unit + value]), head, head.lines)


class CombineTests(SynchronousTestCase):
    """RFC 9111 section 3.4."""

    def test_adjacent(self) -> None:
        """Parts with the same strong tag that touch become one."""
        for stored, new, first, end in (
            ([part(0, 10)], part(10, 20), 0, 20),
            ([part(10, 20)], part(0, 10), 0, 20),
            ([part(0, 15)], part(10, 20), 0, 20),
            ([part(0, 30)], part(10, 20), 0, 30),
            ([part(12, 15)], part(10, 20), 10, 20),
            ([part(0, 10), part(20, 30)], part(10, 20), 0, 30),
            ([part(0, 10), part(21, 30)], part(10, 20), 0, 20),
        ):
            made = joined(stored, new)
            assert made is not None
            self.assertEqual((made.head.part, made.head.length), ((first, 100), end - first))
            self.assertEqual(put_together(made), WHOLE[first:end])
            self.assertEqual(made.head.status, 206)
            self.assertEqual(made.head.variant, part_variant(b"", first))

    def test_whole(self) -> None:
        """When all bytes are there it is a complete 200, and nothing else of it is kept."""
        stored = [part(0, 40), part(60, 100), part(70, 80, 'ETag: "old"')]
        made = joined(stored, part(40, 60))
        assert made is not None
        self.assertEqual((made.head.status, made.head.part, made.head.length), (200, None, 100))
        self.assertEqual((put_together(made), made.head.variant), (WHOLE, b""))
        self.assertEqual(list(made.outdated), stored)

    def test_not_same(self) -> None:
        """Parts with other tags, weak ones, other lengths, or without any are never put together."""
        for old, new in (
            (part(0, 10), part(10, 20, 'ETag: "b"')),
            (part(0, 10, 'ETag: W/"a"'), part(10, 20, 'ETag: W/"a"')),
            (part(0, 10, "A: 1"), part(10, 20, "A: 1")),
            (part(0, 10, "ETag: a"), part(10, 20, "ETag: a")),
            (part(0, 10), part(10, 20, complete=101)),
            (part(0, 10), part(11, 20)),
            (part(0, 10, TAG, "Content-Encoding: gzip"), part(10, 20)),
            (
                part(0, 10, "Last-Modified: " + at(-9999)),
                part(10, 20, "Last-Modified: " + at(-9999)),
            ),
        ):
            made = joined([old], new)
            assert made is not None
            self.assertEqual(made.pieces, ((new, 0, new.length),))

    def test_outdated(self) -> None:
        """A part with another tag shows that those before are of no use any more."""
        stored = [part(0, 10), part(50, 60)]
        made = joined(stored, part(20, 30, 'ETag: "b"', CONTROL))
        assert made is not None
        self.assertEqual(list(made.outdated), stored)

    def test_unknown_length(self) -> None:
        """Who does not know the length learns it from the other."""
        made = joined([part(0, 10, complete=-1)], part(10, 20))
        assert made is not None
        self.assertEqual(made.head.part, (0, 100))
        # One of them must be wrong.
        stored = [part(0, 10, complete=50), part(20, 30, complete=60)]
        made = joined(stored, part(10, 20, complete=-1))
        assert made is not None
        self.assertTrue(made.alone)
        made = joined([part(0, 10, complete=-1)], part(10, 20, complete=15))
        assert made is not None
        self.assertTrue(made.alone)

    def test_other_length(self) -> None:
        """One that says another length doesn't keep the others apart."""
        made = joined([part(0, 10, complete=101), part(20, 30)], part(10, 20))
        assert made is not None
        self.assertEqual((made.head.part, made.head.length), ((10, 100), 20))

    def test_fields(self) -> None:
        """Fields of the newer ones take the place of the older ones' (RFC 9111 section 3.4)."""
        old = part(0, 10, TAG, CONTROL, "A: 1", "B: 1", age=50)
        new = part(10, 20, TAG, CONTROL, "A: 2")
        made = joined([replace(old, verdict="clean", digest=b"d")], new)
        assert made is not None
        self.assertEqual(
            [line for line in made.head.lines if line[:1] in b"AB"], lines("B: 1", "A: 2")
        )
        self.assertEqual((made.head.received, made.head.verdict, made.head.digest), (NOW, "", b""))

    def test_if_range(self) -> None:
        """A part that may lack fields is only good together with another one."""
        self.assertIsNone(joined([], part(10, 20), 'If-Range: "a"'))
        self.assertIsNone(joined([part(50, 60)], part(10, 20), 'If-Range: "a"'))
        self.assertIsNotNone(joined([part(0, 10)], part(10, 20), 'If-Range: "a"'))

    def test_bounds(self) -> None:
        """They are not copied without end, and not kept in any number."""
        made = joined([part(0, 10)], part(10, 20), most=19)
        assert made is not None
        self.assertTrue(made.alone)
        stored = [part(n * 10, n * 10 + 5, age=100 - n) for n in range(MOST_PARTS)]
        made = joined(stored, part(90, 95))
        assert made is not None
        self.assertEqual(list(made.outdated), stored[:1])

    @given(
        st.lists(st.tuples(st.integers(0, 99), st.integers(1, 40)), max_size=6),
        st.integers(0, 99),
        st.integers(1, 100),
    )
    def test_bytes(self, spans: list[tuple[int, int]], first: int, size: int) -> None:
        """What comes out is what the whole has in that place, and has all of the new part."""
        stored = [part(n, min(n + length, 100), age=5) for n, length in spans]
        new = part(first, min(first + size, 100))
        made = joined(stored, new)
        assert made is not None
        begins = 0 if made.head.part is None else made.head.part[0]
        self.assertEqual(put_together(made), WHOLE[begins : begins + made.head.length])
        self.assertLessEqual(begins, first)
        self.assertGreaterEqual(begins + made.head.length, min(first + size, 100))


class PartTests(SynchronousTestCase):
    """What else there is to know of parts."""

    def test_variants(self) -> None:
        """Parts of a variant are told apart in a store and still answer the same requests."""
        asked, other = request("A: 1"), request("A: 2")
        variant = variant_of(("a",), asked)
        heads = [
            replace(part(n, n + 5), vary=("a",), variant=part_variant(variant, n)) for n in (0, 50)
        ]
        self.assertEqual(len({head.variant for head in heads}), 2)
        self.assertEqual([variant_of_part(head) for head in heads], [variant] * 2)
        whole = replace(heads[0], part=None, variant=variant)
        self.assertEqual(parts_for([*heads, whole], asked, POLICY), heads)
        self.assertEqual(parts_for(heads, other, POLICY), [])

    def test_whole(self) -> None:
        """A part that is everything is a complete response (RFC 9110 section 15.3.7.3)."""
        made = whole_of(replace(part(0, 100), variant=part_variant(b"v", 0)))
        assert made is not None
        self.assertEqual((made.status, made.part, made.variant), (200, None, b"v"))
        for head in (part(0, 99), part(1, 100), part(0, 100, complete=-1)):
            self.assertIsNone(whole_of(head))
        combined = joined([], part(0, 100, "A: 1", CONTROL))
        assert combined is not None
        self.assertEqual(combined.head.status, 200)

    def test_completing(self) -> None:
        """What is missing can be asked for where it surely fits (RFC 9110 section 13.1.5)."""
        tag = {"If-Range": '"a"'}
        self.assertEqual(completing(request(), part(0, 40)), {"Range": "bytes=40-", **tag})
        self.assertEqual(completing(request(), part(40, 100)), {"Range": "bytes=0-39", **tag})
        for head in (
            part(0, 40, "A: 1"),
            part(0, 40, 'ETag: W/"a"'),
            part(0, 40, complete=-1),
            part(10, 40),
            part(0, 100),
        ):
            self.assertIsNone(completing(request(), head))
        self.assertIsNone(completing(request("Range: bytes=0-"), part(0, 40)))
        self.assertIsNone(completing(request('If-None-Match: "a"'), part(0, 40)))

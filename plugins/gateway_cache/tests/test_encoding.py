"""Tests of L{gateway_cache.encoding}: what is written is read again, or nothing is."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.encoding import (
    Place,
    Torn,
    encoded_head,
    head_part,
    name_of,
    names_of,
    place_of,
    prefix_of,
    read,
    record,
)
from gateway_cache.entry import Head
from gateway_cache.tests.stores import head

PLACE = Place(1 << 60, 7, 8, 5000, 1234, 0xFFFF_FFFF, 3, 1)

HEADS = st.builds(
    Head,
    key=st.binary(min_size=1, max_size=600),
    variant=st.binary(max_size=50),
    vary=st.tuples(st.text(max_size=5)),
    status=st.integers(100, 599),
    lines=st.lists(st.binary(max_size=20), max_size=4).map(tuple),
    requested=st.floats(0, 1e10),
    received=st.floats(0, 1e10),
    length=st.integers(0, 1 << 40),
    tags=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    part=st.none() | st.tuples(st.integers(0, 1 << 40), st.integers(-1, 1 << 40)),
    verdict=st.text(max_size=9),
    digest=st.binary(max_size=32),
)


class RecordTests(SynchronousTestCase):
    """A place and a head as bytes."""

    @settings(derandomize=True, deadline=None, max_examples=200)
    @given(HEADS)
    def test_round_trip(self, one: Head) -> None:
        """What is written is read again, all of it, and the head alone can be taken over."""
        value = record(PLACE, encoded_head(one))
        self.assertEqual(read(value), (PLACE, one))
        self.assertEqual(place_of(value), PLACE)
        moved = record(PLACE._replace(position=99), head_part(value))
        self.assertEqual(read(moved), (PLACE._replace(position=99), one))

    def test_memo_is_not_stored(self) -> None:
        """What the rules remember of a head stays in memory."""
        one = replace(head(), memo={"x": object()})
        self.assertEqual(read(record(PLACE, encoded_head(one)))[1].memo, {})

    def test_torn(self) -> None:
        """A record with any changed bit, or cut anywhere, is none."""
        value = record(PLACE, encoded_head(head()))
        for at in range(len(value)):
            changed = bytearray(value)
            changed[at] ^= 1 << at % 8
            self.assertRaises(Torn, read, bytes(changed))
            self.assertRaises(Torn, place_of, bytes(changed))
            self.assertRaises(Torn, read, value[:at])

    def test_no_head(self) -> None:
        """A whole record that has no head is none either."""
        self.assertRaises(Torn, read, record(PLACE, b"\x90"))


class NameTests(SynchronousTestCase):
    """Names in the index."""

    @settings(derandomize=True, deadline=None, max_examples=200)
    @given(st.binary(min_size=1, max_size=2000), st.binary(max_size=30), st.integers(0, 2000))
    def test_fits_and_begins(self, key: bytes, variant: bytes, cut: int) -> None:
        """A name fits into LMDB, begins with its key's, and with what every prefix of its key gives."""
        name = name_of(key, variant)
        self.assertLessEqual(len(name), 511)
        self.assertTrue(name.startswith(names_of(key)))
        self.assertTrue(name.startswith(prefix_of(key[:cut])))

    def test_variants_differ(self) -> None:
        """Variants have different names, and so have long keys that differ only at their end."""
        long = b"http://example.com/" + b"a" * 600
        names = {name_of(key, v) for key in (long + b"1", long + b"2") for v in (b"", b"x", b"y")}
        self.assertEqual(len(names), 6)

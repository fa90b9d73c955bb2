"""Tests of HTTP dates."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.dates import read_date, write_date
from gateway_cache.tests.rules import NOW

AUGUST = 2_544_400_878


class DatesTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """All three forms are read, names in any case (RFC 9110 section 5.6.7, RFC 9111 section 4.2)."""
        for value in (
            b"Thu, 18 Aug 2050 02:01:18 GMT",
            b"THU, 18 Aug 2050 02:01:18 GMT",
            b"Thu, 18 AUG 2050 02:01:18 gMT",
            b"Thursday, 18-Aug-50 02:01:18 GMT",
            b"Thu Aug 18 02:01:18 2050",
        ):
            self.assertEqual(read_date(value, NOW), AUGUST, value)
        self.assertEqual(read_date(b"Thu Aug  8 02:01:18 2050", NOW), AUGUST - 10 * 86400)

    def test_far(self) -> None:
        """Dates beyond 32 bits are read."""
        self.assertEqual(read_date(b"Sun, 21 Nov 2286 04:46:39 GMT", NOW), 10_000_039_599)
        self.assertEqual(read_date(b"Tue, 19 Jan 2038 14:14:08 GMT", NOW), 2_147_523_248)

    def test_none(self) -> None:
        """What is no date is none: other zones, forms of nobody's (RFC 9111 sections 4.2 and 5.3)."""
        for value in (
            b"",
            b"0",
            b"-1",
            b"Thu, 18 Aug 2050 02:01:18 UTC",
            b"Thu, 18 Aug 2050 02:01:18 AEST",
            b"Thu, 18 Aug 50 02:01:18 GMT",
            b"Thu 18 Aug 2050 02:01:18 GMT",
            b"Thu, 18  Aug  2050 02:01:18 GMT",
            b"Thu, 18-Aug-2050 02:01:18 GMT",
            b"Thu, 18 Aug 2050 02.01.18 GMT",
            b"Thu, 18 Aug 2050 2:01:18 GMT",
            b"Thu, 31 Feb 2050 02:01:18 GMT",
            b"Thu, 00 Jan 2050 02:01:18 GMT",
            b"Thu, 18 Aug 0000 02:01:18 GMT",
            b"Thu, 18 Aug 2050 24:01:18 GMT",
            b"Thu, 18 Aug 2050 02:60:18 GMT",
            b"Thu, 18 Aug 2050 02:01:61 GMT",
            b"Thu, 18 Aug 2050 02:01:18 GMT\n",
            b"Thu Aug    02:01:18 2050",
        ):
            self.assertIsNone(read_date(value, NOW), value)

    def test_two_digits(self) -> None:
        """A year of two digits is at most 50 years ahead (RFC 9110 section 5.6.7)."""
        ahead = read_date(b"Sunday, 01-Jan-76 00:00:00 GMT", NOW)
        past = read_date(b"Sunday, 01-Jan-78 00:00:00 GMT", NOW)
        assert ahead is not None
        assert past is not None
        self.assertGreater(ahead, NOW)
        self.assertLess(past, NOW)

    @settings(derandomize=True, deadline=None)
    @given(st.integers(0, 250_000_000_000))
    def test_there_and_back(self, seconds: int) -> None:
        """What is written is read as the same second."""
        self.assertEqual(read_date(write_date(seconds), NOW), seconds)

    @settings(derandomize=True, deadline=None)
    @given(st.binary(max_size=45))
    def test_any_bytes(self, value: bytes) -> None:
        """No bytes raise anything."""
        read_date(value, NOW)

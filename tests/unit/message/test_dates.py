"""HTTP dates: written in one form, read in three."""

from __future__ import annotations

from email.utils import formatdate

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.message.dates import http_date, parse_http_date

#: The example of RFC 9110 section 5.6.7.
EXAMPLE = 784111777
NOW = 1_800_000_000.0


class WrittenTests(SynchronousTestCase):
    """C{http_date}."""

    def test_example(self) -> None:
        """The RFC's own example."""
        self.assertEqual(http_date(EXAMPLE), b"Sun, 06 Nov 1994 08:49:37 GMT")
        self.assertEqual(http_date(0), b"Thu, 01 Jan 1970 00:00:00 GMT")

    def test_one_object_a_second(self) -> None:
        """Within a second the same bytes come again; in the next one others do."""
        first = http_date(NOW + 0.1)
        self.assertIs(http_date(NOW + 0.9), first)
        self.assertNotEqual(http_date(NOW + 1), first)

    def test_beyond_the_calendar(self) -> None:
        """A moment that no date can name is an error, not a wrong date."""
        self.assertRaises(ValueError, http_date, 1e12)

    @settings(deadline=None, derandomize=True)
    @given(st.integers(0, 253_402_300_799))
    def test_round_trip(self, seconds: int) -> None:
        """Every moment is written as the standard library writes it, and read again."""
        self.assertEqual(http_date(seconds), formatdate(seconds, usegmt=True).encode())
        self.assertEqual(parse_http_date(http_date(seconds), NOW), seconds)


class ReadTests(SynchronousTestCase):
    """C{parse_http_date}."""

    def test_three_forms(self) -> None:
        """All three forms of the RFC's example are one moment, as bytes and as text."""
        for form in (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ):
            self.assertEqual(parse_http_date(form, NOW), EXAMPLE, form)
            self.assertEqual(parse_http_date(form.encode(), NOW), EXAMPLE, form)

    def test_two_digit_years(self) -> None:
        """A year more than 50 years ahead is one of the last century (RFC 9110 section 5.6.7)."""
        now = 1_767_225_600.0  # 2026-01-01
        for digits, year in {"26": 2026, "75": 2075, "77": 1977, "00": 2000, "99": 1999}.items():
            found = parse_http_date(f"Sunday, 06-Nov-{digits} 08:49:37 GMT", now)
            self.assertEqual(
                found, parse_http_date(f"Sun, 06 Nov {year} 08:49:37 GMT", now), digits
            )
        in_1999 = 915_148_800.0
        self.assertEqual(
            parse_http_date("Sunday, 06-Nov-05 08:49:37 GMT", in_1999),
            parse_http_date("Sun, 06 Nov 2005 08:49:37 GMT", in_1999),
        )
        self.assertIsNone(parse_http_date("Sunday, 31-Feb-05 08:49:37 GMT", now))

    def test_leap_second(self) -> None:
        """A leap second is the end of its minute."""
        self.assertEqual(
            parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT", NOW),
            parse_http_date("Sat, 31 Dec 2016 23:59:59 GMT", NOW),
        )

    def test_not_dates(self) -> None:
        """What is no date in one of the three forms is none at all."""
        for value in (
            "",
            "0",
            "now",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "sun, 06 nov 1994 08:49:37 gmt",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 0000 08:49:37 GMT",
            " Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT\n",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
        ):
            self.assertIsNone(parse_http_date(value, NOW), value)

"""Sizes and durations, read and written."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.faults import BadValue
from gateway.config.units import (
    BYTES,
    MAX_BYTES,
    MAX_SECONDS,
    SECONDS,
    duration,
    duration_text,
    size,
    size_text,
)


class DurationTests(SynchronousTestCase):
    """Durations come out as seconds."""

    def test_units(self) -> None:
        """Every unit counts as it says, and a fraction counts too."""
        cases = {
            "500ms": 0.5,
            "30s": 30.0,
            "1.5s": 1.5,
            "5m": 300.0,
            "2h": 7200.0,
            "1d": 86400.0,
            "30 s": 30.0,
        }
        for text, seconds in cases.items():
            self.assertEqual(duration(text), seconds, text)

    def test_bare_zero(self) -> None:
        """Nothing is nothing in every unit, so a zero needs none."""
        self.assertEqual([duration("0"), duration("0s"), duration("0.0")], [0.0, 0.0, 0.0])

    def test_refused(self) -> None:
        """What has no unit, an unknown one, a sign, an exponent or foreign digits is no duration."""
        for text in (
            "30",
            "30 ",
            "30x",
            "-1s",
            "+1s",
            "1e3s",
            "",
            "s",
            ".5s",
            "1,5s",
            "٣s",
            "30S",
            "1h30m",
            "nan",
        ):
            with self.assertRaises(BadValue, msg=text):
                duration(text)

    def test_too_long(self) -> None:
        """More than ten years is a slip of the pen."""
        self.assertEqual(duration("3650d"), MAX_SECONDS)
        with self.assertRaises(BadValue):
            duration("3651d")

    def test_missing_unit_is_explained(self) -> None:
        """A missing unit is answered with what to write."""
        fault = self.assertRaises(BadValue, duration, "30")
        self.assertEqual(fault.mend, '"30s" for seconds')

    @settings(deadline=None)
    @given(st.integers(1, 10**9), st.sampled_from(sorted(SECONDS)))
    def test_round_trip(self, number: int, unit: str) -> None:
        """What is written for a duration is read back as the same one."""
        if number * SECONDS[unit] > MAX_SECONDS:
            number = 1
        seconds = duration(f"{number}{unit}")
        self.assertEqual(duration(duration_text(seconds)), seconds)

    def test_written_short(self) -> None:
        """The largest unit that leaves no rest is written, minutes only from ten on."""
        cases = {
            0.0: "0s",
            0.5: "500ms",
            30.0: "30s",
            180.0: "180s",
            300.0: "300s",
            900.0: "15m",
            3600.0: "1h",
        }
        for seconds, text in cases.items():
            self.assertEqual(duration_text(seconds), text)


class SizeTests(SynchronousTestCase):
    """Sizes come out as bytes."""

    def test_units(self) -> None:
        """The units with an i count in 1024, the others in 1000."""
        cases = {
            "64KiB": 65536,
            "2GiB": 2147483648,
            "10MB": 10_000_000,
            "1kB": 1000,
            "1KB": 1000,
            "512": 512,
            "512B": 512,
            "1.5KiB": 1536,
            "0": 0,
        }
        for text, count in cases.items():
            self.assertEqual(size(text), count, text)

    def test_refused(self) -> None:
        """What could be taken for something else, and what is no whole number of bytes, is no size."""
        for text in (
            "2G",
            "2Gb",
            "2gib",
            "-1",
            "",
            "KiB",
            "1.3B",
            "0.0001KiB",
            "1e6",
            "1 000",
            "9999999TiB",
        ):
            with self.assertRaises(BadValue, msg=text):
                size(text)

    def test_lone_letter_is_explained(self) -> None:
        """A unit of one letter is answered with the two that it may mean."""
        fault = self.assertRaises(BadValue, size, "2g")
        self.assertEqual(fault.mend, '"2GiB" counts in 1024, "2GB" in 1000')

    @settings(deadline=None)
    @given(st.integers(0, MAX_BYTES))
    def test_round_trip(self, count: int) -> None:
        """What is written for a size is read back as the same one."""
        self.assertEqual(size(size_text(count)), count)

    @settings(deadline=None)
    @given(st.integers(1, 1000), st.sampled_from(sorted(BYTES)))
    def test_text_is_never_longer_than_the_digits(self, number: int, unit: str) -> None:
        """A size written with a unit is written with one again, if that says it exactly."""
        count = number * BYTES[unit]
        self.assertLessEqual(len(size_text(count)), max(len(str(count)), len(f"{number}{unit}")))

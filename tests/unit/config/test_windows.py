"""Tests of L{gateway.config.windows}: times of maintenance."""

from __future__ import annotations

import os
import time
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.faults import BadValue
from gateway.config.windows import window
from tests.effort import examples


def moment(text: str) -> float:
    """Give seconds since 1970 of a local time."""
    return datetime.fromisoformat(text).timestamp()


class WindowTests(SynchronousTestCase):
    """What is in which window, and until when."""

    def until(self, text: str, at: str) -> str | None:
        """Say until when, in local time."""
        end = window(text).end(moment(at))
        return None if end is None else datetime.fromtimestamp(end).isoformat(" ", "minutes")

    def test_weekly(self) -> None:
        """A weekly one is on its day alone; its end is outside."""
        text = "Sun 02:00-04:00"
        self.assertEqual(self.until(text, "2026-11-22 02:00"), "2026-11-22 04:00")
        self.assertEqual(self.until(text, "2026-11-22 03:59:59"), "2026-11-22 04:00")
        self.assertIsNone(self.until(text, "2026-11-22 04:00"))
        self.assertIsNone(self.until(text, "2026-11-22 01:59:59"))
        self.assertIsNone(self.until(text, "2026-11-23 03:00"))

    def test_over_midnight(self) -> None:
        """One over midnight belongs to the day on which it begins."""
        text = "Mon-Fri 22:00-02:00"
        self.assertEqual(self.until(text, "2026-11-28 01:00"), "2026-11-28 02:00")
        self.assertIsNone(self.until(text, "2026-11-28 23:00"))
        self.assertIsNone(self.until(text, "2026-11-23 01:00"))
        self.assertEqual(self.until(text, "2026-11-23 23:30"), "2026-11-24 02:00")

    def test_days(self) -> None:
        """Days are ranges, over the end of the week too, lists, long names, or all."""
        for text, days in (
            ("Sat-Mon 00:00-24:00", {5, 6, 0}),
            ("Tue,Thu 00:00-24:00", {1, 3}),
            ("tuesday, Sat-Sun 00:00-24:00", {1, 5, 6}),
            ("00:00-24:00", set(range(7))),
            ("daily 00:00 - 24:00", set(range(7))),
            ("Wed-Wed 00:00-24:00", {2}),
        ):
            self.assertEqual(window(text).days, days, text)
        self.assertEqual(self.until("Wed 00:00-24:00", "2026-11-25 23:59"), "2026-11-26 00:00")

    def test_once(self) -> None:
        """One from a moment to another comes once."""
        text = "2026-12-01 22:00/2026-12-02 02:00"
        self.assertIsNone(self.until(text, "2026-12-01 21:59"))
        self.assertEqual(self.until(text, "2026-12-01 22:00"), "2026-12-02 02:00")
        self.assertIsNone(self.until(text, "2026-12-02 02:00"))
        self.assertEqual(
            self.until("2026-12-01 02:00/04:00", "2026-12-01 03:00"), "2026-12-01 04:00"
        )

    def test_summer_time(self) -> None:
        """Where the clock is put forward or back a window goes by what it shows."""
        before = os.environ.get("TZ")
        os.environ["TZ"] = "Europe/Berlin"
        time.tzset()
        try:
            self.assertEqual(self.until("Sun 01:00-05:00", "2026-03-29 01:30"), "2026-03-29 05:00")
            self.assertEqual(self.until("Sun 01:00-05:00", "2026-10-25 04:30"), "2026-10-25 05:00")
        finally:
            if before is None:
                del os.environ["TZ"]
            else:
                os.environ["TZ"] = before
            time.tzset()

    def test_clocks_that_are_wrong(self) -> None:
        """A clock that shows no time there can be is in no window."""
        for at in (-1e18, 1e18, float("inf"), float("nan")):
            self.assertIsNone(window("02:00-04:00").end(at))

    def test_same(self) -> None:
        """What was written the same is the same, and is written as it was."""
        self.assertEqual(window("Sun 02:00-04:00"), window("Sun 02:00-04:00"))
        self.assertEqual(str(window(" Sun 02:00-04:00 ")), "Sun 02:00-04:00")

    def test_wrong(self) -> None:
        """What is none says what is wrong, and what to write."""
        for text, message, mend in (
            ("sometimes", '"sometimes" is no time of maintenance', '"Sun 02:00-04:00"'),
            ("", '"" is no time of maintenance', '"Mon-Fri 22:00-02:00"'),
            ("Sun 2-4", "is no time of maintenance", '"02:00-04:00"'),
            ("Sunn 02:00-04:00", '"Sunn" is no day of the week', 'did you mean "Sun"?'),
            ("Xyz 02:00-04:00", '"Xyz" is no day of the week', "Mon, Tue, Wed"),
            ("Mon- 02:00-04:00", '"" is no day of the week', "Mon, Tue, Wed"),
            ("Sun 02:60-04:00", '"02:60" is no time of day', 'from "00:00" to "24:00"'),
            ("Sun 25:00-26:00", '"25:00" is no time of day', "24:00"),
            ("Sun 24:00-02:00", "begins at 24:00", "00:00"),
            ("Sun 02:00-02:00", "lasts no time", '"00:00-24:00"'),
            (
                "2026-12-02 22:00/2026-12-01 02:00",
                "ends before it begins",
                "the day on which it ends",
            ),
            ("2026-13-01 22:00/2026-13-02 02:00", '"2026-13-01" is no date', '"2026-12-01"'),
            ("2026-12-01 22:00/02:00", "ends before it begins", "the day on which it ends"),
        ):
            error = self.assertRaises(BadValue, window, text)
            self.assertIn(message, error.message)
            self.assertIn(mend, error.mend)

    @given(st.text("0123456789:-/, SunMoTdayxl", max_size=40))
    @settings(max_examples=examples(500), deadline=None)
    def test_any_text(self, text: str) -> None:
        """Whatever is written is read or refused, and what is read has an end in the future or none."""
        try:
            made = window(text)
        except BadValue:
            return
        end = made.end(1.7e9)
        self.assertTrue(end is None or end > 1.7e9)

"""Tests of the picture in a digest."""

from __future__ import annotations

import io

from PIL import Image
from twisted.trial.unittest import SynchronousTestCase

from gateway_mail.chart import bars, described, draw
from gateway_mail.letters import letter
from gateway_mail.tests.notices import alarm, notice


class ChartTests(SynchronousTestCase):
    """L{gateway_mail.chart}."""

    def test_bars(self) -> None:
        """The longest comes first, the same kind counts once, and there are not too many."""
        odd = [alarm(None, name=f"odd_{number:02}", count=number + 1) for number in range(30)]
        told = letter(notice(alarm(count=900), alarm(count=100), *odd, is_digest=True))
        shown = bars(told)
        self.assertEqual(shown[0], ("malware found", 1000, "error"))
        self.assertEqual(shown[1], ("odd 29", 30, "info"))
        self.assertEqual(len(shown), 12)

    def test_words(self) -> None:
        """For whoever does not see it the numbers are said."""
        told = letter(notice(alarm(count=1200), is_digest=True))
        self.assertEqual(described(told), "Bar chart of events by kind. malware found: 1,200")

    def test_lengths(self) -> None:
        """Bars are as long as counts are large, and what is drawn is a PNG of a few kilobytes."""
        told = letter(notice(alarm(count=200), alarm(None, name="odd", count=100), is_digest=True))
        stored = draw(told)
        self.assertLess(len(stored), 20_000)
        picture = Image.open(io.BytesIO(stored))
        self.assertEqual(picture.format, "PNG")
        shown = picture.convert("RGB")
        wide = [
            sum(_is_coloured(shown.getpixel((x, y))) for x in range(shown.width))
            for y in (2 * (16 + 17), 2 * (16 + 34 + 17))
        ]
        self.assertLess(abs(wide[0] / wide[1] - 2), 0.1)

    def test_reminders_only(self) -> None:
        """A digest that stands for no event has a picture, too."""
        told = letter(notice(alarm(count=0), is_digest=True))
        self.assertTrue(draw(told).startswith(b"\x89PNG"))

    def test_odd_titles(self) -> None:
        """Titles in letters that the font does not have, and long ones, do no harm."""
        told = letter(
            notice(alarm(None, name="文" * 300), alarm(None, name="x" * 300), is_digest=True)
        )
        self.assertTrue(draw(told).startswith(b"\x89PNG"))


def _is_coloured(pixel: object) -> bool:
    assert isinstance(pixel, tuple)
    return bool(max(pixel) - min(pixel) > 60)

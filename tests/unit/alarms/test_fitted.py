"""Tests of what becomes of events that are too long, or can't be written."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.fitted import MOST_SUBJECT, MOST_TEXT, MOST_VALUES, fitted
from gateway.api.events import Event, Severity


def event(text: str = "text", subject: str = "a", **values: str) -> Event:
    """Make an event."""
    return Event("x", Severity.INFO, text, subject, values)


class FittedTests(SynchronousTestCase):
    """Events on their way in."""

    def test_fits(self) -> None:
        """What is within the bounds stays as it is, whatever the script."""
        one = event(url="u" * MOST_TEXT)
        self.assertIs(fitted(one), one)
        one = event("Übel 悪い", "клиент", url="é" * MOST_TEXT)
        self.assertEqual(fitted(one), one)

    def test_long(self) -> None:
        """Texts and details are cut and say so; there are not too many of them."""
        many = {f"n{number}": "v" for number in range(1000)}
        found = fitted(event("t" * 100_000, "a", **{"u" * 300: "v" * 100_000}, **many))
        self.assertEqual(found.text, "t" * (MOST_TEXT - 1) + "…")
        self.assertEqual(len(found.values), MOST_VALUES)
        self.assertLessEqual(max(map(len, found.values)), 100)
        self.assertLessEqual(max(map(len, found.values.values())), MOST_TEXT)

    def test_subjects(self) -> None:
        """Long subjects are cut, stay apart, and an end fits its beginning."""
        one, other = (fitted(event(subject="s" * 10_000 + end)).subject for end in "ab")
        self.assertNotEqual(one, other)
        self.assertLessEqual(len(one), MOST_SUBJECT)
        self.assertEqual(one, fitted(event("over", "s" * 10_000 + "a")).subject)

    def test_surrogates(self) -> None:
        """What has no place in UTF-8 is written as its number, wherever it stands and however much of it there is."""
        found = fitted(event("a\udcff", "\ud800" * 400, **{"n\udcff": "v\udcff"}))
        self.assertEqual((found.text, found.values), ("a\\udcff", {"n\\udcff": "v\\udcff"}))
        self.assertLessEqual(len(found.subject.encode()), MOST_SUBJECT + 2)

    def test_not_texts(self) -> None:
        """A plugin that puts in numbers is understood."""
        found = fitted(Event("x", Severity.INFO, "text", 5, {"count": 7}))  # type: ignore[arg-type, dict-item]
        self.assertEqual((found.subject, found.values), ("5", {"count": "7"}))

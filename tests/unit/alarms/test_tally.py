"""Tests of counting subjects in little room."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.tally import MOST_COUNTED, MOST_SHOWN, Subjects
from tests.effort import examples

#: Some that are frequent, and many that are not.
STREAMS = st.lists(
    st.one_of(st.integers(0, 5), st.integers(0, 5), st.integers(6, 2000)).map(str), max_size=3000
)


class SubjectsTests(SynchronousTestCase):
    """Subjects that clients choose."""

    @given(STREAMS, st.integers(0, 1500))
    @settings(max_examples=examples(100), deadline=None)
    def test_any(self, stream: list[str], flood: int) -> None:
        """Whoever is more than a hundredth of all is there, no number is too high, and there are never too many."""
        stream = [*stream, *(f"flood{number}" for number in range(flood))]
        subjects = Subjects()
        for one in stream:
            subjects.add(one)
        truth = Counter(stream)
        self.assertLessEqual(len(subjects.counts), MOST_COUNTED)
        self.assertEqual(sum(subjects.counts.values()), len(stream))
        for subject, count in truth.items():
            self.assertLessEqual(count, subjects.counts.get(subject, min(subjects.counts.values())))
            if count > len(stream) / MOST_COUNTED:
                self.assertIn(subject, subjects.counts)
        shown = subjects.most()
        self.assertLessEqual(len(shown), MOST_SHOWN)
        for subject, count in shown.items():
            self.assertLessEqual(count, truth[subject])

    def test_cost(self) -> None:
        """In a flood of subjects not all that are counted are looked at for each."""
        looks = []

        class Counts(dict[str, int]):
            def values(self) -> Any:
                """Note that all are looked at."""
                looks.append(len(self))
                return super().values()

        subjects = Subjects()
        subjects.counts = Counts()
        for number in range(10 * MOST_COUNTED):
            subjects.add(str(number))
        self.assertEqual(len(looks), 9)

"""
Counting events that are told together: exactly how many, and of whom the most, in little room.

Whom an event is about may be what clients choose, such as addresses, so only L{MOST_COUNTED} are counted at a time; one more
takes the place of the least frequent (Metwally and others, "space-saving", 2005), so those that are much of all are never
lost. What a place had counted for others before is taken off again: a number that is shown is never too high.
"""

from __future__ import annotations

from gateway.api.alarms import Alarm, AlarmState
from gateway.api.events import Event, EventType

#: Subjects of an alarm that are shown.
MOST_SHOWN = 20
#: Subjects that are counted; more than are shown, so that the shown ones are exact in all but a flood.
MOST_COUNTED = 100


class Subjects:
    """
    How many events were about what.

    @ivar counts: by subject, the count that the place had before included.
    @ivar before: those counts, where there were any.
    """

    __slots__ = ("_least", "before", "counts")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.before: dict[str, int] = {}
        # Those that had the least count when that was looked for last, the oldest at the end: a flood of subjects would else
        # look at all of them each time.
        self._least: list[tuple[str, int]] = []

    def add(self, subject: str) -> None:
        """Count one."""
        counts = self.counts
        if subject in counts:
            counts[subject] += 1
        elif len(counts) < MOST_COUNTED:
            counts[subject] = 1
        else:
            least = self._take_least()
            count = counts.pop(least)
            self.before.pop(least, None)
            counts[subject] = count + 1
            self.before[subject] = count

    def _take_least(self) -> str:
        """Find one of those with the least count."""
        counts = self.counts
        while True:
            while self._least:
                subject, count = self._least.pop()
                # Counts only grow, so one that has not is still among the least.
                if counts.get(subject) == count:
                    return subject
            count = min(counts.values())
            self._least = [(one, count) for one, found in counts.items() if found == count]
            self._least.reverse()

    def most(self) -> dict[str, int]:
        """Give the most frequent ones, the first one first; each has at least so many."""
        before = self.before
        sure = {subject: count - before.get(subject, 0) for subject, count in self.counts.items()}
        return most_of(sure)


def most_of(counts: dict[str, int]) -> dict[str, int]:
    """Give the L{MOST_SHOWN} most frequent subjects, the first one first."""
    if len(counts) <= 1:
        return dict(counts)
    found = sorted(counts.items(), key=lambda item: -item[1])
    return dict(found[:MOST_SHOWN])


class Tally:
    """
    Events of one type that are told together.

    @ivar id: of the alarm to come.
    @ivar event: the last one of the highest severity: a certificate that ends tomorrow is not hidden by one that has a month.
    """

    __slots__ = ("count", "event", "first", "id", "last", "subjects")

    def __init__(self, id: str, event: Event, at: float) -> None:
        """
        Begin with one.

        @param at: wall-clock time, seconds since 1970; it may go backwards from one event to the next.
        """
        self.id = id
        self.event = event
        self.count = 1
        self.first = at
        self.last = at
        self.subjects = Subjects()
        if event.subject:
            self.subjects.add(event.subject)

    def add(self, event: Event, at: float) -> None:
        """Count another one."""
        self.count += 1
        severity = self.event.severity
        if event.severity is severity or event.severity.rank > severity.rank:
            self.event = event
        if at > self.last:
            self.last = at
        elif at < self.first:
            self.first = at
        if event.subject:
            self.subjects.add(event.subject)

    def alarm(self, kind: EventType | None) -> Alarm:
        """Say it."""
        return Alarm(
            self.id,
            self.event,
            kind,
            AlarmState.SINGLE,
            self.count,
            self.first,
            self.last,
            self.subjects.most(),
        )

"""
One state of one subject, such as an origin that is down: what the receiver knows of it and what is true; and what is said of
several.
"""

from __future__ import annotations

from math import inf

from gateway.alarms.family import Lane
from gateway.alarms.kept import KeptEvent, KeptState
from gateway.alarms.tally import Tally, most_of
from gateway.api.alarms import Alarm, AlarmState
from gateway.api.events import Event, EventType


class State:
    """
    One subject's.

    @ivar id: of the alarm of what is counted now.
    @ivar begun: the name of the alarm that told the beginning, which reminders are named after.
    @ivar event: the last beginning.
    @ivar over: the last end.
    @ivar since: when it began.
    @ivar first: when the first of what is counted was, and C{last}.
    @ivar count: events that were not told.
    @ivar hushed: those of them that maintenance explains if nothing is left of them at its end.
    @ivar is_down: it is so now.
    @ivar is_told: the receiver thinks so.
    @ivar lane: where it waits to be told; C{None}: nothing is to be told.
    @ivar rank: the severity that was told, or is about to be.
    @ivar told_at: when it was told last, by the clock.
    @ivar repeat_at: when it is told again; not at all: it is not told yet, or goes back to before a restart.
    @ivar repeats: reminders so far.
    @ivar is_due: it is to be told because it lasts.
    @ivar is_unsure: it goes back to before a restart, and nobody has raised it since.
    """

    __slots__ = (
        "begun",
        "count",
        "event",
        "first",
        "hushed",
        "id",
        "is_down",
        "is_due",
        "is_told",
        "is_unsure",
        "lane",
        "last",
        "over",
        "rank",
        "repeat_at",
        "repeats",
        "since",
        "subject",
        "told_at",
    )

    def __init__(self, subject: str, event: Event, at: float, id: str) -> None:
        self.subject = subject
        self.event = event
        self.id = self.begun = id
        self.over: Event | None = None
        self.since = self.first = self.last = at
        self.count = self.hushed = self.repeats = 0
        self.rank = -1
        self.is_down = self.is_told = self.is_due = self.is_unsure = False
        self.lane: Lane | None = None
        self.told_at = -inf
        self.repeat_at = inf

    def add(self, at: float, id: str, *, is_hushed: bool) -> None:
        """Count an event."""
        if not self.count and not self.hushed:
            self.id = id
            self.first = self.last = at
        elif at > self.last:
            self.last = at
        elif at < self.first:
            self.first = at
        if is_hushed:
            self.hushed += 1
        else:
            # What maintenance did not end while it lasted is no matter of its any more.
            self.count += 1 + self.hushed
            self.hushed = 0

    def next_id(self) -> str:
        """Name the alarm that tells it now: after its first event, or after its beginning if nothing happened since."""
        if self.count or not self.is_due:
            return self.id
        self.repeats += 1
        return f"{self.begun}-{self.repeats}"

    def kept(self) -> KeptState:
        """Give what has to be remembered."""
        return KeptState(
            self.subject,
            KeptEvent.of(self.event),
            self.id,
            self.begun,
            self.since,
            self.first,
            self.last,
            count=self.count,
            hushed=self.hushed,
            is_down=self.is_down,
            is_told=self.is_told,
            over=None if self.over is None else KeptEvent.of(self.over),
            rank=self.rank,
            lane=self.lane or "",
            repeats=self.repeats,
        )

    @classmethod
    def restored(cls, kept: KeptState) -> State:
        """
        Make it of what was remembered; in which lane it waits is for others to say.

        @raise ValueError: it makes no sense.
        """
        state = cls(kept.subject, kept.event.event(), kept.since, kept.id)
        state.begun, state.first, state.last = kept.begun, kept.first, kept.last
        state.count, state.hushed, state.repeats = kept.count, kept.hushed, kept.repeats
        state.is_down, state.is_told, state.rank = kept.is_down, kept.is_told, kept.rank
        state.over = None if kept.over is None else kept.over.event()
        state.is_unsure = state.is_down
        if not state.is_down and state.over is None:
            raise ValueError(f"{state.subject} is over without an end")
        return state


def down_alarm(states: list[State], rest: Tally | None, kind: EventType | None) -> Alarm:
    """
    Say that states have begun, or go on.

    @param states: those that are to be told, in their order; some may be known to the receiver already.
    @param rest: what was counted of states that are forgotten; without states there is some.
    @param kind: of the beginning.
    """
    begun = [state for state in states if not state.is_told]
    counts = {state.subject: state.count for state in states}
    firsts = [min(state.since, state.first) if state.is_told else state.first for state in states]
    lasts = [state.last for state in states]
    total = sum(counts.values())
    if rest is not None:
        firsts.append(rest.first)
        lasts.append(rest.last)
        total += rest.count
    if states:
        event = max(begun or states, key=lambda state: state.last).event
        id = (begun or states)[0].next_id()
    else:
        assert rest is not None
        event, id = rest.event, rest.id
    return Alarm(
        id,
        event,
        kind,
        AlarmState.GOES_ON if states and not begun else AlarmState.BEGUN,
        total,
        min(firsts),
        max(lasts),
        _shown(counts),
    )


def over_alarm(states: list[State], kind: EventType | None, over: Event) -> Alarm:
    """
    Say that states are over.

    @param kind: of the end.
    @param over: the end that is shown.
    """
    counts = {state.subject: state.count for state in states}
    return Alarm(
        states[0].id,
        over,
        kind,
        AlarmState.OVER,
        sum(counts.values()),
        min(min(state.since, state.first) for state in states),
        max(state.last for state in states),
        _shown(counts),
    )


def last_end(states: list[State]) -> Event:
    """Give the last of the ends of states that are over."""
    _, found = max(
        ((state.last, state.over) for state in states if state.over is not None),
        key=lambda one: one[0],
    )
    return found


def _shown(counts: dict[str, int]) -> dict[str, int]:
    return most_of({subject: count for subject, count in counts.items() if subject})

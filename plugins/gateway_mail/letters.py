"""
The facts of a mail: what templates write of a notice, once as text and once as HTML.

All of it is harmless already (L{gateway_mail.harmless}): one line each, and no links. Times are in UTC. Knows no mail and no template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.api.alarms import Alarm, AlarmState, Notice
from gateway_mail.harmless import one_line, unlinked

#: How much is told of one value, and how many subjects, by how many alarms there are: a mail has an end.
_ROOM: Final = ((1, 1000, 20), (10, 300, 20), (10_000, 120, 5))

_STATES: Final[Mapping[AlarmState, str]] = {
    AlarmState.SINGLE: "",
    AlarmState.BEGUN: "begun",
    AlarmState.GOES_ON: "goes on",
    AlarmState.OVER: "over",
}

#: What the first and the last time are, of a state that did not just begin.
_TIMES: Final = {
    AlarmState.GOES_ON: ("since", "last"),
    AlarmState.OVER: ("began", "ended"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One fact with its name."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class About:
    """How many of the events were about what."""

    subject: str
    count: int


@dataclass(frozen=True, slots=True)
class Told:
    """
    One alarm.

    @ivar name: of the event.
    @ivar title: a few words.
    @ivar severity: C{"info"}, C{"warning"} or C{"error"}.
    @ivar state: what it says of a state, in words; empty: it is of none.
    @ivar count: how many events it stands for; 0: it only reminds of a state that lasts.
    @ivar first: when the first of them was; C{last} the last.
    @ivar text: one sentence of the last event.
    @ivar subject: what the last event is about; empty: nothing in particular.
    @ivar about: what they were about, the most frequent first, if there are several of them.
    @ivar about_others: how many events were about what is not in C{about}.
    @ivar values: details of the last event, by name; empty texts for those that it left out of what its type may have.
    @ivar act: what to do, as the type of the event says; empty: nobody has said it.
    @ivar paragraphs: what the template of the event makes of it, for the reader.
    @ivar rows: all facts but text and paragraphs, with their names.
    """

    name: str
    title: str
    severity: str
    state: str
    count: int
    first: str
    last: str
    text: str
    subject: str
    about: tuple[About, ...]
    about_others: int
    values: Mapping[str, str]
    act: str
    rows: tuple[Row, ...]
    is_test: bool
    paragraphs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Letter:
    """
    One mail.

    @ivar alarms: of a digest one or more, else one.
    @ivar count: how many events it stands for in all.
    @ivar severity: the highest of all.
    @ivar since: when what is in it began; C{until} when it was closed.
    @ivar prefix: what each subject begins with; may be empty.
    @ivar picture: where the picture of a digest is found, C{cid:...}; empty: there is none.
    @ivar picture_text: says what the picture shows.
    """

    alarms: tuple[Told, ...]
    is_digest: bool
    is_test: bool
    count: int
    severity: str
    node: str
    since: str
    until: str
    prefix: str = ""
    picture: str = ""
    picture_text: str = ""

    @property
    def alarm(self) -> Told:
        """The first alarm."""
        return self.alarms[0]


def letter(notice: Notice, prefix: str = "") -> Letter:
    """Give the facts of a notice."""
    most, subjects = next(room[1:] for room in _ROOM if len(notice.alarms) <= room[0])
    told = tuple(_told(alarm, most, subjects) for alarm in notice.alarms)
    worst = max((alarm.event.severity for alarm in notice.alarms), key=lambda one: one.rank)
    return Letter(
        alarms=told,
        is_digest=notice.is_digest,
        is_test=any(alarm.is_test for alarm in notice.alarms),
        count=sum(alarm.count for alarm in notice.alarms),
        severity=worst.value,
        node=unlinked(one_line(notice.node, 255)),
        since=when(notice.since),
        until=when(notice.until),
        prefix=prefix,
    )


def when(seconds: float) -> str:
    """Write a time, C{2026-11-22 14:32:08 UTC}."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "unknown"


def _told(alarm: Alarm, most: int, subjects: int) -> Told:
    event, kind = alarm.event, alarm.type

    def fit(text: str) -> str:
        return unlinked(one_line(text, most))

    title = kind.title if kind is not None else event.name.replace("_", " ")
    about, others = _about(alarm, most, subjects)
    details = {unlinked(one_line(name, 100)): fit(value) for name, value in event.values.items()}
    left_out = {one.name: "" for one in kind.fields} if kind is not None else {}
    subject = fit(event.subject)
    name = re.sub(r"[^a-z0-9_]", "_", event.name[:100].lower())
    state = _STATES[alarm.state]
    first, last = when(alarm.first), when(alarm.last)
    rows = [Row("event", name), Row("severity", event.severity.value)]
    if state:
        rows.append(Row("state", state))
    if alarm.count:
        rows.append(Row("count", f"{alarm.count:,}"))
    if first == last:
        rows.append(Row("time", last))
    else:
        begin, end = _TIMES.get(alarm.state, ("first", "last"))
        rows += [Row(begin, first), Row(end, last)]
    if subject:
        label = one_line(kind.subject, 100) if kind is not None and kind.subject else "about"
        rows.append(Row(label, subject))
    rows += [Row(key, value) for key, value in details.items()]
    return Told(
        name=name,
        title=unlinked(one_line(title, 100)),
        severity=event.severity.value,
        state=state,
        count=alarm.count,
        first=first,
        last=last,
        text=fit(event.text),
        subject=subject,
        about=about,
        about_others=others,
        values={**left_out, **details},
        act=one_line(kind.act if kind is not None else "", 2000),
        rows=tuple(rows),
        is_test=alarm.is_test,
    )


def _about(alarm: Alarm, most: int, subjects: int) -> tuple[tuple[About, ...], int]:
    """Give what several events were about; of one alone its subject is told anyhow."""
    counts = sorted(alarm.subjects.items(), key=lambda one: (-one[1], one[0]))
    named = [(subject, count) for subject, count in counts if subject][:subjects]
    if alarm.count == 1 or not named:
        return (), 0
    about = tuple(About(unlinked(one_line(subject, most)), count) for subject, count in named)
    return about, max(0, alarm.count - sum(count for _, count in named))

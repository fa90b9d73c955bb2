"""Alarms and notices for tests, with as little said as a test needs."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.api import Alarm, AlarmState, Event, EventGroup, EventType, Notice, Severity

#: 2023-11-14T22:13:20 UTC.
THEN = 1_700_000_000.0

KIND = EventType(
    name="file_refused",
    severity=Severity.WARNING,
    group=EventGroup.SECURITY,
    title="a file was refused",
    when="Each time.",
    act="Look.",
    subject="the client's address",
)


def alarm(
    text: str = "a file was refused",
    subject: str = "192.0.2.7",
    *,
    kind: EventType | None = KIND,
    state: AlarmState = AlarmState.SINGLE,
    count: int = 1,
    is_test: bool = False,
    values: Mapping[str, str] | None = None,
) -> Alarm:
    """Make an alarm."""
    event = Event("file_refused", Severity.WARNING, text, subject, values or {})
    return Alarm("7f3a-1", event, kind, state, count, THEN - 2, THEN, {subject: count}, is_test)


def notice(*alarms: Alarm, attempt: int = 1, is_digest: bool = False) -> Notice:
    """Make a notice."""
    given = alarms or (alarm(),)
    return Notice("n-1", given, is_digest, attempt, "gw1.example.com", THEN - 2, THEN)

"""Notices as the gateway gives them, for tests."""

from __future__ import annotations

from typing import Any

from gateway.api.alarms import Alarm, AlarmState, Notice
from gateway.api.catalogue import CATALOGUE
from gateway.api.events import Event, EventType, Severity

#: 2026-11-22 14:32:08 UTC.
THEN = 1795357928.0

FOUND = CATALOGUE["malware_found"]


def alarm(
    kind: EventType | None = FOUND,
    text: str = "Eicar-Signature in a download of 192.0.2.7",
    subject: str = "192.0.2.7",
    *,
    name: str = "",
    severity: Severity | None = None,
    values: dict[str, str] | None = None,
    **more: Any,
) -> Alarm:
    """
    Make an alarm.

    @param kind: C{None}: nobody has described it.
    @param more: of L{Alarm}, in place of what is usual.
    """
    made = Event(
        name or (kind.name if kind is not None else "something_odd"),
        severity or (kind.severity if kind is not None else Severity.INFO),
        text,
        subject,
        values or {},
    )
    said: dict[str, Any] = {
        "id": "a1",
        "state": AlarmState.SINGLE,
        "count": 1,
        "first": THEN,
        "last": THEN,
    }
    return Alarm(event=made, type=kind, **{**said, **more})


def notice(*alarms: Alarm, **more: Any) -> Notice:
    """Make a notice; without alarms of one."""
    said: dict[str, Any] = {
        "id": "n1",
        "is_digest": False,
        "attempt": 1,
        "node": "proxy1.example.com",
        "since": THEN,
        "until": THEN,
    }
    return Notice(alarms=alarms or (alarm(),), **{**said, **more})

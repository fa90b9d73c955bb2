"""
Messages as JSON: one object in one line, with the names that C{docs/syslog.md} explains.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.api import Alarm, Notice
from gateway_syslog.texts import Room, encoded, stamp

#: Grows when a member goes or means something else; members are added without.
VERSION = 1


def message(alarm: Alarm, notice: Notice, room: Room) -> bytes:
    """Write an alarm, without a head of syslog; nothing in it ends a line."""
    event, kind = alarm.event, alarm.type
    made: dict[str, Any] = {
        "version": VERSION,
        "id": alarm.id[:64],
        "time": stamp(alarm.last),
        "node": notice.node[:255],
        "event": room.cut(event.name),
        "state": alarm.state.value,
        "severity": event.severity.value,
    }
    if kind is not None:
        made |= {"group": kind.group.value, "title": room.cut(kind.title)}
    if event.subject:
        made["subject"] = room.cut(event.subject)
    made |= {
        "text": room.cut(event.text),
        "count": alarm.count,
        "first": stamp(alarm.first),
        "last": stamp(alarm.last),
        "attempt": notice.attempt,
    }
    if room.has_details:
        made["fields"] = {name: room.cut(value) for name, value in event.values.items()}
        if alarm.count > 1:
            made["subjects"] = {room.cut(name): count for name, count in alarm.subjects.items()}
    if alarm.is_test:
        made["test"] = True
    if room.is_short:
        made["truncated"] = True
    # Escaped outside of ASCII: not even a receiver that knows no UTF-8 finds a line end in it.
    return encoded(json.dumps(made, separators=(",", ":")))

"""
What a receiver is told of the notices that were dropped for it: a notice of its own, that grows until it is tried.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from gateway.alarms.backlog import TOLD_FIRST, Backlog, Row
from gateway.alarms.stored import Unreadable, to_bytes, to_notice
from gateway.api.alarms import Alarm, AlarmState, Notice
from gateway.api.catalogue.service import ALARMS_DROPPED
from gateway.api.events import EventType


class Lost:
    """Counts what was dropped from a backlog, in a row there."""

    def __init__(self, key: str, node: str, backlog: Backlog) -> None:
        self._key = key
        self._node = node
        self._backlog = backlog
        self._notices = self._events = 0
        self._first = 0.0

    def count(self, notices: int, events: int, seconds: float, now: float) -> Row:
        """
        Count some.

        @param events: that these notices stood for.
        @param seconds: of the clock.
        @param now: wall-clock time.
        @return: the row that tells of it, a new one or one that has grown.
        """
        row = self._backlog.growing
        if row is None:
            self._notices = self._events = 0
            self._first = now
        self._notices += notices
        self._events += events
        notice = self._notice(row.id if row else secrets.token_hex(8), now)
        body = to_bytes(notice)
        if row is None:
            row = Row(0, notice.id, TOLD_FIRST, seconds, now, self._events, body)
            self._backlog.add(row)
        else:
            row.events = self._events
            row.stored = now
            self._backlog.rewrite(row, body)
        return row

    def read(self, types: Callable[[str], EventType | None]) -> None:
        """Go on counting where a former process was."""
        row = self._backlog.growing
        if row is None:
            return
        try:
            (alarm,) = to_notice(row.body, 1, types).alarms
            self._notices = int(alarm.event.values["notices"])
            self._events = int(alarm.event.values["events"])
            self._first = alarm.first
        except (Unreadable, ValueError, KeyError):
            # It is not ours after all; whoever delivers it says so.
            self._notices = self._events = 0

    def _notice(self, id: str, now: float) -> Notice:
        event = ALARMS_DROPPED(
            f"{self._notices} notices of {self._events} events for {self._key} were dropped:"
            " too many waited, or too long, or they were refused",
            self._key,
            notices=str(self._notices),
            events=str(self._events),
        )
        alarm = Alarm(
            id=id,
            event=event,
            type=ALARMS_DROPPED,
            state=AlarmState.SINGLE,
            count=1,
            first=self._first,
            last=now,
        )
        return Notice(
            id=id,
            alarms=(alarm,),
            is_digest=False,
            attempt=1,
            node=self._node,
            since=self._first,
            until=now,
        )

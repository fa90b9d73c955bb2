"""Channels of plugins under test: the gateway's own desk and queue, in memory."""

from __future__ import annotations

from gateway.alarms.desk import AlarmDesk
from gateway.alarms.queue import NoticeQueue
from gateway.api.services import Clock
from gateway.config.sections.notify import Notify

#: What the clock on the wall shows when a test begins: 2001-09-09 01:46:40 UTC.
BEGIN = 1e9

#: What the machine is called.
NODE = "gateway.example.com"


def desk(clock: Clock, settings: Notify | None = None) -> AlarmDesk:
    """Make one; nothing of it outlives the test."""

    def now() -> float:
        return BEGIN + clock.seconds()

    queue = NoticeQueue(clock, now=now, node=NODE, types=lambda name: made.kind(name))
    made = AlarmDesk(
        clock,
        Notify() if settings is None else settings,
        node=NODE,
        queue=queue,
        now=now,
    )
    return made

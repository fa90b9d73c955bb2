"""What deliveries to all receivers have in common: means, bounds, and what is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.alarms.journal import Keeping
from gateway.api.events import Event, EventType
from gateway.api.services import Clock


@dataclass(frozen=True, slots=True)
class QueueBounds:
    """
    How much waits, and for how long.

    @ivar notices: for each receiver.
    @ivar keep_seconds: then it is too old.
    """

    notices: int = 10_000
    keep_seconds: float = 7 * 86400.0


@dataclass(slots=True)
class Counts:
    """
    What became of notices since the process started.

    @ivar failed: attempts.
    @ivar dropped: notices: too many, too old, or refused for good.
    @ivar retried: attempts that were not the first.
    @ivar slow: calls of the plugin that kept the reactor longer than 5 ms.
    """

    sent: int = 0
    failed: int = 0
    dropped: int = 0
    retried: int = 0
    slow: int = 0


@dataclass(frozen=True, slots=True)
class Means:
    """
    What all deliveries share.

    @ivar now: wall-clock time, seconds.
    @ivar tell: where events go.
    @ivar types: gives the type of events of this name.
    @ivar node: the name of the machine.
    @ivar random: from 0 to 1.
    """

    clock: Clock
    journal: Keeping
    now: Callable[[], float]
    tell: Callable[[Event], None]
    types: Callable[[str], EventType | None]
    node: str
    random: Callable[[], float]

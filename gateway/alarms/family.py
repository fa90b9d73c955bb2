"""
What the events of one type, or of one state, and their gate know of each other; and the times that both go by.

Two lanes lead out of a gate. What is in the C{FAST} one is told as soon as the limit of its type lets it, each type by itself;
what is in the C{SLOW} one with the next digest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Literal, Protocol, TypeAlias

from gateway.alarms.kept import KeptFamily
from gateway.alarms.types import KnownTypes
from gateway.api.alarms import Alarm
from gateway.api.events import Event, EventType, Notify, Severity

Lane: TypeAlias = Literal["fast", "slow"]
FAST: Lane = "fast"
SLOW: Lane = "slow"

#: Seconds; so much earlier than due is due, for sums of times are not exact.
EARLY = 1e-6


@dataclass(frozen=True, slots=True)
class Times:
    """
    How long things last for one channel, in seconds.

    @ivar limit: between two alarms of one type; 0: none.
    @ivar digest: how long a digest is gathered; not shorter than the limit.
    @ivar repeat: between two reminders of a state that lasts; 0: there are none.
    """

    limit: float
    digest: float
    repeat: float


class Spell:
    """A time in which something is not told again."""

    __slots__ = ("_seconds", "_until")

    def __init__(self) -> None:
        self._seconds = 0.0
        self._until = -inf

    def begin(self, now: float, seconds: float) -> None:
        """Let it last so long from now on."""
        self._seconds = seconds
        self._until = now + seconds if seconds > 0 else -inf

    def is_over(self, now: float) -> bool:
        """Tell whether it is."""
        return self._until - now <= EARLY

    def end(self, now: float) -> float:
        """Give the time at which it is over; now, if it is."""
        return now if self.is_over(now) else self._until

    def left(self, now: float) -> float:
        """Give how many seconds it still lasts."""
        return self.end(now) - now

    def set_back(self, now: float) -> None:
        """The clock was set back to this time: last no longer than at the beginning."""
        self._until = min(self._until, now + self._seconds)


class Passage(Protocol):
    """What a family needs of its gate."""

    key: str
    below: tuple[Severity, ...]
    times: Times
    types: KnownTypes
    wants: Callable[[Event], bool]

    def seconds(self) -> float:
        """Give the time by which limits are measured."""

    def wall(self) -> float:
        """Give the wall-clock time."""

    def id(self, number: int) -> str:
        """Make the name of an alarm of the number of its first event."""

    def way(self, name: str, kind: EventType | None) -> Notify:
        """Say how events are told."""

    def said(self, name: str) -> Notify | None:
        """Say how events are told, if the settings name them."""

    def is_hushed(self, kind: EventType | None) -> bool:
        """Tell whether an event of a type is kept back now."""

    def count_hushed(self, count: int) -> None:
        """Take note of events that nobody is told of, for they were kept back."""

    def changed(self) -> None:
        """Take note that there is something new to be remembered."""

    def arm(self, at: float) -> None:
        """Have L{Family.flush} called at a time, or before."""

    def gather(self) -> None:
        """Have L{Family.digest} called at the end of the period under way, which begins now if none is."""

    def out(self, alarm: Alarm) -> None:
        """Tell this; L{finish} follows."""

    def finish(self) -> None:
        """Something was let out in answer to an event: what is remembered is written down with it."""

    def has_room(self) -> bool:
        """Tell whether one more state can be remembered."""

    def make_room(self) -> None:
        """Forget one of the states, an old one of the most frequent kind."""


class Family(Protocol):
    """All of one type, or of one state."""

    name: str
    kind: EventType | None

    def take(self, event: Event, kind: EventType | None, at: float, number: int) -> None:
        """Take an event that is to be told, if the channel wants it."""

    def follow(self) -> None:
        """Look anew how it is told."""

    def flush(self, now: float) -> float:
        """Tell what can be told in the fast lane; give the time at which there will be more."""

    def digest(self, now: float) -> tuple[list[Alarm], bool]:
        """Give what is in the slow lane, and whether some of it has to wait for another digest."""

    def set_back(self, now: float) -> None:
        """The clock was set back to this time."""

    def unhush(self) -> None:
        """Nothing is kept back any more: find what has to be told now."""

    def kept(self, now: float) -> KeptFamily | None:
        """Give what has to be remembered; C{None}: nothing."""

    def restore(self, kept: KeptFamily, now: float, ago: float) -> None:
        """
        Go on with what was remembered.

        @param ago: how many seconds ago that was written.
        @raise ValueError: it makes no sense.
        """

    def empty(self) -> list[Alarm]:
        """Give all that is not told yet, whatever the limit: there is no later."""

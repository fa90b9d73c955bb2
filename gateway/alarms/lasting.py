"""
The states that last, whoever is told of them: for operators who ask what is out of order, and for channels that come later.

A state begins with an event of one type and ends with one of another about the same subject. Only types that are known are told
apart; no clock runs here, and nothing ends by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gateway.api.events import Event, Severity

#: States that are remembered; more are forgotten, the oldest first.
MOST_OPEN = 10_000


@dataclass(frozen=True, slots=True)
class OpenState:
    """
    A state that lasts.

    @ivar event: the last one that said so.
    @ivar since: wall-clock time, seconds since 1970.
    @ivar count: how often it was raised since.
    """

    event: Event
    since: float
    count: int

    @property
    def name(self) -> str:
        """The name of the event that is its beginning."""
        return self.event.name

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.event.subject

    @property
    def severity(self) -> Severity:
        """As the last event has it."""
        return self.event.severity

    @property
    def text(self) -> str:
        """That of the last event."""
        return self.event.text


class OpenStates:
    """The states of a process, the oldest first."""

    __slots__ = ("_edges", "_now", "_states")

    def __init__(self, edges: Mapping[str, str], now: Callable[[], float]) -> None:
        """
        Begin with none.

        @param edges: names of events that begin or end a state, each with the name of the beginning; it may grow.
        @param now: wall-clock time, seconds since 1970.
        """
        self._edges = edges
        self._now = now
        self._states: dict[tuple[str, str], OpenState] = {}

    def take(self, event: Event) -> None:
        """Take note of an event that begins or ends a state."""
        begins = self._edges[event.name]
        key = (begins, event.subject)
        if begins != event.name:
            self._states.pop(key, None)
            return
        before = self._states.get(key)
        if before is not None:
            self._states[key] = replace(before, event=event, count=before.count + 1)
            return
        if len(self._states) >= MOST_OPEN:
            del self._states[next(iter(self._states))]
        self._states[key] = OpenState(event, self._now(), 1)

    def all(self) -> list[OpenState]:
        """Give them, the oldest first."""
        return list(self._states.values())

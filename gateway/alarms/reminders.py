"""
When states that last are told again: on a grid of times that begins when the beginning is told.

A reminder that comes late, because the limit held it back, does not shift those after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from math import floor, inf

from gateway.alarms.family import EARLY
from gateway.alarms.state import State


class Reminders:
    """
    The times of all states of one kind.

    @ivar every: between two of them, in seconds; 0: there are none.
    """

    __slots__ = ("_numbers", "_times", "every")

    def __init__(self, every: float) -> None:
        self.every = every
        # With a number, so that states are not compared. Where a state has another time since, or none, it is passed over.
        self._times: list[tuple[float, int, State]] = []
        self._numbers = count()

    @property
    def first(self) -> float:
        """The next time; it may be one at which there is nothing to do any more."""
        return self._times[0][0] if self._times else inf

    def begin(self, state: State, now: float) -> None:
        """Begin the grid of a state."""
        state.repeat_at = now + self.every if self.every else inf
        self._enter(state)

    def go_on(self, state: State, now: float) -> None:
        """A state is told again: enter its next time."""
        if self.every:
            passed = floor((now - state.repeat_at) / self.every + EARLY)
            state.repeat_at += (max(0, passed) + 1) * self.every
        else:
            state.repeat_at = inf
        self._enter(state)

    def due(self, now: float) -> Iterator[State]:
        """Take out the states whose time has come."""
        while self._times and self._times[0][0] <= now + EARLY:
            at, _, state = heappop(self._times)
            if state.repeat_at == at and state.is_down and state.is_told:
                yield state

    def begin_anew(self, states: Iterable[State], now: float) -> None:
        """Begin all grids anew, at the time at which each was told; of those from before a restart that is not known."""
        self._times.clear()
        for state in states:
            if state.is_told and state.told_at > -inf:
                self.begin(state, max(state.told_at, now - self.every))

    def sweep(self, most: int) -> None:
        """Forget times at which there is nothing to do, if there are more than so many."""
        if len(self._times) > most:
            self._times = [one for one in self._times if one[2].repeat_at == one[0]]
            heapify(self._times)

    def _enter(self, state: State) -> None:
        if state.repeat_at < inf:
            heappush(self._times, (state.repeat_at, next(self._numbers), state))

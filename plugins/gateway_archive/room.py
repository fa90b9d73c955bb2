"""
Something of which there is so much and no more, and who waits for it: bytes, processes, turns.

In the reactor's thread only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from gateway.api import Clock

_ALARM = 0.8
_CALM = 0.7


class Room:
    """
    What there is of it.

    @ivar limit: how much there is.
    @ivar used: how much of it is taken.
    """

    def __init__(
        self, limit: int, clock: Clock, tell: Callable[[bool], None] = lambda is_short: None
    ) -> None:
        """
        Begin with nothing taken.

        @param tell: is told C{True} when four fifths are taken, and C{False} when it is less than seven tenths again.
        """
        self.limit = limit
        self.used = 0
        self._clock = clock
        self._tell = tell
        self._is_short = False
        self._waiting: deque[_Wait] = deque()
        self._patient: deque[_Wait] = deque()

    def take(self, count: int, seconds: float, *, spare: int = 0) -> Deferred[bool]:
        """
        Take as much, in turn; cancelling it takes nothing.

        Who leaves something to spare comes after those who don't.

        @param count: no more than there is at all, together with what is spared.
        @param seconds: how long to wait.
        @param spare: how much has to be left then, so that those who have begun can go on.
        @return: fires with whether it was taken.
        """
        queue = self._patient if spare else self._waiting
        if not self._waiting and not (spare and self._patient) and self._fits(count + spare):
            self._use(count)
            return succeed(True)
        wait = _Wait(self, count, spare)
        wait.call = self._clock.callLater(seconds, self._give_up, wait)
        queue.append(wait)
        return wait.answer

    def give(self, count: int) -> None:
        """Give it back; who waits for it is called later, not from here."""
        self._use(-count)
        if self._waiting or self._patient:
            self._clock.callLater(0, self._serve)

    def leave(self, wait: _Wait) -> None:
        """Wait no more. For L{_Wait} only."""
        (self._patient if wait.spare else self._waiting).remove(wait)
        if wait.call.active():
            wait.call.cancel()
        if self._waiting or self._patient:
            self._clock.callLater(0, self._serve)

    def _fits(self, count: int) -> bool:
        return self.used + count <= self.limit

    def _use(self, count: int) -> None:
        self.used += count
        assert self.used >= 0
        if not self._is_short and self.used >= self.limit * _ALARM:
            self._is_short = True
            self._tell(True)
        elif self._is_short and self.used < self.limit * _CALM:
            self._is_short = False
            self._tell(False)

    def _serve(self) -> None:
        while queue := self._waiting or self._patient:
            wait = queue[0]
            if not self._fits(wait.count + wait.spare):
                return
            queue.popleft()
            if wait.call.active():
                wait.call.cancel()
            self._use(wait.count)
            wait.answer.callback(True)

    def _give_up(self, wait: _Wait) -> None:
        self.leave(wait)
        wait.answer.callback(False)


class _Wait:
    def __init__(self, room: Room, count: int, spare: int) -> None:
        self.count = count
        self.spare = spare
        self.call: Any = None
        self.answer: Deferred[bool] = Deferred(lambda answer: room.leave(self))

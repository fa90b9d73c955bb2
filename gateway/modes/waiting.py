"""
The queue of a site: requests that wait until an origin has room (bounded in number and time).

First come, first served, but for two things: a request may wait for one origin alone (its sticky one), and one that is
tried anew does not want those that failed it. Who serves the queue, and with what, is the pool's business.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gateway.modes.origins import OriginState
from gateway.net.faults import NetworkFault


class PoolBusy(NetworkFault):
    """
    Every origin of the site has all the requests it may have, and so has the queue, or the time in it ran out.

    @ivar retry_after: seconds, for the field of this name.
    """

    status = 503
    page = "overloaded"
    token = "pool_busy"  # noqa: S105 - a word for the log
    retry_after: int = 1


class Waiting:
    """
    A request in the queue.

    @ivar since: when it came.
    @ivar pinned: the one origin it waits for; C{None}: any but those in C{exclude}.
    @ivar granted: fires with the origin, or fails with L{PoolBusy}.
    """

    __slots__ = ("exclude", "granted", "pinned", "since")

    def __init__(
        self, since: float, pinned: OriginState | None, exclude: frozenset[OriginState]
    ) -> None:
        self.since = since
        self.pinned = pinned
        self.exclude = exclude
        self.granted: Deferred[OriginState]


class Queue:
    """
    Those who wait.

    @ivar waiting: how many there are now.
    @ivar waited: how many there were, since the start.
    @ivar waited_seconds: their waiting time together.
    @ivar refused: how many found it full or waited in vain.
    """

    def __init__(self, clock: IReactorTime, limit: int, wait_seconds: float) -> None:
        """
        Make an empty one.

        @param limit: how many may wait.
        @param wait_seconds: how long; the timer may be L{EXPIRY_STEP} late.
        """
        self.waiting = 0
        self.waited = 0
        self.waited_seconds = 0.0
        self.refused = 0
        self._clock = clock
        self._limit = limit
        self._wait_seconds = wait_seconds
        # In the order in which they came; linked lists, since anyone may leave at any time.
        self._free: OrderedDict[Waiting, None] = OrderedDict()
        self._pinned: dict[OriginState, OrderedDict[Waiting, None]] = {}
        self._timer: IDelayedCall | None = None

    def join(
        self, pinned: OriginState | None, exclude: Collection[OriginState]
    ) -> Deferred[OriginState]:
        """
        Begin to wait; cancelling the answer ends it.

        @raise PoolBusy: the queue is full.
        """
        if self.waiting >= self._limit:
            self.refused += 1
            raise PoolBusy("the site's origins and its queue are full")
        waiting = Waiting(self._clock.seconds(), pinned, frozenset(exclude))
        waiting.granted = Deferred(lambda _: self.leave(waiting))
        self._line(pinned)[waiting] = None
        self.waiting += 1
        self.waited += 1
        if self._timer is None:
            self._timer = self._clock.callLater(self._wait_seconds, self._expire)
        return waiting.granted

    def next_for(self, state: OriginState) -> Waiting | None:
        """Give the first who would take this origin."""
        line = self._pinned.get(state)
        first = next(iter(line), None) if line else None
        other = next((waiting for waiting in self._free if state not in waiting.exclude), None)
        if first is None or (other is not None and other.since < first.since):
            return other
        return first

    def leave(self, waiting: Waiting) -> None:
        """Take one out, for whatever reason; harmless for one that is out already."""
        line = self._line(waiting.pinned)
        standing = waiting in line
        line.pop(waiting, None)
        if not line and waiting.pinned is not None:
            del self._pinned[waiting.pinned]
        if not standing:
            return
        self.waiting -= 1
        self.waited_seconds += self._clock.seconds() - waiting.since
        if not self.waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def unpin(self, state: OriginState) -> None:
        """Let those who wait for this origin alone take any other; they stand behind those who could before."""
        for waiting in self._pinned.pop(state, ()):
            waiting.pinned = None
            self._free[waiting] = None

    def close(self) -> None:
        """Refuse all who wait, and all who come."""
        self._limit = 0
        self._refuse(self._everybody(), "the gateway is stopping")

    def _line(self, pinned: OriginState | None) -> OrderedDict[Waiting, None]:
        return self._free if pinned is None else self._pinned.setdefault(pinned, OrderedDict())

    def _everybody(self) -> list[Waiting]:
        return [*self._free, *(w for line in self._pinned.values() for w in line)]

    def _expire(self) -> None:
        self._timer = None
        due = self._clock.seconds() - self._wait_seconds
        everybody = self._everybody()
        late = [waiting for waiting in everybody if waiting.since <= due]
        rest = [waiting.since for waiting in everybody if waiting.since > due]
        if rest:
            # Not for each one alone: a long queue would be looked through again and again.
            delay = max(min(rest) - due, EXPIRY_STEP)
            self._timer = self._clock.callLater(delay, self._expire)
        self._refuse(late, "the site's origins had no room in time")

    def _refuse(self, those: list[Waiting], why: str) -> None:
        # All leave before the first is told: it may come back and must find the queue as it will be.
        for waiting in those:
            self.leave(waiting)
        self.refused += len(those)
        for waiting in those:
            # Whoever was told before may have cancelled this one.
            if not waiting.granted.called:
                waiting.granted.errback(PoolBusy(why))


#: Seconds between two looks for those whose time has run out.
EXPIRY_STEP = 0.1

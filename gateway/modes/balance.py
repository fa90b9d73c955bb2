"""
A site's origins: which one takes the next request, and when it is taken out.

An origin is I{up} while neither the active checks nor its own failures speak against it. Failures of requests take it
out for a time that doubles each time they go on (passive health); the first success makes all good. When every origin is
down they are all tried nevertheless: a wrong opinion of ours must not take a site off the net.

Nothing here connects to anything. The caller takes an origin by L{Pool.acquire}, tells how it went, and gives it back by
L{Pool.release} exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from math import inf

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gateway.config.addresses import Origin
from gateway.config.sections.site import Balance, Site
from gateway.modes.origins import OriginState, choice
from gateway.modes.waiting import PoolBusy, Queue
from gateway.net.faults import NetworkFault

__all__ = ["FIRST_OUTAGE", "LONGEST_OUTAGE", "NoOrigin", "OriginState", "Pool", "PoolBusy"]

#: Seconds an origin stays out after its failures in a row, doubled with each one more up to the longest.
FIRST_OUTAGE = 5.0
LONGEST_OUTAGE = 60.0


class NoOrigin(NetworkFault):
    """The site has no origin, or all of them were tried for this request."""

    status = 502
    page = "no_origin"
    token = "no_origin"  # noqa: S105 - a word for the log


class Pool:
    """
    The origins of one site.

    @ivar origins: all of them, in the order of the configuration.
    @ivar queue: who waits for room.
    @ivar on_change: called with an origin whose C{up} has changed, or that answered when it was tried after a time out, and
        why, after the change.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        origins: Iterable[Origin],
        clock: IReactorTime,
        *,
        balance: Balance = "round_robin",
        max_connections: int = 0,
        queue: int = 1000,
        queue_wait: float = 5.0,
        fall: int = 3,
        id_of: Callable[[str], str] = str,
    ) -> None:
        """
        Make a pool in which all origins are up.

        @param name: of the site, for the log.
        @param max_connections: transactions an origin may have at once; 0 = no limit.
        @param queue: requests that may wait.
        @param queue_wait: seconds after which a waiting request is refused.
        @param fall: failures in a row that take an origin out.
        @param id_of: gives an origin's id for its address.
        """
        self.name = name
        self.origins = tuple(OriginState(origin, id_of(str(origin))) for origin in origins)
        self.queue = Queue(clock, queue, queue_wait)
        self.on_change: Callable[[OriginState, str], None] = _nothing
        self._clock = clock
        self._most = max_connections or inf
        self._fall = fall
        self._ids = {state.id: state for state in self.origins}
        self._pick = choice(balance)
        self._candidates = self.origins
        self._pick.renew(self.origins)
        self._next_return = inf
        self._roomy: list[OriginState] = []
        self._serving = False

    @classmethod
    def of(cls, site: Site, clock: IReactorTime, id_of: Callable[[str], str] = str) -> Pool:
        """Make the pool that a site's settings ask for."""
        return cls(
            site.host[0],
            site.origins,
            clock,
            balance=site.balance,
            max_connections=site.max_connections,
            queue=site.queue,
            queue_wait=site.queue_wait,
            fall=site.health.fall,
            id_of=id_of,
        )

    def choose(
        self,
        client_address: str,
        exclude: Collection[OriginState] = (),
        sticky: str | None = None,
    ) -> OriginState | None:
        """
        Say which origin a request would go to, whether or not it has room.

        @param client_address: what C{client_hash} hashes.
        @param exclude: those that failed for this request already.
        @param sticky: the id from the cookie; an unknown one, or one of an origin that is down, is as none.
        @return: C{None} if there is no origin left.
        """
        if self._next_return != inf:
            self._end_outages()
        candidates = self._candidates
        if sticky is not None:
            state = self._ids.get(sticky)
            if state is not None and state in candidates and state not in exclude:
                return state
        if exclude:
            # Those that are down are better than none.
            candidates = _without(candidates, exclude) or _without(self.origins, exclude)
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        return self._pick(client_address, candidates)

    def acquire(
        self,
        client_address: str,
        exclude: Collection[OriginState] = (),
        sticky: str | None = None,
    ) -> OriginState | Deferred[OriginState]:
        """
        Take an origin for a transaction; give it back by L{release}.

        Nearly always a plain answer. A Deferred only if all origins are full: it fires with the origin, or fails with
        L{PoolBusy}; who cancels it leaves the queue. A client with a sticky id waits for its own origin, though others
        may have room.

        The parameters are those of L{choose}.

        @raise PoolBusy: the queue is full.
        @raise NoOrigin: there is no origin, or all are excluded.
        """
        state = self.choose(client_address, exclude, sticky)
        if state is None:
            raise NoOrigin("no origin is left to try")
        if state.open >= self._most:
            if state.id == sticky:
                return self.queue.join(state, exclude)
            roomy = self._with_room(exclude)
            if not roomy:
                return self.queue.join(None, exclude)
            state = self._pick(client_address, roomy)
        state.open += 1
        state.served += 1
        return state

    def release(self, state: OriginState) -> None:
        """Give an origin back at the end of its transaction, however that ended."""
        state.open -= 1
        if self.queue.waiting:
            self._serve(state)

    def succeeded(self, state: OriginState) -> None:
        """
        Note that the origin answered. Only worth a call while C{state.failures} is not 0.

        Any final response that the origin itself made counts, 5xx too: that is the application's opinion, not a sign
        that the origin can't be reached.
        """
        was_out = state.outage > 0.0
        state.failures = 0
        state.outage = 0.0
        if state.out_until:
            state.out_until = 0.0
            self._changed(state, "it answered again")
        elif was_out:
            self.on_change(state, "it answered again")

    def failed(self, state: OriginState, why: str) -> None:
        """
        Note that the origin could not be reached, or broke off, or was silent for too long.

        @param why: for the log; none of the origin's bytes.
        """
        state.failed += 1
        state.failures += 1
        if state.failures < self._fall or state.out_until:
            return
        state.outage = min(state.outage * 2 or FIRST_OUTAGE, LONGEST_OUTAGE)
        state.out_until = self._clock.seconds() + state.outage
        self._changed(state, f"{state.failures} failures in a row, the last: {why}")

    def checked(self, state: OriginState, *, healthy: bool, why: str) -> None:
        """
        Take over the opinion of the active checks, where it has changed.

        A change for the better makes failures of requests good, too: the checks were answered several times in a row.
        """
        if state.healthy == healthy:
            return
        state.healthy = healthy
        if healthy:
            state.failures = 0
            state.outage = state.out_until = 0.0
        self._changed(state, why)

    def close(self) -> None:
        """Refuse all who wait or come to wait; transactions under way may still be released."""
        self.queue.close()

    def _end_outages(self) -> None:
        now = self._clock.seconds()
        if now < self._next_return:
            return
        for state in self.origins:
            if 0.0 < state.out_until <= now:
                # Failures are not forgotten: one more takes it out again, for twice the time.
                state.out_until = 0.0
                self._changed(state, "its time out is over")

    def _with_room(self, exclude: Collection[OriginState]) -> tuple[OriginState, ...]:
        most = self._most
        return tuple(s for s in self._candidates if s.open < most and s not in exclude)

    def _changed(self, state: OriginState, why: str) -> None:
        up = tuple(state for state in self.origins if state.up)
        self._candidates = up or self.origins
        self._pick.renew(self._candidates)
        self._next_return = min((s.out_until for s in self.origins if s.out_until), default=inf)
        self._log.warn(
            "{site}: origin {origin} is {state}: {why}",
            site=self.name,
            origin=state.address,
            state="up" if state.up else "down",
            why=why,
        )
        if self.queue.waiting:
            if state not in self._candidates:
                # Who waits for it alone would wait in vain.
                self.queue.unpin(state)
            for candidate in self._candidates:
                self._serve(candidate)
        self.on_change(state, why)

    def _serve(self, state: OriginState) -> None:
        """Give an origin's room to those who wait."""
        self._roomy.append(state)
        if self._serving:
            # Who was just served came back with it at once: the loop below goes on, and not a level deeper.
            return
        self._serving = True
        try:
            while self._roomy:
                state = self._roomy[-1]
                waiting = None
                if state.open < self._most and state in self._candidates:
                    waiting = self.queue.next_for(state)
                if waiting is None:
                    self._roomy.pop()
                    continue
                self.queue.leave(waiting)
                state.open += 1
                state.served += 1
                waiting.granted.callback(state)
        finally:
            self._serving = False


def _without(
    states: tuple[OriginState, ...], exclude: Collection[OriginState]
) -> tuple[OriginState, ...]:
    return tuple(state for state in states if state not in exclude)


def _nothing(state: OriginState, why: str) -> None:
    """Stand in for a listener to changes."""

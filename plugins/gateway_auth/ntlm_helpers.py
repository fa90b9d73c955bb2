"""
Processes that check NTLM messages: Samba's C{ntlm_auth}, which asks winbindd, which asks a domain controller.

They speak lines: C{YR <message 1>} is answered by C{TT <challenge>}, C{KK <message 3>} by C{AF <user>}, C{NA <status>} or
C{BH <why>}. The challenge is in the process's memory, so a process is one client's from its first message to its last: that
is a L{Lease}. How many processes there are and how long one may be leased is bounded. One that hangs, ends or talks nonsense
is replaced, ever more slowly if that does not help.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import NoReturn
from weakref import ref

from twisted.internet.defer import CancelledError, Deferred

from gateway.api import Overloaded, Services
from gateway_auth.ntlm_process import HelperFailed, Process, Speaks
from gateway_auth.verifier import Unavailable

#: Before so long nobody else is given a leased process, in seconds.
LEAST_LEASE = 1.0
#: Clients that wait for a process.
MOST_WAITING = 256
#: Seconds until a process is started again after one that was no good, and the most that this becomes.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0


class Lease:
    """
    One client's use of one process.

    When the client's connection ends nobody holds it any more, and the process is free again.

    @ivar since: when it began.
    """

    __slots__ = ("__weakref__", "_pool", "_seat", "since")

    def __init__(self, pool: Helpers, seat: _Seat, since: float) -> None:
        self._pool = pool
        self._seat: _Seat | None = seat
        self.since = since

    @property
    def ended(self) -> bool:
        """The process is somebody else's by now, or gone."""
        return self._seat is None

    async def ask(self, line: bytes) -> bytes:
        """
        Ask the process.

        @raise Unavailable: it gives no answer; the lease has ended.
        """
        seat = self._seat
        if seat is None:
            raise Unavailable("the process is somebody else's")
        return await self._pool._ask(self, seat, line)

    def end(self) -> None:
        """Give the process back; harmless twice."""
        seat, self._seat = self._seat, None
        if seat is not None:
            self._pool._returned(seat)

    def revoke(self) -> None:
        """Take the process away. For L{Helpers} only."""
        self._seat = None


class _Seat:
    """
    The place of one process.

    @ivar lease: whose it is.
    @ivar busy: a thread waits for its answer.
    """

    __slots__ = ("busy", "lease", "process", "started")

    def __init__(self, process: Speaks) -> None:
        self.process = process
        self.lease: ref[Lease] | None = None
        self.started = False
        self.busy = False

    def holder(self) -> Lease | None:
        """Give whose it is, if anybody's."""
        return None if self.lease is None else self.lease()


class Helpers:
    """A bounded number of processes."""

    def __init__(
        self,
        command: Sequence[str],
        services: Services,
        *,
        most: int,
        timeout_seconds: float,
        make: Callable[[Sequence[str]], Speaks] = Process,
    ) -> None:
        """
        Prepare; a process is started when it is first needed.

        @param most: processes.
        @param timeout_seconds: for one answer, and for the wait for a free process.
        @param make: makes a process of a command; only for tests.
        """
        self._command = tuple(command)
        self._services = services
        self._most = most
        self._timeout = timeout_seconds
        self._make = make
        self._seats: list[_Seat] = []
        # Killed, but not yet seen to be gone.
        self._dead: list[Speaks] = []
        self._waiting: deque[Deferred[None]] = deque()
        self._failures = 0
        self._not_before = 0.0
        self._stopped = False
        self._count = services.metrics.gauge("ntlm_helpers", "Processes that check NTLM.")
        self._failed = services.metrics.counter(
            "ntlm_helper_failures", "Processes that gave no answer and were ended."
        )

    async def lease(self) -> Lease:
        """
        Give a client a process of its own.

        @raise Unavailable: there is none and will be none soon.
        """
        clock = self._services.clock
        until = clock.seconds() + self._timeout
        while True:
            seat = self._free()
            if seat is not None:
                break
            left = until - clock.seconds()
            if left <= 0 or len(self._waiting) >= MOST_WAITING:
                raise Unavailable("all processes that check NTLM are in use")
            await self._wait(min(left, LEAST_LEASE))
        lease = Lease(self, seat, clock.seconds())
        seat.lease = ref(lease)
        if not seat.started:
            await self._start(lease, seat)
        return lease

    async def stop(self) -> None:
        """End all processes."""
        self._stopped = True
        for seat in list(self._seats):
            self._remove(seat.holder(), seat)
        self._wake(len(self._waiting))
        with contextlib.suppress(Overloaded):
            await self._services.threads.run("directory", self._bury)

    def _free(self) -> _Seat | None:
        """
        Give a process that nobody uses, or of a client that does not go on.

        @raise Unavailable: none may be started now.
        """
        now = self._services.clock.seconds()
        if self._stopped:
            raise Unavailable("it was stopped")
        oldest: _Seat | None = None
        since = now
        for seat in self._seats:
            lease = seat.holder()
            if seat.busy:
                continue
            if lease is None:
                return seat
            if lease.since < since:
                oldest, since = seat, lease.since
        if len(self._seats) < self._most:
            if now < self._not_before:
                raise Unavailable("the process that checks NTLM does not start or does not answer")
            seat = _Seat(self._make(self._command))
            self._seats.append(seat)
            self._count.set(len(self._seats))
            return seat
        if oldest is not None and now - since >= LEAST_LEASE:
            lease = oldest.holder()
            if lease is not None:
                lease.revoke()
            return oldest
        return None

    async def _start(self, lease: Lease, seat: _Seat) -> None:
        seat.busy = True
        try:
            await self._services.threads.run("directory", self._begin, seat.process)
        except HelperFailed as error:
            self._lost(lease, seat, str(error))
        except Overloaded as error:
            self._remove(lease, seat)
            raise Unavailable(str(error)) from None
        except CancelledError:
            self._remove(lease, seat)
            raise
        seat.busy = False
        seat.started = True
        if self._stopped:
            raise Unavailable("it was stopped")

    def _begin(self, process: Speaks) -> None:
        """Start a process, in a thread."""
        self._bury()
        process.start()

    def _bury(self) -> None:
        """See that those that were killed are gone, in a thread."""
        while self._dead:
            try:
                process = self._dead.pop()
            except IndexError:
                # Another thread has taken it.
                return
            process.close()

    async def _ask(self, lease: Lease, seat: _Seat, line: bytes) -> bytes:
        """Ask a process; for L{Lease} only."""
        seat.busy = True
        try:
            answer = await self._services.threads.run(
                "directory", seat.process.ask, line, self._timeout
            )
        except HelperFailed as error:
            self._lost(lease, seat, str(error))
        except Overloaded as error:
            # It was not asked, so it is as it was.
            seat.busy = False
            lease.end()
            raise Unavailable(str(error)) from None
        except CancelledError:
            # Its answer would be taken for that to the next question.
            self._remove(lease, seat)
            raise
        seat.busy = False
        self._failures = 0
        return answer

    def _lost(self, lease: Lease, seat: _Seat, why: str) -> NoReturn:
        """
        Do without a process that was no good.

        @raise Unavailable: always.
        """
        if not self._stopped:
            self._failures += 1
            self._failed.inc()
            pause = min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE)
            self._not_before = self._services.clock.seconds() + pause
            self._services.log.warn(
                "a process that checks NTLM is no good: {why}; the next in {pause:g} s at the earliest",
                why=why,
                pause=pause,
            )
        self._remove(lease, seat)
        raise Unavailable(why)

    def _remove(self, lease: Lease | None, seat: _Seat) -> None:
        """Do without a process, whatever it does."""
        if lease is not None:
            lease.revoke()
        seat.busy = False
        if seat in self._seats:
            self._seats.remove(seat)
            seat.process.kill()
            self._dead.append(seat.process)
        self._count.set(len(self._seats))
        self._wake(1)

    def _returned(self, seat: _Seat) -> None:
        """A lease ended in order; for L{Lease} only."""
        seat.lease = None
        self._wake(1)

    def _wake(self, count: int) -> None:
        for _ in range(min(count, len(self._waiting))):
            self._waiting.popleft().callback(None)

    async def _wait(self, seconds: float) -> None:
        """Wait until a process may be free: somebody says so, or the time is over."""
        turn: Deferred[None] = Deferred()

        def over() -> None:
            if turn in self._waiting:
                self._waiting.remove(turn)
                turn.callback(None)

        call = self._services.clock.callLater(seconds, over)
        self._waiting.append(turn)
        try:
            await turn
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
            if call.active():
                call.cancel()

"""
Who scans what: the first clamd that can, a queue with an end before it, and another try where a connection broke.

Every way through here ends in a result, and none in C{Clean} but a clean answer of a clamd that is ready.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from gateway.api import Clock, ScanJob, ScanResult, Unscannable
from gateway_clamd.answers import ENGINE, judged, lacks_file
from gateway_clamd.contents import Place, place_of
from gateway_clamd.depth import looks_into
from gateway_clamd.engine import Engine, Standing
from gateway_clamd.session import Lost, Outdated, TookTooLong
from gateway_clamd.settings import ClamdSettings

#: So many pieces of content are remembered that took too long.
_MOST_TIMED_OUT = 1000
#: One, another if the connection broke, and one more if clamd was just started anew.
_MOST_ATTEMPTS = 3


class _Refused(Exception):
    """Nobody is to scan it; C{result} says why."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.result = Unscannable(reason, why, ENGINE)


class Scans:
    """
    Has content scanned by one of several engines.

    @ivar waiting: how many wait for a connection.
    """

    def __init__(
        self,
        settings: ClamdSettings,
        clock: Clock,
        engines: Sequence[Engine],
        trouble: Callable[[Engine, str], None],
        sends: Callable[[Engine, Place], None],
    ) -> None:
        """
        Begin.

        @param trouble: is told that an engine gave no answer, and why.
        @param sends: is told that an engine can't read files of a kind, so that such content is to be sent.
        """
        self._settings = settings
        self._clock = clock
        self._engines = engines
        self._trouble = trouble
        self._sends = sends
        self._queue: deque[_Waiting] = deque()
        self._timed_out: OrderedDict[str, float] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Count who waits for a connection."""
        return len(self._queue)

    async def scan(self, job: ScanJob) -> ScanResult:
        """Give the result for some content; fails with nothing but its cancellation."""
        until = self._clock.seconds() + self._settings.timeout
        if self._took_too_long(job.sha256):
            return Unscannable("engine_timeout", "its scan took too long a moment ago", ENGINE)
        try:
            return await self._tried(job, until)
        except CancelledError:
            raise
        except _Refused as refused:
            return refused.result
        except Lost as lost:
            return Unscannable("engine_error", f"clamd gave no answer: {lost}", ENGINE)
        except TookTooLong:
            self._timed_out[job.sha256] = self._clock.seconds() + self._settings.timeout_memory
            while len(self._timed_out) > _MOST_TIMED_OUT:
                self._timed_out.popitem(last=False)
            why = f"clamd gave no answer within {self._settings.timeout:g} s"
            return Unscannable("engine_timeout", why, ENGINE)
        except OSError as error:
            why = f"it can't be read: {error.strerror or type(error).__name__}"
            return Unscannable("engine_error", why, ENGINE)

    def changed(self) -> None:
        """Let in who can be let in now, and send away whom nobody will serve."""
        while self._queue:
            waiting = self._queue[0]
            try:
                engine = self._free(waiting.job, waiting.last)
            except _Refused as refused:
                waiting.end(refused)
                continue
            if engine is None:
                return
            waiting.end(engine)

    def stop(self) -> None:
        """Send everybody away."""
        while self._queue:
            self._queue[0].end(_Refused("engine_error", "the gateway is stopped"))

    async def _tried(self, job: ScanJob, until: float) -> ScanResult:
        """
        Have it scanned, and once more if the connection broke: wherever there is somebody then, on a fresh connection.

        @raise Lost: that broke, too.
        """
        last: Engine | None = None
        for attempt in range(_MOST_ATTEMPTS):
            engine = self._free(job, last) or await self._turn(job, last)
            try:
                return await self._scanned(engine, job, until, first=attempt == 0)
            except Outdated:
                last = None
            except Lost:
                if attempt:
                    raise
                last = engine
        raise Lost("it was started anew again and again")

    async def _scanned(
        self, engine: Engine, job: ScanJob, until: float, *, first: bool
    ) -> ScanResult:
        place = place_of(job)
        as_file = first and engine.reads(place)
        left = until - self._clock.seconds()
        if left <= 0:
            raise TookTooLong
        era, trust = engine.era, engine.known.trust
        nested = looks_into(job, trust)
        try:
            answer = await engine.scan(job, left, as_file=as_file, fresh=not first)
        except Lost as lost:
            if not as_file:
                # Of a file it may be the file's fault, which shows when the content is sent.
                self._trouble(engine, str(lost))
            raise
        if engine.era != era:
            raise Outdated("it was started anew")
        if as_file and lacks_file(answer):
            raise Lost(answer)
        engine.worked()
        if not first and place is not None and engine.reads(place):
            # What could not be read as a file was read now: it may not read ours (AppArmor, SELinux).
            self._sends(engine, place)
        return judged(answer, job, trust, nested)

    def _free(self, job: ScanJob, last: Engine | None = None) -> Engine | None:
        """
        Give an engine that can begin now; none: one will be able to.

        @param last: it has just failed, so it is taken only if no other works.
        @raise _Refused: none will.
        """
        ready = [one for one in self._engines if one.standing is Standing.READY]
        fitting = [one for one in ready if one.takes(job)]
        others = [one for one in fitting if one is not last]
        for engine in others or fitting:
            if engine.has_room:
                return engine
        if fitting or any(one.standing is Standing.UNKNOWN for one in self._engines):
            return None
        if ready:
            raise _Refused(
                "too_large", f"clamd is given no more than {max(e.most for e in ready)} bytes"
            )
        why = "; ".join(f"{one.name}: {one.why}" for one in self._engines)
        raise _Refused("engine_error", f"no clamd can be used ({why})")

    async def _turn(self, job: ScanJob, last: Engine | None = None) -> Engine:
        """
        Wait in turn for an engine.

        @raise _Refused: there is none, or too many wait already, or for too long.
        """
        if len(self._queue) >= self._settings.queue:
            raise _Refused("capacity", f"{len(self._queue)} scans wait for clamd already")
        waiting = _Waiting(self, job, last)
        self._queue.append(waiting)
        waiting.limit = self._clock.callLater(self._settings.wait, self._waited, waiting)
        found = await waiting.answer
        if isinstance(found, _Refused):
            raise found
        return found

    def _waited(self, waiting: _Waiting) -> None:
        if any(one.standing is Standing.READY for one in self._engines):
            why = f"clamd had no connection free for {self._settings.wait:g} s"
            waiting.end(_Refused("capacity", why))
        else:
            why = f"clamd was not ready within {self._settings.wait:g} s"
            waiting.end(_Refused("engine_error", why))

    def left(self, waiting: _Waiting) -> None:
        """Take somebody out of the queue. For L{_Waiting} only."""
        if waiting in self._queue:
            self._queue.remove(waiting)

    def _took_too_long(self, sha256: str) -> bool:
        until = self._timed_out.get(sha256)
        if until is None:
            return False
        if self._clock.seconds() < until:
            return True
        del self._timed_out[sha256]
        return False


class _Waiting:
    """One scan in the queue; C{answer} fires with an engine, or with why there is none."""

    def __init__(self, scans: Scans, job: ScanJob, last: Engine | None) -> None:
        self.job = job
        self.last = last
        self.limit: Any = None
        self.answer: Deferred[Engine | _Refused] = Deferred(lambda answer: self._leave())
        self._scans = scans

    def end(self, found: Engine | _Refused) -> None:
        """Wait no longer."""
        self._leave()
        self.answer.callback(found)

    def _leave(self) -> None:
        self._scans.left(self)
        if self.limit is not None and self.limit.active():
            self.limit.cancel()

"""
What plugins do again and again: C{services.every(60.0, self.refresh)}.

Runs keep to a grid of times that begins when the job does, so an interval never drifts; what a long run misses is
left out, and no run begins before the last one is over. A job belongs to one plugin object and ends with it. It knows
nothing of transactions.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from gateway.api.services import Clock
from gateway.pipeline.waiting import begin, forsake

#: Shorter intervals are taken for a mistake: nothing else would get its turn.
LEAST_SECONDS = 0.01

# So much of an interval a run may be early: a clock whose steps add up to a little less must not make it a step late.
_EARLY = 1e-6


class Ran(Protocol):
    """Who counts the runs of jobs."""

    def ran(self, job: str, error: BaseException | None) -> None:
        """Count a run, and log what it failed with."""


class Jobs:
    """
    The jobs of one plugin object; what it gets as C{services.every}.

    @ivar running: those that are not cancelled.
    """

    def __init__(self, clock: Clock, report: Ran, *, held: bool = False) -> None:
        """
        Begin without jobs.

        @param held: let no interval begin before L{start}: a plugin object that is never started, such as one that was
            made to look whether it can be, must do nothing.
        """
        self.running: set[RunningJob] = set()
        self._clock = clock
        self._report = report
        self._held = held
        self._ended = False

    def start(self) -> None:
        """Let the intervals of what was made so far begin, and those of what is made later at once."""
        if self._held and not self._ended:
            self._held = False
            for job in list(self.running):
                job.begin()

    def __call__(
        self,
        seconds: float,
        function: Callable[[], object],
        /,
        *,
        name: str = "",
        at_once: bool = False,
    ) -> RunningJob:
        """
        Begin a job; after L{end} it is made, and never runs.

        @raise ValueError: an interval that is no number, or shorter than L{LEAST_SECONDS}.
        """
        if not (math.isfinite(seconds) and seconds >= LEAST_SECONDS):
            raise ValueError(f"an interval is at least {LEAST_SECONDS} seconds, not {seconds!r}")
        name = name or getattr(function, "__name__", "") or "job"
        job = RunningJob(seconds, function, name, self, at_once=at_once)
        if not self._ended:
            self.running.add(job)
            if not self._held:
                job.begin()
        return job

    def end(self) -> None:
        """Cancel all, and let none begin any more; twice is no fault."""
        self._ended = True
        for job in list(self.running):
            job.cancel()

    # For RunningJob only.

    @property
    def clock(self) -> Clock:
        """Time."""
        return self._clock

    def ran(self, job: RunningJob, error: BaseException | None) -> None:
        """Pass on what became of a run."""
        self._report.ran(job.name, error)


class RunningJob:
    """
    One job.

    @ivar name: for log and metrics.
    @ivar runs: how many began.
    """

    __slots__ = (
        "_at_once",
        "_call",
        "_cancelled",
        "_function",
        "_jobs",
        "_seconds",
        "_since",
        "_waiting",
        "name",
        "runs",
    )

    def __init__(
        self,
        seconds: float,
        function: Callable[[], object],
        name: str,
        jobs: Jobs,
        *,
        at_once: bool,
    ) -> None:
        self.name = name
        self.runs = 0
        self._seconds = seconds
        self._function = function
        self._jobs = jobs
        self._at_once = at_once
        self._since = 0.0
        self._call: Any = None
        self._waiting: Deferred[object] | None = None
        self._cancelled = False

    def begin(self) -> None:
        """Wait for the first run. For L{Jobs} only."""
        clock = self._jobs.clock
        self._since = clock.seconds()
        delay = 0.0 if self._at_once else self._seconds * (1 - _EARLY)
        self._call = clock.callLater(delay, self._run)

    def cancel(self) -> None:
        """Do it no more, and cancel the run under way, whose answer then counts for nothing."""
        self._cancelled = True
        self._jobs.running.discard(self)
        if self._call is not None:
            self._call.cancel()
            self._call = None
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            forsake(waiting)

    def _run(self) -> None:
        self._call = None
        self.runs += 1
        try:
            answer = self._function()
            if isinstance(answer, Awaitable):
                answer = begin(answer)
        except Exception as error:
            self._over(error)
            return
        if not isinstance(answer, Deferred):
            self._over(None)
        elif self._cancelled:
            # By its own function, before it came to its first wait.
            forsake(answer)
        else:
            self._waiting = answer
            answer.addCallbacks(self._came, self._failed)

    def _came(self, value: object) -> None:
        self._over(None)

    def _failed(self, failure: Failure) -> None:
        self._over(failure.value)

    def _over(self, error: BaseException | None) -> None:
        """A run is over: count it, and wait for the next place on the grid."""
        self._waiting = None
        if self._cancelled:
            if isinstance(error, CancelledError):
                error = None
            if error is None:
                return
        self._jobs.ran(self, error)
        if self._cancelled:
            return
        now = self._jobs.clock.seconds()
        early = self._seconds * _EARLY
        passed = math.floor((now + 2 * early - self._since) / self._seconds)
        due = self._since + (passed + 1) * self._seconds
        self._call = self._jobs.clock.callLater(max(0.0, due - early - now), self._run)

"""Tests of jobs, on a clock that is told the time."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline.jobs import Jobs, RunningJob


class Report:
    """Keeps what was told of runs."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def ran(self, job: str, error: BaseException | None) -> None:
        """Keep it."""
        self.told.append((job, "" if error is None else str(error)))


class JobTestCase(SynchronousTestCase):
    """Jobs whose function notes when it ran."""

    def setUp(self) -> None:
        """Begin at second 100."""
        self.clock = Clock()
        self.clock.advance(100)
        self.report = Report()
        self.jobs = Jobs(self.clock, self.report)
        self.times: list[float] = []

    def note(self) -> None:
        """Run."""
        self.times.append(self.clock.seconds())


class IntervalTests(JobTestCase):
    """When runs begin."""

    def test_each_interval(self) -> None:
        """Runs are one interval apart, the first of them too."""
        self.jobs(10.0, self.note)
        self.clock.pump([2.5] * 13)
        self.assertEqual(self.times, [110.0, 120.0, 130.0])

    def test_at_once(self) -> None:
        """The first run is now if asked for, but not within the call that makes the job."""
        self.jobs(10.0, self.note, at_once=True)
        self.assertEqual(self.times, [])
        self.clock.advance(0)
        self.clock.advance(10)
        self.assertEqual(self.times, [100.0, 110.0])

    def test_no_drift(self) -> None:
        """A run that begins late does not shift those after it."""
        self.jobs(10.0, self.note)
        self.clock.advance(13)
        self.clock.advance(7)
        self.clock.advance(10)
        self.assertEqual(self.times, [113.0, 120.0, 130.0])

    def test_no_drift_of_fractions(self) -> None:
        """Rounding neither skips a run nor makes two of one."""
        self.jobs(0.1, self.note)
        for _ in range(1000):
            self.clock.advance(0.1)
        self.assertAlmostEqual(len(self.times), 1000, delta=1)
        gaps = [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]
        self.assertTrue(all(0.05 < gap < 0.25 for gap in gaps))

    def test_no_overlap(self) -> None:
        """A run that takes longer than the interval leaves out the times that it missed."""
        waits: list[Deferred[None]] = []

        def slow() -> Deferred[None]:
            self.note()
            waits.append(Deferred())
            return waits[-1]

        self.jobs(10.0, slow)
        self.clock.advance(10)
        self.clock.advance(25)
        self.assertEqual(len(waits), 1)
        waits[0].callback(None)
        self.assertEqual(self.report.told, [("slow", "")])
        self.clock.advance(5)
        self.assertEqual(self.times, [110.0, 140.0])

    def test_async(self) -> None:
        """A coroutine is a run until it returns."""
        gate: Deferred[None] = Deferred()

        async def refresh() -> None:
            self.note()
            await gate

        self.jobs(10.0, refresh)
        self.clock.advance(10)
        self.clock.advance(10)
        self.assertEqual(self.times, [110.0])
        gate.callback(None)
        self.clock.advance(10)
        self.assertEqual(self.times, [110.0, 130.0])

    def test_no_number(self) -> None:
        """An interval of nothing, or of no number, is refused."""
        for seconds in (0.0, -1.0, 0.001, float("nan"), float("inf")):
            self.assertRaises(ValueError, self.jobs, seconds, self.note)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_held(self) -> None:
        """Held jobs have nothing on the clock before they are started, and their first interval begins then."""
        jobs = Jobs(self.clock, self.report, held=True)
        jobs(10.0, self.note)
        jobs(7.0, self.note).cancel()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(5)
        jobs.start()
        jobs.start()
        jobs(20.0, self.note, at_once=True)
        self.clock.pump([0, 10])
        self.assertEqual(self.times, [105.0, 115.0])

    def test_never_started(self) -> None:
        """Held jobs that were ended don't begin any more."""
        jobs = Jobs(self.clock, self.report, held=True)
        jobs(10.0, self.note)
        jobs.end()
        jobs.start()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class FailureTests(JobTestCase):
    """Runs that fail."""

    def test_goes_on(self) -> None:
        """What a run raises is told, and the next run comes."""

        def broken() -> None:
            self.note()
            raise RuntimeError("no disk")

        self.jobs(10.0, broken, name="sweep")
        self.clock.pump([10, 10])
        self.assertEqual(self.report.told, [("sweep", "no disk")] * 2)

    def test_deferred(self) -> None:
        """A Deferred that fails is a failed run."""
        self.jobs(10.0, lambda: fail(RuntimeError("no answer")), name="ask")
        self.clock.pump([10, 10])
        self.assertEqual(self.report.told, [("ask", "no answer")] * 2)


class EndTests(JobTestCase):
    """How jobs end."""

    def test_cancel(self) -> None:
        """A cancelled job leaves nothing on the clock; twice is no fault."""
        job = self.jobs(10.0, self.note)
        job.cancel()
        job.cancel()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.jobs.running, set())

    def test_cancel_under_way(self) -> None:
        """The run under way is cancelled with its job, and that is no failure."""
        cancelled: list[object] = []
        job = self.jobs(10.0, lambda: Deferred(cancelled.append))
        self.clock.advance(10)
        job.cancel()
        self.assertEqual(len(cancelled), 1)
        self.assertEqual((self.report.told, self.clock.getDelayedCalls()), ([], []))

    def test_cancel_by_itself(self) -> None:
        """A job may cancel itself, also before it waits."""
        cancelled: list[object] = []
        jobs: list[RunningJob] = []

        def once() -> Deferred[None]:
            jobs[0].cancel()
            return Deferred(cancelled.append)

        jobs.append(self.jobs(10.0, once))
        self.clock.advance(10)
        self.assertEqual((len(cancelled), self.clock.getDelayedCalls()), (1, []))

    def test_end(self) -> None:
        """With their owner all jobs end, and none begins any more."""
        self.jobs(10.0, self.note)
        self.jobs(3.0, self.note)
        self.jobs.end()
        late = self.jobs(1.0, self.note, at_once=True)
        self.clock.advance(60)
        late.cancel()
        self.assertEqual((self.times, self.clock.getDelayedCalls()), ([], []))

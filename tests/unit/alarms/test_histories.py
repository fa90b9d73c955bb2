"""
Random histories of a queue: puts, failures, time, reloads, crashes and ends, checked against what must hold of all of them.

Nothing is lost unless it is told to be; what comes twice has the same id and says that it was tried; each receiver gets its
notices in their order; no bound is overrun.
"""

from __future__ import annotations

import shutil
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.delivery import PATIENCE
from gateway.alarms.queue import QueueBounds, QueuedChannel
from gateway.api.alarms import DeliveryFailed, Notice
from gateway.api.events import Severity
from tests.effort import examples
from tests.unit.alarms.notices import Process, notice

KEYS = ("test/a", "test/b")
MOST = 2

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(KEYS), st.sampled_from(Severity)),
        st.tuples(
            st.just("mode"),
            st.sampled_from(KEYS),
            st.sampled_from(("works", "fails", "loses", "slow")),
        ),
        st.tuples(st.just("time"), st.sampled_from((0.0, 1.0, 30.0, 400.0)), st.none()),
        st.tuples(st.just("reload"), st.sampled_from(KEYS), st.booleans()),
        st.tuples(st.just("answer"), st.sampled_from(KEYS), st.none()),
        st.tuples(st.just("kill"), st.none(), st.none()),
        st.tuples(st.just("kill in the middle"), st.none(), st.none()),
        st.tuples(st.just("stop"), st.none(), st.none()),
    ),
    max_size=40,
)


class History:
    """
    A gateway over several processes, and what its receivers got.

    @ivar arrived: by receiver, each notice that came.
    @ivar faults: what must not be, and was.
    @ivar confirmed: by receiver, the ids of those of which the receiver said so.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.wall = 1e9
        self.mode = dict.fromkeys(KEYS, "works")
        self.arrived: dict[str, list[Notice]] = {key: [] for key in KEYS}
        self.attempts: dict[str, list[Notice]] = {key: [] for key in KEYS}
        self.confirmed: dict[str, list[str]] = {key: [] for key in KEYS}
        self.put: dict[str, list[str]] = {key: [] for key in KEYS}
        self.faults: list[str] = []
        self.was_cut_off = self.has_lost_answers = False
        self.unwritten: set[str] = set()
        self.dropped = dict.fromkeys(KEYS, 0)
        self.begin()

    def begin(self) -> None:
        """Start a process."""
        self.process = Process(self.folder, bounds=QueueBounds(MOST), wall=self.wall)
        self.channels: dict[str, QueuedChannel] = {}
        self.waiting: dict[str, Notice | None] = dict.fromkeys(KEYS)
        self.answers: dict[str, Deferred[None]] = {}
        for key in KEYS:
            self.channels[key] = self.open(key)
        self.process.settle()

    def open(self, key: str) -> QueuedChannel:
        """Open a receiver by another plugin object."""

        def deliver(notice: Notice) -> object:
            return self.deliver(key, notice)

        return self.process.queue.channel(key, deliver, 60.0)  # type: ignore[arg-type]

    def deliver(self, key: str, notice: Notice) -> object:
        """Be the receiver."""
        if notice.id in self.confirmed[key]:
            self.faults.append(f"{key} has {notice.id} already")
        if self.waiting[key] is not None:
            self.faults.append(f"{key} gets two at once")
        self.attempts[key].append(notice)
        match self.mode[key]:
            case "works":
                self.arrived[key].append(notice)
                self.confirmed[key].append(notice.id)
                return None
            case "loses":
                # It arrives, and the answer does not.
                self.has_lost_answers = True
                self.arrived[key].append(notice)
                raise DeliveryFailed("lost")
            case "slow":
                self.waiting[key] = notice
                return self.slow(key, notice)
        raise DeliveryFailed("no")

    async def slow(self, key: str, notice: Notice) -> None:
        """Take one when it is time."""
        answer = self.answers[key] = Deferred()
        try:
            await answer
        finally:
            if self.waiting[key] is notice:
                self.waiting[key] = None
        self.arrived[key].append(notice)
        self.confirmed[key].append(notice.id)

    def end(self) -> None:
        """Let the process be gone."""
        self.tally()
        self.wall = self.process.now()
        self.process.kill()

    def tally(self) -> None:
        """Note how many were dropped; of receivers that are closed already nothing is told any more."""
        for use in self.process.queue.uses():
            self.dropped[use.channel] += use.dropped

    def go(self, what: str, which: object, how: object) -> None:
        """Take a step."""
        process = self.process
        match what:
            case "put":
                assert isinstance(which, str) and isinstance(how, Severity)
                id = str(sum(len(ids) for ids in self.put.values()))
                self.put[which].append(id)
                process.queue.put(which, notice(id, how))
                self.unwritten.add(id)
                return
            case "mode":
                assert isinstance(which, str) and isinstance(how, str)
                self.mode[which] = how
            case "answer":
                assert isinstance(which, str)
                if self.waiting[which] is not None:
                    self.answers[which].callback(None)
            case "time":
                assert isinstance(which, float)
                process.clock.advance(which)
            case "reload":
                assert isinstance(which, str)
                old, self.channels[which] = self.channels[which], self.open(which)
                if how:
                    old.close()
            case "kill":
                process.settle()
                self.unwritten.clear()
                self.end()
                self.begin()
            case "kill in the middle":
                # What was put in this very turn may be gone with it.
                for id in self.unwritten:
                    for ids in self.put.values():
                        if id in ids:
                            ids.remove(id)
                self.was_cut_off = self.was_cut_off or bool(self.unwritten)
                self.unwritten.clear()
                self.end()
                self.begin()
            case "stop":
                process.settle()
                self.tally()
                stopping = process.queue.stop()
                process.clock.advance(2.0)
                process.settle()
                assert stopping.called
                self.end()
                self.begin()
        self.process.settle()
        self.unwritten.clear()


class HistoryTests(SynchronousTestCase):
    """Whatever happens."""

    @settings(deadline=None, max_examples=examples(200))
    @given(STEPS)
    def test_histories(self, steps: list[tuple[str, object, object]]) -> None:
        """Nothing is lost or doubled silently, order and bounds hold."""
        folder = tempfile.mkdtemp()
        try:
            history = History(folder)
            for step in steps:
                history.go(*step)
                for key, queued in history.process.queue.counts().items():
                    # And what tells of those that were dropped: one that was tried, one that was not.
                    self.assertLessEqual(queued, MOST + 2, key)
            self.all_arrives(history)
            for key in KEYS:
                self.check(history, key)
            history.end()
        finally:
            shutil.rmtree(folder)

    def all_arrives(self, history: History) -> None:
        """Let receivers work until nothing waits."""
        for key in KEYS:
            history.mode[key] = "works"
            history.go("answer", key, None)
        for _ in range(20):
            history.process.clock.advance(300.0)
            history.process.settle()
        self.assertEqual(set(history.process.queue.counts().values()), {0})

    def check(self, history: History, key: str) -> None:
        """Look at what one receiver got."""
        self.assertEqual(history.faults, [])
        dropped = history.dropped[key]
        for use in history.process.queue.uses():
            if use.channel == key:
                dropped += use.dropped
        seen: dict[str, int] = {}
        order: list[int] = []
        for one in history.attempts[key]:
            # The same attempt is never made twice, and the number says what the receiver may know.
            self.assertGreater(one.attempt, seen.get(one.id, 0))
            seen[one.id] = one.attempt
        told = 0
        came: set[str] = set()
        for one in history.arrived[key]:
            if one.id in came:
                self.assertGreater(one.attempt, 1)
                continue
            came.add(one.id)
            if one.alarms[0].event.name == "alarms_dropped":
                told += int(one.alarms[0].event.values["notices"])
            else:
                order.append(int(one.id))
        # What was tried often takes turns with others.
        order = [number for number in order if seen[str(number)] < PATIENCE]
        self.assertEqual(order, sorted(order))
        missing = set(history.put[key]) - came
        if not history.was_cut_off:
            self.assertEqual(told, dropped)
            if not history.has_lost_answers:
                # What is told to be dropped did not arrive as well.
                self.assertEqual(len(missing), told)
        self.assertLessEqual(len(missing), told)

"""
Random histories of a gate: events, time, restarts, crashes, reloads, maintenance, clocks that jump; and what must hold of all.

Each event that is for the channel is counted in exactly one alarm; of one type no more than one alarm comes within the limit;
an end comes only to who heard of the beginning; what the receiver thinks in the end is what is true.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.alarms import Alarm, AlarmState, ChannelRules
from gateway.api.events import EventGroup, EventType, Notify
from gateway.config.sections.notify import Notify as Settings
from tests.effort import examples
from tests.unit.alarms.gates import BACK, DOWN, FOUND, GONE, LOST, PING, PONG, UP, VIRUS, Bench

SUBJECTS = ("a", "b", "c")
BEGINS = {one.name: one for one in (DOWN, GONE, LOST)}
ENDS = {DOWN.name: UP, GONE.name: BACK, LOST.name: FOUND}
EVERYTHING = (VIRUS, PING, PONG, DOWN, UP, GONE, BACK, LOST, FOUND)
#: Longer than anything waits: a digest that the limit holds back waits for another one.
SETTLED = 3 * (900.0 + 60.0)

EVENTS = st.tuples(st.just("event"), st.sampled_from(EVERYTHING), st.sampled_from(SUBJECTS))
TIME = st.tuples(
    st.just("time"), st.sampled_from((0.1, 1.0, 17.0, 59.0, 60.0, 300.0, 900.0, 2000.0)), st.none()
)
ENDINGS = st.tuples(st.sampled_from(("restart", "crash")), st.none(), st.none())
RELOADS = st.tuples(
    st.just("reload"),
    st.sampled_from((None, Notify.ALWAYS, Notify.FIRST, Notify.DIGEST)),
    st.sampled_from((0.0, 1000.0, 1800.0)),
)
JUMPS = st.tuples(st.just("wall"), st.sampled_from((-1e6, -60.0, 60.0, 1e6)), st.none())
BACKS = st.tuples(st.just("back"), st.sampled_from((1.0, 100.0, 1e5)), st.none())
QUIETS = st.tuples(st.just("quiet"), st.sampled_from((10.0, 400.0, 5000.0, None)), st.none())

STEPS = st.lists(st.one_of(EVENTS, EVENTS, EVENTS, TIME, ENDINGS, RELOADS, JUMPS), max_size=40)
STEPS_IN_MAINTENANCE = st.lists(
    st.one_of(EVENTS, EVENTS, EVENTS, TIME, ENDINGS, QUIETS), max_size=40
)
STEPS_SET_BACK = st.lists(st.one_of(EVENTS, EVENTS, TIME, RELOADS, BACKS), max_size=30)


class History:
    """
    What happened to a gate.

    @ivar taken: events that were for the channel.
    @ivar truth: what is down.
    """

    def __init__(self, limit: float = 60.0) -> None:
        self.bench = Bench(settings=Settings(limit=limit))
        self.limit = limit
        self.taken = 0
        self.truth: set[tuple[str, str]] = set()

    def run(self, steps: list[tuple[str, Any, Any]]) -> None:
        """Let it all happen."""
        for name, what, which in steps:
            getattr(self, f"do_{name}")(what, which)
        self.finish()

    def finish(self) -> None:
        """Let maintenance end, wait until nothing waits any more, and let all states end."""
        bench = self.bench
        if bench.hush.is_set:
            bench.hush.order(None)
        bench.advance(SETTLED)
        self.thinks = self.view()
        for name, subject in sorted(self.truth):
            self.do_event(ENDS[name], subject)
        bench.advance(SETTLED)

    def do_event(self, type: EventType, subject: str) -> None:
        """Let an event happen."""
        if not type.ends:
            self.taken += 1
            if type.name in ENDS:
                self.truth.add((type.name, subject))
        elif (type.ends, subject) in self.truth:
            self.taken += 1
            self.truth.discard((type.ends, subject))
        before = len(self.bench.told)
        self.bench.take(type, subject)
        if self.bench.hush.until is not None:
            for told in self.bench.told[before:]:
                assert told.alarm.type is not None
                assert told.alarm.type.group is EventGroup.SECURITY, told

    def do_time(self, seconds: float, _: object) -> None:
        """Let time go by."""
        self.bench.advance(seconds)

    def do_restart(self, *_: object) -> None:
        """Stop and start."""
        self.bench.restart()
        self.find_out()

    def do_crash(self, *_: object) -> None:
        """Crash; what happened in the second before it may be lost, so nothing does."""
        self.bench.advance(1.01)
        self.bench.crash()
        self.find_out()

    def find_out(self) -> None:
        """Let the new process see what is down, as it finds all out by itself."""
        for name, subject in sorted(self.truth):
            self.do_event(BEGINS[name], subject)

    def do_reload(self, default: Notify | None, repeat: float) -> None:
        """Go over to other settings."""
        bench = self.bench
        bench.rules = ChannelRules(default=default)
        bench.settings = replace_settings(bench.settings, repeat)
        bench.gate.follow(bench.rules, bench.settings)

    def do_wall(self, jump: float, _: object) -> None:
        """Set the clock on the wall."""
        self.bench.offset += jump

    def do_back(self, seconds: float, _: object) -> None:
        """Set the clock of limits back."""
        self.bench.clock.rightNow = max(0.0, self.bench.clock.rightNow - seconds)
        self.bench.gate.set_back()

    def do_quiet(self, seconds: float | None, _: object) -> None:
        """Begin or end maintenance."""
        self.bench.hush.order(seconds)
        self.bench.gate.changed()

    # What came of it.

    @property
    def alarms(self) -> list[Alarm]:
        """All that was told."""
        return [told.alarm for told in self.bench.told]

    def view(self) -> set[tuple[str, str]]:
        """What the receiver thinks is down."""
        down: set[tuple[str, str]] = set()
        for alarm in self.alarms:
            assert alarm.type is not None
            if alarm.state is AlarmState.OVER:
                down -= {(alarm.type.ends, subject) for subject in alarm.subjects}
            elif alarm.state is not AlarmState.SINGLE:
                down |= {(alarm.type.name, subject) for subject in alarm.subjects}
        return down


def replace_settings(before: Settings, repeat: float) -> Settings:
    """Change how often what lasts is told."""
    return Settings(limit=before.limit, repeat=repeat)


class HistoryTests(SynchronousTestCase):
    """What holds, whatever happens."""

    def check(self, history: History, *, limits: bool = True) -> None:
        """Look at all that came out."""
        alarms = history.alarms
        told = sum(alarm.count for alarm in alarms)
        self.assertEqual(told + history.bench.kept_back, history.taken, history.bench.lines)
        ids = [alarm.id for alarm in alarms]
        self.assertEqual(len(ids), len(set(ids)), history.bench.lines)
        self.assertEqual(history.view(), set(), history.bench.lines)
        down: set[tuple[str, str]] = set()
        last: dict[str, float] = {}
        for one in history.bench.told:
            alarm = one.alarm
            assert alarm.type is not None
            self.assertLessEqual(alarm.first, alarm.last)
            self.assertEqual(sum(alarm.subjects.values()), alarm.count)
            if alarm.state is AlarmState.OVER:
                for subject, count in alarm.subjects.items():
                    # Heard of it before, or with this.
                    self.assertTrue((alarm.type.ends, subject) in down or count > 1, one)
                    down.discard((alarm.type.ends, subject))
            elif alarm.state is not AlarmState.SINGLE:
                down |= {(alarm.type.name, subject) for subject in alarm.subjects}
            if limits:
                since = one.at - last.get(alarm.event.name, -1e9)
                self.assertGreaterEqual(since, history.limit - 1e-3, history.bench.lines)
                last[alarm.event.name] = one.at
        history.bench.stop()
        self.assertEqual(history.bench.clock.calls, [])

    @given(STEPS)
    @settings(max_examples=examples(1000), deadline=None)
    def test_any(self, steps: list[tuple[str, Any, Any]]) -> None:
        """Restarts, crashes and reloads lose no count and tell nothing twice; what the receiver thinks is true."""
        history = History()
        history.run(steps)
        names = {name for name, _, _ in steps}
        # How long it was down is known by the clock on the wall alone.
        self.check(history, limits=not ("wall" in names and names & {"restart", "crash"}))

    @given(STEPS)
    @settings(max_examples=examples(300), deadline=None)
    def test_without_limit(self, steps: list[tuple[str, Any, Any]]) -> None:
        """The same holds without a limit."""
        history = History(limit=0.0)
        history.run(steps)
        self.check(history)

    @given(STEPS_IN_MAINTENANCE)
    @settings(max_examples=examples(1000), deadline=None)
    def test_maintenance(self, steps: list[tuple[str, Any, Any]]) -> None:
        """Maintenance keeps back what is not about security, counts it, and leaves the receiver with what is true."""
        history = History()
        history.run(steps)
        self.check(history)

    @given(STEPS_SET_BACK)
    @settings(max_examples=examples(500), deadline=None)
    def test_set_back(self, steps: list[tuple[str, Any, Any]]) -> None:
        """A clock that is set back loses nothing and lets nothing wait for ever."""
        history = History()
        history.run(steps)
        self.check(history, limits=False)

    @given(STEPS)
    @settings(max_examples=examples(300), deadline=None)
    def test_what_is_true(self, steps: list[tuple[str, Any, Any]]) -> None:
        """Once all that waits is told the receiver thinks what is true."""
        history = History()
        history.run([step for step in steps if step[0] != "reload"])
        truth = history.thinks
        replayed = History()
        for name, what, which in steps:
            if name == "event":
                replayed.do_event(what, which)
        self.assertEqual(truth, replayed.truth)

    @given(STEPS, st.sampled_from(SUBJECTS))
    @settings(max_examples=examples(200), deadline=None)
    def test_at_once(self, steps: list[tuple[str, Any, Any]], subject: str) -> None:
        """A beginning is told at once where no other was within the limit, whatever happened before."""
        history = History()
        history.run([step for step in steps if step[0] != "reload"])
        before = len(history.alarms)
        history.do_event(DOWN, subject)
        self.assertEqual([alarm.state for alarm in history.alarms[before:]], [AlarmState.BEGUN])

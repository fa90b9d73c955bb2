"""Tests of desk and queue together: what is told of a receiver never comes back to it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.desk import AlarmDesk
from gateway.alarms.queue import NoticeQueue
from gateway.api.alarms import ChannelRules, DeliveryFailed, Notice
from gateway.api.events import Event, Notify, Severity
from gateway.config.sections.notify import Notify as Settings


class LoopTests(SynchronousTestCase):
    """A desk with two receivers, one of which can be away."""

    def setUp(self) -> None:
        """Open both."""
        self.clock = Clock()
        self.got: dict[str, list[str]] = {"a": [], "b": []}
        self.away: set[str] = set()
        queue = NoticeQueue(self.clock, tell=self.tell, now=self.now, random=lambda: 0.0)
        self.desk = AlarmDesk(self.clock, Settings(), node="n", queue=queue, now=self.now)
        alarms = self.desk.of("test")
        rules = ChannelRules(default=Notify.ALWAYS, limit_seconds=0)
        for receiver in self.got:
            alarms.channel(receiver, self.receiving(receiver), rules)
        alarms.begin()

    def now(self) -> float:
        """Give the wall-clock time."""
        return 1e9 + self.clock.seconds()

    def tell(self, event: Event) -> None:
        """Be the service."""
        self.desk.take(event)

    def receiving(self, receiver: str) -> Callable[[Notice], None]:
        """Make what delivers to a receiver."""

        def deliver(notice: Notice) -> None:
            if receiver in self.away:
                raise DeliveryFailed("away")
            self.got[receiver] += [alarm.event.name for alarm in notice.alarms]

        return deliver

    def after(self, seconds: int) -> None:
        """Let time pass."""
        self.clock.pump([1.0] * seconds)

    def test_told_to_others(self) -> None:
        """That a receiver is away, and back, is told to the other one alone."""
        self.away = {"a"}
        self.tell(Event("hello", Severity.ERROR, "hello", "x"))
        self.after(30)
        self.away = set()
        self.after(600)
        self.assertEqual(self.got, {"a": ["hello"], "b": ["hello", "channel_down", "channel_up"]})

    def test_both_away(self) -> None:
        """Two that are away hear of each other, once, and nothing grows."""
        self.away = {"a", "b"}
        self.tell(Event("hello", Severity.ERROR, "hello", "x"))
        self.after(600)
        waiting = dict(self.desk.channels())
        self.after(600)
        self.assertEqual(dict(self.desk.channels()), waiting)
        self.away = set()
        self.after(600)
        for names in self.got.values():
            self.assertEqual(names[0], "hello")
            self.assertLessEqual(names.count("channel_down"), 1)

"""Tests of L{gateway.alarms.desk}: channels of plugins that come and go, and what all events cost."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from typing import Any

from twisted.internet.defer import Deferred, execute, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.channels import MOST_RECEIVERS, PluginAlarms
from gateway.alarms.desk import TEST_SECONDS, AlarmDesk
from gateway.alarms.lasting import MOST_OPEN
from gateway.alarms.queue import NoticeQueue
from gateway.api.alarms import AlarmState, ChannelRules, DeliveryFailed, Notice
from gateway.api.events import Event, Notify, Severity
from gateway.config.sections.notify import Notify as Settings
from gateway.config.windows import window
from tests.opcodes import opcodes
from tests.unit.alarms.gates import BACK, DOWN, GONE, PING, PONG, TYPES, UP, VIRUS


class Receiver:
    """
    Somebody who is told.

    @ivar notices: what came.
    @ivar why: why nothing can be delivered.
    """

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.why: Exception | None = None
        self.waiting: Deferred[None] | None = None

    def deliver(self, notice: Notice) -> Awaitable[None] | None:
        """Take a notice."""
        if self.why is not None:
            raise self.why
        self.notices.append(notice)
        return self.waiting

    @property
    def texts(self) -> list[str]:
        """What came, in short."""
        return [f"{alarm.event.name} {alarm.count}" for one in self.notices for alarm in one.alarms]


class DeskTestCase(SynchronousTestCase):
    """A desk with a queue in memory, or one that outlives it."""

    def setUp(self) -> None:
        """Make both."""
        self.clock = Clock()
        self.folder = ""
        self.desk = self.make()
        self.ops = Receiver()

    def make(self, settings: Settings | None = None) -> AlarmDesk:
        """Make a desk, as a process does at its start."""

        def run(function: Any, /, *args: object) -> Deferred[Any]:
            return execute(function, *args)

        queue = self.queue = NoticeQueue(
            self.clock,
            self.folder,
            run if self.folder else None,
            now=self.now,
            types=lambda name: desk.kind(name),
        )
        desk = AlarmDesk(
            self.clock,
            Settings() if settings is None else settings,
            node="node",
            queue=queue,
            now=self.now,
            survives=bool(self.folder),
        )
        desk.know(TYPES)
        return desk

    def now(self) -> float:
        """What the clock on the wall shows."""
        return 1e9 + self.clock.seconds()

    def plugin(
        self,
        receiver: Receiver,
        rules: ChannelRules | None = None,
        *,
        name: str = "mail",
        desk: AlarmDesk | None = None,
    ) -> PluginAlarms:
        """Start a plugin with a channel."""
        alarms = (desk or self.desk).of(name)
        alarms.channel("ops", receiver.deliver, rules or ChannelRules())
        alarms.begin()
        self.settle()
        return alarms

    def settle(self, seconds: float = 0.0) -> None:
        """Let time go by."""
        self.clock.advance(0)
        for _ in range(int(seconds)):
            self.clock.advance(1)
        for _ in range(5):
            self.clock.advance(0)


class ChannelTests(DeskTestCase):
    """From a plugin's start to its end."""

    def test_no_channel(self) -> None:
        """Without channels events go nowhere, and nothing waits."""
        self.desk.take(VIRUS("x", "a"))
        self.assertEqual((self.desk.channels(), self.clock.calls), ({}, []))

    def test_not_started(self) -> None:
        """A plugin that is made and not started is told nothing."""
        alarms = self.desk.of("mail")
        channel = alarms.channel("ops", self.ops.deliver)
        self.desk.take(VIRUS("x", "a"))
        self.assertEqual((self.desk.channels(), channel.queued, self.ops.texts), ({}, 0, []))
        self.assertEqual(alarms.receivers, ("ops",))
        alarms.end()
        alarms.begin()
        self.desk.take(VIRUS("x", "a"))
        self.assertEqual(self.ops.texts, [])

    def test_told(self) -> None:
        """What is told is a notice with the name of the machine."""
        self.plugin(self.ops)
        self.desk.take(VIRUS("x found", "a"))
        (notice,) = self.ops.notices
        self.assertEqual((notice.node, notice.attempt, notice.is_digest), ("node", 1, False))
        self.assertEqual((notice.since, notice.until, notice.id), (1e9, 1e9, notice.alarms[0].id))
        self.assertIs(notice.alarms[0].type, VIRUS)
        self.assertEqual(notice.alarms[0].event.text, "x found")

    def test_made_later(self) -> None:
        """A channel that is made by a plugin that runs is open at once."""
        alarms = self.desk.of("mail")
        alarms.begin()
        alarms.channel("ops", self.ops.deliver)
        self.desk.take(VIRUS("x"))
        self.assertEqual(self.ops.texts, ["virus 1"])

    def test_names(self) -> None:
        """A receiver's name is unique in its plugin, not empty and not endless."""
        alarms = self.desk.of("mail")
        alarms.channel("ops", self.ops.deliver)
        for name in ("ops", "", "x" * 201):
            with self.assertRaises(ValueError):
                alarms.channel(name, self.ops.deliver)

    def test_together(self) -> None:
        """A digest is one notice if the channel takes so many alarms, and several if not."""
        one = Receiver()
        self.plugin(self.ops, ChannelRules(most_together=10))
        self.plugin(one, name="snmp")
        self.desk.take(PONG("x", "a"))
        self.desk.take(Event("strange", Severity.INFO, "x"))
        self.settle(900)
        self.assertEqual([len(notice.alarms) for notice in self.ops.notices], [2])
        self.assertEqual([len(notice.alarms) for notice in one.notices], [1, 1])
        self.assertTrue(all(notice.is_digest for notice in (*self.ops.notices, *one.notices)))
        self.assertEqual(len({notice.id for notice in one.notices}), 2)

    def test_fault_of_a_channel(self) -> None:
        """One channel whose rules fail keeps no other from hearing."""
        self.plugin(Receiver(), ChannelRules(wants=lambda event: 1 / 0 > 0), name="bad")
        self.plugin(self.ops)
        self.desk.take(VIRUS("x"))
        self.assertEqual(self.ops.texts, ["virus 1"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class ReloadTests(DeskTestCase):
    """Plugin objects that follow one another."""

    def test_strange_texts(self) -> None:
        """A text without an end, or one that can't be written, is told with the others and costs no other alarm."""
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        self.desk = self.make()
        self.plugin(self.ops)
        subjects = [f"{number}" + "s" * 100_000 for number in range(30)]
        for subject in (*subjects, "\udcff"):
            self.desk.take(DOWN("t" * 100_000 + "\ud800", subject))
            self.desk.take(PING("\udcff", subject))
        self.settle(61)
        told = [alarm for one in self.ops.notices for alarm in one.alarms]
        self.assertEqual(self.ops.texts, ["down 1", "ping 1", "down 30", "ping 30"])
        self.assertLess(max(len(alarm.event.text) for alarm in told), 5000)
        self.assertLess(max(len(name) for alarm in told for name in alarm.subjects), 1000)
        self.assertLess(max(len(state.subject) for state in self.desk.states()), 1000)
        self.assertEqual(len(self.desk.states()), 31)
        self.successResultOf(self.desk.stop())
        self.desk = self.make()
        self.plugin(self.ops)
        self.desk.take(UP("up", subjects[0]))
        self.settle(61)
        self.assertEqual(self.ops.texts[4:], ["up 1"])

    def test_taken_over(self) -> None:
        """What was gathered for one object is told by the one that follows it, by its rules, and once."""
        old = self.plugin(self.ops)
        for _ in range(3):
            self.desk.take(PING("x", "a"))
        new = Receiver()
        self.plugin(new, ChannelRules(limit_seconds=30))
        old.end()
        self.settle()
        self.desk.take(PING("x", "a"))
        self.settle(60)
        self.assertEqual((self.ops.texts, new.texts), (["ping 1"], ["ping 3"]))

    def test_given_back(self) -> None:
        """If the new one does not stay the old one goes on."""
        self.plugin(self.ops)
        self.desk.take(PING("x", "a"))
        new = self.plugin(Receiver())
        self.desk.take(PING("x", "a"))
        new.end()
        self.settle(60)
        self.assertEqual(self.ops.texts, ["ping 1", "ping 1"])

    def test_gone_and_back(self) -> None:
        """What was gathered for a channel that goes waits for it to come back."""
        old = self.plugin(self.ops)
        for _ in range(3):
            self.desk.take(PING("x", "a"))
        self.desk.take(DOWN("x", "a"))
        old.end()
        old.end()
        self.assertEqual(self.desk.channels(), {})
        self.desk.take(PING("x", "a"))
        self.settle(100)
        self.plugin(self.ops)
        self.settle(1)
        self.desk.take(UP("x", "a"))
        self.assertEqual(self.ops.texts, ["ping 1", "down 1", "ping 2", "up 1"])

    def test_comes_later(self) -> None:
        """A channel that is added while the gateway runs is told of what lasts, since when, and of its end; not of what is over."""
        self.desk.take(DOWN("x", "a"))
        self.desk.take(DOWN("x", "b"))
        self.desk.take(UP("x", "b"))
        self.settle(500)
        self.plugin(self.ops)
        self.settle()
        self.assertEqual(self.ops.texts, ["down 1"])
        (told,) = self.ops.notices[0].alarms
        self.assertEqual((told.event.subject, told.first), ("a", 1e9))
        self.desk.take(UP("x", "a"))
        self.settle(60)
        self.assertEqual(self.ops.texts, ["down 1", "up 1"])

    def test_back_while_it_lasts(self) -> None:
        """A channel that goes and comes back is not told again of what lasted all the time, and reminded of it as ever."""
        old = self.plugin(self.ops)
        self.desk.take(DOWN("x", "a"))
        old.end()
        self.settle(60)
        self.plugin(self.ops)
        self.settle(1700)
        self.assertEqual(self.ops.texts, ["down 1"])
        self.settle(200)
        self.assertEqual(
            [one.alarms[0].state for one in self.ops.notices],
            [AlarmState.BEGUN, AlarmState.GOES_ON],
        )

    def test_most_receivers(self) -> None:
        """One plugin has a bounded number of receivers, for each of them takes its time of each event."""
        alarms = self.desk.of("mail")
        for number in range(MOST_RECEIVERS):
            alarms.channel(f"{number}@example.com", self.ops.deliver)
        fault = self.assertRaises(ValueError, alarms.channel, "one@example.com", self.ops.deliver)
        self.assertIn(f"mail has channels to {MOST_RECEIVERS} receivers already", str(fault))

    def test_settings(self) -> None:
        """Other settings hold at once, for what is gathered too."""
        self.plugin(self.ops)
        self.desk.take(PONG("x", "a"))
        self.desk.follow(Settings(events={"pong": "always", "virus": "never"}))
        self.desk.take(VIRUS("x"))
        self.settle()
        self.assertEqual(self.ops.texts, ["pong 1"])


class RestartTests(DeskTestCase):
    """Another process."""

    def setUp(self) -> None:
        """Have a folder for state."""
        super().setUp()
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        self.desk = self.make()

    def stop(self) -> None:
        """Stop the desk."""
        stopping = self.desk.stop()
        self.settle(10)
        self.successResultOf(stopping)

    def test_counts(self) -> None:
        """What was gathered is not told at the end of the process, and not lost."""
        old = self.plugin(self.ops)
        self.desk.quiet(100)
        self.desk.take(VIRUS("x", "a"))
        self.desk.quiet(None)
        self.settle()
        for _ in range(3):
            self.desk.take(VIRUS("x", "a"))
            self.desk.take(PONG("x", "a"))
        self.desk.take(GONE("x", "a"))
        self.stop()
        old.end()
        self.assertEqual(self.ops.texts, ["virus 1", "gone 1"])
        self.desk.take(VIRUS("too late"))
        self.desk = self.make()
        self.plugin(self.ops)
        self.desk.take(BACK("x", "a"))
        self.settle(900)
        self.assertEqual(self.ops.texts[2:], ["back 1", "virus 3", "pong 3"])

    def test_crash(self) -> None:
        """After kill -9 nothing that was told is told again, and what was counted a second before it is not lost."""
        self.plugin(self.ops)
        away = Receiver()
        away.why = DeliveryFailed("away")
        self.plugin(away, name="snmp")
        for _ in range(3):
            self.desk.take(VIRUS("x", "a"))
            self.desk.take(PING("x", "a"))
            self.settle(2)
        self.desk.take(DOWN("x", "a"))
        self.settle()
        journal = self.queue._journal
        assert journal is not None
        journal._file.close()
        for call in list(self.clock.calls):
            call.cancel()
        self.desk = self.make()
        self.plugin(self.ops)
        self.plugin(away, name="snmp")
        away.why = None
        self.desk.take(UP("x", "a"))
        self.settle(1000)
        for receiver in (self.ops, away):
            self.assertEqual(
                sorted(receiver.texts),
                ["down 1", "ping 1", "ping 2", "up 1", "virus 1", "virus 2"],
            )
        ids = [
            {
                alarm.event.name + str(alarm.count): alarm.id
                for one in who.notices
                for alarm in one.alarms
            }
            for who in (self.ops, away)
        ]
        self.assertEqual(ids[0], ids[1])

    def test_quiet(self) -> None:
        """A restart in the midst of maintenance is none of its end."""
        self.plugin(self.ops)
        self.desk.quiet(1000)
        self.stop()
        self.desk = self.make()
        self.assertIsNone(self.desk.quiet_until)
        self.plugin(self.ops)
        assert self.desk.quiet_until is not None
        self.assertEqual(round(self.desk.quiet_until - 1e9), 1000)
        self.desk.take(DOWN("x", "a"))
        self.assertEqual(self.ops.texts, [])

    def test_without_folder(self) -> None:
        """Where nothing outlives the process what is gathered is told at its end."""
        self.folder = ""
        self.desk = self.make()
        self.plugin(self.ops)
        self.desk.take(PONG("x", "a"))
        self.stop()
        self.assertEqual(self.ops.texts, ["pong 1"])


class OrderTests(DeskTestCase):
    """What an operator asks for."""

    def test_states(self) -> None:
        """What is out of order is known whether anybody is told of it or not."""
        self.desk.take(DOWN("is down", "a"))
        self.settle(10)
        self.desk.take(DOWN("is still down", "a"))
        self.desk.take(GONE("gone", "b"))
        self.desk.take(PING("x"))
        self.assertEqual(
            [(one.name, one.subject, one.text, one.since, one.count) for one in self.desk.states()],
            [("down", "a", "is still down", 1e9, 2), ("gone", "b", "gone", 1e9 + 10, 1)],
        )
        self.desk.take(UP("x", "a"))
        self.assertEqual([one.name for one in self.desk.states()], ["gone"])

    def test_many_states(self) -> None:
        """No more of them are remembered than there is room for."""
        for number in range(MOST_OPEN + 10):
            self.desk.take(DOWN("x", str(number)))
        self.assertEqual(len(self.desk.states()), MOST_OPEN)
        self.assertEqual(self.desk.states()[0].subject, "10")

    def test_quiet(self) -> None:
        """Maintenance can be begun and ended, and what lasts is told then."""
        self.plugin(self.ops)
        self.desk.quiet(600)
        self.desk.take(DOWN("x", "a"))
        self.assertEqual(self.desk.quiet_until, 1e9 + 600)
        self.desk.quiet(None)
        self.settle()
        self.assertIsNone(self.desk.quiet_until)
        self.assertEqual(self.ops.texts, ["down 1"])

    def test_windows(self) -> None:
        """The windows of the configuration hold, and those of another one after a reload."""
        self.desk = self.make(Settings(maintenance=(window("00:00-24:00"),)))
        self.plugin(self.ops)
        self.desk.take(DOWN("x", "a"))
        self.assertEqual(self.ops.texts, [])
        self.assertIsNotNone(self.desk.quiet_until)
        self.desk.follow(Settings())
        self.settle()
        self.assertEqual(self.ops.texts, ["down 1"])

    def test_test(self) -> None:
        """A test delivers one alarm that says that it is one, past all rules, and tells how that went."""
        bad = Receiver()
        bad.why = DeliveryFailed("no such host", is_final=True)
        self.plugin(self.ops, ChannelRules(default=Notify.NEVER, least=Severity.ERROR))
        self.plugin(bad, name="snmp")
        self.desk.quiet(600)
        trying = self.desk.test(PING("x", "a"))
        self.settle()
        self.assertEqual(self.successResultOf(trying), {"mail/ops": "", "snmp/ops": "no such host"})
        self.assertTrue(self.ops.notices[0].alarms[0].is_test)
        trying = self.desk.test(PING("x", "a"), ["mail"])
        self.assertEqual(self.successResultOf(trying), {"mail/ops": ""})

    def test_broken_test(self) -> None:
        """What can't be tried at all is said, and logged."""
        self.plugin(self.ops)

        def broken(key: str, notice: Notice) -> Deferred[str]:
            return fail(LookupError("no queue"))

        self.queue.test = broken  # type: ignore[method-assign]
        trying = self.desk.test(PING("x", "a"))
        (why,) = self.successResultOf(trying).values()
        self.assertIn("could not be tried", why)
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)

    def test_clock_set_back(self) -> None:
        """A clock of a reactor that is set back is noticed with the next event."""
        self.settle(1000)
        self.plugin(self.ops)
        for _ in range(2):
            self.desk.take(PING("x", "a"))
        self.clock.rightNow = 0.0
        self.desk.take(PING("x", "a"))
        self.settle(60)
        self.assertEqual(self.ops.texts, ["ping 1", "ping 2"])

    def test_slow_test(self) -> None:
        """A receiver that does not answer keeps nobody waiting for long."""
        self.ops.waiting = Deferred()
        self.plugin(self.ops)
        trying = self.desk.test(PING("x", "a"))
        self.settle(TEST_SECONDS + 1)
        self.assertEqual(self.successResultOf(trying), {"mail/ops": "no answer within 30 s"})


class CostTests(DeskTestCase):
    """What each event costs, in steps of the interpreter."""

    def test_no_channel(self) -> None:
        """Without a channel an event costs next to nothing."""
        event = VIRUS("x", "a")
        self.assertLess(opcodes(lambda: self.desk.take(event)), 30)

    def test_counted(self) -> None:
        """One that is only counted costs no more than some dict work for each channel."""
        event = VIRUS("x", "a")
        receivers = [Receiver() for _ in range(3)]
        costs = []
        for number, receiver in enumerate(receivers):
            self.plugin(receiver, name=f"plugin{number}")
            for _ in range(3):
                self.desk.take(event)
            costs.append(opcodes(lambda: self.desk.take(event)))
        self.assertLess(costs[0], 320, costs)
        self.assertLess(costs[2] - costs[1], 160, costs)

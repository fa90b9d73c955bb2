"""Tests of delivery to a receiver: attempts, pauses, time-outs, what is dropped and who is told."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.queue import NoticeQueue, QueueBounds, QueuedChannel
from gateway.api.alarms import AlarmState, DeliveryFailed, Notice
from gateway.api.events import Event, Severity
from tests.unit.alarms.notices import KEY, Process, Receiver, notice


class DeliveryTestCase(SynchronousTestCase):
    """A receiver of a queue in memory."""

    def setUp(self) -> None:
        """Open it."""
        self.process = Process()
        self.receiver = Receiver()
        self.channel: QueuedChannel = self.process.open(self.receiver)

    @property
    def got(self) -> list[tuple[str, int]]:
        """What came, by id and attempt."""
        return self.receiver.got

    def after(self, seconds: float) -> None:
        """Let time pass."""
        self.process.clock.advance(seconds)
        self.process.settle()


class OrderTests(DeliveryTestCase):
    """One after the other."""

    def test_in_order(self) -> None:
        """Notices are delivered in the order in which they came, one at a time."""
        self.receiver.is_slow = True
        self.process.put("1", "2", "3")
        self.assertEqual(self.receiver.ids, ["1"])
        self.assertEqual(self.channel.queued, 3)
        self.receiver.held[0].callback(None)
        self.assertEqual(self.receiver.ids, ["1", "2"])
        self.receiver.held[1].callback(None)
        self.receiver.held[2].callback(None)
        self.assertEqual(self.got, [("1", 1), ("2", 1), ("3", 1)])
        self.assertEqual(self.process.use["sent"], 3)
        self.assertEqual(self.channel.queued, 0)

    def test_others_do_not_wait(self) -> None:
        """A receiver that is slow keeps no other one waiting."""
        self.receiver.is_slow = True
        other = Receiver()
        self.process.open(other, "test/other")
        self.process.put("1")
        self.process.put("2", key="test/other")
        self.assertEqual(other.ids, ["2"])

    def test_coroutines(self) -> None:
        """A channel may be a coroutine, and fail as one."""
        said: list[str] = []

        async def deliver(notice: Notice) -> None:
            said.append(f"{notice.id} {notice.attempt}")
            if notice.attempt == 1:
                raise DeliveryFailed("not now")

        self.process.queue.channel("test/async", deliver, 60.0)
        self.process.put("1", key="test/async")
        self.after(1.0)
        self.assertEqual(said, ["1 1", "1 2"])

    def test_many_at_once(self) -> None:
        """A channel that needs no time gets thousands without keeping the reactor for all of them."""
        self.receiver.is_slow = True
        self.process.put("first")
        for number in range(2000):
            self.process.queue.put(KEY, notice(str(number)))
        self.receiver.is_slow = False
        self.receiver.held[0].callback(None)
        self.assertLess(len(self.got), 100)
        self.process.clock.pump([0] * 200)
        self.assertEqual(self.receiver.ids, ["first", *map(str, range(2000))])

    def test_nobody_opened(self) -> None:
        """A receiver that nobody opened takes nothing."""
        self.assertRaises(KeyError, self.process.queue.put, "test/unknown", notice("1"))

    def test_what_can_not_be_kept(self) -> None:
        """A notice that can't be kept is dropped, counted and logged, and its event's own code sees nothing of it."""
        broken = notice("1")
        object.__setattr__(broken, "since", "soon")
        object.__setattr__(broken.alarms[0], "subjects", None)
        self.process.queue.put(KEY, broken)
        self.assertEqual(self.process.use["dropped"], 1)
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)


class RetryTests(DeliveryTestCase):
    """Again and again."""

    def test_pauses(self) -> None:
        """Pauses are twice as long each time, up to five minutes."""
        self.receiver.breaks()
        self.process.put("1")
        pauses = []
        for _ in range(12):
            came, waited = len(self.got), 0
            while len(self.got) == came:
                self.after(1.0)
                waited += 1
            pauses.append(waited)
        self.assertEqual(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])
        self.assertEqual(self.got, [("1", number) for number in range(1, 14)])
        self.receiver.works()
        self.process.put("2")
        self.after(300.0)
        self.assertEqual(self.got[13:], [("2", 1), ("1", 14)])
        self.assertEqual(
            self.process.use, {"sent": 2, "failed": 13, "dropped": 0, "retried": 13, "queued": 0}
        )
        self.receiver.breaks()
        self.process.put("3")
        self.after(1.0)
        self.assertEqual(self.got[15:], [("3", 1), ("3", 2)])

    def test_jitter(self) -> None:
        """A quarter of a pause is random."""
        process = Process(random=lambda: 1.0)
        process.open(self.receiver)
        self.receiver.breaks()
        process.put("1")
        process.clock.advance(0.74)
        self.assertEqual(len(self.got), 1)
        process.clock.advance(0.01)
        self.assertEqual(len(self.got), 2)

    def test_put_off(self) -> None:
        """A receiver that says when to come again is asked no sooner, and may not say more than an hour."""
        self.receiver.breaks(after_seconds=120.0)
        self.process.put("1")
        self.after(119.0)
        self.assertEqual(len(self.got), 1)
        self.receiver.breaks(after_seconds=1e9)
        self.after(1.0)
        self.assertEqual(len(self.got), 2)
        self.after(3599.0)
        self.assertEqual(len(self.got), 2)
        self.after(1.0)
        self.assertEqual(len(self.got), 3)

    def test_no_put_off(self) -> None:
        """To be put off for less than the pause does not shorten it."""
        self.receiver.breaks(after_seconds=0.0)
        self.process.put("1")
        self.after(0.5)
        self.assertEqual(len(self.got), 1)

    def test_final(self) -> None:
        """What a receiver refuses for good is dropped, counted, and what follows comes at once."""
        self.receiver.breaks("no such user", is_final=True)
        self.process.put("1", "2")
        self.assertEqual(self.got, [("1", 1), ("2", 1)])
        self.assertEqual(
            self.process.use, {"sent": 0, "failed": 2, "dropped": 2, "retried": 0, "queued": 0}
        )

    def test_final_is_told(self) -> None:
        """What was refused for good is told with the next one that is taken, so that nobody can have an alarm lost unseen."""
        self.receiver.breaks("looks like malware", is_final=True)
        self.receiver.dislikes = {"1"}
        self.process.put("1", "2", "3")
        self.assertEqual(self.receiver.ids[:2], ["1", "2"])
        told = self.receiver.notices[2].alarms[0].event
        self.assertEqual(told.name, "alarms_dropped")
        self.assertEqual(told.values, {"notices": "1", "events": "1"})
        self.assertEqual(self.receiver.ids[3:], ["3"])
        self.assertEqual(self.process.use["dropped"], 1)

    def test_one_is_not_taken(self) -> None:
        """What a receiver does not take, whatever it is in it, keeps nothing else back for long."""
        self.receiver.breaks("status 403")
        self.receiver.dislikes = {"1"}
        self.process.put("1", "2", "3")
        self.assertEqual(self.receiver.ids, ["1"])
        for _ in range(31):
            self.after(1.0)
        self.assertEqual(self.receiver.ids, ["1"] * 5 + ["2", "3", "1"])
        self.process.put("4")
        self.after(300.0)
        self.assertIn("4", self.receiver.ids)
        self.receiver.works()
        self.after(300.0)
        self.assertEqual((self.receiver.ids[-1], self.process.use["queued"]), ("1", 0))

    def test_states_stay_in_order(self) -> None:
        """What begins and ends is never told the other way round, however often the beginning is tried."""
        self.receiver.breaks()
        self.process.queue.put(KEY, notice("begun", state=AlarmState.BEGUN))
        self.process.queue.put(KEY, notice("over", state=AlarmState.OVER))
        self.process.settle()
        for _ in range(8):
            self.after(300.0)
        self.assertEqual(set(self.receiver.ids), {"begun"})
        self.process.put("single")
        for _ in range(2):
            self.after(300.0)
        self.assertEqual(set(self.receiver.ids), {"begun", "single"})
        self.receiver.works()
        self.after(300.0)
        self.after(300.0)
        last = list(dict.fromkeys(reversed(self.receiver.ids)))
        self.assertLess(last.index("over"), last.index("begun"))
        self.assertEqual(self.process.use["queued"], 0)

    def test_all_final(self) -> None:
        """A receiver that refuses everything is not asked thousands of times a second."""
        self.receiver.breaks("no such user", is_final=True)
        self.process.put(*map(str, range(100)))
        self.assertEqual(len(self.got), 3)
        self.assertEqual([event.name for event in self.process.events], ["channel_down"])

    def test_faults(self) -> None:
        """A notice on which the plugin breaks again and again is dropped, so that the others arrive."""
        self.receiver.error = KeyError("secret")
        self.process.put("1", "2")
        for seconds in (1, 2, 4, 8):
            self.after(seconds)
        self.assertEqual(self.receiver.ids, ["1"] * 5)
        self.receiver.works()
        self.after(16)
        self.assertEqual(self.receiver.ids[5], "2")
        self.assertEqual(self.receiver.notices[6].alarms[0].event.name, "alarms_dropped")
        self.assertEqual(self.process.use["dropped"], 1)
        (down, up) = self.process.events
        self.assertEqual((down.values["why"], up.name), ("KeyError", "channel_up"))

    def test_network_faults(self) -> None:
        """What the network does is no fault of the plugin, however often it does it."""
        self.receiver.error = ConnectionRefusedError()
        self.process.put("1")
        self.after(3600.0)
        for _ in range(20):
            self.after(300.0)
        self.assertEqual(self.process.use["dropped"], 0)
        self.assertEqual(self.process.use["queued"], 1)


class TimeoutTests(DeliveryTestCase):
    """Attempts that don't end."""

    def setUp(self) -> None:
        """Begin one."""
        super().setUp()
        self.receiver.is_slow = True
        self.process.put("1")
        (self.attempt,) = self.receiver.held

    def test_cancelled(self) -> None:
        """After its time an attempt is cancelled, and fails."""
        self.after(59.9)
        self.assertEqual(self.receiver.cancelled, 0)
        self.after(0.2)
        self.assertEqual(self.receiver.cancelled, 1)
        self.assertEqual(self.process.use["failed"], 1)
        self.after(1.0)
        self.assertEqual(self.got, [("1", 1), ("1", 2)])

    def test_too_late(self) -> None:
        """What ends after its time counts for nothing: the notice is delivered again."""
        stubborn: Deferred[None] = Deferred()

        async def deliver(notice: Notice) -> None:
            try:
                await Deferred()
            except CancelledError:
                await stubborn

        self.channel.close()
        self.process.queue.channel(KEY, deliver, 60.0)
        self.after(60.0)
        self.assertEqual(self.process.use["failed"], 1)
        stubborn.callback(None)
        self.assertEqual((self.process.use["sent"], self.process.use["queued"]), (0, 1))

    def test_in_time(self) -> None:
        """An attempt that ended leaves no time-out behind."""
        self.attempt.callback(None)
        self.assertEqual(self.process.clock.getDelayedCalls(), [])
        self.assertEqual(self.process.use["sent"], 1)


class ReloadTests(DeliveryTestCase):
    """Another plugin object opens the same receiver."""

    def setUp(self) -> None:
        """Have an attempt under way."""
        super().setUp()
        self.receiver.is_slow = True
        self.process.put("1", "2")
        self.other = Receiver()

    def test_waits_for_the_old_one(self) -> None:
        """What the old object delivers is not delivered by the new one too; the next is the new one's."""
        self.process.open(self.other)
        self.assertEqual(self.other.got, [])
        self.receiver.held[0].callback(None)
        self.assertEqual(self.other.got, [("2", 1)])
        self.channel.close()
        self.process.put("3")
        self.assertEqual((self.receiver.ids, self.other.ids), (["1"], ["2", "3"]))

    def test_old_one_ends(self) -> None:
        """The old object's attempt ends with it, and the new one delivers that again, marked as tried."""
        self.process.open(self.other)
        self.channel.close()
        self.assertEqual(self.other.got, [("1", 2), ("2", 1)])
        self.assertEqual(self.receiver.cancelled, 1)

    def test_new_one_did_not_start(self) -> None:
        """Where the new object goes again, the old one goes on."""
        new = self.process.open(self.other)
        new.close()
        new.close()
        self.receiver.held[0].callback(None)
        self.assertEqual(self.receiver.ids, ["1", "2"])
        self.assertEqual(self.other.got, [])

    def test_nobody(self) -> None:
        """Without a plugin object notices wait, are not shown, and are there for the next one."""
        self.channel.close()
        self.process.put("3")
        self.assertEqual((self.process.queue.uses(), self.process.queue.counts()), ([], {}))
        self.process.open(self.other)
        self.assertEqual(self.other.got, [("1", 2), ("2", 1), ("3", 1)])
        self.assertEqual(self.process.queue.counts(), {KEY: 0})

    def test_pause_ends(self) -> None:
        """A new object tries at once: its settings may be the right ones now."""
        self.receiver.is_slow = False
        self.receiver.breaks()
        self.receiver.held[0].errback(DeliveryFailed("no"))
        self.process.open(self.other)
        self.assertEqual(self.other.got, [("1", 2), ("2", 1)])


class BoundTests(DeliveryTestCase):
    """What is too much."""

    def setUp(self) -> None:
        """Let three wait at the most."""
        super().setUp()
        self.process.queue.follow(QueueBounds(notices=3, keep_seconds=100.0))
        self.receiver.breaks()

    def test_drop_rule(self) -> None:
        """The oldest of the lowest severity goes, and the receiver hears of it first."""
        self.process.put("e1", severity=Severity.ERROR)
        self.process.put("i1", "i2", severity=Severity.INFO)
        self.process.put("w1", "w2")
        self.process.put("i3", severity=Severity.INFO)
        self.assertEqual(self.process.use["dropped"], 3)
        self.receiver.works()
        self.receiver.notices.clear()
        self.after(1.0)
        lost, *others = self.receiver.notices
        self.assertEqual([one.id for one in others], ["e1", "w1", "w2"])
        (alarm,) = lost.alarms
        self.assertEqual(alarm.event.name, "alarms_dropped")
        self.assertEqual(alarm.event.subject, KEY)
        self.assertEqual(alarm.event.values, {"notices": "3", "events": "3"})
        self.assertEqual(lost.attempt, 1)
        self.assertEqual(self.process.events, [])

    def test_told_twice(self) -> None:
        """What goes while that is told is told by a second one; each is counted once."""
        self.process.put("1", "2", "3", "4")
        self.after(1.0)
        self.process.put("5", "6")
        self.receiver.works()
        self.receiver.notices.clear()
        self.after(2.0)
        told = [
            one.alarms[0].event.values["notices"]
            for one in self.receiver.notices
            if one.alarms[0].event.name == "alarms_dropped"
        ]
        self.assertEqual(told, ["1", "2"])
        self.assertEqual(self.process.use["dropped"], 3)

    def test_too_old(self) -> None:
        """What waited for too long is dropped and told like that."""
        self.process.put("1", "2")
        self.after(50.0)
        self.process.put("3")
        self.after(14.0)
        self.receiver.notices.clear()
        self.receiver.works()
        self.after(64.0)
        lost, last = self.receiver.notices
        self.assertEqual(lost.alarms[0].event.values, {"notices": "2", "events": "2"})
        self.assertEqual(last.id, "3")
        self.assertEqual(self.process.use["dropped"], 2)

    def test_less_room(self) -> None:
        """A smaller bound holds at once."""
        self.process.put("1", "2", "3")
        self.process.queue.follow(QueueBounds(notices=1))
        self.assertEqual(self.process.use["dropped"], 2)


class DownTests(DeliveryTestCase):
    """Others are told of a receiver that takes nothing."""

    def test_down_and_up(self) -> None:
        """After three attempts in a row others are told, once; when it works again, too."""
        self.receiver.breaks("connection refused")
        self.process.put("1")
        self.after(1.0)
        self.assertEqual(self.process.events, [])
        self.after(2.0)
        self.after(4.0)
        (down,) = self.process.events
        self.assertEqual((down.name, down.subject), ("channel_down", KEY))
        self.assertEqual(down.values, {"why": "connection refused", "failures": "3", "queued": "1"})
        self.receiver.works()
        self.after(8.0)
        up = self.process.events[1]
        self.assertEqual((up.name, up.subject), ("channel_up", KEY))
        self.assertEqual(up.values, {"seconds": "12", "queued": "0"})

    def test_taken_away(self) -> None:
        """Of a receiver that is down and that a reload takes away nobody is reminded any more; a stop says nothing of it."""
        self.receiver.breaks("connection refused")
        self.process.put("1")
        for _ in range(4):
            self.after(4.0)
        again = self.process.open(self.receiver)
        again.close()
        self.assertEqual([one.name for one in self.process.events], ["channel_down"])
        self.channel.close()
        over = self.process.events[1]
        self.assertEqual((over.name, over.subject), ("channel_up", KEY))
        self.process.open(self.receiver)
        for _ in range(4):
            self.after(4.0)
        self.process.queue.stop()
        self.after(5.0)
        names = [one.name for one in self.process.events]
        self.assertEqual(names, ["channel_down", "channel_up", "channel_down"])

    def test_now_and_then(self) -> None:
        """Failures between which it works are told to nobody."""
        for id in "123456":
            self.receiver.breaks()
            self.process.put(id)
            self.after(1.0)
            self.receiver.works()
            self.after(2.0)
        self.assertEqual(self.process.use["failed"], 12)
        self.assertEqual(self.process.events, [])

    def test_no_ears(self) -> None:
        """Whoever breaks on being told keeps nothing from being delivered."""

        def tell(event: Event) -> None:
            raise RuntimeError(event.name)

        queue = NoticeQueue(self.process.clock, tell=tell, random=lambda: 0.0)
        self.receiver.breaks()
        queue.channel(KEY, self.receiver.deliver, 60.0)
        queue.put(KEY, notice("1"))
        queue.put(KEY, notice("2"))
        self.after(1.0)
        self.after(2.0)
        self.receiver.works()
        self.after(4.0)
        self.assertEqual(self.receiver.ids, ["1"] * 4 + ["2"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)


class TestTests(DeliveryTestCase):
    """An operator tries a receiver."""

    def test_it_works(self) -> None:
        """A test is one attempt at once, before what waits."""
        answer = self.process.queue.test(KEY, notice("t"))
        self.assertEqual(self.successResultOf(answer), "")
        self.assertEqual(self.got, [("t", 1)])

    def test_it_does_not(self) -> None:
        """A test that fails says why, is not tried again and makes nothing else wait for longer."""
        self.receiver.breaks("bad key")
        self.assertEqual(self.successResultOf(self.process.queue.test(KEY, notice("t"))), "bad key")
        self.after(600.0)
        self.assertEqual(self.got, [("t", 1)])

    def test_in_a_pause(self) -> None:
        """A test does not wait for the end of a pause, and ends it if the receiver works."""
        self.receiver.breaks()
        self.process.put("1")
        self.receiver.works()
        self.process.queue.test(KEY, notice("t"))
        self.assertEqual(self.got, [("1", 1), ("t", 1), ("1", 2)])

    def test_after_a_running_one(self) -> None:
        """A test waits for a delivery under way, and comes before the next."""
        self.receiver.is_slow = True
        self.process.put("1", "2")
        answer = self.process.queue.test(KEY, notice("t"))
        self.assertNoResult(answer)
        self.receiver.held[0].callback(None)
        self.receiver.held[1].callback(None)
        self.assertEqual(self.successResultOf(answer), "")
        self.assertEqual(self.receiver.ids, ["1", "t", "2"])

    def test_given_up(self) -> None:
        """A test that nobody waits for any more is not made; one that runs goes on."""
        self.receiver.is_slow = True
        running = self.process.queue.test(KEY, notice("t"))
        waiting = self.process.queue.test(KEY, notice("u"))
        for answer in (running, waiting):
            answer.cancel()
            self.failureResultOf(answer, CancelledError)
        self.receiver.held[0].callback(None)
        self.process.put("1")
        self.assertEqual(self.receiver.ids, ["t", "1"])

    def test_nobody(self) -> None:
        """Without a receiver, or with one that ends, a test says so."""
        unknown = self.process.queue.test("test/unknown", notice("t"))
        self.assertEqual(self.successResultOf(unknown), "there is no such channel")
        self.receiver.is_slow = True
        running = self.process.queue.test(KEY, notice("t"))
        waiting = self.process.queue.test(KEY, notice("u"))
        self.channel.close()
        for answer in (running, waiting):
            self.assertEqual(self.successResultOf(answer), "the plugin was stopped")
        closed = self.process.queue.test(KEY, notice("t"))
        self.assertEqual(self.successResultOf(closed), "the channel is not open")

"""Tests of the queue and its file: restarts, damage, full disks, and what each of them leaves."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, execute, fail
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from gateway.alarms.file import DOWN, FILE, FIRST_SWEEP_SECONDS, AlarmFile
from gateway.alarms.journal import RETRY_SECONDS, SLOW_SECONDS
from gateway.alarms.queue import QueueBounds
from gateway.api.alarms import Notice
from gateway.api.events import Severity
from tests.unit.alarms.notices import KEY, Process, Receiver, notice


def hear(test: SynchronousTestCase) -> list[str]:
    """Give what is logged until the end of a test."""
    heard: list[str] = []

    def listen(event: LogEvent) -> None:
        heard.append(formatEvent(event))

    globalLogPublisher.addObserver(listen)  # type: ignore[arg-type]
    test.addCleanup(globalLogPublisher.removeObserver, listen)  # type: ignore[arg-type]
    return heard


class FileTestCase(SynchronousTestCase):
    """Processes that follow each other with one state folder."""

    def setUp(self) -> None:
        """Make the folder."""
        self.folder = str(self.mktemp())
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, FILE)
        self.receiver = Receiver()

    def process(self, **said: Any) -> Process:
        """Start one; it ends with the test."""
        made = Process(self.folder, **said)
        self.addCleanup(made.kill)
        return made

    def rows(self, statement: str = "SELECT id, attempt FROM notices ORDER BY number") -> list[Any]:
        """Read the file."""
        database = sqlite3.connect(self.path)
        try:
            return database.execute(statement).fetchall()
        finally:
            database.close()

    def left(self, *ids: str, severity: Severity = Severity.WARNING) -> None:
        """Let a process leave notices that it tried once, the first of them at least."""
        process = self.process()
        self.receiver.breaks()
        process.open(self.receiver)
        process.put(*ids, severity=severity)
        process.kill()
        self.receiver.works()
        self.receiver.got.clear()


class RestartTests(FileTestCase):
    """A process ends, another begins."""

    def test_killed(self) -> None:
        """After kill -9 everything is delivered in order; what was tried says so, under the same id."""
        self.left("1", "2", "3")
        process = self.process()
        process.open(self.receiver)
        self.assertEqual(self.receiver.got, [("1", 2), ("2", 1), ("3", 1)])
        process.kill()
        self.assertEqual(self.rows(), [])

    def test_killed_while_delivering(self) -> None:
        """An attempt whose end nobody saw is made again, marked as tried; what had arrived before is not."""
        process = self.process()
        self.receiver.is_slow = True
        process.open(self.receiver)
        process.put("1", "2")
        self.receiver.held[0].callback(None)
        process.settle()
        process.kill()
        self.receiver.is_slow = False
        self.process().open(self.receiver)
        self.assertEqual(self.receiver.got, [("1", 1), ("2", 1), ("2", 2)])

    def test_attempt_is_written_first(self) -> None:
        """Nothing is delivered before the number of the attempt is in the file."""
        held: list[Callable[[], object]] = []

        def run(function: Callable[..., Any], /, *args: object) -> Deferred[Any]:
            answer: Deferred[Any] = Deferred()
            held.append(lambda: execute(function, *args).chainDeferred(answer))
            return answer

        process = self.process(run=run)
        process.open(self.receiver)
        held.pop()()
        process.put("1")
        self.assertEqual(self.receiver.got, [])
        held.pop()()
        self.assertEqual(self.receiver.got, [("1", 1)])

    def test_put_while_loading(self) -> None:
        """What comes while the file is read is delivered after what was in it, and is kept too."""
        self.left("1", "2")
        process = self.process()
        self.receiver.breaks()
        process.queue.channel(KEY, self.receiver.deliver, 60.0)
        process.put("3")
        process.kill()
        self.assertEqual(self.rows(), [("1", 2), ("2", 0), ("3", 0)])

    def test_stop(self) -> None:
        """A planned end sends what can be sent and leaves the rest, with nothing of it lost."""
        process = self.process()
        process.open(self.receiver)
        bad = Receiver()
        bad.breaks()
        process.open(bad, "test/bad")
        process.put("0", key="test/bad")
        self.receiver.is_slow = True
        process.put("1", "2")
        stopping = process.queue.stop(2.0)
        self.assertNoResult(stopping)
        self.receiver.held[0].callback(None)
        process.settle()
        self.assertEqual(self.receiver.ids, ["1", "2"])
        process.clock.advance(2.0)
        process.settle()
        self.successResultOf(stopping)
        self.successResultOf(process.queue.stop())
        self.assertEqual(process.clock.getDelayedCalls(), [])
        self.assertEqual(
            self.rows("SELECT id, attempt FROM notices ORDER BY id"), [("0", 1), ("2", 1)]
        )
        self.assertEqual(len(bad.got), 1)

    def test_stop_with_nothing(self) -> None:
        """A queue that nobody used stops at once, and made no file."""
        process = self.process()
        self.successResultOf(process.queue.stop())
        self.assertEqual(os.listdir(self.folder), [])

    def test_down_is_told_anew(self) -> None:
        """A receiver that is down still after a restart is raised anew: it must not seem to be over."""
        self.receiver.breaks()
        for wall in (1e9, 1e9 + 100):
            process = self.process(wall=wall)
            process.open(self.receiver)
            process.put("1")
            for seconds in (1, 2, 4, 8):
                process.clock.advance(seconds)
                process.settle()
            self.assertEqual([one.name for one in process.events], ["channel_down"])
            process.kill()
        self.receiver.works()
        later = self.process(wall=1e9 + 103)
        later.open(self.receiver)
        (up,) = later.events
        self.assertEqual((up.name, up.values["seconds"]), ("channel_up", "100"))

    def test_down_is_remembered(self) -> None:
        """A receiver that was down before the restart is told to work again after it."""
        process = self.process()
        self.receiver.breaks()
        process.open(self.receiver)
        process.put("1")
        for seconds in (1, 2):
            process.clock.advance(seconds)
            process.settle()
        self.assertEqual([one.name for one in process.events], ["channel_down"])
        process.kill()
        self.receiver.works()
        later = self.process(wall=1e9 + 100)
        later.open(self.receiver)
        self.assertEqual([one.name for one in later.events], ["channel_up"])
        self.assertEqual(later.events[0].values["seconds"], "97")

    def test_dropped_is_remembered(self) -> None:
        """What was dropped before the restart is counted on and told after it."""
        bounds = QueueBounds(notices=2)
        self.receiver.breaks()
        process = self.process(bounds=bounds)
        process.open(self.receiver)
        process.put("1", "2", "3", "4")
        process.kill()
        later = self.process(bounds=bounds)
        later.open(self.receiver)
        later.put("5")
        self.receiver.works()
        self.receiver.notices.clear()
        for _ in range(10):
            later.clock.advance(1)
            later.settle()
        told = [
            one for one in self.receiver.notices if one.alarms[0].event.name == "alarms_dropped"
        ]
        self.assertEqual(sum(int(one.alarms[0].event.values["notices"]) for one in told), 3)

    def test_age_goes_on(self) -> None:
        """A restart makes nothing younger; a clock that was set back makes nothing older."""
        self.left("1")
        aged = self.process(wall=1e9 + 8 * 86400)
        aged.open(self.receiver)
        self.assertEqual(
            [one.alarms[0].event.name for one in self.receiver.notices[1:]], ["alarms_dropped"]
        )
        aged.kill()
        self.left("2")
        self.process(wall=1e9 - 30 * 86400).open(self.receiver)
        self.assertEqual(self.receiver.got, [("2", 2)])

    def test_unreadable(self) -> None:
        """A notice that can't be read is dropped and logged, and keeps no other back."""
        self.left("1", "2")
        database = sqlite3.connect(self.path)
        database.execute("UPDATE notices SET body = x'00' WHERE id = '1'")
        database.commit()
        database.close()
        process = self.process()
        process.open(self.receiver)
        self.assertEqual(self.receiver.ids, ["2"])
        self.assertEqual(process.use["dropped"], 1)


class StateTests(FileTestCase):
    """What gates keep."""

    def test_kept(self) -> None:
        """What was kept last comes back, before anything is delivered; what is empty is nothing."""
        process = self.process()
        states: list[bytes] = []
        process.open(self.receiver, kept=states.append)
        process.queue.keep(KEY, b"one")
        process.queue.keep(KEY, b"two")
        process.settle()
        process.kill()
        later = self.process()
        later.open(self.receiver, kept=states.append)
        later.open(self.receiver, kept=states.append)
        self.assertEqual(states, [b"", b"two", b"two"])

    def test_together(self) -> None:
        """What is put and kept in one turn is in the file together, or not at all."""
        process = self.process()
        self.receiver.breaks()
        process.open(self.receiver)
        process.queue.put(KEY, notice("1"))
        process.queue.keep(KEY, b"rest")
        process.kill()
        self.assertEqual(self.rows(), [])
        self.assertEqual(self.rows("SELECT state FROM channels"), [])

    def test_recall(self) -> None:
        """Other keys are kept too, without a receiver."""
        process = self.process()
        self.assertEqual(self.successResultOf(process.queue.recall("")), b"")
        process.queue.keep("", b"mine")
        self.assertEqual(self.successResultOf(process.queue.recall("")), b"mine")
        process.settle()
        process.kill()
        self.assertEqual(self.successResultOf(self.process().queue.recall("")), b"mine")

    def test_in_memory(self) -> None:
        """Without a folder it is kept as long as the process."""
        process = Process()
        states: list[bytes] = []
        process.open(self.receiver, kept=states.append)
        process.queue.keep(KEY, b"one")
        process.open(self.receiver, kept=states.append)
        self.assertEqual(states, [b"", b"one"])


class NoFolderTests(SynchronousTestCase):
    """Without a state folder."""

    def test_said_once(self) -> None:
        """That what waits is lost at the end is said once, in the log, and told to nobody."""
        heard = hear(self)
        process = Process()
        self.assertEqual(heard, [])
        for key in (KEY, "test/other"):
            process.open(Receiver(), key)
        self.assertEqual(
            heard, ["without a state folder alarms that wait are lost at the end of the process"]
        )
        self.assertEqual(process.events, [])


class FileTests(FileTestCase):
    """The file itself."""

    def test_rights(self) -> None:
        """Nobody else may read it."""
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        process = self.process()
        process.open(self.receiver)
        process.put("1")
        for name in os.listdir(self.folder):
            mode = stat.S_IMODE(os.stat(os.path.join(self.folder, name)).st_mode)
            self.assertEqual((name, mode), (name, 0o600))

    def test_owner(self) -> None:
        """What root makes before it becomes another user is that user's."""
        if os.geteuid() != 0:
            raise SkipTest("only root gives files away")
        file = AlarmFile(self.folder, lambda: 1e9, owner=(12345, 23456))
        self.addCleanup(file.close)
        file.write([(DOWN, (KEY, 1e9, 1.0))], 1.0)
        owners = {
            name: (found.st_uid, found.st_gid)
            for name in os.listdir(self.folder)
            for found in (os.stat(os.path.join(self.folder, name)),)
        }
        self.assertEqual(owners, dict.fromkeys((FILE, f"{FILE}-wal"), (12345, 23456)))

    def test_damaged(self) -> None:
        """A file that is none is put aside and told of, and a new one begins."""
        with open(self.path, "wb") as file:
            file.write(b"no database at all" * 100)
        process = self.process()
        self.receiver.breaks()
        process.open(self.receiver)
        process.put("1")
        self.assertEqual(
            [(one.name, one.subject) for one in process.events], [("store_damaged", "alarms")]
        )
        process.kill()
        self.assertEqual(self.rows(), [("1", 1)])
        self.assertTrue(os.path.exists(self.path + ".damaged"))

    def test_damaged_later(self) -> None:
        """Damage that is found while writing loses nothing: the new file gets what is in memory."""
        self.receiver.breaks()
        process = self.process()
        process.open(self.receiver)
        process.put("1", "2")
        process.queue.keep(KEY, b"state")
        process.settle()
        journal = process.queue._journal
        assert journal is not None
        write, broken = journal._file.write, [True]

        def damaged(*args: Any) -> None:
            if broken.pop() if broken else False:
                error = sqlite3.DatabaseError("malformed")
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise journal._file._failed(error)
            write(*args)

        journal._file.write = damaged  # type: ignore[method-assign,assignment]
        process.put("3")
        process.kill()
        self.assertEqual([one.name for one in process.events], ["store_damaged"])
        self.assertEqual(self.rows(), [("1", 1), ("2", 0), ("3", 0)])
        self.assertEqual(self.rows("SELECT state FROM channels"), [(b"state",)])

    def test_damaged_inside(self) -> None:
        """Damage that is found while reading what a channel left is put aside as well, and what others have is kept."""
        self.left(*map(str, range(500)))
        with open(self.path, "r+b") as file:
            file.seek(8192)
            file.write(b"\xff" * 40_000)
        process = self.process()
        other = Receiver()
        other.breaks()
        process.open(other, "test/other")
        process.put("x", key="test/other")
        process.open(self.receiver)
        process.put("y")
        self.assertEqual([one.name for one in process.events], ["store_damaged"])
        self.assertEqual(self.receiver.got, [("y", 1)])
        process.kill()
        self.assertEqual(self.rows(), [("x", 1)])

    def test_room_at_the_end(self) -> None:
        """What could not be written is tried once more at the end."""
        os.rmdir(self.folder)
        process = self.process()
        self.receiver.breaks()
        process.open(self.receiver)
        process.put("1", "2")
        os.mkdir(self.folder)
        stopping = process.queue.stop()
        process.settle()
        self.successResultOf(stopping)
        self.assertEqual(self.rows(), [("1", 1), ("2", 0)])

    def test_other_version(self) -> None:
        """A file of another version is put aside like a damaged one."""
        self.left("1")
        database = sqlite3.connect(self.path)
        database.execute("PRAGMA user_version = 99")
        database.close()
        process = self.process()
        process.open(self.receiver)
        self.assertEqual([one.name for one in process.events], ["store_damaged"])
        self.assertEqual(self.receiver.got, [])

    def test_no_folder(self) -> None:
        """Where the file can't be everything goes on in memory, told once; once it can be, it has all that waits."""
        os.rmdir(self.folder)
        process = self.process()
        self.receiver.breaks()
        process.open(self.receiver)
        process.put("1", "2")
        process.queue.keep(KEY, b"state")
        process.clock.pump([1.0] * 200)
        self.assertEqual([one.name for one in process.events].count("store_in_memory"), 1)
        self.assertGreater(len(self.receiver.got), 3)
        os.mkdir(self.folder)
        process.clock.advance(RETRY_SECONDS)
        process.settle()
        self.receiver.works()
        process.put("3")
        process.kill()
        self.assertEqual([id for id, _ in self.rows()], ["1", "2", "3"])
        self.assertEqual(self.rows("SELECT state FROM channels WHERE state != x''"), [(b"state",)])

    def test_full_disk(self) -> None:
        """A disk that gets full stops no delivery, is told once, and the file is right again after it."""
        process = self.process()
        process.open(self.receiver)
        self.receiver.breaks()
        process.put("1", "2")
        journal = process.queue._journal
        assert journal is not None
        with journal._file._open() as database:
            (pages,) = database.execute("PRAGMA page_count").fetchone()
            database.execute(f"PRAGMA max_page_count = {pages}")
        self.receiver.works()
        large = notice("3", text="x" * 100_000)
        process.queue.put(KEY, large)
        process.settle()
        for _ in range(3):
            process.clock.advance(1.0)
            process.settle()
        self.assertEqual(self.receiver.ids[-3:], ["1", "2", "3"])
        self.assertEqual(
            [(one.name, one.subject) for one in process.events], [("store_in_memory", "alarms")]
        )
        with journal._file._open() as database:
            database.execute("PRAGMA max_page_count = 1000000")
        process.clock.advance(RETRY_SECONDS)
        process.settle()
        self.receiver.breaks()
        process.put("4")
        process.kill()
        self.assertEqual(self.rows(), [("4", 1)])

    def test_two_processes(self) -> None:
        """A second process with the same folder delivers nothing of the first one's, and gets it after its end."""
        first = self.process()
        other = Receiver()
        other.breaks()
        first.open(other)
        first.put("1")
        second = self.process()
        journal = second.queue._journal
        assert journal is not None
        journal._file.busy_seconds = 0.01
        second.open(self.receiver)
        self.assertEqual([one.name for one in second.events], ["store_in_memory"])
        second.put("2")
        self.assertEqual(self.receiver.ids, ["2"])
        first.kill()
        second.clock.advance(RETRY_SECONDS)
        second.settle()
        self.assertEqual(self.receiver.got, [("2", 1), ("1", 2)])

    def test_slow_disk(self) -> None:
        """A disk that does not answer holds back nothing for longer than some seconds."""
        stuck: list[Deferred[Any]] = []
        is_stuck = False

        def run(function: Callable[..., Any], /, *args: object) -> Deferred[Any]:
            if not is_stuck:
                return execute(function, *args)
            stuck.append(Deferred())
            return stuck[-1]

        process = self.process(run=run)
        process.open(self.receiver)
        is_stuck = True
        process.put("1")
        self.assertEqual(self.receiver.got, [])
        process.clock.advance(SLOW_SECONDS)
        process.settle()
        process.put("2")
        self.assertEqual(self.receiver.ids, ["1", "2"])
        self.assertEqual(len(stuck), 1)

    def test_full_pool(self) -> None:
        """A pool that takes no calls is like a disk that fails."""
        process = self.process(run=lambda *_: fail(RuntimeError("no")))
        process.open(self.receiver)
        process.put("1")
        self.assertEqual(self.receiver.got, [("1", 1)])
        self.assertEqual([one.name for one in process.events], ["store_in_memory"])

    def test_sweep(self) -> None:
        """What waits for a receiver that is not configured any more goes when it is too old, not sooner."""
        self.left("1")
        for days, left in ((6, 1), (8, 0)):
            process = self.process(wall=1e9 + days * 86400)
            process.open(Receiver(), "test/other")
            process.clock.advance(FIRST_SWEEP_SECONDS)
            process.put("x", key="test/other")
            process.kill()
            self.assertEqual(len(self.rows()), left)

    def test_link(self) -> None:
        """A link in the place of the file is not followed."""
        target = os.path.join(self.folder, "target")
        os.symlink(target, self.path)
        process = self.process()
        process.open(self.receiver)
        process.put("1")
        self.assertFalse(os.path.exists(target))
        self.assertEqual(self.receiver.got, [("1", 1)])

    def test_burst(self) -> None:
        """Ten thousand notices of one turn are one write."""
        writes: list[int] = []

        def run(function: Callable[..., Any], /, *args: Any) -> Deferred[Any]:
            if function.__name__ == "write":
                writes.append(len(args[0]))
            return execute(function, *args)

        process = self.process(run=run)
        self.receiver.breaks()
        process.open(self.receiver)
        for number in range(10_000):
            process.queue.put(KEY, notice(str(number)))
        process.settle()
        self.assertEqual(len(writes), 1)
        process.kill()
        self.assertEqual(self.rows("SELECT COUNT(*) FROM notices"), [(10_000,)])


class MetricsTests(SynchronousTestCase):
    """What C{/metrics} shows."""

    def test_families(self) -> None:
        """Each receiver that is open has its numbers, and no other."""
        process, receiver = Process(), Receiver()
        channel = process.open(receiver)
        receiver.breaks()
        process.put("1", "2")
        receiver.works()
        process.clock.advance(1.0)
        process.settle()
        values = {
            sample.name: (sample.labels, sample.value)
            for family in process.queue.families()
            for sample in family.samples
        }
        label = {"channel": KEY}
        # How many were slow is up to the machine.
        self.assertEqual(values.pop("gateway_alarm_slow_total")[0], label)
        self.assertEqual(
            values,
            {
                "gateway_alarm_sent_total": (label, 2),
                "gateway_alarm_failed_total": (label, 1),
                "gateway_alarm_dropped_total": (label, 0),
                "gateway_alarm_retried_total": (label, 1),
                "gateway_alarm_queued": (label, 0),
            },
        )
        channel.close()
        self.assertEqual([one.samples for one in process.queue.families()], [[]] * 6)

    def test_slow(self) -> None:
        """A plugin that keeps the reactor while it is given a notice is counted and named, in the log at the first time, the second, the fourth."""
        process = Process()

        def deliver(notice: Notice) -> None:
            until = time.perf_counter() + 0.006
            while time.perf_counter() < until:
                pass

        process.queue.channel(KEY, deliver, 30.0)
        said = hear(self)
        process.put("1", "2", "3")
        (use,) = process.queue.uses()
        self.assertEqual((use.sent, use.slow), (3, 3))
        self.assertEqual(len(said), 2)
        self.assertIn(f"{KEY} kept the reactor for", said[0])

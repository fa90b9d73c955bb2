"""Tests of how refused content gets to the quarantine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.content import ScanJob, Side
from gateway.api.events import Event
from gateway.api.services import Overloaded
from gateway.api.transaction import Identity
from gateway.config.secrets import Secret
from gateway.config.sections.quarantine import Quarantine as Settings
from gateway.pipeline import quarantine as quarantine_module
from gateway.pipeline.judged import Judged
from gateway.pipeline.quarantine import STOP_SECONDS, SWEEP_SECONDS, Quarantine
from gateway.pipeline.quarantine_folder import Folder
from gateway.pipeline.spool import SpooledContent, TempBudget
from tests.unit.pipeline.builders import transaction

DAY = 86400.0
BAD = Judged(
    Side.RESPONSE, "infected", "block", "malware was found", "EICAR", "clamd", "1.4/27800", "a/b"
)


class Disk:
    """
    A thread that runs what it is given when the test says so.

    @ivar waiting: the calls.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[object, ...]]] = []

    def run(self, function: Callable[..., Any], /, *args: object) -> Deferred[Any]:
        """Take a call."""
        answer: Deferred[Any] = Deferred()
        self.waiting.append((answer, function, args))
        return answer

    def work(self) -> None:
        """Run what there is, and what comes of that."""
        while self.waiting:
            answer, function, args = self.waiting.pop(0)
            try:
                value = function(*args)
            except BaseException:
                answer.errback(Failure())
            else:
                answer.callback(value)


class QuarantineTests(SynchronousTestCase):
    """The reactor's side."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.disk = Disk()
        self.events: list[Event] = []
        above = Path(self.mktemp())
        above.mkdir()
        self.path = above / "quarantine"
        self.settings = Settings(path=str(self.path), keep=DAY, limit=1 << 20, key=Secret("k" * 40))
        self.quarantine = self.made(self.disk.run)

    def made(self, run: Any) -> Quarantine:
        """Make one that is started."""
        made = Quarantine(self.clock, run, self.events.append, wall=self.now)
        made.follow(self.settings)
        made.start()
        self.disk.work()
        return made

    def now(self) -> float:
        """Tell the time."""
        return 1_800_000_000.0 + self.clock.seconds()

    def heads(self) -> list[dict[str, Any]]:
        """Read what is kept."""
        folder = Folder.of(self.settings)
        found = []
        for item in folder.items():
            with folder.opened(item) as opened:
                found.append({**opened.head, "content": b"".join(opened.pieces())})
        return found

    def names(self) -> list[str]:
        """List the events."""
        return [event.name for event in self.events]

    def test_kept(self) -> None:
        """Content is kept with what people need to know of it, and without the query; the log says which it is."""
        txn = transaction(target=b"/setup.exe?token=secret")
        txn.identity = Identity("anna")
        self.quarantine.keep(ScanJob.of(b"evil", media_type="text/plain"), BAD, txn)
        self.assertEqual(self.quarantine.waiting, 1)
        self.disk.work()
        (head,) = self.heads()
        self.assertEqual(txn.notes["quarantine"], head["id"])
        self.assertEqual(head["sha256"][:32], head["id"])
        self.assertEqual(head["content"], b"evil")
        self.assertEqual(
            {name: head[name] for name in ("url", "user", "client", "request", "name", "engine")},
            {
                "url": "http://www.example.com/setup.exe",
                "user": "anna",
                "client": "192.0.2.1",
                "request": "7f3a-1",
                "name": "EICAR",
                "engine": "clamd",
            },
        )
        self.assertEqual(
            (head["reason"], head["member"], head["size"], head["time"], head["patterns"]),
            ("infected", "a/b", 4, self.now(), "1.4/27800"),
        )
        self.assertNotIn("secret", str(head))
        (event,) = self.events
        self.assertEqual(event.name, "content_quarantined")
        self.assertEqual(event.values["id"], head["id"])

    def test_from_a_file(self) -> None:
        """Content in a file is kept too, although the transaction gave it up meanwhile."""
        spooled = SpooledContent(TempBudget(16 << 20, self.clock), self.mktemp_folder())
        content = bytes(range(256)) * 8192
        spooled.write(content)
        self.settings = Settings(path=str(self.path), key=Secret("k" * 40))
        self.quarantine.follow(self.settings)
        file = spooled.file
        assert file is not None
        job = ScanJob(
            b"", file.path, spooled.size, "", spooled.sha256, "http://example.com/", keeps=file
        )
        self.quarantine.keep(job, BAD, transaction())
        spooled.close()
        del job, file
        self.disk.work()
        (head,) = self.heads()
        self.assertEqual(head["content"], content)

    def mktemp_folder(self) -> str:
        """Make a folder."""
        folder: str = self.mktemp()
        os.mkdir(folder)
        return folder

    def test_once(self) -> None:
        """Content that is there already is named in the log and makes no event."""
        for _ in range(2):
            txn = transaction()
            self.quarantine.keep(ScanJob.of(b"evil"), BAD, txn)
            self.disk.work()
            self.assertIn("quarantine", txn.notes)
        self.assertEqual(self.names(), ["content_quarantined"])

    def test_off(self) -> None:
        """Without a folder nothing is kept, nothing noted, and the disk is left alone."""
        off = Quarantine(self.clock, self.disk.run, self.events.append)
        off.follow(Settings())
        off.start()
        txn = transaction()
        off.keep(ScanJob.of(b"evil"), BAD, txn)
        self.assertEqual((self.disk.waiting, dict(txn.notes)), ([], {}))
        self.assertEqual(self.successResultOf(off.stop()), None)

    def test_one_after_the_other(self) -> None:
        """It never takes more than one thread."""
        for content in (b"1", b"2", b"3"):
            self.quarantine.keep(ScanJob.of(content), BAD, transaction())
        self.assertEqual((len(self.disk.waiting), self.quarantine.waiting), (1, 3))
        self.disk.work()
        self.assertEqual((len(self.heads()), self.quarantine.waiting), (3, 0))

    def test_bounded(self) -> None:
        """What waits is bounded in number and in bytes; what is too much is not kept, which is said once."""
        self.patch(quarantine_module, "MOST_WAITING", 3)
        jobs = [ScanJob.of(bytes((at,))) for at in range(6)]
        txns = [transaction() for _ in jobs]
        for job, txn in zip(jobs, txns, strict=True):
            self.quarantine.keep(job, BAD, txn)
        # One is being written, three wait.
        self.assertEqual(["quarantine" in txn.notes for txn in txns], [True] * 4 + [False] * 2)
        self.assertEqual(self.names(), ["quarantine_failed"])
        self.disk.work()
        self.assertEqual(len(self.heads()), 4)
        self.assertIn("quarantine_works", self.names())
        self.patch(quarantine_module, "MOST_WAITING_BYTES", 5)
        for content in (b"first", b"any size", b"too much"):
            self.quarantine.keep(ScanJob.of(content), BAD, transaction())
        self.assertEqual(self.quarantine.waiting, 2)

    def test_full_pool(self) -> None:
        """A pool that takes nothing is said, and traffic goes on."""

        def refuses(function: object, *args: object) -> Deferred[Any]:
            answer: Deferred[Any] = Deferred()
            answer.errback(Overloaded("disk", "full"))
            return answer

        quarantine = self.made(refuses)
        quarantine.keep(ScanJob.of(b"evil"), BAD, transaction())
        self.assertEqual(quarantine.waiting, 0)
        self.assertEqual(self.names(), ["quarantine_failed"])

    def test_broken_disk(self) -> None:
        """A folder that can't be used is said once, as long as it lasts; then that it works again."""
        self.path.rmdir()
        self.path.write_text("in the way")
        for content in (b"1", b"2"):
            self.quarantine.keep(ScanJob.of(content), BAD, transaction())
            self.disk.work()
        self.assertEqual(self.names(), ["quarantine_failed"])
        self.path.unlink()
        self.quarantine.keep(ScanJob.of(b"3"), BAD, transaction())
        self.disk.work()
        self.assertEqual(
            self.names(), ["quarantine_failed", "quarantine_works", "content_quarantined"]
        )

    def test_switched_off(self) -> None:
        """A quarantine that is switched off while it does not work is nobody's trouble any more."""
        self.path.rmdir()
        self.path.write_text("in the way")
        self.quarantine.keep(ScanJob.of(b"1"), BAD, transaction())
        self.disk.work()
        self.quarantine.follow(Settings())
        self.assertEqual(self.names(), ["quarantine_failed", "quarantine_works"])

    def test_cleaning_up_fails(self) -> None:
        """That it can't be cleaned up ends when it can; that nothing can be kept does not end by that."""
        answers: list[Deferred[Any]] = []

        def waits(function: object, *args: object) -> Deferred[Any]:
            answers.append(Deferred())
            return answers[-1]

        quarantine = self.made(waits)
        quarantine.start()
        answers.pop().errback(OSError("no rights"))
        self.assertEqual(self.names(), ["quarantine_failed"])
        self.clock.advance(SWEEP_SECONDS)
        answers.pop().callback(None)
        self.assertEqual(self.names(), ["quarantine_failed", "quarantine_works"])
        quarantine.keep(ScanJob.of(b"1"), BAD, transaction())
        answers.pop().errback(OSError("no room"))
        self.clock.advance(SWEEP_SECONDS)
        answers.pop().callback(None)
        self.assertEqual(self.names()[2:], ["quarantine_failed"])

    def test_sweeps(self) -> None:
        """Leftovers go at the start, and what is too old in time, though nothing new comes."""
        self.quarantine.keep(ScanJob.of(b"evil"), BAD, transaction())
        self.disk.work()
        (self.path / ".new-0123").write_bytes(b"half")
        self.made(self.disk.run)
        self.assertEqual([name[-7:] for name in os.listdir(self.path)], [".gwquar"])
        for _ in range(25):
            self.clock.advance(SWEEP_SECONDS)
            self.disk.work()
        self.assertEqual(os.listdir(self.path), [])

    def test_follow(self) -> None:
        """Another configuration is followed from the next piece of content on."""
        self.quarantine.follow(Settings())
        self.quarantine.keep(ScanJob.of(b"1"), BAD, transaction())
        self.quarantine.follow(self.settings)
        self.quarantine.keep(ScanJob.of(b"2"), BAD, transaction())
        self.disk.work()
        self.assertEqual([head["content"] for head in self.heads()], [b"2"])

    def test_stop(self) -> None:
        """The end waits for what is being written, and for nothing else; not for ever."""
        for content in (b"1", b"2"):
            self.quarantine.keep(ScanJob.of(content), BAD, transaction())
        stopping = self.quarantine.stop()
        self.assertNoResult(stopping)
        self.disk.work()
        self.assertIsNone(self.successResultOf(stopping))
        self.assertEqual([head["content"] for head in self.heads()], [b"1"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        slow = self.made(self.disk.run)
        slow.keep(ScanJob.of(b"3"), BAD, transaction())
        stopping = slow.stop()
        self.clock.advance(STOP_SECONDS)
        self.assertIsNone(self.successResultOf(stopping))
        self.disk.work()

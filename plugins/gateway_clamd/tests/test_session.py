"""Tests of one connection: orders, answers in any order, and every way in which it can end."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import ScanJob
from gateway_clamd.contents import PIECE_BYTES, SMALL_BYTES, Stream, descriptor
from gateway_clamd.session import Lost, Session, TookTooLong
from gateway_clamd.settings import Address
from gateway_clamd.tests.scripted import BAD, Line, ScriptedClamd

SECONDS = 30.0


class SessionTestCase(SynchronousTestCase):
    """Tests with one connection."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clamd = ScriptedClamd(self.clock)
        self.said: list[str] = []
        self.session = Session(
            self.clock,
            20.0,
            lambda one: self.said.append("free"),
            lambda one: self.said.append("ended"),
        )
        self.clamd.connect(Address("/x"), self.session)
        (self.line,) = self.clamd.connections

    def send(self, content: bytes, session: Session | None = None) -> Any:
        """Have content scanned that is sent."""
        return (session or self.session).send(Stream.of(ScanJob.of(content)), SECONDS)

    def answered(self, waiting: Any) -> str:
        """Let what is under way happen and give the answer."""
        self.clock.advance(0)
        return str(self.successResultOf(waiting))

    def assertEnded(self) -> None:
        """The connection is closed, nobody is kept waiting and nothing is left on the clock."""
        self.assertEqual((self.session.alive, self.line.closed), (False, True))
        self.assertEqual(self.said.count("ended"), 1)
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class OrderTests(SessionTestCase):
    """What is under way, and what comes of it."""

    def test_several(self) -> None:
        """One session serves one scan after the other, and is free in between."""
        self.assertEqual(self.answered(self.send(b"hello")), "stream: OK")
        self.assertEqual(self.answered(self.send(BAD)), "stream: Win.Test.Bad-1 FOUND")
        self.assertEqual(self.clamd.orders, ["IDSESSION", "INSTREAM", "INSTREAM"])
        self.assertEqual((self.said, self.session.busy), (["free", "free"], False))

    def test_files(self) -> None:
        """A descriptor goes along with its order, the first one together with the session's; it stays the caller's."""
        for content in (b"hello", BAD):
            file = descriptor(ScanJob.of(content))
            waiting = self.session.pass_on(file, SECONDS)
            os.close(file)
            self.answered(waiting)
        self.assertEqual(self.clamd.scanned, [b"hello", BAD])
        self.assertEqual(self.clamd.orders, ["IDSESSION", "FILDES", "FILDES"])

    def test_mixed(self) -> None:
        """A session takes content either way."""
        self.answered(self.send(b"one"))
        file = descriptor(ScanJob.of(b"two"))
        self.addCleanup(os.close, file)
        self.answered(self.session.pass_on(file, SECONDS))
        self.answered(self.send(b"three"))
        self.assertEqual(self.clamd.ways, ["stream", "file", "stream"])

    def test_split_answer(self) -> None:
        """An answer counts when its end is there."""
        self.clamd.holds = True
        waiting = self.send(b"hello")
        self.clock.advance(0)
        self.clamd.held.clear()
        for byte in b"1: stream: OK":
            self.line.raw(bytes((byte,)))
            self.clock.advance(0)
            self.assertNoResult(waiting)
        self.line.raw(b"\0")
        self.assertEqual(self.answered(waiting), "stream: OK")

    def test_cancelled(self) -> None:
        """If nobody waits any more the session stays taken until clamd is done, and goes on then."""
        self.clamd.holds = True
        waiting = self.send(b"hello")
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.clock.advance(1)
        self.assertEqual((self.session.busy, self.session.alive, self.said), (True, True, []))
        self.clamd.release()
        self.clock.advance(0)
        self.assertEqual((self.session.busy, self.said), (False, ["free"]))

    def test_cancelled_and_late(self) -> None:
        """If clamd is not done in time, the connection ends although nobody waits."""
        self.clamd.hangs = True
        waiting = self.send(b"hello")
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.clock.advance(SECONDS)
        self.assertEnded()


class PingTests(SessionTestCase):
    """A session that is silent for too long is closed by clamd."""

    def test_idle(self) -> None:
        """One that has nothing to do is closed from here first."""
        self.answered(self.send(b"hello"))
        self.clock.advance(20)
        self.assertTrue(self.session.alive)
        self.clock.advance(20)
        self.assertEnded()

    def test_pings(self) -> None:
        """While a scan lasts it pings, and answers come in any order."""
        self.clamd.holds = True
        waiting = self.session.send(Stream.of(ScanJob.of(b"hello")), 100.0)
        self.clock.advance(20)
        self.clock.advance(20)
        self.clock.advance(0)
        self.assertEqual(self.clamd.orders, ["IDSESSION", "INSTREAM", "PING", "PING"])
        self.assertNoResult(waiting)
        self.clamd.release()
        self.assertEqual(self.answered(waiting), "stream: OK")
        self.assertEqual((self.session.busy, self.session.alive), (False, True))

    def test_late_pong(self) -> None:
        """A session is free only when its last ping is answered too: nothing may be on its way when a descriptor goes."""
        self.clamd.hangs = True
        waiting = self.send(b"hello")
        self.clock.advance(20)
        self.line.say("1: stream: OK")
        self.assertEqual(self.answered(waiting), "stream: OK")
        self.assertEqual((self.session.busy, self.said), (True, []))
        self.line.say("2: PONG")
        self.clock.advance(0)
        self.assertEqual((self.session.busy, self.said), (False, ["free"]))

    def test_not_while_content_goes_out(self) -> None:
        """Nothing comes in between the bytes of content."""
        self.line.paused = True
        waiting = self.send(bytes(1_000_000))
        self.clock.advance(25)
        self.line.paused = False
        self.line.resume()
        self.assertEqual(self.answered(waiting), "stream: OK")
        self.assertNotIn("PING", self.clamd.orders)


class EndTests(SessionTestCase):
    """Whatever happens, who waits hears of it, and the connection is not used again."""

    def test_ends(self) -> None:
        """It is closed, or says what is no answer."""
        happenings: list[Callable[[Line], object]] = [
            lambda line: line.lose(),
            lambda line: line.raw(b"stream: OK\0"),
            lambda line: line.raw(b"2: stream: OK\0"),
            lambda line: line.raw(b"0: stream: OK\0"),
            lambda line: line.raw(b"\0"),
            lambda line: line.raw(bytes(range(256)) * 300),
            lambda line: line.raw(b"x" * 100_000),
            times_out,
        ]
        for happen in happenings:
            self.setUp()
            self.clamd.hangs = True
            waiting = self.send(b"hello")
            happen(self.line)
            self.clock.advance(0)
            self.failureResultOf(waiting, Lost)
            self.assertEnded()

    def test_answer_too_many(self) -> None:
        """An answer that nobody asked for ends a session that is free."""
        self.answered(self.send(b"hello"))
        self.line.raw(b"1: stream: OK\0")
        self.clock.advance(0)
        self.assertEnded()

    def test_two_answers_at_once(self) -> None:
        """The first answer counts; what follows it ends the session."""
        self.clamd.hangs = True
        waiting = self.send(b"hello")
        self.line.raw(b"1: stream: A FOUND\x001: stream: OK\0")
        self.assertEqual(self.answered(waiting), "stream: A FOUND")
        self.assertEnded()

    def test_late(self) -> None:
        """An answer that does not come in time."""
        self.clamd.hangs = True
        waiting = self.send(b"hello")
        self.clock.advance(SECONDS - 0.1)
        self.assertNoResult(waiting)
        self.clock.advance(0.1)
        self.failureResultOf(waiting, TookTooLong)
        self.assertEnded()

    def test_no_descriptor(self) -> None:
        """A socket that takes no descriptor."""
        self.line.sendmsg = self._refuse  # type: ignore[method-assign]
        file = descriptor(ScanJob.of(b"hello"))
        self.addCleanup(os.close, file)
        self.failureResultOf(self.session.pass_on(file, SECONDS), Lost)
        self.assertEnded()

    def _refuse(self, buffers: list[bytes], ancillary: list[Any]) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    def test_closed_here(self) -> None:
        """The session is closed, twice, with a scan under way."""
        self.clamd.hangs = True
        waiting = self.send(b"hello")
        self.session.close("why not")
        self.session.close("why not")
        self.assertEqual(str(self.failureResultOf(waiting, Lost).value), "why not")
        self.assertEnded()


class StreamTests(SessionTestCase):
    """Content on its way."""

    def test_sizes(self) -> None:
        """What arrives is what was there, of any size, from memory and from a file."""
        for size in (
            1,
            5,
            SMALL_BYTES,
            SMALL_BYTES + 1,
            PIECE_BYTES,
            PIECE_BYTES + 1,
            3 * PIECE_BYTES,
        ):
            content = os.urandom(size)
            self.answered(self.send(content))
            self.answered(self.session.send(Stream.of(self.in_file(content)), SECONDS))
            self.assertEqual(self.clamd.scanned[-2:], [content, content])
        self.assertEqual(open_files(self.folder), 0)

    def test_pieces(self) -> None:
        """A file is read one piece at a time, when there is room for it."""
        self.line.paused = True
        waiting = self.session.send(Stream.of(self.in_file(bytes(3 * PIECE_BYTES))), SECONDS)
        self.assertEqual(sum(self.line.written), len("zIDSESSION.zINSTREAM.") + 4)
        for count in (1, 2):
            before = sum(self.line.written)
            self.line._producer.resumeProducing()
            self.assertEqual(sum(self.line.written) - before, PIECE_BYTES, count)
        self.assertNoResult(waiting)
        self.line.paused = False
        self.line.resume()
        self.assertEqual(self.answered(waiting), "stream: OK")
        self.assertEqual(max(self.line.written), PIECE_BYTES + 4)

    def test_refused(self) -> None:
        """What is more than clamd takes is refused as soon as it is announced, and the session ends."""
        self.clamd.max_stream = 1_000_000
        self.line.paused = True
        waiting = self.session.send(Stream.of(self.in_file(bytes(1_000_001))), SECONDS)
        self.assertEqual(self.answered(waiting), "INSTREAM size limit exceeded. ERROR")
        self.assertLess(sum(self.line.written), 100)
        self.assertEnded()
        self.assertEqual(open_files(self.folder), 0)

    def test_file_becomes_shorter(self) -> None:
        """A file that is shorter than it was said to be never becomes a complete message."""
        job = self.in_file(bytes(3 * PIECE_BYTES))
        assert job.path is not None
        self.line.paused = True
        waiting = self.session.send(Stream.of(job), SECONDS)
        os.truncate(job.path, PIECE_BYTES)
        self.line.paused = False
        self.line.resume()
        self.failureResultOf(waiting, Lost)
        self.assertEnded()
        self.assertEqual((self.clamd.scanned, open_files(self.folder)), ([], 0))

    def test_lost_on_the_way(self) -> None:
        """The connection is lost while content goes out: its file is closed."""
        self.line.paused = True
        waiting = self.session.send(Stream.of(self.in_file(bytes(3 * PIECE_BYTES))), SECONDS)
        self.assertEqual(open_files(self.folder), 1)
        self.line.lose()
        self.clock.advance(0)
        self.failureResultOf(waiting, Lost)
        self.assertEnded()
        self.assertEqual(open_files(self.folder), 0)

    def in_file(self, content: bytes) -> ScanJob:
        """Give a job whose content is in a file."""
        return job_in_file(self, content)

    @property
    def folder(self) -> str:
        """Give where files of this test are."""
        return str(os.path.dirname(os.path.dirname(self.mktemp())))


def times_out(line: Line) -> None:
    """Do what clamd does with a session that was silent for too long."""
    line.raw(b"COMMAND READ TIMED OUT\n")
    line.lose()


def job_in_file(test: SynchronousTestCase, content: bytes) -> ScanJob:
    """Give a job whose content is in a file."""
    path = Path(test.mktemp()).absolute()
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return ScanJob(b"", path, len(content), "", digest, "http://example.com/")


def open_files(folder: str) -> int:
    """Count the files of a folder that this process has open."""
    folder = os.path.realpath(folder)
    count = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        count += target.startswith(folder + os.sep) and not target.endswith(".log")
    return count

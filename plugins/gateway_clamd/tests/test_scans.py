"""Tests of who scans what: the way content goes, queues with an end, and what happens when a connection breaks."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from typing import Any

from twisted.internet.defer import CancelledError

from gateway.api import Clean, Coverage, Infected, ScanJob, Unscannable
from gateway_clamd.contents import SMALL_BYTES
from gateway_clamd.settings import MIB
from gateway_clamd.tests.plugin_case import MOMENT, PluginTestCase
from gateway_clamd.tests.scripted import BAD, ScriptedClamd


def packed(content: bytes) -> bytes:
    """Give a zip."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", content)
    return made.getvalue()


class ResultTests(PluginTestCase):
    """What comes of content."""

    def test_results(self) -> None:
        """Clean and infected content, small, large, in memory and in a file."""
        self.made()
        for size in (1, 100, SMALL_BYTES + 1, 5 * MIB):
            good, bad = bytes(size), bytes(size) + BAD
            for content in (good, bad):
                for job in (ScanJob.of(content), self.in_file(content)):
                    found = self.scanned(job)
                    if content is bad:
                        self.assertEqual(found, Infected("Win.Test.Bad-1", "clamd"))
                    else:
                        self.assertEqual(
                            found, Clean("clamd", "1.4.6/27800", Coverage(len(good), True))
                        )
                    self.assertEqual(self.clamd.scanned[-1], content)

    def test_ways(self) -> None:
        """By a unix socket, files and what is not small go as open files; small content, and very large in memory, is sent."""
        self.made()
        for job, way in (
            (ScanJob.of(b"small"), "stream"),
            (ScanJob.of(bytes(SMALL_BYTES)), "stream"),
            (ScanJob.of(bytes(SMALL_BYTES + 1)), "file"),
            (ScanJob.of(bytes(5 * MIB)), "stream"),
            (self.in_file(b"small"), "file"),
        ):
            self.scanned(job)
            self.assertEqual(self.clamd.ways[-1], way)

    def test_no_descriptors(self) -> None:
        """Nothing is passed as a file if that is not wanted."""
        self.made(descriptors=False)
        self.scanned(self.in_file(b"hello"))
        self.assertEqual(self.clamd.ways, ["stream"])
        self.assertNotIn("FILDES", self.clamd.orders)

    def test_connections_are_kept(self) -> None:
        """Scans after each other take one connection."""
        self.made()
        before = len(self.clamd.connections)
        for number in range(5):
            self.scanned(b"content %d" % number)
        self.assertEqual(len(self.clamd.connections) - before, 1)
        self.assertEqual(self.plugin.engines[0].connections, 1)

    def test_too_large(self) -> None:
        """What is over max_size is not given to clamd."""
        self.made(max_size=1000)
        self.assertEqual(self.reason(bytes(1001)), "too_large")
        self.assertIsInstance(self.scanned(bytes(1000)), Clean)
        self.assertEqual(self.clamd.scanned, [bytes(1000)])

    def test_what_clamd_does_not_open(self) -> None:
        """Clean content is not clean within if it is packed or coded as clamd can't undo."""
        self.made()
        for content, more, nested in (
            (b"hello", {}, True),
            (packed(b"hello"), {}, True),
            (b"\x28\xb5\x2f\xfd" + bytes(30), {}, False),
            (b"!<arch>\ndebian-binary" + bytes(60), {}, False),
            (b"anything", {"notes": {"content_encoding": "br"}}, False),
            (b"anything", {"notes": {"content_encoding": "gzip, br"}}, False),
            (b"\x1f\x8b\x08" + bytes(30), {"notes": {"content_encoding": "GZIP"}}, True),
            (b"--b\r\n\r\nx", {"media_type": "multipart/form-data"}, False),
        ):
            job = dataclasses.replace(ScanJob.of(content), **more)
            found = self.scanned(job)
            self.assertEqual(found, Clean("clamd", "1.4.6/27800", Coverage(len(content), nested)))

    def test_content_is_gone(self) -> None:
        """Content that can't be read is an error, and the connection is still good."""
        self.made()
        self.scanned(b"hello")
        job = self.in_file(b"hello")
        assert job.path is not None
        job.path.unlink()
        self.assertEqual(self.reason(job), "engine_error")
        self.assertIsInstance(self.scanned(b"once more"), Clean)
        self.assertEqual((self.plugin.engines[0].connections, self.plugin.engines[0].busy), (1, 0))

    def test_numbers(self) -> None:
        """Scans are counted by their result, and so is content."""
        self.made(max_size=1000)
        for content in (b"hello", BAD, bytes(1001)):
            self.scanned(content)
        for result in ("clean", "infected", "too_large"):
            self.assertEqual(self.value("scans", result=result), 1.0)
        self.assertEqual(self.value("scanned_bytes"), len(b"hello") + len(BAD))
        self.assertEqual(self.value("scan_seconds_count"), 3.0)


class QueueTests(PluginTestCase):
    """More scans than connections."""

    def test_limits(self) -> None:
        """So many are under way, so many wait, and for the others there is no room, at once."""
        self.made(connections=2, queue=3)
        self.clamd.holds = True
        waiting = [self.scan(b"content %d" % number) for number in range(6)]
        self.pass_by(MOMENT)
        refused = self.successResultOf(waiting.pop())
        assert isinstance(refused, Unscannable)
        self.assertEqual(refused.reason, "capacity")
        self.assertEqual(len(self.clamd.held), 2)
        self.pass_by(1.0)
        self.assertEqual((self.value("queue"), self.value("busy", address="unix:/one")), (3.0, 2.0))
        for _ in range(5):
            self.clamd.release()
            self.pass_by(MOMENT)
        for one in waiting:
            self.assertIsInstance(self.successResultOf(one), Clean)
        self.assertEqual(self.clamd.scanned, [b"content %d" % number for number in range(5)])
        self.assertEqual(self.plugin.engines[0].connections, 2)

    def test_wait(self) -> None:
        """Who waits too long has no room either."""
        self.made(connections=1, wait=10.0)
        self.clamd.holds = True
        first, second = self.scan(b"first"), self.scan(b"second")
        self.pass_by(9.0)
        self.assertNoResult(second)
        self.pass_by(1.5)
        found = self.successResultOf(second)
        assert isinstance(found, Unscannable)
        self.assertEqual(found.reason, "capacity")
        self.clamd.release()
        self.pass_by(MOMENT)
        self.assertIsInstance(self.successResultOf(first), Clean)

    def test_client_goes_while_waiting(self) -> None:
        """Who goes is no longer in the queue."""
        self.made(connections=1)
        self.clamd.holds = True
        first, second = self.scan(b"first"), self.scan(b"second")
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.assertEqual(self.plugin.scans.waiting, 0)
        self.clamd.release()
        self.pass_by(MOMENT)
        self.assertIsInstance(self.successResultOf(first), Clean)
        self.assertEqual(self.clamd.scanned, [b"first"])

    def test_client_goes_while_scanned(self) -> None:
        """Its connection stays taken until clamd is done with it, so that clamd is never given more than it can do."""
        self.made(connections=1)
        self.clamd.holds = True
        first, second = self.scan(b"first"), self.scan(b"second")
        self.pass_by(MOMENT)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.pass_by(MOMENT)
        self.assertEqual(self.clamd.scanned, [b"first"])
        self.clamd.release()
        self.pass_by(MOMENT)
        self.clamd.release()
        self.pass_by(MOMENT)
        self.assertIsInstance(self.successResultOf(second), Clean)

    def test_client_goes_while_connecting(self) -> None:
        """A connection that nobody waits for is not made."""
        self.made()
        self.clamd.up = None
        waiting = self.scan(b"hello")
        self.pass_by(MOMENT)
        self.assertEqual(self.plugin.engines[0].busy, 1)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(self.plugin.engines[0].busy, 0)


class TimeTests(PluginTestCase):
    """Scans that take too long."""

    def test_too_long(self) -> None:
        """It ends in time, and the same content is not tried again for a while."""
        self.made(timeout=55.0, timeout_memory=300.0)
        self.clamd.holds = True
        waiting = self.scan(b"slow")
        self.pass_by(54.0)
        self.assertNoResult(waiting)
        self.pass_by(1.5)
        found = self.successResultOf(waiting)
        assert isinstance(found, Unscannable)
        self.assertEqual(found.reason, "engine_timeout")
        self.clamd.holds = False
        self.assertEqual(self.reason(b"slow"), "engine_timeout")
        self.assertIsInstance(self.scanned(b"other"), Clean)
        self.assertEqual(self.clamd.scanned, [b"slow", b"other"])
        self.pass_by(300.0, 1.0)
        self.assertIsInstance(self.scanned(b"slow"), Clean)

    def test_wait_is_part_of_it(self) -> None:
        """The time in the queue counts."""
        self.made(connections=1, timeout=12.0, wait=10.0)
        self.clamd.holds = True
        self.scan(b"first")
        second = self.scan(b"second")
        self.pass_by(9.0)
        self.clamd.release()
        self.pass_by(3.5)
        found = self.successResultOf(second)
        assert isinstance(found, Unscannable)
        self.assertEqual(found.reason, "engine_timeout")


class BreakTests(PluginTestCase):
    """Connections that end in the middle."""

    def test_once_more(self) -> None:
        """A scan is tried once more, on a fresh connection."""
        self.made()
        self.scanned(b"before")
        self.clamd.breaks = 1
        before = len(self.clamd.connections)
        self.assertIsInstance(self.scanned(b"hello"), Clean)
        self.assertEqual(self.clamd.scanned[-2:], [b"hello", b"hello"])
        self.assertEqual(len(self.clamd.connections) - before, 1)

    def test_not_twice(self) -> None:
        """If that ends, too, it is an error, and never clean."""
        self.made()
        self.clamd.breaks = 2
        self.assertEqual(self.reason(b"hello"), "engine_error")
        self.assertEqual(self.clamd.scanned, [b"hello", b"hello"])
        self.assertEqual(self.value("errors", address="unix:/one"), 2.0)

    def test_killed(self) -> None:
        """A clamd that goes in the middle of scans leaves none of them waiting."""
        self.made(connections=4, queue=100)
        self.clamd.holds = True
        waiting = [self.scan(b"content %d" % number) for number in range(20)]
        self.pass_by(MOMENT)
        self.clamd.kill()
        self.pass_by(1.0)
        for one in waiting:
            found = self.successResultOf(one)
            assert isinstance(found, Unscannable)
            self.assertEqual(found.reason, "engine_error")

    def test_file_can_not_be_read(self) -> None:
        """A clamd that may not have the descriptor closes, or says so: the content is sent, and so is what follows."""
        for files in (None, False):
            self.setUp()
            self.made()
            self.clamd.files = files
            self.assertIsInstance(self.scanned(self.in_file(b"hello")), Clean)
            before = len(self.clamd.connections)
            self.assertEqual(self.scanned(self.in_file(BAD)), Infected("Win.Test.Bad-1", "clamd"))
            self.assertEqual(self.clamd.ways, ["stream", "stream"])
            self.assertEqual(len(self.clamd.connections), before)
            self.pass_by(601.0, 1.0)
            self.clamd.files = True
            self.scanned(self.in_file(b"later"))
            self.assertEqual(self.clamd.ways[-1], "file")
            self._stop()

    def test_many_files_can_not_be_read(self) -> None:
        """That clamd may not read files is no failure of clamd, however many come at once."""
        self.made(failures=2)
        self.clamd.files = None
        waiting = [self.scan(self.in_file(b"content %d" % number)) for number in range(20)]
        waiting += [self.scan(b"%d" % number + bytes(SMALL_BYTES)) for number in range(20)]
        self.pass_by(1.0)
        for one in waiting:
            self.assertIsInstance(self.successResultOf(one), Clean)
        self.assertEqual((self.told(), set(self.clamd.ways)), ([], {"stream"}))
        log: Any = self.services.log
        said = [text for text in log.texts if "passed to it open" in text]
        # Once for files, once for what is in memory.
        self.assertEqual(len(said), 2)


class SeveralTests(PluginTestCase):
    """Several clamds."""

    def setUp(self) -> None:
        super().setUp()
        self.second = ScriptedClamd(self.clock)
        self.clamds["/two"] = self.second

    def test_first_that_works(self) -> None:
        """The first one is asked; the next ones when it does not work or has no connection free."""
        self.made(connections=1)
        self.scanned(b"a")
        self.assertEqual((self.clamd.scanned, self.second.scanned), ([b"a"], []))
        self.clamd.holds = True
        waiting = self.scan(b"b")
        self.scanned(b"c")
        self.assertEqual((self.clamd.scanned, self.second.scanned), ([b"a", b"b"], [b"c"]))
        self.clamd.release()
        self.pass_by(MOMENT)
        self.assertIsInstance(self.successResultOf(waiting), Clean)

    def test_fail_over(self) -> None:
        """When the first one goes in the middle, the next one takes over what is under way, and comes back later."""
        self.made()
        self.clamd.holds = True
        waiting = [self.scan(b"content %d" % number) for number in range(4)]
        self.pass_by(MOMENT)
        self.clamd.kill()
        self.pass_by(1.0)
        for one in waiting:
            self.assertIsInstance(self.successResultOf(one), Clean)
        self.assertEqual(len(self.second.scanned), 4)
        self.pass_by(15.0)
        self.assertEqual(self.told(), ["clamd_down"])
        self.clamd.holds, self.clamd.up = False, True
        self.pass_by(6.0)
        self.assertEqual(self.told(), ["clamd_up"])
        self.scanned(b"again")
        self.assertEqual(self.clamd.scanned[-1], b"again")

    def test_fail_over_of_more_than_fit(self) -> None:
        """Who was failed by one clamd waits for the other, and does not try the same again."""
        self.made(connections=2)
        self.clamd.breaks = 100
        waiting = [self.scan(b"content %d" % number) for number in range(8)]
        self.pass_by(1.0)
        for one in waiting:
            self.assertIsInstance(self.successResultOf(one), Clean)

    def test_none(self) -> None:
        """If none works the result is an error at once, which names each."""
        self.clamd.up = self.second.up = False
        self.made()
        found = self.scanned(b"hello")
        assert isinstance(found, Unscannable)
        self.assertEqual(found.reason, "engine_error")
        self.assertIn("unix:/one", found.why)
        self.assertIn("unix:/two", found.why)

    def test_patterns(self) -> None:
        """The patterns are those of all that may be asked, and unknown if one does not say."""
        self.second.version = "ClamAV 1.0.0/9/Mon Nov 16 09:00:00 2026"
        self.made()
        first, second = self.plugin.scan_patterns().split("; ")
        self.assertTrue(first.startswith("clamd 1.4.6/27800 "))
        self.assertTrue(second.startswith("clamd 1.0.0/9 "))
        self.second.version = "COMMAND UNAVAILABLE"
        self.pass_by(66.0)
        self.assertEqual(self.plugin.scan_patterns(), "")

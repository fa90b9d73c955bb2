"""Lines reach their file, and whatever the file does, nobody waits and memory stays bounded."""

from __future__ import annotations

import errno
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import LogLevel

from gateway.record.lines import FLUSH_BYTES, FLUSH_SECONDS, RETRY_SECONDS, LineFile
from tests.unit.record.events import EventsTestCase


class FileTests(EventsTestCase):
    """A real file."""

    def setUp(self) -> None:
        """Start with a file that is not there yet."""
        super().setUp()
        self.path = Path(self.mktemp())
        self.clock = Clock()
        self.file = LineFile(str(self.path), self.clock)
        self.file.start()

    def tearDown(self) -> None:
        """Nothing stays open and nothing on the clock."""
        self.file.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_gathered(self) -> None:
        """Lines wait a moment and are written together, in their order."""
        self.file.write("one\n")
        self.file.write("two\n")
        self.assertEqual(self.path.read_text(), "")
        self.clock.advance(FLUSH_SECONDS)
        self.assertEqual(self.path.read_text(), "one\ntwo\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_several(self) -> None:
        """Lines that come together are gathered with the others, and much of them is written without waiting."""
        self.file.write("one\n")
        self.file.write_all(["two\n", "three\n"])
        self.assertEqual(self.path.read_text(), "")
        self.clock.advance(FLUSH_SECONDS)
        self.assertEqual(self.path.read_text(), "one\ntwo\nthree\n")
        self.file.write_all(["x" * 1023 + "\n"] * (FLUSH_BYTES // 1024))
        self.assertEqual(self.path.stat().st_size, FLUSH_BYTES + 14)
        self.file.write_all(["last\n"])
        self.clock.advance(FLUSH_SECONDS)
        self.assertTrue(self.path.read_text().endswith("\nlast\n"))

    def test_much_at_once(self) -> None:
        """Many bytes are written without waiting."""
        line = "x" * 1023 + "\n"
        for _ in range(FLUSH_BYTES // 1024):
            self.file.write(line)
        self.assertEqual(self.path.stat().st_size, FLUSH_BYTES)

    def test_stop_writes(self) -> None:
        """What waits at the stop is written."""
        self.file.write("last\n")
        self.file.stop()
        self.assertEqual(self.path.read_text(), "last\n")

    def test_appends(self) -> None:
        """What was in the file stays, and its mode when it is made keeps strangers out."""
        self.assertEqual(self.path.stat().st_mode & 0o7, 0)
        with self.path.open("a") as other:
            other.write("of somebody else\n")
        self.file.write("ours\n")
        self.file.flush()
        self.assertEqual(self.path.read_text(), "of somebody else\nours\n")

    def test_rotation(self) -> None:
        """After a rotation what waited is in the old file and the rest in a new one."""
        self.file.write("old\n")
        rotated = self.path.rename(self.mktemp())
        self.file.reopen()
        self.file.write("new\n")
        self.clock.advance(FLUSH_SECONDS)
        self.assertEqual((rotated.read_text(), self.path.read_text()), ("old\n", "new\n"))

    def test_rotation_without_a_folder(self) -> None:
        """If the path can't be opened any more, lines wait until it can."""
        rotated = self.path.rename(self.mktemp())
        self.path.mkdir()
        self.file.reopen()
        self.file.write("kept\n")
        self.clock.advance(RETRY_SECONDS)
        self.path.rmdir()
        self.clock.advance(RETRY_SECONDS)
        self.assertEqual((rotated.read_text(), self.path.read_text()), ("", "kept\n"))

    def test_only_ascii(self) -> None:
        """A character that slipped through a format's escapes does not get into the file."""
        self.file.write("\u2028\xe9\n")
        self.file.flush()
        self.assertEqual(self.path.read_text(), "\\u2028\\xe9\n")


class UnwritableTests(EventsTestCase):
    """A path that can't be opened."""

    def setUp(self) -> None:
        """Start with a folder that is missing."""
        super().setUp()
        self.folder = Path(self.mktemp())
        self.clock = Clock()
        self.file = LineFile(str(self.folder / "access.log"), self.clock, kept_bytes=100)
        self.addCleanup(self.file.stop)

    def test_start_goes_on(self) -> None:
        """The start does not fail; it is said once, counted each time, and lines come when the folder does."""
        self.file.start()
        self.file.write("one\n")
        for _ in range(5):
            self.clock.advance(RETRY_SECONDS)
        self.assertEqual(self.file.failures, 6)
        self.assertEqual([event["log_level"] for event in self.events], [LogLevel.error])
        self.folder.mkdir()
        self.clock.advance(RETRY_SECONDS)
        self.assertEqual((self.folder / "access.log").read_text(), "one\n")
        self.assertEqual(
            [event["log_level"] for event in self.events], [LogLevel.error, LogLevel.warn]
        )

    def test_full_disk(self) -> None:
        """A full disk is said once, however often it is tried."""
        file = LineFile("/dev/full", self.clock)
        file.start()
        file.write("one\n")
        self.clock.pump([FLUSH_SECONDS, RETRY_SECONDS, RETRY_SECONDS])
        self.assertEqual((file.failures, file.written), (3, 0))
        self.assertEqual([event["reason"] for event in self.events], ["No space left on device"])
        file.stop()
        self.assertEqual(file.dropped, 1)

    def test_memory_is_bounded(self) -> None:
        """Over the bound new lines are dropped and counted, and told of when it is over."""
        self.file.start()
        for number in range(30):
            self.file.write(f"line {number:04d}\n")
        self.assertEqual(self.file.dropped, 20)
        self.folder.mkdir()
        self.clock.advance(RETRY_SECONDS)
        self.assertEqual(len((self.folder / "access.log").read_text().splitlines()), 10)
        self.assertEqual(self.events[-1]["lost"], 20)

    def test_memory_is_bounded_for_several(self) -> None:
        """Of lines that come together those over the bound are dropped and counted one by one."""
        self.file.start()
        self.file.write_all([f"line {number:04d}\n" for number in range(30)])
        self.assertEqual(self.file.dropped, 20)

    def test_stop_counts_what_is_lost(self) -> None:
        """A stop does not wait for a file: what it has not taken is lost, counted and told."""
        self.file.start()
        self.file.write("one\n")
        self.file.stop()
        self.assertEqual(self.file.dropped, 1)
        self.assertEqual(self.events[-1]["lost"], 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class FakeSink:
    """A file that takes what a test lets it take."""

    def __init__(self, identity: int = 1) -> None:
        self.identity = (0, identity)
        self.room = 0
        self.error: OSError | None = None
        self.taken = b""
        self.is_open = True

    def write(self, content: memoryview) -> int:
        """Take as much as there is room for."""
        if self.room == 0 and self.error is not None:
            raise self.error
        piece = bytes(content[: self.room])
        self.room -= len(piece)
        self.taken += piece
        return len(piece)

    def close(self) -> None:
        """Note it."""
        self.is_open = False


class StubbornTests(EventsTestCase):
    """Files that take part of what they are given."""

    def setUp(self) -> None:
        """Open fake files, one after the other."""
        super().setUp()
        self.sinks: list[FakeSink] = []
        self.next_identity = 1
        self.clock = Clock()
        self.file = LineFile("access.log", self.clock, 100, self.open)
        self.file.start()

    def open(self, path: str) -> FakeSink:
        """Stand in for opening a file."""
        self.sinks.append(FakeSink(self.next_identity))
        return self.sinks[-1]

    def test_half_a_line(self) -> None:
        """A disk that fills in the middle of a line gets its other half when there is room."""
        sink = self.sinks[0]
        sink.error = OSError(errno.ENOSPC, "No space left on device")
        sink.room = 6
        self.file.write("one\ntwo\n")
        self.clock.advance(FLUSH_SECONDS)
        self.file.write("three\n")
        self.assertEqual((sink.taken, self.file.failures), (b"one\ntw", 1))
        sink.room = 100
        self.clock.advance(RETRY_SECONDS)
        self.assertEqual(sink.taken, b"one\ntwo\nthree\n")
        self.assertEqual(len(self.sinks), 1)

    def test_half_a_line_and_a_rotation(self) -> None:
        """If another file takes over in the middle of a line, that has the whole line."""
        self.sinks[0].room = 6
        self.file.write("one\ntwo\n")
        self.clock.advance(FLUSH_SECONDS)
        self.next_identity = 2
        self.file.reopen()
        self.sinks[1].room = 100
        self.clock.advance(FLUSH_SECONDS)
        self.assertEqual((self.sinks[0].taken, self.sinks[1].taken), (b"one\ntw", b"two\n"))
        self.assertFalse(self.sinks[0].is_open)

    def test_reopened_without_a_rotation(self) -> None:
        """The same file opened anew gets only the other half."""
        self.sinks[0].room = 6
        self.file.write("one\ntwo\n")
        self.clock.advance(FLUSH_SECONDS)
        self.file.reopen()
        self.sinks[1].room = 100
        self.clock.advance(FLUSH_SECONDS)
        self.assertEqual(self.sinks[0].taken + self.sinks[1].taken, b"one\ntwo\n")

    def test_broken(self) -> None:
        """A file that fails for another reason than its room is opened anew."""
        self.sinks[0].error = OSError(errno.EIO, "Input/output error")
        self.file.write("one\n")
        self.clock.advance(FLUSH_SECONDS)
        self.assertFalse(self.sinks[0].is_open)
        self.clock.advance(RETRY_SECONDS)
        self.sinks[1].room = 100
        self.clock.advance(FLUSH_SECONDS)
        self.assertEqual(self.sinks[1].taken, b"one\n")

    def test_full_pipe(self) -> None:
        """A reader that is slow for a moment is no failure; one that stops is told of when lines drop."""
        self.file.write("one\n")
        self.clock.advance(FLUSH_SECONDS)
        self.assertEqual((self.file.failures, self.events), (0, []))
        for _ in range(40):
            self.file.write("more\n")
        self.assertEqual(self.file.dropped, 40 - 96 // 5)
        self.assertEqual(len(self.events), 1)
        self.sinks[0].room = 1000
        self.clock.advance(FLUSH_SECONDS)
        self.assertEqual(len(self.sinks[0].taken), 4 + 5 * (96 // 5))
        self.file.write("again\n")
        self.clock.advance(FLUSH_SECONDS)
        self.assertTrue(self.sinks[0].taken.endswith(b"again\n"))

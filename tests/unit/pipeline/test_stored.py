"""Reading stored content: at once where it is in memory, by a thread where it is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Overloaded, StoredFile
from gateway.pipeline.stored import PIECE_BYTES, TURN_BYTES, StoredContent


class Taken:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.content = b""
        self.flushed = 0
        self.ended: BaseException | bool = False

    def write(self, data: bytes) -> None:
        """Take a chunk."""
        self.content += data

    def flush(self) -> None:
        """Send."""
        self.flushed += 1

    def end(self, trailers: tuple[bytes, ...]) -> None:
        """Take the end."""
        self.ended = True

    def fail(self, error: BaseException) -> None:
        """Take a failure."""
        self.ended = error


class Thread:
    """A thread that works when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[Deferred[bytes], Callable[..., bytes], tuple[Any, ...]]] = []

    def __call__(self, function: Callable[..., bytes], /, *args: Any) -> Deferred[bytes]:
        """Take work."""
        answer: Deferred[bytes] = Deferred()
        self.asked.append((answer, function, args))
        return answer

    def work(self) -> None:
        """Do what is next."""
        answer, function, args = self.asked.pop(0)
        try:
            given = function(*args)
        except OSError:
            answer.errback()
        else:
            answer.callback(given)


def cold(descriptor: int, piece: bytearray, at: int) -> NoReturn:
    """Be the kernel with nothing in memory."""
    raise BlockingIOError


def busy(function: object, /, *args: object) -> Deferred[bytes]:
    """Be a pool with no room."""
    answer: Deferred[bytes] = Deferred()
    answer.errback(Overloaded("disk", "full"))
    return answer


class StoredContentTests(SynchronousTestCase):
    """A file into a pipe."""

    def setUp(self) -> None:
        """Make a file."""
        self.content = os.urandom(3 * PIECE_BYTES + 5)
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(self.content)
        self.descriptor = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, self.descriptor)
        self.released = 0
        self.told: list[BaseException | None] = []
        self.sink = Taken()
        self.thread = Thread()

    def release(self) -> None:
        """Count."""
        self.released += 1

    def reading(
        self,
        elsewhere: Any = None,
        *,
        length: int | None = None,
        clock: Clock | None = None,
        **more: Any,
    ) -> StoredContent:
        """Begin."""
        size = len(self.content) if length is None else length
        file = StoredFile(self.descriptor, 0, size, self.release)
        return StoredContent(file, self.told.append, clock, elsewhere, **more)

    def test_bounded_before(self) -> None:
        """A pipe that is not open yet is not filled with more than a piece."""
        reading = self.reading()
        self.assertEqual((reading.pipe.count, self.released), (PIECE_BYTES, 0))
        reading.pipe.open(self.sink)
        self.assertEqual((self.sink.content, self.sink.ended), (self.content, True))
        self.assertEqual((self.released, self.told), (1, [None]))

    def test_in_memory(self) -> None:
        """What the kernel has needs no thread."""
        self.reading(self.thread).pipe.open(self.sink)
        self.assertEqual((self.sink.content, self.thread.asked), (self.content, []))

    def test_cold(self) -> None:
        """What it has not is read by a thread, one piece after the other."""
        reading = self.reading(self.thread, now=cold)
        reading.pipe.open(self.sink)
        for _ in range(4):
            self.assertEqual((len(self.thread.asked), self.released), (1, 0))
            self.thread.work()
        self.assertEqual((self.sink.content, self.sink.ended), (self.content, True))
        self.assertEqual((self.released, self.told), (1, [None]))

    def test_aborted_under_a_thread(self) -> None:
        """The file stays open until the thread that reads it is done."""
        reading = self.reading(self.thread, now=cold)
        reading.pipe.abort(ValueError("gone"))
        self.assertEqual((self.released, len(self.told)), (0, 1))
        self.thread.work()
        self.assertEqual((self.released, self.sink.content, self.thread.asked), (1, b"", []))

    def test_busy_threads(self) -> None:
        """Where no thread is free it is read all the same."""
        self.reading(busy, now=cold).pipe.open(self.sink)
        self.assertEqual((self.sink.content, self.sink.ended), (self.content, True))

    def test_can_not_tell(self) -> None:
        """A file system that does not know what is in memory is simply read."""

        def unknown(*args: object) -> NoReturn:
            raise OSError(95, "Operation not supported")

        self.reading(self.thread, now=unknown).pipe.open(self.sink)
        self.assertEqual(self.sink.content, self.content)

    def test_broken_disk(self) -> None:
        """A disk that fails breaks the message off, in a thread or not."""

        def broken(*args: object) -> NoReturn:
            raise OSError(5, "Input/output error")

        self.reading(self.thread, now=broken).pipe.open(self.sink)
        self.assertIsInstance(self.sink.ended, Exception)
        self.assertEqual((self.released, len(self.told)), (1, 1))
        reading = self.reading(self.thread, now=cold)
        reading.pipe.open(self.sink)
        answer, _, _ = self.thread.asked.pop()
        answer.errback(OSError(5, "Input/output error"))
        self.assertEqual((self.released, len(self.told)), (2, 2))

    def test_shrunk(self) -> None:
        """A file that ends early breaks the message off."""
        self.reading(length=len(self.content) + 1).pipe.open(self.sink)
        self.assertIsInstance(self.sink.ended, Exception)
        self.assertEqual((self.sink.content, self.released), (self.content, 1))

    def test_turns(self) -> None:
        """A large file is no reason for others to wait: it goes on in the next turn of the reactor."""
        self.content *= 4
        os.truncate(self.descriptor_path(), len(self.content))
        clock = Clock()
        reading = self.reading(clock=clock)
        reading.pipe.open(self.sink)
        self.assertEqual(len(self.sink.content), PIECE_BYTES + TURN_BYTES)
        while not self.sink.ended:
            clock.advance(0)
        self.assertEqual((len(self.sink.content), self.released), (len(self.content), 1))
        self.assertEqual(clock.getDelayedCalls(), [])

    def descriptor_path(self) -> str:
        """Name the file."""
        return os.readlink(f"/proc/self/fd/{self.descriptor}")

    def test_aborted_between_turns(self) -> None:
        """Nothing is left on the clock."""
        self.content *= 4
        os.truncate(self.descriptor_path(), len(self.content))
        clock = Clock()
        reading = self.reading(clock=clock)
        reading.pipe.open(self.sink)
        reading.pipe.abort(ValueError("gone"))
        self.assertEqual((clock.getDelayedCalls(), self.released), ([], 1))

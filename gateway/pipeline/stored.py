"""
Content of a stored response that is in a file: the source of a pipe, as a hop is for what comes from upstream.

What the kernel has in memory is read at once (C{preadv2} with C{RWF_NOWAIT}); what it would have to fetch from the disk is
read in a thread, so that a slow disk holds up nobody but those who wait for it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.api.answers import StoredFile
from gateway.api.errors import GatewayError
from gateway.api.services import Clock, Overloaded
from gateway.pipeline.body import BodyPipe

#: What is read at once.
PIECE_BYTES = 131_072
#: What goes out in one turn of the reactor, at most.
TURN_BYTES = 4 * PIECE_BYTES

#: This file system can't tell what is in memory, as tmpfs, where all of it is.
_CANT_TELL = frozenset((errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS))


class Elsewhere(Protocol):
    """Runs what blocks in a thread."""

    def __call__(self, function: Callable[..., bytes], /, *args: Any) -> Deferred[bytes]:
        """Give what it returns, or what it raises."""


class StoredContent:
    """
    Reads a file into a pipe, as fast as the pipe takes it.

    @ivar pipe: where it goes; closed at first.
    """

    __slots__ = (
        "_call",
        "_clock",
        "_elsewhere",
        "_ended",
        "_file",
        "_left",
        "_now",
        "_paused",
        "_reading",
        "pipe",
    )

    def __init__(
        self,
        file: StoredFile,
        done: Callable[[BaseException | None], None],
        clock: Clock | None = None,
        elsewhere: Elsewhere | None = None,
        *,
        now: Callable[[int, bytearray, int], int] | None = None,
    ) -> None:
        """
        Begin to read; what fits into the closed pipe is there when this returns, unless the disk has to be asked.

        @param done: told of the end, as L{BodyPipe} does, after the file was released.
        @param clock: to let others have their turn; C{None}: all at once.
        @param elsewhere: reads in a thread; C{None}: here, whatever it takes.
        @param now: reads what is in memory, or raises C{BlockingIOError}; the kernel does by default.
        """
        self._file = file
        self._left = file.length
        self._paused = False
        self._reading = False
        self._ended = False
        self._call: Any = None
        self._clock = clock
        self._elsewhere = elsewhere
        self._now = _read_now if now is None else now
        self.pipe = BodyPipe(self, self._over(done))
        self._go_on()

    def pause(self) -> None:
        """Read no more for now."""
        self._paused = True

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        self._go_on()

    def _over(
        self, done: Callable[[BaseException | None], None]
    ) -> Callable[[BaseException | None], None]:
        def told(error: BaseException | None) -> None:
            self._end()
            done(error)

        return told

    def _go_on(self) -> None:
        """Read until the pipe has enough, the file is at its end, or it is somebody else's turn."""
        self._call = None
        turn = TURN_BYTES
        sent = False
        while not (self._ended or self._paused or self._reading):
            if not self._left:
                self._end()
                self.pipe.end()
                return
            if turn <= 0 and self._clock is not None:
                self._call = self._clock.callLater(0, self._go_on)
                break
            data = self._read(min(self._left, PIECE_BYTES))
            if data is None or not self._took(data):
                break
            turn -= len(data)
            sent = True
        if sent:
            self.pipe.flush()

    def _read(self, size: int) -> bytes | None:
        """
        Read what comes next.

        @return: C{None}: a thread reads it, or it can't be read.
        """
        file = self._file
        at = file.offset + file.length - self._left
        try:
            if self._elsewhere is not None:
                try:
                    piece = bytearray(size)
                    count = self._now(file.descriptor, piece, at)
                    return bytes(piece) if count == size else bytes(piece[:count])
                except BlockingIOError:
                    self._reading = True
                    waiting = self._elsewhere(os.pread, file.descriptor, size, at)
                    waiting.addCallbacks(self._brought, self._not_brought)
                    return None
                except OSError as error:
                    if error.errno not in _CANT_TELL:
                        raise
            return os.pread(file.descriptor, size, at)
        except OSError as error:
            self._broke(error)
            return None

    def _brought(self, data: bytes) -> None:
        """Take what a thread has read."""
        self._reading = False
        if self._ended:
            self._file.release()
        elif self._took(data):
            self.pipe.flush()
            self._go_on()

    def _not_brought(self, failure: Failure) -> None:
        """Learn that it could not; where all threads are busy it is read here after all."""
        self._reading = False
        if self._ended:
            self._file.release()
        elif failure.check(Overloaded) is not None:
            self._elsewhere = None
            self._go_on()
        else:
            assert failure.value is not None
            self._broke(failure.value)

    def _took(self, data: bytes) -> bool:
        """Hand a piece on; C{False} if the file has no more although it should."""
        if not data:
            self._broke(EOFError("it is shorter than it was"))
            return False
        self._left -= len(data)
        self.pipe.write(data)
        return True

    def _broke(self, error: BaseException) -> None:
        """Let the message break off."""
        self._end()
        self.pipe.fail(GatewayError(f"stored content can't be read: {error}"))

    def _end(self) -> None:
        """Read no more, and let go of the file, but not under a thread: it would read another one under its number."""
        if self._ended:
            return
        self._ended = True
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        if not self._reading:
            self._file.release()


def _read_now(descriptor: int, piece: bytearray, at: int) -> int:
    return os.preadv(descriptor, [piece], at, os.RWF_NOWAIT)

"""
Content that goes to a client a little at a time while the rest is held and scanned, so that nobody gives up waiting.

A file that is bad must never be whole at the client, nor of use. So before the verdict not more than nine tenths of what
has come are sent and never its last 64 KiB, and only so much at a time as keeps a connection alive; after it the rest goes at
full speed, or the connection is broken off in a way that no client takes for the end of a message.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from gateway.api.services import Clock
from gateway.pipeline.body import BodyPipe, Sink
from gateway.pipeline.hold import Hold
from gateway.pipeline.ports import Downstream

#: The end of what has come, which is never sent before the verdict.
HELD_BYTES = 65536
#: What is sent at once, at most.
PIECE_BYTES = 16384
#: Seconds between two pieces.
STEP_SECONDS = 1.0

# What is left to be sent is never used up soon: each piece is so much of it, if that is less.
_SHARES = 32


def most(received: int) -> int:
    """Tell how many bytes of the content may be sent before the verdict, of so many that have come."""
    return max(0, min(received * 9 // 10, received - HELD_BYTES))


class Trickle:
    """
    Sends a download whose head was sent before its verdict.

    It is the client's producer from then to the end (an IPushProducer), in the place of the pipe.

    @ivar sent: bytes of content that were.
    """

    __slots__ = ("_call", "_clock", "_down", "_hold", "_paused", "_pipe", "sent")

    _log = Logger()

    def __init__(self, down: Downstream, hold: Hold, clock: Clock) -> None:
        """
        Begin at once.

        @param down: the client's side, which has the head.
        @param hold: keeps the content.
        """
        self.sent = 0
        self._down = down
        self._hold: Hold | None = hold
        self._clock = clock
        self._paused = False
        # Through which all that is left flows by itself.
        self._pipe: BodyPipe | None = None
        self._call: Any = None
        producer: Any = self
        down.stream(producer)
        self._drip()
        down.flush()

    def stop(self) -> None:
        """Send no more of what is held; more than once is harmless."""
        self._hold = None
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def rest(self, pipe: BodyPipe) -> Sink:
        """
        Let all content flow, which may pass.

        @param pipe: where from; to be opened next.
        @return: takes the content from its first byte on, and passes on what was not sent.
        """
        if self._paused and self._hold is not None:
            self._hold.pause()
        self.stop()
        self._pipe = pipe
        return _Behind(self._down, self.sent)

    # What the client's side calls.

    def pauseProducing(self) -> None:
        """The client does not read."""
        self._paused = True
        if self._pipe is not None:
            self._pipe.pauseProducing()

    def resumeProducing(self) -> None:
        """It does."""
        self._paused = False
        if self._pipe is not None:
            self._pipe.resumeProducing()

    def stopProducing(self) -> None:
        """The connection is gone; its transaction is told by itself."""

    def _drip(self) -> None:
        self._call = self._clock.callLater(STEP_SECONDS, self._drip)
        hold = self._hold
        if self._paused or hold is None:
            return
        content = hold.content
        left = most(content.size) - self.sent
        if left <= 0:
            return
        count = min(PIECE_BYTES, max(1, left // _SHARES))
        try:
            piece = content.peek(self.sent, count)
        except OSError as error:
            # Whoever is to have the rest will see it too.
            self._log.error("held content can't be read: {error}", error=error)
            return
        if piece:
            self.sent += len(piece)
            self._down.write(piece)
            self._down.flush()


class _Behind:
    """A sink without the first bytes, which the one behind it has already."""

    __slots__ = ("_sink", "_skipped")

    def __init__(self, sink: Sink, skipped: int) -> None:
        self._sink = sink
        self._skipped = skipped

    def write(self, data: bytes) -> None:
        skipped = self._skipped
        if skipped:
            if len(data) <= skipped:
                self._skipped -= len(data)
                return
            data = data[skipped:]
            self._skipped = 0
        self._sink.write(data)

    def flush(self) -> None:
        self._sink.flush()

    def end(self, trailers: tuple[bytes, ...]) -> None:
        self._sink.end(trailers)

    def fail(self, error: BaseException) -> None:
        self._sink.fail(error)

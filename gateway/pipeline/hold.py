"""
A hold: content of one message that may not pass yet, in front of a closed pipe.

Only the core places one (L{gateway.pipeline.scanning}). While it fills, the source is read as fast as there is room and
held back while there is none; memory stays bounded either way. When the pipe is opened what is held goes first, no faster than
the sink takes it, and then whatever still comes. What the content means and whether it may pass is not known here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from gateway.api.errors import GatewayError
from gateway.api.services import Clock
from gateway.pipeline.body import BodyPipe, Sink
from gateway.pipeline.driver import Signal
from gateway.pipeline.spool import SpooledContent, Wait

#: How the filling of a hold ends: with all of the content, with more of it than wanted, or for want of room.
WHOLE = ""
TOO_LARGE = "too_large"
CAPACITY = "capacity"

_PIECE_BYTES = 65536
#: What goes out in one turn of the reactor, at most.
_TURN_BYTES = 4 * _PIECE_BYTES


class Hold:
    """
    What a held pipe keeps its content in (L{gateway.pipeline.body.Keeper}).

    @ivar content: what is held.
    @ivar filled: fires with one of L{WHOLE}, L{TOO_LARGE} and L{CAPACITY}, or fails if the message broke off before.
    @ivar draining: the pipe was opened, and not all that is held went out.
    @ivar paused: the sink takes no more of it now.
    """

    __slots__ = (
        "_call",
        "_clock",
        "_ended",
        "_full",
        "_lost",
        "_max_bytes",
        "_pending",
        "_pipe",
        "_pumping",
        "_sink",
        "_touch",
        "_wait",
        "_waits",
        "content",
        "draining",
        "filled",
        "paused",
    )

    _log = Logger()

    def __init__(
        self,
        pipe: BodyPipe,
        content: SpooledContent,
        max_bytes: int,
        clock: Clock,
        *,
        touch: Callable[[], None],
        waits: Callable[[bool], None],
        lost: Callable[[BaseException], None],
    ) -> None:
        """
        Take over what the pipe keeps.

        @param pipe: closed; its filters are in place.
        @param touch: called when content comes: the transaction makes progress.
        @param waits: told when a wait for room begins and ends: it has a time limit of its own.
        @param lost: called if what is held can't be given out again.
        """
        self.content = content
        self.filled: Signal[str] = Signal()
        self.draining = False
        self.paused = False
        self._pipe = pipe
        self._max_bytes = max_bytes
        self._clock = clock
        self._touch = touch
        self._waits = waits
        self._lost = lost
        # What could not be written: the little that was on its way when the source was paused.
        self._pending: deque[bytes] = deque()
        self._wait: Wait | None = None
        self._ended = False
        # Nothing more is written: how it went was said.
        self._full = False
        self._sink: Sink | None = None
        self._call: Any = None
        self._pumping = False
        pipe.hold(self)

    @property
    def waits(self) -> bool:
        """It waits for room."""
        return self._wait is not None

    # What the pipe calls while it is closed.

    def append(self, data: bytes) -> None:
        """Take a piece."""
        self._touch()
        if self._full or self._wait is not None:
            self._pending.append(data)
        elif self.content.size + len(data) > self._max_bytes:
            self._pending.append(data)
            self._say(TOO_LARGE)
        else:
            self._write(data)

    def complete(self) -> None:
        """Take the end of the message."""
        self._ended = True
        if self._wait is None and not self._full:
            self._say(WHOLE)

    def broke(self, error: BaseException) -> None:
        """Learn that the message broke off."""
        if not self._full:
            self._full = True
            self._forget_wait()
            self.filled.fail(error)

    # What the pipe calls when it is opened, and after.

    def drain(self, sink: Sink) -> None:
        """Let what is held go first."""
        self.draining = True
        self._full = True
        self._sink = sink
        self._pump()

    def pause(self) -> None:
        """Give no more for now."""
        self.paused = True

    def resume(self) -> None:
        """Go on."""
        self.paused = False
        if self._call is None and not self._pumping:
            self._pump()

    def close(self) -> None:
        """Drop everything and give the room back; more than once is harmless."""
        self._full = True
        self._sink = None
        self._pending.clear()
        self._forget_wait()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self.content.close()

    def _write(self, data: bytes) -> None:
        try:
            if self.content.write(data):
                return
        except OSError as error:
            self._log.error("content can't be held in scan.temp_dir: {error}", error=error)
            self._pending.append(data)
            self._say(CAPACITY)
            return
        self._pending.append(data)
        self._pipe.pauseProducing()
        self._waits(True)
        self._wait = self.content.wait(len(data), self._waited)

    def _waited(self, has_room: bool) -> None:
        self._wait = None
        self._waits(False)
        self._touch()
        if not has_room:
            self._say(CAPACITY)
            return
        pending, self._pending = self._pending, deque()
        for data in pending:
            self.append(data)
        if self._wait is None and not self._full:
            if self._ended:
                self._say(WHOLE)
            else:
                self._pipe.resumeProducing()

    def _say(self, how: str) -> None:
        self._full = True
        if how:
            self._pipe.pauseProducing()
        self.filled.fire(how)

    def _forget_wait(self) -> None:
        wait, self._wait = self._wait, None
        if wait is not None:
            self._waits(False)
            wait.cancel()

    def _pump(self) -> None:
        """Give out what is held until the sink wants no more, a while has gone by, or nothing is left."""
        self._call = None
        self._pumping = True
        try:
            self._give(_TURN_BYTES)
        finally:
            self._pumping = False

    def _give(self, count: int) -> None:
        while (sink := self._sink) is not None:
            if self.paused:
                sink.flush()
                return
            if count <= 0:
                sink.flush()
                self._call = self._clock.callLater(0, self._pump)
                return
            try:
                data = self.content.read(_PIECE_BYTES)
            except OSError as error:
                self._log.error("held content can't be read: {error}", error=error)
                self.close()
                self._lost(GatewayError("held content is lost"))
                return
            if not data:
                if not self._pending:
                    self._sink = None
                    self.content.close()
                    self._pipe.caught_up(sink)
                    return
                data = self._pending.popleft()
            count -= len(data)
            sink.write(data)

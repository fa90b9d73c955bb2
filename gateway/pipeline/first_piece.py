"""
Waiting for the first bytes of some content, as they come out of its filters, before anything of it passes.

A filter that refuses content by its first bytes is heard before the client has the head of the answer, so the client gets a
page and no broken connection. What came meanwhile stays in the pipe, as if nobody had waited.
"""

from __future__ import annotations

from gateway.pipeline.body import HIGH_WATER, BodyPipe, Sink
from gateway.pipeline.driver import Signal
from gateway.pipeline.exchange import Exchange


async def first_piece(x: Exchange, pipe: BodyPipe) -> None:
    """
    Wait until filters let something of some content pass, or it has ended.

    @param pipe: closed; its filters are in place.
    @raise TransactionError: it broke off before.
    """
    waiting = _Waiting(pipe, x)
    await waiting.came
    pipe.given_back(waiting.pieces)


class _Waiting:
    """
    What keeps the content meanwhile (L{gateway.pipeline.body.Keeper}).

    @ivar came: fires with the first piece, or the end; fails if it broke off before.
    """

    draining = False
    paused = False

    def __init__(self, pipe: BodyPipe, x: Exchange) -> None:
        self.pieces: list[bytes] = []
        self.came: Signal[None] = Signal()
        self._pipe = pipe
        self._size = 0
        self._has_come = False
        self._x = x
        pipe.hold(self)

    def append(self, data: bytes) -> None:
        """Take a piece; there may be more of them before the first is heard of."""
        self._x.down.touch()
        self.pieces.append(data)
        self._size += len(data)
        if self._size >= HIGH_WATER:
            self._pipe.pauseProducing()
        self._say()

    def complete(self) -> None:
        """Take the end."""
        self._say()

    def broke(self, error: BaseException) -> None:
        """Learn that there will not be more; once something came, whoever takes the content hears of it."""
        if not self._has_come:
            self._has_come = True
            self.came.fail(error)

    def drain(self, sink: Sink) -> None:
        """Never called: the pipe is not opened before its content was given back."""
        raise AssertionError("content is still waited for")

    def pause(self) -> None:
        """Never called."""

    def resume(self) -> None:
        """Never called."""

    def close(self) -> None:
        """Drop everything."""
        self.pieces.clear()

    def _say(self) -> None:
        if not self._has_come:
            self._has_come = True
            self.came.fire(None)

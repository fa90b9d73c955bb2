"""
Reading a request's content before it is decided what becomes of it, for plugins that ask so (C{ReadContent}).

The content stays in memory and in its pipe: whoever comes after finds it there as if nobody had looked.
"""

from __future__ import annotations

from gateway.api.verdicts import Block, ReadContent, Verdict
from gateway.pipeline.body import BodyPipe, Sink
from gateway.pipeline.driver import Signal
from gateway.pipeline.exchange import Exchange

_TOO_LARGE = Block("more content than this page takes", status=413, page="upload_limit")


async def read(x: Exchange, asked: ReadContent) -> bytes | Verdict:
    """
    Read the content of a request whose filters are not in place yet.

    @return: a refusal if it is more than wanted.
    @raise TransactionError: it broke off.
    """
    upload = x.upload
    if upload is None:
        return b""
    if x.asked.framing > asked.limit:
        # Said beforehand: who waits for a 100 keeps it.
        return _TOO_LARGE
    if x.asked.section.expects_continue and x.asked.minor:
        if not upload.ended and not upload.count:
            x.down.interim(100, b"", b"")
        x.txn.request.fields.remove("Expect")
    reading = _Reading(upload, asked.limit, x)
    if not await reading.read:
        return _TOO_LARGE
    content = b"".join(reading.pieces)
    upload.given_back(reading.pieces)
    return content


class _Reading:
    """
    What keeps the content meanwhile (L{gateway.pipeline.body.Keeper}).

    @ivar read: fires with whether all of it is here, and not with more than wanted; fails if it broke off.
    """

    draining = False
    paused = False

    def __init__(self, pipe: BodyPipe, limit: int, x: Exchange) -> None:
        self.pieces: list[bytes] = []
        self.read: Signal[bool] = Signal()
        self._pipe = pipe
        self._left = limit
        self._x = x
        pipe.hold(self)

    def append(self, data: bytes) -> None:
        """Take a piece."""
        self._x.down.touch()
        self._left -= len(data)
        if self._left >= 0:
            self.pieces.append(data)
        else:
            self.pieces.clear()
            self._pipe.pauseProducing()
            self.read.fire(False)

    def complete(self) -> None:
        """Take the end."""
        if self._left >= 0:
            self.read.fire(True)

    def broke(self, error: BaseException) -> None:
        """Learn that there will not be more."""
        self.read.fail(error)

    def drain(self, sink: Sink) -> None:
        """Never called: the pipe is not opened before its content was given back."""
        raise AssertionError("content is still being read")

    def pause(self) -> None:
        """Never called."""

    def resume(self) -> None:
        """Never called."""

    def close(self) -> None:
        """Drop everything."""
        self.pieces.clear()

"""
A copy of a response's content for the plugin that stores it, taken beside the client.

Storing is never more important than serving: what goes wrong with the copy is logged and is the end of the copy alone.
"""

from __future__ import annotations

from twisted.logger import Logger

from gateway.api.content import ContentSink
from gateway.pipeline.body import Sink


class Copy:
    """A plugin's sink, held to its end: finished or aborted once, and dropped when it raises."""

    __slots__ = ("_sink",)

    _log = Logger()

    def __init__(self, sink: ContentSink) -> None:
        self._sink: ContentSink | None = sink

    def write(self, data: bytes) -> None:
        """Give it a piece."""
        sink = self._sink
        if sink is not None:
            try:
                sink.write(data)
            except Exception:
                self._failed()
                self.abort()

    def finish(self) -> None:
        """The content is complete."""
        sink, self._sink = self._sink, None
        if sink is not None:
            try:
                sink.finish()
            except Exception:
                self._failed()
                self._sink = sink
                self.abort()

    def abort(self) -> None:
        """It never will be."""
        sink, self._sink = self._sink, None
        if sink is not None:
            try:
                sink.abort()
            except Exception:
                self._failed()

    def over(self, error: BaseException | None) -> None:
        """Learn that the pipe is done, which is told last."""
        if error is not None:
            self.abort()

    def _failed(self) -> None:
        self._log.failure("a response is not stored: its sink failed")


class Tee:
    """The client and the copy as one sink; the client comes first."""

    __slots__ = ("_copy", "_sink")

    def __init__(self, sink: Sink, copy: Copy) -> None:
        self._sink = sink
        self._copy = copy

    def write(self, data: bytes) -> None:
        """Take a chunk."""
        self._sink.write(data)
        self._copy.write(data)

    def flush(self) -> None:
        """Send what was kept back."""
        self._sink.flush()

    def end(self, trailers: tuple[bytes, ...]) -> None:
        """Take the end."""
        self._copy.finish()
        self._sink.end(trailers)

    def fail(self, error: BaseException) -> None:
        """Take the failure."""
        self._copy.abort()
        self._sink.fail(error)

"""
The pipe that content flows through: source, filters, sink; plain calls, no coroutine and no Deferred.

A pipe is born closed. Until a verdict is in, what the source gives is kept, and at high water the source is paused.
Opened, every chunk goes straight to the sink, whose wish to pause is passed on to the source. A message that breaks off
ends in C{fail}, never in C{end}, so that a sink can always tell a part from the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.api.content import BodyFilter, ContentRefused
from gateway.api.errors import PluginError

#: Bytes a closed pipe keeps before it pauses its source.
HIGH_WATER = 65536


# Nobody was asked for filters.
_UNSETTLED: Sequence[BodyFilter] = ()


class Source(Protocol):
    """Where content comes from."""

    def pause(self) -> None:
        """Give no more soon; what is on its way may still come."""

    def resume(self) -> None:
        """Go on."""


class Sink(Protocol):
    """Where content goes; called only while the pipe is open."""

    def write(self, data: bytes) -> None:
        """Take a chunk; it may be kept back until L{flush} or L{end}."""

    def flush(self) -> None:
        """Send what was kept back: nothing more comes for now."""

    def end(self, trailers: tuple[bytes, ...]) -> None:
        """Take the end of a complete message."""

    def fail(self, error: BaseException) -> None:
        """Learn that the message will never be complete; the peer must be able to see that."""


class Keeper(Protocol):
    """
    What keeps the content of a closed pipe in its place: a hold (L{gateway.pipeline.hold}).

    @ivar draining: the pipe was opened, and not all that is kept went out.
    @ivar paused: the sink takes no more of it now.
    """

    draining: bool
    paused: bool

    def append(self, data: bytes) -> None:
        """Take a piece."""

    def complete(self) -> None:
        """Take the end of the message."""

    def broke(self, error: BaseException) -> None:
        """Learn that the message broke off."""

    def drain(self, sink: Sink) -> None:
        """Give everything to the sink, then call L{BodyPipe.caught_up}."""

    def pause(self) -> None:
        """The sink takes no more for now."""

    def resume(self) -> None:
        """The sink takes more."""

    def close(self) -> None:
        """Drop everything."""


class BodyPipe:
    """
    Content of one message on its way.

    @ivar count: bytes the source gave.
    @ivar ended: the source gave all.
    @ivar filtered: some filter may change the length.
    """

    __slots__ = (
        "_done",
        "_error",
        "_filters",
        "_keeper",
        "_kept",
        "_paused",
        "_sink",
        "_size",
        "_source",
        "_trailers",
        "count",
        "ended",
    )

    def __init__(
        self, source: Source, done: Callable[[BaseException | None], None] | None = None
    ) -> None:
        """
        Begin closed.

        @param done: called once when the end or the failure went to the sink, or when the pipe was aborted.
        """
        self._source: Source | None = source
        self._sink: Sink | None = None
        self._filters: Sequence[BodyFilter] = _UNSETTLED
        self._kept: list[bytes] | None = None
        self._keeper: Keeper | None = None
        self._size = 0
        self._paused = False
        self._error: BaseException | None = None
        self._trailers: tuple[bytes, ...] = ()
        self.count = 0
        self.ended = False
        self._done = done

    @property
    def has_filters(self) -> bool:
        """It was settled which filters it has, if any."""
        return self._filters is not _UNSETTLED

    @property
    def filtered(self) -> bool:
        """Some filter may change the length, so the message needs a new framing."""
        return any(body_filter.changes_length for body_filter in self._filters)

    @property
    def paused(self) -> bool:
        """No more is wanted for now: whoever takes the content is the one that is waited for."""
        keeper = self._keeper
        return self._paused if keeper is None or not keeper.draining else keeper.paused

    @property
    def held(self) -> bool:
        """A hold keeps its content, or gives it out now."""
        return self._keeper is not None

    @property
    def flowing(self) -> bool:
        """Not everything went to the sink: the source has more, or a hold."""
        return not self.ended or self._keeper is not None

    @property
    def whole(self) -> bytes | None:
        """All of the content, if it is here, and nobody else keeps it; C{None} if not. For a pipe that was not opened."""
        if not self.ended or self._keeper is not None or self._error is not None:
            return None
        kept = self._kept
        if not kept:
            return b""
        if len(kept) > 1:
            kept[:] = [b"".join(kept)]
        return kept[0]

    def filter(self, filters: Sequence[BodyFilter]) -> None:
        """
        Put filters in, in the order in which content passes them; once, before anything was read or opened.

        @raise gateway.api.content.ContentRefused: what is here already is refused.
        """
        self._filters = list(filters)
        kept, self._kept = self._kept, None
        self._size = 0
        for data in kept or ():
            self._keep(self._through(data))
        if self.ended:
            self._keep(self._rest())

    def hold(self, keeper: Keeper) -> None:
        """Let something else keep the content, what is here already first; only while the pipe is closed."""
        self._keeper = keeper
        kept, self._kept = self._kept, None
        self._size = 0
        was_paused, self._paused = self._paused, False
        for data in kept or ():
            keeper.append(data)
        if self.ended:
            keeper.complete()
        elif self._error is not None:
            keeper.broke(self._error)
        elif was_paused and not self._paused and self._source is not None:
            self._source.resume()

    def given_back(self, content: list[bytes]) -> None:
        """Go on without the keeper, which was only to see the content; for it to call while the pipe is closed."""
        self._keeper = None
        self._kept = content or None
        self._size = sum(map(len, content))

    def caught_up(self, sink: Sink) -> None:
        """Go on without the keeper, which gave everything out; for it to call."""
        self._keeper = None
        self.open(sink)
        if self._sink is not None:
            sink.flush()

    def watch(self, done: Callable[[BaseException | None], None]) -> None:
        """Tell one more of the end or the failure, before the one that was named first."""
        first = self._done

        def both(error: BaseException | None) -> None:
            done(error)
            if first is not None:
                first(error)

        self._done = both

    # The source's side.

    def write(self, data: bytes) -> None:
        """
        Take a chunk from the source.

        @raise gateway.api.content.ContentRefused: a filter refused it; the caller stops reading this message.
        @raise gateway.api.errors.PluginError: a filter failed; likewise.
        """
        self.count += len(data)
        if self._filters:
            data = self._through(data)
            if not data:
                return
        if self._sink is not None:
            self._sink.write(data)
        elif self._error is None:
            self._keep(data)

    def flush(self) -> None:
        """Tell the sink that nothing more comes for now."""
        if self._sink is not None:
            self._sink.flush()

    def end(self, trailers: tuple[bytes, ...] = ()) -> None:
        """
        Take the end of a complete message from the source.

        @raise gateway.api.content.ContentRefused: a filter refused what it still held.
        """
        self.ended = True
        self._trailers = trailers
        if self._filters:
            rest = self._rest()
            if rest:
                if self._sink is not None:
                    self._sink.write(rest)
                else:
                    self._keep(rest)
        sink = self._sink
        if sink is not None:
            self._sink = self._source = None
            sink.end(trailers)
            done, self._done = self._done, None
            if done is not None:
                done(None)
        else:
            # From here on the source may belong to another message.
            self._source = None
            self._paused = False
            if self._keeper is not None:
                self._keeper.complete()

    def fail(self, error: BaseException) -> None:
        """Learn from the source that the message broke off; after an end or an abort it means nothing."""
        if self.ended or self._error is not None:
            return
        self._error = error
        sink = self._sink
        if sink is not None:
            self._finish()
            sink.fail(error)
            self._tell(error)
        elif self._keeper is not None:
            self._keeper.broke(error)

    # The owner's side.

    def open(self, sink: Sink) -> None:
        """
        Let content flow: what was kept first, then all that comes.

        The sink is not flushed here; the caller does that when it has nothing more to send along.
        """
        if self._keeper is not None:
            self._keeper.drain(sink)
            return
        kept, self._kept = self._kept, None
        self._size = 0
        self._sink = sink
        for data in kept or ():
            sink.write(data)
        if self.ended:
            self._finish()
            sink.end(self._trailers)
            self._tell(None)
        elif self._error is not None:
            self._finish()
            sink.fail(self._error)
            self._tell(self._error)
        elif self._paused:
            self._paused = False
            assert self._source is not None
            self._source.resume()

    def abort(self, error: BaseException) -> None:
        """
        Drop everything, kept content too, and pass nothing on any more.

        The source is resumed if it was paused here, so that whoever owns it can drain or close it.
        """
        source = self._source
        self._kept = None
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close()
        if self._error is None:
            self._error = error
        self._finish()
        if self._paused and source is not None:
            self._paused = False
            source.resume()
        self._tell(error)

    # The sink's side (an IPushProducer to a transport).

    def pauseProducing(self) -> None:
        """Pause the source, or what is held."""
        keeper = self._keeper
        if keeper is not None and keeper.draining:
            keeper.pause()
        elif not self._paused and self._source is not None:
            self._paused = True
            self._source.pause()

    def resumeProducing(self) -> None:
        """Resume the source, or what is held."""
        keeper = self._keeper
        if keeper is not None and keeper.draining:
            keeper.resume()
        elif self._paused and self._source is not None:
            self._paused = False
            self._source.resume()

    def stopProducing(self) -> None:
        """Nothing to do: whoever lost the transport aborts the transaction."""

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        if self._keeper is not None:
            self._keeper.append(data)
            return
        if self._kept is None:
            self._kept = []
        self._kept.append(data)
        self._size += len(data)
        if self._size >= HIGH_WATER:
            self.pauseProducing()

    def _tell(self, error: BaseException | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(error)

    def _finish(self) -> None:
        self._sink = None
        self._source = None

    def _through(self, data: bytes) -> bytes:
        for body_filter in self._filters:
            if not data:
                break
            data = _guarded(body_filter, body_filter.data, data)
        return data

    def _rest(self) -> bytes:
        """End each filter, giving what it still held to those behind it."""
        rest = b""
        for body_filter in self._filters:
            if rest:
                rest = _guarded(body_filter, body_filter.data, rest)
            rest += _guarded(body_filter, body_filter.end)
        return rest


def _guarded(body_filter: BodyFilter, call: Callable[..., bytes], *args: bytes) -> bytes:
    """
    Call a plugin's filter.

    @raise ContentRefused: it refuses the content.
    @raise PluginError: it fails, or gives something else than bytes.
    """
    try:
        given = call(*args)
    except ContentRefused:
        raise
    except Exception as error:
        raise _plugin_error(body_filter, error) from error
    if not isinstance(given, bytes):
        raise _plugin_error(body_filter, TypeError(f"{type(given).__name__} in place of bytes"))
    return given


def _plugin_error(body_filter: BodyFilter, error: Exception) -> PluginError:
    # A filter does not know whose it is; the package it comes from does.
    return PluginError(type(body_filter).__module__.partition(".")[0], "filters", error)


__all__ = ["HIGH_WATER", "BodyPipe", "ContentRefused", "Sink", "Source"]

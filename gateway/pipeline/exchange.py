"""
One transaction's dealings with its upstream: the answering side of a hop.

Turns the calls of an upstream connection into what the transaction's coroutine waits for (the head) and into what flows
past it (content). It outlives a hop: when a request is sent again elsewhere, the same exchange answers.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from gateway.api.answers import Stored, Validator
from gateway.api.errors import PluginError, UpstreamError
from gateway.api.transaction import Transaction
from gateway.api.verdicts import Block
from gateway.pipeline.body import BodyPipe, ContentRefused
from gateway.pipeline.driver import Signal, Task
from gateway.pipeline.judged import Judged
from gateway.pipeline.ports import Downstream, Hop, Upstream
from gateway.wire.events import RequestHead, ResponseHead


class LateBlock(Exception):
    """
    A block that comes when the request is on its way already: content was refused while it flowed, or the address that
    was really dialled.

    @ivar block: the verdict.
    """

    def __init__(self, block: Block) -> None:
        super().__init__(block.why)
        self.block = block


class Quick(Protocol):
    """Who runs a transaction without a coroutine as long as that goes well."""

    def arrived(self, x: Exchange, head: ResponseHead) -> None:
        """Take an answer that came whole."""

    def reached(self, x: Exchange, hop: Hop) -> None:
        """Take the connection for a tunnel."""

    def unreached(self, x: Exchange, error: BaseException) -> None:
        """Learn why there is none."""

    def tunnelled(self, x: Exchange) -> None:
        """Learn that the tunnel has ended."""

    def run(
        self, x: Exchange, refusal: None, given: ResponseHead | BaseException
    ) -> Coroutine[Any, Any, None]:
        """Go on with a coroutine from what was given."""


class Whole:
    """The source of a response that came in one read: nothing of it can be paused."""

    def pause(self) -> None:
        """It is here already."""

    def resume(self) -> None:
        """It is here already."""


WHOLE = Whole()


class Exchange(Task):
    """
    What the pipeline keeps for one running transaction, and the task that runs it.

    @ivar txn: what plugins and the record see of it.
    @ivar asked: the request head as it came in.
    @ivar upload: the request's content; C{None} without.
    @ivar download: the response's content, unless it is C{content}.
    @ivar content: the whole content of a response that came in one read; C{None} if it did not.
    @ivar trailers: of such a response.
    @ivar stored: a stored response that answers it.
    @ivar validator: who is told what the upstream says of what is stored; C{None}: nobody, or it was told.
    @ivar unvalidated: the request's lines as they were before the validator's fields.
    @ivar down: the client's side.
    @ivar upstream: where it goes.
    @ivar hop: the connection in use; C{None} before, between and after.
    @ivar last_hop: the connection used last.
    @ivar answering: some byte of an answer came.
    @ivar quick: takes the answer while no coroutine runs; C{None} if one does.
    @ivar guide: who it is that has a tunnel made without a coroutine; only there for such a one.
    @ivar scanning: its content is being scanned, or waits for room, which has a time limit of its own; only there while
        a coroutine runs.
    @ivar judged: what was said of content of it last; C{None}: nothing.
    @ivar trickle: sends what of the download may be sent before its verdict; C{None}: nothing is. Only there while a
        coroutine runs.
    @ivar signal: fires with the final response's head, then with the end of the download (C{None} or why it failed);
        only there while a coroutine runs.
    """

    guide: Quick

    __slots__ = (
        "answering",
        "asked",
        "content",
        "down",
        "download",
        "guide",
        "hop",
        "judged",
        "last_hop",
        "quick",
        "scanning",
        "signal",
        "stored",
        "trailers",
        "trickle",
        "txn",
        "unvalidated",
        "upload",
        "upstream",
        "validator",
    )

    def __init__(
        self,
        txn: Transaction,
        asked: RequestHead,
        upload: BodyPipe | None,
        down: Downstream,
        upstream: Upstream,
    ) -> None:
        self.coroutine = None
        self.finished = None
        self.waiting = None
        self.pending = None
        self.running = False
        self.over = False
        self.txn = txn
        self.asked = asked
        self.upload = upload
        self.down = down
        self.upstream = upstream
        self.download: BodyPipe | None = None
        self.content: bytes | memoryview | None = None
        self.trailers: tuple[bytes, ...] = ()
        self.hop: Hop | None = None
        self.last_hop: Hop | None = None
        self.answering = False
        self.stored: Stored | None = None
        self.validator: Validator | None = None
        self.quick: Quick | None = None
        self.judged: Judged | None = None

    def start(
        self, coroutine: Coroutine[Any, Any, None], finished: Callable[[], None] | None = None
    ) -> None:
        """Run a coroutine from here on; see L{Task.start}."""
        self.signal: Signal[Any] = Signal()
        self.scanning = False
        self.trickle: Any = None
        super().start(coroutine, finished)

    def validate(self, validator: Validator) -> None:
        """
        Let the request ask whether what is stored still holds.

        @raise ValueError: what the validator wants to set is no field, or none of a plugin's; nothing is changed.
        """
        fields = self.asked.fields
        before = fields.lines
        try:
            for name, value in validator.fields.items():
                if value is None:
                    fields.remove(name)
                else:
                    fields.set(name, value)
        except ValueError:
            fields.lines = before
            raise
        self.unvalidated = before
        self.validator = validator

    def unvalidate(self) -> None:
        """Make the request again what it was before L{validate}."""
        self.validator = None
        self.asked.fields.lines = self.unvalidated

    # What the hop calls.

    def interim(self, head: ResponseHead) -> None:
        """Pass a 1xx response on, in order (RFC 9110 section 15.2); HTTP/1.0 knows none."""
        self.answering = True
        if self.asked.minor and self.down.answerable:
            self.down.interim(head.status, head.reason, head.section.passed)

    def whole(
        self, head: ResponseHead, content: bytes | memoryview, trailers: tuple[bytes, ...]
    ) -> None:
        """Take a complete final response; the connection is no longer ours."""
        self.hop = None
        self.content = content
        self.trailers = trailers
        quick = self.quick
        if quick is not None:
            self.quick = None
            quick.arrived(self, head)
        else:
            self.signal.fire(head)

    def answered(self, head: ResponseHead) -> None:
        """Take the final head; content flows into a closed pipe from now on."""
        assert self.hop is not None
        self.answering = True
        self.download = BodyPipe(self.hop, self.ended_with)
        if self.quick is not None:
            self._go_slow(head)
        else:
            self.signal.fire(head)

    def ended_with(self, error: BaseException | None) -> None:
        """Learn from the download that it is at its end; without a coroutine nobody waits for that."""
        if self.coroutine is not None:
            self.signal.fire(error)

    def received(self, data: bytes) -> None:
        """Take content."""
        if self.download is not None:
            try:
                self.download.write(data)
            except (ContentRefused, PluginError) as error:
                self.cut(error)

    def ended(self, trailers: tuple[bytes, ...]) -> None:
        """Take the end of the answer."""
        self.hop = None
        if self.download is not None:
            try:
                self.download.end(trailers)
            except (ContentRefused, PluginError) as error:
                self.cut(error)

    def lost(self, error: UpstreamError) -> None:
        """Learn that the hop is gone."""
        self.last_hop = self.hop
        self.hop = None
        if self.quick is not None:
            self._go_slow(error)
        elif self.download is None:
            self.signal.fail(error)
        else:
            self.download.fail(error)

    def settled(self) -> None:
        """Send on what one read brought."""
        if self.download is not None:
            self.download.flush()

    # What becomes of a tunnel's connection while no coroutine runs.

    def reached(self, hop: Hop) -> None:
        """Take it."""
        self.quick = None
        self.guide.reached(self, hop)

    def unreached(self, error: BaseException) -> None:
        """Learn why there is none."""
        self.quick = None
        self.guide.unreached(self, error)

    def tunnelled(self, _: None) -> None:
        """Learn that the tunnel is at its end."""
        self.guide.tunnelled(self)

    # What the client's side and the transaction call.

    def interrupt(self, error: BaseException) -> None:
        """Break into whatever it waits for; see L{Task.interrupt}."""
        if self.quick is not None:
            self._go_slow(error)
        else:
            super().interrupt(error)

    def _go_slow(self, given: ResponseHead | BaseException) -> None:
        """It takes a turn that needs a coroutine."""
        quick, self.quick = self.quick, None
        assert quick is not None
        self.start(quick.run(self, None, given), self.finished)

    def scans(self, goes_on: bool) -> None:
        """Note that its content is being scanned, or waits for room to be, and no longer."""
        self.scanning = goes_on

    def cut(self, error: ContentRefused | PluginError) -> None:
        """Stop the content of either side because a filter refused it or failed."""
        self.interrupt(LateBlock(error.block) if isinstance(error, ContentRefused) else error)

    def drop(self, error: BaseException) -> None:
        """End what is still open towards the upstream, so that it never sees a complete request that was none."""
        hop, self.hop = self.hop, None
        if hop is not None:
            hop.abort()
        if self.upload is not None:
            self.upload.abort(error)
        if self.download is not None:
            self.download.abort(error)
        self.content = None

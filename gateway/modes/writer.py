"""
The client's side of a response: framing towards the client, and one send for each batch (RFC 9112 section 6).

One L{ResponseWriter} serves a client connection for all its life and is set to each transaction in turn. A message that
can't be completed is never made to look complete: with a length or chunks the connection is closed short of the end,
without either it is reset.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any, Protocol

from gateway.api.messages import Response
from gateway.api.transaction import Transaction
from gateway.message.dates import http_date
from gateway.message.statuses import phrase
from gateway.wire.events import RequestHead
from gateway.wire.write import LAST_CHUNK, WHOLE_HEAD, chunk, last_chunk, response_head, section

#: Below this head and content are joined, above they go by one sendmsg.
JOIN_BYTES = 65536


class Tunnels(Protocol):
    """A connection that can become a tunnel."""

    def touch(self) -> None:
        """Something moved."""

    def reads_on(self) -> bool:
        """Tell whether what is to come of the running request's content is read, so that the connection can be used on."""

    def part(self) -> None:
        """The running transaction goes on without this connection, which is free for the next request."""

    def tunnel(
        self, hop: Any, rest: bytes, fields: bytes | None, over: Callable[[None], object]
    ) -> None:
        """See L{Downstream.tunnel<gateway.pipeline.ports.Downstream.tunnel>}."""


class ResponseWriter:
    """
    Writes the responses of one client connection.

    @ivar answerable: the running transaction has no final response yet.
    @ivar complete: its response was handed to the transport whole.
    @ivar persistent: the connection may carry another request after this response.
    @ivar framed: the client can see by itself where the response ends, and so whether it is cut off.
    @ivar sends_pages: content can be sent from a file.
    """

    waits = True

    __slots__ = (
        "_chunked",
        "_connection",
        "_head_only",
        "_minor",
        "_out",
        "_producer",
        "answerable",
        "complete",
        "framed",
        "persistent",
        "sends_pages",
        "transport",
        "txn",
    )

    def __init__(self, connection: Tunnels) -> None:
        self._connection: Tunnels | None = connection
        self.transport: Any = None
        self.sends_pages = False
        self.txn: Transaction | None = None
        self._out: list[bytes] = []
        self._minor = 1
        self._head_only = False
        self._chunked = False
        self._producer: Any = None
        self.answerable = False
        self.complete = False
        self.persistent = False
        self.framed = True

    @property
    def connection(self) -> Any:
        """The connection that the responses go to; C{None} when it is gone or given away."""
        return self._connection

    def use(self, transport: Any) -> None:
        """Write to this transport from here on."""
        self.transport = transport
        self.sends_pages = getattr(transport, "sends_pages", False)

    def begin(self, txn: Transaction, asked: RequestHead, persistent: bool) -> None:
        """Get ready for a transaction's response."""
        self.txn = txn
        self._minor = asked.minor
        self._head_only = asked.raw_method == b"HEAD"
        self.answerable = True
        self.complete = False
        self.persistent = persistent
        self.framed = True

    def interim(self, status: int, reason: bytes, fields: bytes) -> None:
        """Send a 1xx response at once: somebody waits for it."""
        self._head(response_head(status, reason, fields))
        self.flush()

    def whole(self, status: int, reason: bytes, fields: bytes, content: bytes | memoryview) -> None:
        """Send a complete response; see L{Downstream<gateway.pipeline.ports.Downstream>}."""
        length = len(content)
        if self.persistent and self._minor:
            self.send_whole(WHOLE_HEAD % (status, reason, fields, length), content)
        else:
            framing = self._closing(b"Content-Length: %d\r\n" % length)
            self.send_whole(response_head(status, reason, fields + framing), content)

    def send_whole(self, head: bytes, content: bytes | memoryview) -> None:
        """Send a complete response whose head is written; see L{Downstream<gateway.pipeline.ports.Downstream>}."""
        self.answerable = False
        self.complete = True
        if self._head_only:
            # A plugin has made something else of the request; its client still reads what follows a head as its next answer.
            content = b""
        txn = self.txn
        size = len(head)
        length = len(content)
        if txn is not None:
            txn.head_out += size
            txn.bytes_out += size + length
        if length < JOIN_BYTES:
            whole = head + content
            if self.persistent:
                self.transport.write(whole)
            else:
                # Over TLS the end can go with it.
                last = getattr(self.transport, "write_last", self.transport.write)
                last(whole)
        else:
            if not getattr(self.transport, "takes_views", False):
                content = bytes(content)
            self.transport.writeSequence([head, content])

    def send_paged(self, head: bytes, content: bytes, descriptor: int) -> None:
        """Send a complete response whose content is in a file too; see L{Downstream<gateway.pipeline.ports.Downstream>}."""
        if self._head_only:
            self.send_whole(head, content)
            return
        self.answerable = False
        self.complete = True
        txn = self.txn
        size = len(head)
        if txn is not None:
            txn.head_out += size
            txn.bytes_out += size + len(content)
        self.transport.write_paged(head, content, descriptor)

    def start(
        self, status: int, reason: bytes, fields: bytes, length: int | None, bodiless: bool
    ) -> None:
        """Take the final head; see L{Downstream<gateway.pipeline.ports.Downstream>}."""
        self.answerable = False
        self._chunked = False
        framing = b""
        if bodiless and not self._head_only and status not in (204, 304):
            # A plugin has made a HEAD of the request, and its client waits for content.
            length = 0
        if length is not None:
            framing = b"Content-Length: %d\r\n" % length
        elif not bodiless and not self._head_only:
            if self._minor:
                self._chunked = True
                framing = b"Transfer-Encoding: chunked\r\n"
            else:
                self.framed = False
                self.persistent = False
        self._head(response_head(status, reason, fields + self._closing(framing)))

    def write(self, data: bytes) -> None:
        """Take content."""
        if not self._head_only:
            self._out.append(chunk(data) if self._chunked else data)

    def flush(self) -> None:
        """Send what was gathered, in one call."""
        out = self._out
        if out:
            self._out = []
            if self._connection is not None:
                self._connection.touch()
            if self.txn is not None:
                self.txn.bytes_out += sum(map(len, out))
            if len(out) == 1:
                self.transport.write(out[0])
            else:
                self.transport.writeSequence(out)

    def end(self, trailers: tuple[bytes, ...]) -> None:
        """Take the end of a complete response."""
        if self._chunked:
            self._out.append(last_chunk(trailers) if trailers else LAST_CHUNK)
        self.complete = True
        self.flush()
        self._unstream()

    def fail(self, error: BaseException) -> None:
        """The response will never be complete; the connection's end tells the client (RFC 9112 section 8)."""
        self.persistent = False
        self.answerable = False
        if self.framed:
            self.flush()
        else:
            self._out.clear()
        self._unstream()

    def answer(self, response: Response, more: bytes = b"") -> None:
        """Send a whole response made here; see L{Downstream<gateway.pipeline.ports.Downstream>}."""
        content = response.content
        bodiless = response.status in (204, 304)
        # A 304's length would be that of the 200 it stands for, which we don't know (RFC 9110 section 8.6).
        length = None if bodiless else len(content)
        fields = section(response.fields.lines) + more
        # A plugin's words.
        reason = phrase(response.reason)
        if "date" not in response.fields:
            # We have a clock (RFC 9110 section 6.6.1).
            fields += b"Date: %b\r\n" % http_date(time())
        self.start(response.status, reason, fields, length, bodiless)
        if content and not self._head_only and not bodiless:
            self._out.append(content)
        self.complete = True
        self.flush()

    def part(self, page: Response, more: bytes) -> None:
        """See L{Downstream.part<gateway.pipeline.ports.Downstream.part>}."""
        connection = self._connection
        assert connection is not None
        self.answer(page, more)
        connection.part()

    def reset(self) -> None:
        """See L{Downstream.reset<gateway.pipeline.ports.Downstream.reset>}."""
        self.framed = False

    def early(self) -> None:
        """See L{Downstream.early<gateway.pipeline.ports.Downstream.early>}."""
        if self.persistent:
            connection = self._connection
            self.persistent = connection is not None and connection.reads_on()

    def stream(self, producer: Any) -> None:
        """Let a producer be paused while the client does not read."""
        if self._producer is None:
            self._producer = producer
            self.transport.registerProducer(self, True)

    def touch(self) -> None:
        """The transaction makes progress, although nothing goes to the client yet."""
        if self._connection is not None:
            self._connection.touch()

    # What the transport calls (an IPushProducer).

    def pauseProducing(self) -> None:
        """The client does not read."""
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has read what we had."""
        if self._connection is not None:
            self._connection.touch()
        if self._producer is not None:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """The connection is gone; its transaction is told by itself."""

    def forget(self) -> None:
        """The transport is gone or given away."""
        self._out.clear()
        self._producer = None
        self._connection = None
        self.txn = None

    def tunnel(
        self, hop: Any, rest: bytes, fields: bytes | None, over: Callable[[None], object]
    ) -> None:
        """Become a tunnel; that is the connection's doing."""
        assert self._connection is not None
        self._connection.tunnel(hop, rest, fields, over)

    def _head(self, head: bytes) -> None:
        self._out.append(head)
        if self.txn is not None:
            self.txn.head_out += len(head)

    def _closing(self, framing: bytes) -> bytes:
        """Add what is to be said of the connection."""
        if not self.persistent:
            return framing + b"Connection: close\r\n"
        return framing if self._minor else framing + b"Connection: keep-alive\r\n"

    def _unstream(self) -> None:
        if self._producer is not None:
            self._producer = None
            self.transport.unregisterProducer()

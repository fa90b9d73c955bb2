"""
Connections to the next hop.

An L{UpstreamConnection} carries one exchange at a time. It owns framing towards the upstream and reading from it; who
asked gets heads, content and the end by plain calls on an L{Answering}. When an exchange ends cleanly the connection
goes back to its pool before that end is told, so whoever is told may take it again at once.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.net.deadlines import Deadline
from gateway.net.faults import UpstreamClosed, UpstreamProtocolError
from gateway.net.owner import NOBODY, OwnKey
from gateway.net.tls_faults import TlsFault, late_fault
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import End, ResponseHead
from gateway.wire.http1_response import ResponseParser
from gateway.wire.limits import HeadLimits
from gateway.wire.write import LAST_CHUNK, chunk, last_chunk

#: One read from an upstream: at 64 KiB a response of 100 KB costs half as much again.
READ_BYTES = 262144


class Answering(Protocol):
    """Who sent the request, and so gets the answer."""

    def interim(self, head: ResponseHead) -> None:
        """Take a 1xx response other than 101; any number, before L{answered}."""

    def whole(
        self, head: ResponseHead, content: bytes | memoryview, trailers: tuple[bytes, ...]
    ) -> None:
        """Take a complete final response that came in one read; nothing follows, the connection is not yours any more."""

    def answered(self, head: ResponseHead) -> None:
        """Take the final response's head, or a 101; once."""

    def received(self, data: bytes) -> None:
        """Take content."""

    def ended(self, trailers: tuple[bytes, ...]) -> None:
        """Take the end of a complete response; nothing follows, and the connection is no longer yours."""

    def lost(self, error: UpstreamClosed | UpstreamProtocolError | TlsFault) -> None:
        """Learn that it broke off, before or in the middle of the answer; nothing follows."""

    def settled(self) -> None:
        """Learn that all of one read was given, so that what was gathered can be sent."""


class Keeper(Protocol):
    """
    Who keeps connections for the next request: a L{Pool<gateway.net.pool.Pool>}.

    @ivar idle_seconds: for how long each.
    """

    idle_seconds: float

    def keep(self, connection: UpstreamConnection) -> None:
        """Take one back whose exchange ended cleanly."""

    def forget(self, connection: UpstreamConnection) -> None:
        """Let one go that is closing or was given away; more than once is harmless."""

    def left(self, connection: UpstreamConnection) -> float:
        """Tell for how many seconds one is kept on, if nobody takes it."""

    def unlist(self, key: Any) -> None:
        """Forget a key that no connection is kept under just now."""


@implementer(IHalfCloseableProtocol)
class UpstreamConnection:
    """
    One connection to a next hop.

    @ivar key: what it is kept under.
    @ivar address: C{"address:port"} really connected to, for the log.
    @ivar used: exchanges begun on it; over 1 it was kept alive and may have died unseen.
    @ivar gone: it is closed or closing, or was given away.
    @ivar deadline: when it is to be looked at whether it was kept for long enough; the pool's.
    @ivar since: when it was kept last, on the pool's clock.
    """

    __slots__ = (
        "_answering",
        "_chunked",
        "_lost",
        "_out",
        "_parser",
        "_paused",
        "_persistent",
        "_pool",
        "_request_ended",
        "_writing",
        "address",
        "deadline",
        "gone",
        "key",
        "since",
        "transport",
        "used",
    )

    def __init__(self, key: Any, pool: Keeper, limits: HeadLimits) -> None:
        self.key = key
        self.address = ""
        self.used = 0
        self.gone = False
        self.transport: Any = None
        self._pool = pool
        self._parser = ResponseParser(limits)
        self._answering: Answering | None = None
        self._chunked = False
        self._out: list[bytes] = []
        self._request_ended = True
        self._persistent = True
        self._lost = False
        self._writing: Any = None
        self._paused = False
        self.deadline: Deadline | None = None
        self.since = 0.0

    # What the asking side calls.

    def send(self, method: bytes, head: bytes, chunked: bool, answering: Answering) -> None:
        """
        Begin an exchange with content; nothing leaves before L{flush} or L{end}.

        @param chunked: how the content is framed.
        """
        self.used += 1
        self._answering = answering
        self._persistent = True
        self._chunked = chunked
        self._request_ended = False
        self._parser.expect(method)
        self._out.append(head)

    def ask(self, method: bytes, head: bytes, answering: Answering) -> None:
        """Send a request without content: L{send} and L{flush} in one."""
        self.used += 1
        self._answering = answering
        # A connection that is used again is a persistent one whose last request ended.
        self._parser.expect(method)
        self.transport.write(head)

    def write(self, data: bytes) -> None:
        """Take content of the request."""
        if self._chunked:
            data = chunk(data)
        self._out.append(data)

    def flush(self) -> None:
        """Send what was gathered."""
        out = self._out
        if out:
            if len(out) == 1:
                self.transport.write(out[0])
            else:
                self.transport.writeSequence(out)
            self._out = []

    def end(self, trailers: tuple[bytes, ...]) -> None:
        """Take the end of the request."""
        if self._chunked:
            self._out.append(last_chunk(trailers) if trailers else LAST_CHUNK)
        self._request_ended = True
        self.flush()
        self.uploaded()

    def fail(self, error: BaseException) -> None:
        """The request will never be complete: the upstream must see that, so the connection is reset."""
        self.abort()

    def stream(self, producer: Any) -> None:
        """Let a push producer feed the request; it is paused while the upstream does not read."""
        if not self._lost and self._writing is None:
            self._writing = producer
            self.transport.registerProducer(producer, True)

    def uploaded(self) -> None:
        """The request's producer has done its work."""
        if self._writing is not None:
            self._writing = None
            self.transport.unregisterProducer()

    @property
    def request_ended(self) -> bool:
        """All of the request was handed to the transport."""
        return self._request_ended

    def pause(self) -> None:
        """Stop reading: the client does not take more."""
        if not self._lost:
            self._paused = True
            self.transport.pauseProducing()

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        if not self._lost:
            self.transport.resumeProducing()

    def abort(self) -> None:
        """End the exchange and the connection at once, by reset; the answering side hears no more."""
        self._answering = None
        self._out.clear()
        self._leave()
        if not self._lost:
            self.transport.abortConnection()

    def surrender(self) -> bytes:
        """
        Give the transport away, after a 101 or a CONNECT's 2xx.

        @return: bytes that came behind the head.
        """
        self._answering = None
        rest, self._parser.rest = self._parser.rest, b""
        self._leave()
        return rest

    def close(self) -> None:
        """Close an idle connection in order."""
        self._leave()
        if not self._lost:
            self.transport.loseConnection()

    def taint(self) -> None:
        """What is sent on it now says who somebody is: unless it is one client's own it is not used again."""
        if type(self.key) is not OwnKey:
            self._pool.unlist(self.key)
            self.key = OwnKey(self.key, "", NOBODY)

    def disowned(self) -> None:
        """Its owner is gone: close it, or don't keep it any more."""
        if self._answering is None:
            self.close()
        else:
            self._pool.unlist(self.key)

    # What the pool's clock calls.

    def expired(self) -> None:
        """It may have been kept for long enough: close it, or look again when that will be so."""
        left = self._pool.left(self)
        if self._answering is None and left <= 0.0:
            self.close()
        elif self.deadline is not None:
            self.deadline.reset(left if left > 0.0 else self._pool.idle_seconds)

    # What the transport calls.

    def makeConnection(self, transport: Any) -> None:
        """Take the transport."""
        self.transport = transport
        transport.readSize = READ_BYTES

    def dataReceived(self, data: bytes) -> None:
        """Read answers; anything nobody asked for ends the connection (RFC 9112 section 9.2)."""
        answering = self._answering
        if answering is None:
            self._drop()
            return
        try:
            events = self._parser.receive(data)
        except RemoteProtocolError as error:
            self._break(UpstreamProtocolError(error.detail))
            return
        if type(events) is tuple:
            # All of it in one read, the usual case.
            head, content, end = events
            self._persistent = head.section.persistent
            self._free()
            answering.whole(head, content, end.trailers)
            return
        for event in events:
            if isinstance(event, (bytes, memoryview)):
                answering.received(bytes(event))
            elif type(event) is ResponseHead:
                self._head(event, answering)
            else:
                assert type(event) is End
                self._free()
                answering.ended(event.trailers)
                return
            if self._answering is not answering:
                return
        answering.settled()

    def readConnectionLost(self) -> None:
        """The upstream closed its side: that may be the end of the answer."""
        answering = self._answering
        if answering is None:
            self._drop()
            return
        try:
            events = self._parser.closed()
        except RemoteProtocolError as error:
            self._break(self._cut_off(error.detail))
            return
        if events:
            self._persistent = False
            self._free()
            answering.ended(())
        else:
            self._break(UpstreamClosed("the server closed the connection without an answer"))

    def writeConnectionLost(self) -> None:
        """Our own half-close; there is none."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""
        self._lost = True
        answering, self._answering = self._answering, None
        self._leave()
        if answering is None:
            return
        if reason.check(ConnectionDone) is not None and self._parser.reading_content:
            # Transports without half-close tell an orderly end only here.
            try:
                events = self._parser.closed()
            except RemoteProtocolError as error:
                answering.lost(self._cut_off(error.detail))
                return
            if events:
                answering.ended(())
                return
        answering.lost(
            self._late_fault(reason) or self._cut_off("the server closed or reset the connection")
        )

    def _head(self, head: ResponseHead, answering: Answering) -> None:
        if head.status < 200 and head.status != 101:
            answering.interim(head)
            return
        self._persistent = head.section.persistent
        answering.answered(head)

    def _free(self) -> None:
        """
        End the exchange: our own state first, for the answering side may send its next request when it is told.
        """
        self._answering = None
        if not self._persistent or not self._request_ended or self._parser.rest or self._lost:
            self._drop()
        else:
            if self._paused:
                # By what came with the end, in one read; whoever comes next waits for an answer.
                self.resume()
            self._pool.keep(self)

    def _cut_off(self, detail: str) -> UpstreamClosed:
        """Make the fault; half a head is an answer too, and so a sign that the request was seen."""
        made = UpstreamClosed(detail)
        made.begun = self._parser.started
        return made

    def _late_fault(self, reason: Failure) -> TlsFault | None:
        """Find out whether the end is the answer to our part of a handshake."""
        value = reason.value
        if value is None or not value.args or self._parser.started:
            return None
        return late_fault(str(value.args[0]))

    def _break(self, error: UpstreamClosed | UpstreamProtocolError) -> None:
        answering, self._answering = self._answering, None
        self._drop()
        if answering is not None:
            answering.lost(error)

    def _drop(self) -> None:
        """Let the connection go; a request that is not complete must not look so, hence a reset."""
        self._leave()
        if not self._lost:
            # An orderly close waits until all is sent, and for who never reads that would be for ever.
            if self._request_ended and not getattr(self.transport, "queued", 0):
                self.transport.loseConnection()
            else:
                self.transport.abortConnection()

    def _leave(self) -> None:
        self.gone = True
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
        self.uploaded_quietly()
        self._pool.forget(self)

    def uploaded_quietly(self) -> None:
        """Take a producer off the transport, whether that still lives or not."""
        if self._writing is not None:
            self._writing = None
            if not self._lost:
                self.transport.unregisterProducer()

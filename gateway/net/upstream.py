"""
Connections to the next hop, and the pools that keep them (RFC 9112 section 9.3).

An L{UpstreamConnection} carries one exchange at a time. It owns framing towards the upstream and reading from it; who
asked gets heads, content and the end by plain calls on an L{Answering}. When an exchange ends cleanly the connection
goes back to its pool before that end is told, so whoever is told may take it again at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import islice
from typing import Any, NamedTuple, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.net.deadlines import Deadline, Deadlines
from gateway.net.faults import UpstreamClosed, UpstreamProtocolError
from gateway.net.tls_faults import TlsFault, late_fault
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import End, ResponseHead
from gateway.wire.http1_response import ResponseParser
from gateway.wire.limits import HeadLimits
from gateway.wire.write import LAST_CHUNK, chunk, last_chunk

#: One read from an upstream: at 64 KiB a response of 100 KB costs half as much again.
READ_BYTES = 262144

#: Keys that are compared to find one that is not needed.
_SAMPLED = 16


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


class Owner:
    """
    Somebody whose upstream connections may serve nobody else; they are closed when he is gone.

    @ivar gone: he is.
    """

    __slots__ = ("_connections", "gone")

    def __init__(self) -> None:
        self.gone = False
        self._connections: set[UpstreamConnection] = set()

    def add(self, connection: UpstreamConnection) -> None:
        """Take one that is made for him."""
        self._connections.add(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """Let one go that is closing."""
        self._connections.discard(connection)

    def leave(self) -> None:
        """Close his connections: idle ones now, those in use when their exchange ends. More than once is harmless."""
        self.gone = True
        for connection in list(self._connections):
            connection.disowned()


class OwnKey(NamedTuple):
    """
    What an owner's connections are kept under.

    @ivar key: what they would be kept under for everybody.
    @ivar who: for whom, if he speaks for several.
    @ivar owner: compared by identity.
    """

    key: Hashable
    who: Hashable
    owner: Owner


#: Owns what nobody may use again.
_NOBODY = Owner()
_NOBODY.gone = True


@implementer(IHalfCloseableProtocol)
class UpstreamConnection:
    """
    One connection to a next hop.

    @ivar key: what it is kept under.
    @ivar address: C{"address:port"} really connected to, for the log.
    @ivar used: exchanges begun on it; over 1 it was kept alive and may have died unseen.
    @ivar gone: it is closed or closing, or was given away.
    @ivar minor: HTTP minor version of the last answer.
    @ivar deadline: when it is closed if it is not used; the pool's.
    """

    __slots__ = (
        "_answered",
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
        "minor",
        "transport",
        "used",
    )

    def __init__(self, key: Any, pool: Pool, limits: HeadLimits) -> None:
        self.key = key
        self.address = ""
        self.used = 0
        self.gone = False
        self.minor = 1
        self.transport: Any = None
        self._pool = pool
        self._parser = ResponseParser(limits)
        self._answering: Answering | None = None
        self._answered = False
        self._chunked = False
        self._out: list[bytes] = []
        self._request_ended = True
        self._persistent = True
        self._lost = False
        self._writing: Any = None
        self._paused = False
        self.deadline: Deadline | None = None

    # What the asking side calls.

    def send(self, method: bytes, head: bytes, chunked: bool, answering: Answering) -> None:
        """
        Begin an exchange with content; nothing leaves before L{flush} or L{end}.

        @param chunked: how the content is framed.
        """
        self.used += 1
        self._answering = answering
        self._answered = False
        self._persistent = True
        self._chunked = chunked
        self._request_ended = False
        self._parser.expect(method)
        self._out.append(head)

    def ask(self, method: bytes, head: bytes, answering: Answering) -> None:
        """Send a request without content: L{send} and L{flush} in one."""
        self.used += 1
        self._answering = answering
        self._answered = False
        self._persistent = True
        self._request_ended = True
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
            self.key = OwnKey(self.key, "", _NOBODY)

    def disowned(self) -> None:
        """Its owner is gone: close it, or don't keep it any more."""
        if self._answering is None:
            self.close()
        else:
            self._pool.unlist(self.key)

    # What the pool's clock calls.

    def expired(self) -> None:
        """It was kept for long enough; if it is in use just now, keeping it sets the clock anew."""
        if self._answering is None:
            self.close()

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
        if (
            len(events) > 1
            and type(events[-1]) is End
            and type(events[0]) is ResponseHead
            and events[0].status >= 200
        ):
            # All of it in one read, the usual case.
            head = events[0]
            self.minor = head.minor
            self._persistent = head.persistent
            self._free()
            content = events[1]
            answering.whole(
                head,
                content if isinstance(content, (bytes, memoryview)) else b"",
                events[-1].trailers,
            )
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
        self.minor = head.minor
        if head.status < 200 and head.status != 101:
            answering.interim(head)
            return
        self._answered = True
        self._persistent = head.persistent
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


class Pool:
    """
    Kept connections by key, and how many there are of each.

    @ivar idle: how many wait for use now.
    @ivar open: how many are open, used ones included.
    @ivar made: how many were ever made.
    @ivar reused: how many exchanges found a kept one.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        *,
        idle_seconds: float = 30.0,
        per_key: int = 64,
        keys: int = 1000,
        limits: HeadLimits,
    ) -> None:
        """
        Begin empty.

        @param idle_seconds: how long a connection is kept without use (S05).
        @param per_key: how many are kept for one next hop; more are closed when they fall idle.
        @param keys: for how many next hops some are kept; for one more those of another are closed, which were not used
            for long.
        """
        self._deadlines = deadlines
        self._idle_seconds = idle_seconds
        self._per_key = per_key
        self._keys = keys
        self._limits = limits
        self._kept: dict[Any, list[UpstreamConnection]] = {}
        self._all: set[UpstreamConnection] = set()
        self.made = 0
        self.reused = 0

    def __len__(self) -> int:
        """Give the number of open connections, used ones included."""
        return len(self._all)

    @property
    def idle(self) -> int:
        """How many wait for use now."""
        return sum(map(len, self._kept.values()))

    def take(self, key: Any) -> UpstreamConnection | None:
        """Give the one used last, which is the least likely to be closing; C{None} if there is none."""
        kept = self._kept.get(key)
        if not kept:
            return None
        self.reused += 1
        return kept.pop()

    def keeps(self, key: Any) -> bool:
        """Tell whether one is there to be taken."""
        return bool(self._kept.get(key))

    def new(self, key: Any) -> UpstreamConnection:
        """Make a connection object for a transport that is being dialled."""
        made = UpstreamConnection(key, self, self._limits)
        if type(key) is OwnKey:
            key.owner.add(made)
        self._all.add(made)
        self.made += 1
        return made

    def keep(self, connection: UpstreamConnection) -> None:
        """Take one back whose exchange ended cleanly."""
        kept = self._kept.get(connection.key)
        if kept is None:
            if type(connection.key) is OwnKey and connection.key.owner.gone:
                connection.close()
                return
            if len(self._kept) >= self._keys:
                self._make_room()
            kept = self._kept[connection.key] = []
        if len(kept) >= self._per_key:
            connection.close()
            return
        kept.append(connection)
        deadline = connection.deadline
        if deadline is None:
            connection.deadline = self._deadlines.watch(connection.expired, self._idle_seconds)
        else:
            # What reset does nearly always.
            deadline.at = at = self._deadlines.now + self._idle_seconds
            if at < deadline.due:
                deadline.reset(self._idle_seconds)

    def forget(self, connection: UpstreamConnection) -> None:
        """Let one go that is closing or was given away; more than once is harmless."""
        self._all.discard(connection)
        if type(connection.key) is OwnKey:
            connection.key.owner.forget(connection)
        kept = self._kept.get(connection.key)
        if kept is not None:
            if connection in kept:
                kept.remove(connection)
            if not kept:
                del self._kept[connection.key]

    def _make_room(self) -> None:
        """
        Close what is kept for one key: of a few, for that which was not used for longest.

        A true order of use would have to be kept up at each request, for what nearly never happens.
        """
        sampled = list(islice(self._kept, _SAMPLED))
        idlest = min(sampled, key=self._until)
        for key in sampled:
            # The next time others have their turn.
            self._kept[key] = self._kept.pop(key)
        for connection in list(self._kept[idlest]):
            connection.close()
        self._kept.pop(idlest, None)

    def _until(self, key: Any) -> float:
        """Tell when the last connection of a key is to be closed; those in use count for nothing here."""
        kept = self._kept[key]
        deadline = kept[-1].deadline if kept else None
        return 0.0 if deadline is None else deadline.at

    def unlist(self, key: Any) -> None:
        """Forget a key that no connection is kept under just now."""
        if self._kept.get(key) == []:
            del self._kept[key]

    def factory(self, key: Any) -> Callable[[], UpstreamConnection]:
        """Give a maker of connections for a dialler."""
        return lambda: self.new(key)

    def retire(self) -> None:
        """Keep no connection any more: those in use are closed when their exchange ends."""
        self._per_key = 0
        self.close()

    def close(self) -> None:
        """Close all that are idle."""
        for kept in list(self._kept.values()):
            for connection in list(kept):
                connection.close()

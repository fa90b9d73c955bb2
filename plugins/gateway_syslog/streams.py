"""
Messages by TCP (RFC 6587) and TLS (RFC 5425): one connection that is kept, and what can be known of what arrives.

Syslog has no acknowledgement. A notice counts as delivered when the receiver's system has acknowledged every byte of it and the
connection is still open then; a new connection has to stay open for a moment longer, as a receiver that does not want us, or a
proxy with nobody behind it, closes it right after it took the first bytes. When a connection breaks before its receiver has read
all (TCP tells that by a reset), the last notices are sent again, with another number of their attempt: who compares ids can tell.

Knows nothing of what is in a message.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import termios
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.api import Log
from gateway_syslog.ways import Unreachable, Written, later, pieces

Framing: TypeAlias = Literal["octets", "newline"]

#: Connects a protocol to the receiver: fires when it is connected, fails if it can't be.
Connect: TypeAlias = Callable[[Protocol], Deferred[Any]]

#: So long a new connection has to stay open after its first messages were acknowledged.
SETTLE_SECONDS = 0.5
#: Notices are sent again if the connection is reset so soon after them; so many at the most.
DOUBT_SECONDS = 10.0
MOST_IN_DOUBT = 16
#: So often it is tried to send them again.
AGAIN_SECONDS = 5.0

_FIRST_LOOK = 0.001
_LAST_LOOK = 0.1


def framed(messages: Iterable[bytes], framing: Framing) -> bytes:
    """Put messages one behind the other so that their ends can be found."""
    if framing == "octets":
        return b"".join(b"%d %b" % (len(message), message) for message in messages)
    return b"".join(message.replace(b"\n", b" ") + b"\n" for message in messages)


def unacknowledged(transport: Any) -> int:
    """Count the bytes that the other system has not acknowledged; 0 where that can't be told."""
    try:
        counted = fcntl.ioctl(_socket_of(transport).fileno(), termios.TIOCOUTQ, bytes(4))
    except (AttributeError, OSError, ValueError):
        return 0
    return int(struct.unpack("i", counted)[0])


@implementer(IHandshakeListener, IPushProducer)
class Connection(Protocol):
    """
    One connection to a receiver.

    @ivar ready: fires when messages can be sent, fails if it comes to nothing.
    @ivar is_open: it is ready, and has not ended.
    @ivar is_settled: it has shown that it stays.
    @ivar why: what it ended with; empty: the other side closed it in order, or it is open.
    """

    def __init__(
        self, secured: bool, ended: Callable[[Connection], object], unread: Callable[[Any], int]
    ) -> None:
        """
        Prepare.

        @param secured: there is TLS on it.
        @param ended: told once that it ended after it was ready, unless that was our own wish.
        """
        self.ready: Deferred[Connection] = Deferred(lambda _: self.abort())
        self.is_open = False
        self.is_settled = False
        self.why = ""
        self._secured = secured
        self._told = ended
        self._unread = unread
        self._is_held = False
        self._is_over = False

    @property
    def _wire(self) -> Any:
        return self.transport

    def connectionMade(self) -> None:
        """Go on with TLS, or be ready."""
        if self._is_over:
            self._wire.abortConnection()
            return
        with contextlib.suppress(AttributeError, OSError):
            _keep_alive(_socket_of(self._wire))
        # Says when more is to be sent than the system takes.
        self._wire.registerProducer(self, True)
        if not self._secured:
            self._begin()

    def handshakeCompleted(self) -> None:
        """Be ready."""
        self._begin()

    def dataReceived(self, data: bytes) -> None:
        """A receiver has nothing to say; it is not kept."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note why, and tell."""
        if self._is_over:
            return
        was_open = self.is_open
        self._is_over, self.is_open = True, False
        if reason.check(ConnectionDone) is None:
            self.why = _said(reason)
        if was_open:
            self._told(self)
        else:
            self.ready.errback(Unreachable(self.why or "it closes the connection at once"))

    def pauseProducing(self) -> None:
        """The system takes no more for now."""
        self._is_held = True

    def resumeProducing(self) -> None:
        """The system has taken all."""
        self._is_held = False

    def stopProducing(self) -> None:
        """The connection ends, which is told otherwise."""

    def write(self, data: bytes) -> None:
        """Send."""
        self._wire.write(data)

    async def arrived(self, clock: Any) -> None:
        """
        Wait until the receiver's system has all that was written.

        @raise Unreachable: the connection ended before.
        """
        # Two turns: by then all was offered to the system, whatever TLS has gathered; and twice nothing, with a turn in
        # between, for between two looks the system may have been given more.
        pause, empty = 0.0, -2
        while empty < 2:
            await later(clock, pause)
            self.check()
            if empty < 0:
                empty += 1
            elif self._is_held or self._unread(self._wire):
                empty, pause = 0, min(_LAST_LOOK, max(_FIRST_LOOK, pause * 2))
            else:
                empty += 1
        if not self.is_settled:
            await later(clock, SETTLE_SECONDS)
            self.check()
            self.is_settled = True

    def check(self) -> None:
        """
        See that it is open.

        @raise Unreachable: it is not.
        """
        if not self.is_open:
            raise Unreachable(f"the connection broke: {self.why or 'the receiver closed it'}")

    def end(self) -> None:
        """Close it in order; what was written is sent."""
        if not self._is_over:
            self._is_over, self.is_open = True, False
            if self.transport is not None:
                self._wire.unregisterProducer()
                self._wire.loseConnection()
                if isinstance(self._wire, TLSMemoryBIOProtocol):
                    # The end is said; whether the receiver ever says it, too, is not waited for.
                    below: Any = self._wire.transport
                    below.loseConnection()

    def abort(self) -> None:
        """Break it off."""
        if not self._is_over:
            self._is_over, self.is_open = True, False
            if self.transport is not None:
                self._wire.abortConnection()

    def _begin(self) -> None:
        if not self._is_over and not self.is_open:
            self.is_open = True
            self.ready.callback(self)


class Stream:
    """The way to one receiver by TCP or TLS, a L{Way<gateway_syslog.ways.Way>}."""

    def __init__(
        self,
        clock: Any,
        connect: Connect,
        log: Log,
        *,
        name: str,
        secured: bool,
        framing: Framing,
        unread: Callable[[Any], int] = unacknowledged,
    ) -> None:
        """
        Prepare; nothing is connected before there is something to send.

        @param name: of the receiver, for the log.
        """
        self._clock = clock
        self._connect = connect
        self._log = log
        self._name = name
        self._secured = secured
        self._framing: Framing = framing
        self._unread = unread
        self._connection: Connection | None = None
        # What was delivered on the connection of now or before, and when.
        self._recent: deque[tuple[float, Written]] = deque(maxlen=MOST_IN_DOUBT)
        # What is to be sent again, and how often that was tried.
        self._again: Written | None = None
        self._times = 0
        self._next_try: Any = None
        self._trying: Deferred[None] | None = None
        self._is_sending = False
        self._is_closed = False

    async def send(self, written: Written) -> None:
        """Send messages, after those that have to be sent again."""
        await self._tried()
        self._is_sending = True
        try:
            if self._again is not None:
                await self._repeat()
            await self._send(written, 0)
            self._recent.append((self._clock.seconds(), written))
        finally:
            self._is_sending = False
            if self._again is not None:
                self._plan()

    def close(self) -> None:
        """End the connection; what was written is sent."""
        self._is_closed = True
        self._again = None
        self._recent.clear()
        if self._next_try is not None:
            self._next_try.cancel()
            self._next_try = None
        if self._trying is not None:
            self._trying.cancel()
        if self._connection is not None:
            self._connection.end()
            self._connection = None

    async def _send(self, written: Written, more: int) -> None:
        connection = await self._ready()
        try:
            for piece in pieces(written(more)):
                connection.write(framed(piece, self._framing))
                await later(self._clock, 0)
                connection.check()
            await connection.arrived(self._clock)
        except BaseException:
            # Half of a message may be on the way: whatever came next there would be taken for the other half.
            connection.abort()
            if self._connection is connection:
                self._connection = None
            raise

    async def _ready(self) -> Connection:
        """Give a connection that is open as far as can be known."""
        if self._is_closed:
            raise Unreachable("the gateway stops")
        if self._connection is not None:
            # In the next turn it is known whether the other side has closed it in the meantime.
            await later(self._clock, 0)
            if self._connection is not None:
                return self._connection
        made = Connection(self._secured, self._ended, self._unread)
        try:
            await self._connected(made)
        except BaseException:
            made.abort()
            raise
        self._connection = made
        return made

    async def _connected(self, made: Connection) -> None:
        try:
            await self._connect(made)
            await made.ready
        except (CancelledError, Unreachable):
            raise
        except Exception as error:
            raise Unreachable(_said(Failure(error))) from None

    def _ended(self, connection: Connection) -> None:
        if self._connection is connection:
            self._connection = None
        since = self._clock.seconds() - DOUBT_SECONDS
        doubtful = [written for at, written in self._recent if at > since]
        self._recent.clear()
        if self._is_closed or not connection.why or not doubtful:
            return
        self._log.warn(
            "the connection to {receiver} broke before all of it was read: {why}; the last alarms are sent again",
            receiver=self._name,
            why=connection.why,
        )
        self._times = 0
        self._again = _joined(doubtful)
        self._plan()

    async def _repeat(self) -> None:
        again = self._again
        assert again is not None
        self._times += 1
        await self._send(again, self._times)
        self._again = None
        self._recent.append((self._clock.seconds(), again))

    def _plan(self) -> None:
        if self._next_try is None and not self._is_closed and not self._is_sending:
            self._next_try = self._clock.callLater(AGAIN_SECONDS, self._try)

    def _try(self) -> None:
        """Send it again without waiting for the next alarm, which may be long in coming."""
        self._next_try = None
        if self._again is not None and not self._is_sending and self._trying is None:
            self._trying = Deferred.fromCoroutine(self._repeat())
            self._trying.addTimeout(60.0, self._clock)
            self._trying.addErrback(lambda failure: None)
            self._trying.addCallback(self._tried_once)

    def _tried_once(self, _: object) -> None:
        self._trying = None
        if self._again is not None:
            self._plan()

    async def _tried(self) -> None:
        """Wait for what is being sent again."""
        while (trying := self._trying) is not None:
            done: Deferred[None] = Deferred()
            trying.addCallback(done.callback)
            await done


def _joined(several: Sequence[Written]) -> Written:
    """Write the messages of several notices together."""
    return lambda more: (message for written in several for message in written(more))


def _said(failure: Failure) -> str:
    """Say what a connection failed with, in one line."""
    error: Any = failure.value
    reasons = getattr(error, "reasons", None)
    if reasons:
        error = getattr(reasons[0], "value", reasons[0])
    if isinstance(error, VerificationError):
        return "the certificate is for another name"
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list):
        # What OpenSSL says: library, function and reason, the first one being the cause.
        return "TLS: " + ", ".join(str(one[-1]) for one in error.args[0])[:200]
    text = " ".join(str(error).split()).rstrip(".")
    return text[:300] or type(error).__name__


def _keep_alive(stream: Any) -> None:
    """Have a dead receiver found out: it is asked after a minute of silence, and given up a minute later."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _socket_of(transport: Any) -> Any:
    """Give the socket below whatever is around it."""
    while isinstance(transport, TLSMemoryBIOProtocol):
        transport = transport.transport
    return transport.getHandle()

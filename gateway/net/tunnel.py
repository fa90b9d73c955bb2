"""
An opaque two-way relay between two connected transports, after CONNECT or 101 (RFC 9110 sections 9.3.6 and 7.8).

Bytes are counted and not looked at. The end of one direction is passed on as such and the other goes on; a broken
connection breaks the other one, so that nothing cut short looks complete. A tunnel starts as a plain relay, because
most are short; one that carries bulk goes over to L{gateway.net.splice}.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from math import inf
from typing import Any, NamedTuple, Protocol

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IProtocol,
    IPushProducer,
    IReactorFDSet,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.net.deadlines import Deadline, Deadlines
from gateway.net.splice import PIPES, Halt, PipePool, Splice, bare_socket, unsent_bytes
from gateway.net.transport import ImmediateConnection

#: Bytes in one direction after which splicing is worth its setting up.
SPLICE_AFTER_BYTES = 256 * 1024
#: Bytes to go on as a plain relay after splicing was not possible.
SPLICE_AGAIN_BYTES = 4 * 1024 * 1024

_DONE = Failure(ConnectionDone())


class Carrier(Protocol):
    """What a tunnel needs of a transport; C{loseWriteConnection} is used where there is one."""

    def write(self, data: bytes) -> None:
        """Queue or send bytes."""

    def loseConnection(self) -> None:
        """Close once all is sent."""

    def abortConnection(self) -> None:
        """Close at once, with a reset."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Tell this producer when to pause."""

    def unregisterProducer(self) -> None:
        """Forget the producer."""

    def pauseProducing(self) -> None:
        """Stop reading."""

    def resumeProducing(self) -> None:
        """Read again."""


class EndReason(StrEnum):
    """What ended a tunnel; the values are for the access log."""

    #: Both ends closed in order, the client first.
    CLIENT_CLOSED = "client_closed"
    #: Both ends closed in order, the upstream first.
    UPSTREAM_CLOSED = "upstream_closed"
    CLIENT_RESET = "client_reset"
    UPSTREAM_RESET = "upstream_reset"
    #: No byte came from either side for too long.
    INACTIVITY = "inactivity"
    #: We wanted it: drain, shutdown, an operator.
    GATEWAY = "gateway"


# An attribute of an enumeration is looked up by its metaclass each time: twenty times as dear as a name.
_CLIENT_CLOSED, _CLIENT_RESET = EndReason.CLIENT_CLOSED, EndReason.CLIENT_RESET
_UPSTREAM_CLOSED, _UPSTREAM_RESET = EndReason.UPSTREAM_CLOSED, EndReason.UPSTREAM_RESET


class TunnelEnd(NamedTuple):
    """
    How a tunnel ended.

    @ivar up: bytes taken from the client; after anything but an orderly close some may not have arrived.
    @ivar down: bytes taken from the upstream.
    """

    up: int
    down: int
    reason: EndReason


class Tunnel:
    """
    One relay; it owns both transports from L{start} until C{finished} is called.

    Meanwhile nobody else may read, write, pause or close them: use L{close}.
    """

    __slots__ = (
        "_client",
        "_cut",
        "_deadline",
        "_deadlines",
        "_finished",
        "_inactivity",
        "_pipes",
        "_reason",
        "_splice",
        "_still",
        "_upstream",
        "splice_at",
    )

    def __init__(
        self,
        client_transport: Carrier,
        upstream_transport: Carrier,
        *,
        deadlines: Deadlines,
        inactivity: float,
        finished: Callable[[TunnelEnd], None],
        deadline: Deadline | None = None,
        splice: bool = True,
        pipes: PipePool = PIPES,
    ) -> None:
        """
        Nothing is touched before L{start}.

        @param inactivity: seconds without a byte from either side until both are reset; a quarter more if a peer
            has not taken all it was sent.
        @param finished: called exactly once, when both transports are closed and never from within a method of this
            class that somebody else called.
        @param deadline: one of C{deadlines}' that the connection has already; it is the tunnel's from here on, and nobody
            else may touch it again.
        @param splice: whether bulk may go over to C{splice(2)}, where the sockets allow it.
        """
        client = self._client = _Side(self, client_transport)
        upstream = _Side(self, upstream_transport)
        self._upstream = client.other = upstream
        upstream.other = client
        self._deadlines = deadlines
        if deadline is None:
            deadline = deadlines.watch(self._expired)
        else:
            deadline.expired = self._expired
        self._deadline = deadline
        self._inactivity = inactivity
        self._finished: Callable[[TunnelEnd], None] | None = finished
        self._pipes = pipes
        self._splice: Splice | None = None
        # Bytes in one direction from which on it is tried; infinite: never.
        self.splice_at: float = SPLICE_AFTER_BYTES if splice else inf
        self._reason: EndReason | None = None
        # Bytes taken and bytes unsent when the time was up and something was still unsent.
        self._still: tuple[int, int] | None = None
        # Both sides are being reset: what happens from now on changes nothing.
        self._cut = False

    @property
    def up(self) -> int:
        """Count the bytes taken from the client so far."""
        return self._client.taken

    @property
    def down(self) -> int:
        """Count the bytes taken from the upstream so far."""
        return self._upstream.taken

    def start(
        self,
        early_from_client: bytes = b"",
        early_from_upstream: bytes = b"",
        seen: Callable[[bytes], bool] | None = None,
        reading: bool = False,
    ) -> None:
        """
        Take over both transports; once. They may be paused, but must have no producer.

        @param early_from_client: bytes read from the client behind its request; they go first.
        @param early_from_upstream: bytes read from the upstream behind its answer.
        @param seen: called with what the upstream says first, a piece at a time and after it was passed on; tells whether
            that is enough. It must not raise.
        @param reading: it is known that both read: neither is paused, nor did it come to its end.
        """
        self._deadline.reset(self._inactivity)
        client, upstream = self._client, self._upstream
        client.take_over()
        upstream.take_over()
        if client.lost or upstream.lost:
            self._cut_off(_CLIENT_RESET if client.lost else _UPSTREAM_RESET)
            return
        if early_from_client:
            client.pass_on(early_from_client)
        if early_from_upstream:
            upstream.pass_on(early_from_upstream)
        else:
            upstream.seen = seen
        if reading:
            return
        if not client.paused:
            client.transport.resumeProducing()
        if not upstream.paused:
            upstream.transport.resumeProducing()

    def close(self, reason: EndReason = EndReason.GATEWAY) -> None:
        """Reset both connections: a tunnel cut short must not look complete. Harmless once it has ended."""
        if not self._cut and self._finished is not None:
            self._cut_off(reason)

    def _expired(self) -> None:
        if self._client.lost and self._upstream.lost:
            self._finish()
            return
        # A slow reader may live for long on what the kernel holds for it; that is movement too, though none of it
        # comes by here. So while something is unsent, look once more whether it becomes less.
        unsent = unsent_bytes(self._client.transport) + unsent_bytes(self._upstream.transport)
        seen = self.up + self.down, unsent
        if unsent and seen != self._still and not self._cut:
            self._still = seen
            self._deadline.reset(self._inactivity / 4)
        else:
            self.close(EndReason.INACTIVITY)

    def _cut_off(self, reason: EndReason) -> None:
        self._reason = reason
        self._cut = True
        if self._splice is not None:
            self._splice.stop()
            self._splice = None
        for side in (self._client, self._upstream):
            if not side.lost:
                side.transport.abortConnection()
        if self._client.lost and self._upstream.lost:
            # Both were gone when we took over. Not told from within start.
            self._deadline.reset(0)

    # What the sides report.

    def touched(self) -> None:
        """Learn that bytes moved."""
        # A reset to a later moment: see Deadline.due.
        self._deadline.at = self._deadlines.now + self._inactivity

    def side_ended(self, side: _Side) -> None:
        """Learn that a side will send no more."""
        other = side.other
        side.ended = True
        if self._reason is None:
            self._reason = _CLIENT_CLOSED if side is self._client else _UPSTREAM_CLOSED
        if other.ended:
            side.close()
            if not other.lost:
                other.close()
            if side.lost and other.lost:
                self._finish()
        else:
            other.end_writing()

    def side_lost(self, side: _Side, orderly: bool) -> None:
        """Learn that a side's connection is gone."""
        other = side.other
        side.lost = True
        if not self._cut:
            if self._splice is not None:
                self._take_back()
            from_client = side is self._client
            if orderly:
                if self._reason is None:
                    self._reason = _CLIENT_CLOSED if from_client else _UPSTREAM_CLOSED
                if not other.lost:
                    other.close()
            else:
                self._reason = _CLIENT_RESET if from_client else _UPSTREAM_RESET
                self._cut = True
                if not other.lost:
                    other.transport.abortConnection()
        if other.lost:
            self._finish()

    def _finish(self) -> None:
        finished, self._finished = self._finished, None
        if finished is not None and self._reason is not None:
            self._deadline.give_back()
            client, upstream = self._client, self._upstream
            # Nothing more is reported. Cut loose from each other they need no collector of garbage, which took more
            # time than all that the tunnel did.
            del client.tunnel, client.other, upstream.tunnel
            finished(TunnelEnd(client.taken, upstream.taken, self._reason))

    # Splicing.

    def try_splice(self, side: _Side, data: bytes) -> bool:
        """
        Go over to splicing if that can be done now.

        @param data: bytes just taken from C{side}; none are queued before them.
        @return: whether C{data} was dealt with.
        """
        if side.taken < self.splice_at or self._splice is not None:
            return False
        client, upstream = self._client.transport, self._upstream.transport
        client_fd, upstream_fd = bare_socket(client), bare_socket(upstream)
        if client_fd is None or upstream_fd is None:
            return False
        reactor = client.reactor  # type: ignore[attr-defined]
        if reactor is not upstream.reactor or not IReactorFDSet.providedBy(reactor):  # type: ignore[attr-defined]
            self.splice_at = inf
            return False
        if data:
            try:
                sent = os.write(upstream_fd if side is self._client else client_fd, data)
            except OSError:
                # Queued, and the transport will meet the same error in its own time.
                sent = 0
            if sent < len(data):
                side.other.transport.write(data[sent:])
                return True
        for transport in (client, upstream):
            transport.stopReading()  # type: ignore[attr-defined]
            transport.stopWriting()  # type: ignore[attr-defined]
        self._splice = Splice(
            reactor,
            (client_fd, upstream_fd),
            self._pipes,
            moved=self._spliced,
            halted=self._splice_halted,
        )
        self._splice.start((not self._client.ended, not self._upstream.ended))
        return True

    def _spliced(self, index: int, count: int) -> None:
        (self._upstream if index else self._client).taken += count
        self.touched()

    def _splice_halted(self, index: int, halt: Halt, left: tuple[bytes, bytes]) -> None:
        side = self._upstream if index else self._client
        self._splice = None
        if halt is Halt.BROKEN:
            # As the reactor would: the socket has lost its error by now and would look merely closed.
            side.transport.connectionLost(Failure(ConnectionLost()))  # type: ignore[attr-defined]
            return
        if halt is Halt.UNABLE:
            self.splice_at = max(self.up, self.down) + SPLICE_AGAIN_BYTES
        self._resume(left, side if halt is Halt.END else None)
        if halt is Halt.END:
            self.side_ended(side)

    def _take_back(self) -> None:
        splice, self._splice = self._splice, None
        if splice is not None:
            self._resume(splice.stop(), None)

    def _resume(self, left: tuple[bytes, bytes], ended: _Side | None) -> None:
        """Go on as a plain relay with what was on its way."""
        for side, data in zip((self._client, self._upstream), left, strict=True):
            if data and not side.other.lost:
                side.other.transport.write(data)
        for side in (self._client, self._upstream):
            if not (side.ended or side.lost or side.paused or side is ended):
                side.transport.resumeProducing()


@implementer(IProtocol, IHalfCloseableProtocol, IPushProducer)
class _Side:
    """
    The protocol of one transport, and the producer of the other.

    @ivar taken: bytes read here.
    @ivar ended: the peer sends no more.
    @ivar lost: the connection is gone.
    @ivar seen: is shown what comes until it says that this is enough; C{None}: nobody is.
    @ivar paused: the other transport has enough for now.
    """

    __slots__ = (
        "_feeding",
        "ended",
        "lost",
        "other",
        "paused",
        "seen",
        "taken",
        "transport",
        "tunnel",
    )

    other: _Side

    def __init__(self, tunnel: Tunnel, transport: Carrier) -> None:
        self.tunnel = tunnel
        self.transport = transport
        self.taken = 0
        self.ended = False
        self.lost = False
        self.paused = False
        self.seen: Callable[[bytes], bool] | None = None
        # The other side is registered as the producer of this transport.
        self._feeding = False

    def take_over(self) -> None:
        """Become the transport's protocol and bind the other side to its appetite."""
        transport = self.transport
        transport.protocol = self  # type: ignore[attr-defined]
        # A connection that broke before we came will not be reported to us.
        if getattr(transport, "connected", True):
            self._feeding = True
            transport.registerProducer(self.other, True)
        else:
            self.lost = True

    def release_producer(self) -> None:
        """Stop listening to this transport's appetite: nothing more will be fed to it."""
        if self._feeding:
            self._feeding = False
            self.transport.unregisterProducer()

    def end_writing(self) -> None:
        """Pass on the end of the other direction, which feeds nothing more to this one, once all before it is sent."""
        self.release_producer()
        half_close = getattr(self.transport, "loseWriteConnection", None)
        if half_close is None:
            self.transport.loseConnection()
        else:
            half_close()

    def close(self) -> None:
        """
        Close once all is sent, for nothing more will be fed to it; where that is at once it is lost by then, and nobody
        will report it.
        """
        transport = self.transport
        if isinstance(transport, ImmediateConnection) and transport.close_at_once():
            self.lost = True
        else:
            self.release_producer()
            transport.loseConnection()

    def pass_on(self, data: bytes) -> None:
        """Count bytes of this side and give them to the other."""
        self.taken += len(data)
        self.other.transport.write(data)

    # IProtocol

    def makeConnection(self, transport: Any) -> None:
        """Nothing: the transport was connected before it came to us."""

    def connectionMade(self) -> None:
        """Nothing, as above."""

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes on."""
        tunnel = self.tunnel
        other = self.other
        if tunnel._cut or other.lost:
            return
        # Here and not by touched: this is called most.
        tunnel._deadline.at = tunnel._deadlines.now + tunnel._inactivity
        taken = self.taken = self.taken + len(data)
        if taken < tunnel.splice_at or not tunnel.try_splice(self, data):
            other.transport.write(data)
        if self.seen is not None and self.seen(data):
            self.seen = None

    def connectionLost(self, reason: Failure = _DONE) -> None:
        """Close the other side, or reset it if this one broke."""
        self._feeding = False
        self.tunnel.side_lost(self, isinstance(reason.value, ConnectionDone))

    # IHalfCloseableProtocol

    def readConnectionLost(self) -> None:
        """Pass on the end of this direction."""
        tunnel = self.tunnel
        if not tunnel._cut:
            tunnel.touched()
            tunnel.side_ended(self)

    def writeConnectionLost(self) -> None:
        """Nothing: we asked for it."""

    # IPushProducer, for the other side's transport

    def pauseProducing(self) -> None:
        """Read no more until the other side has sent what it has."""
        self.paused = True
        if not (self.ended or self.lost):
            self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on: the other side has nothing queued any more."""
        self.paused = False
        tunnel = self.tunnel
        if self.ended or self.lost or tunnel._cut:
            return
        tunnel.touched()
        if not tunnel.try_splice(self, b""):
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Nothing: the transport that says this reports its end to its own side too."""

"""
A look at what a client says first on a connection that may hold TLS, before anything is answered.

Nothing is consumed: all bytes are there for whoever goes on with the connection. Where the connection came from (a
CONNECT, a redirected one) is not known here, nor what follows from the look. A protocol in which the server speaks first
is found out by the server, who does; so no client can pass for one by waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.api.answers import ClientHello
from gateway.api.errors import ClientError
from gateway.net.deadlines import Deadlines
from gateway.net.tunnel_hop import TunnelHop
from gateway.pipeline.driver import Signal
from gateway.pipeline.refusal import TimedOut
from gateway.wire.client_hello import BadClientHello, ClientHelloReader, NotTls


@dataclass(frozen=True, slots=True)
class Peeked:
    """
    What was seen.

    @ivar hello: the ClientHello; C{None} if this is not TLS.
    @ivar seen: all bytes of the client so far.
    """

    hello: ClientHello | None
    seen: bytes


class Around(Protocol):
    """Whose connection it is meanwhile: told of its end as if nobody stood between."""

    def readConnectionLost(self) -> None:
        """The client sends no more."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""


@implementer(IHalfCloseableProtocol)
class Peek:
    """
    The protocol of a client's transport while its first bytes are looked at.

    When it is done the transport is paused and still has this protocol; what comes to it then is lost.

    @ivar seen: fires once with a L{Peeked}. Fails with L{BadClientHello} (never to be passed on), or with L{TimedOut}.
        That the client goes away is told to L{Around} alone.
    """

    __slots__ = ("_around", "_deadline", "_hop", "_over", "_reader", "_transport", "seen")

    def __init__(self, around: Around, hop: TunnelHop | None) -> None:
        """
        Get ready.

        @param hop: the server's side, if it is connected already: if it speaks first, this is not TLS.
        """
        self.seen: Signal[Peeked] = Signal()
        self._around = around
        self._hop = hop
        self._reader = ClientHelloReader()
        self._over = False
        self._transport: Any = None
        self._deadline: Any = None

    def start(self, transport: Any, early: bytes, deadlines: Deadlines, seconds: float) -> None:
        """
        Take the transport, which is being read.

        @param early: what the client has said already.
        @param seconds: how long it may take.
        """
        self._transport = transport
        transport.protocol = self
        self._deadline = deadlines.watch(self._expired, seconds)
        hop = self._hop
        if early:
            self.dataReceived(early)
        if hop is not None and not self._over:
            hop.speaks(self._server_spoke)

    def dataReceived(self, data: bytes) -> None:
        """Look at the client's bytes."""
        if self._over:
            return
        try:
            hello = self._reader.receive(data)
        except NotTls:
            self._done(Peeked(None, self._reader.seen))
        except BadClientHello as bad:
            self._end()
            self.seen.fail(bad)
        else:
            if hello is not None:
                self._done(Peeked(hello, self._reader.seen))

    def readConnectionLost(self) -> None:
        """The client sends no more; half a ClientHello will not become a whole one."""
        over = self._over
        self._end()
        self._around.readConnectionLost()
        if not over:
            self.seen.fail(ClientError("the client closed before it had said what it wants"))

    def writeConnectionLost(self) -> None:
        """Our own half-close; there is none."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""
        self._end()
        self._around.connectionLost(reason)

    def stop(self) -> None:
        """Look no longer, without a word: whoever asked was interrupted."""
        self._end()

    def _server_spoke(self) -> None:
        if not self._over:
            self._done(Peeked(None, self._reader.seen))

    def _expired(self) -> None:
        if not self._over:
            self._end()
            self.seen.fail(
                TimedOut(
                    ClientError(
                        "the client did not say in time what it wants",
                        status=408,
                        page="request_timeout",
                    )
                )
            )

    def _done(self, peeked: Peeked) -> None:
        self._end()
        self._transport.pauseProducing()
        self.seen.fire(peeked)

    def _end(self) -> None:
        self._over = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._hop is not None:
            self._hop.speaks(None)
            self._hop = None

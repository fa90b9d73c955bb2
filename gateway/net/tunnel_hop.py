"""
The far end of a CONNECT between being dialled and being given to the tunnel (RFC 9110 section 9.3.6).

No HTTP is spoken there, so this is no L{UpstreamConnection<gateway.net.upstream.UpstreamConnection>}; it only has what
the pipeline asks of any hop. A server that speaks first, as of mail, may do so before the tunnel begins: that is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.net.upstream import READ_BYTES


@implementer(IHalfCloseableProtocol)
class TunnelHop:
    """
    A connection that will be a tunnel.

    @ivar address: C{"address:port"} really connected to, for the log.
    @ivar used: how many exchanges it has seen: none, ever.
    """

    # It lives for a moment and is asked for next to nothing: what is never set is cheaper than what is set for nothing.
    address = ""
    used = 0
    transport: Any = None
    _rest = b""
    _lost = False
    _spoke: Callable[[], None] | None = None

    @classmethod
    def of(cls, hop: Any) -> TunnelHop:
        """
        Give the far end of a tunnel that was asked for.

        @param hop: one of these already, or the connection to a parent that has granted it; what came behind the grant is
            kept.
        """
        if isinstance(hop, cls):
            return hop
        made = cls()
        made.address = hop.address
        transport, rest = hop.transport, hop.surrender()
        transport.protocol = made
        made.makeConnection(transport)
        if rest:
            made.dataReceived(rest)
        return made

    @property
    def gone(self) -> bool:
        """The connection is lost."""
        return self._lost

    def abort(self) -> None:
        """End it at once, by reset."""
        if not self._lost:
            self.transport.abortConnection()

    def surrender(self) -> bytes:
        """
        Give the transport away.

        @return: what the server has said already; the transport may be paused.
        """
        rest, self._rest = self._rest, b""
        return rest

    def speaks(self, spoke: Callable[[], None] | None) -> None:
        """Say who wants to know when the server says something; at once if it has, C{None}: nobody any more."""
        self._spoke = spoke
        if spoke is not None and self._rest:
            spoke()

    # What the transport calls.

    def makeConnection(self, transport: Any) -> None:
        """Take the transport."""
        self.transport = transport
        transport.readSize = READ_BYTES

    def dataReceived(self, data: bytes) -> None:
        """Keep what comes early, and let no more come: whether there will be a tunnel is still being decided."""
        self._rest += data
        self.transport.pauseProducing()
        if self._spoke is not None:
            self._spoke()

    def readConnectionLost(self) -> None:
        """It ended before it began."""
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our own half-close; there is none."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone; the tunnel will find it so."""
        self._lost = True

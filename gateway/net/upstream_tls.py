"""
The TLS of a connection to an upstream: from a connected transport to a protocol on top of a verified connection.

What is verified, and against whom, is known to the sides that L{UpstreamTls.side} makes. No byte of a request is sent
before the handshake is done and the certificate was judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.api.errors import TransactionError
from gateway.net.dial import Dialer, Trace
from gateway.net.tls import TlsFailed, TlsTransport
from gateway.net.tls_faults import timeout_fault
from gateway.net.tunnel_hop import TunnelHop


class Side(Protocol):
    """Our side of one connection to an upstream."""

    def connection(self) -> SSL.Connection:
        """Make OpenSSL's part, set to connect, with the name that is asked for; once."""

    def finish(self, connection: SSL.Connection) -> TransactionError | None:
        """Judge the finished handshake; C{None} if requests may be sent."""

    def failed(self, connection: SSL.Connection, reason: str) -> TransactionError:
        """Say what a handshake that did not come to its end means."""

    def ended(self, tls: TlsTransport) -> None:
        """Learn that a connection which was judged good is over, without an error of TLS."""


@implementer(IHalfCloseableProtocol)
class UpstreamHandshake:
    """
    The protocol of a transport that was just connected.

    @ivar version: of TLS, such as C{TLSv1.3}, when it is done.
    """

    def __init__(
        self,
        side: Side,
        make: Callable[[], IProtocol],
        made: Callable[[Any], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        """
        Wait for the transport.

        @param make: makes the protocol on top, when the upstream was found to be whom it should be.
        @param made: called with it after its C{makeConnection}.
        @param failed: called with why there is none. Exactly one of both is called, unless L{cancel} is.
        """
        self.version = ""
        self.transport: Any = None
        self._side = side
        self._make = make
        self._made: Callable[[Any], object] | None = made
        self._told: Callable[[BaseException], object] | None = failed
        self._tls = TlsTransport(side.connection(), self._handshaken, self._failed)

    def makeConnection(self, transport: Any) -> None:
        """Begin."""
        self.transport = transport
        # Nobody stands between the two from here on.
        transport.protocol = self._tls
        self._tls.makeConnection(transport)

    def cancel(self) -> None:
        """Give up; harmless when it is over."""
        if self._made is not None:
            self._made = self._told = None
            self._tls.abortConnection()

    # Calls of the transport go to what is on it now; these are here for its type.

    def dataReceived(self, data: bytes) -> None:
        """Pass on."""
        self._tls.dataReceived(data)

    def readConnectionLost(self) -> None:
        """Pass on."""
        self._tls.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Nothing."""

    def connectionLost(self, reason: Failure) -> None:
        """Pass on."""
        self._tls.connectionLost(reason)

    def _handshaken(self, tls: TlsTransport) -> IProtocol | None:
        made, self._made = self._made, None
        told, self._told = self._told, None
        if made is None or told is None:
            tls.abortConnection()
            return None
        fault = self._side.finish(tls.connection)
        if fault is not None:
            tls.abortConnection()
            told(fault)
            return None
        self.version = tls.connection.get_protocol_version_name()
        tls.at_end = self._side.ended
        protocol: Any = self._make()
        tls.protocol = protocol
        protocol.makeConnection(tls)
        made(protocol)
        # Whoever was told may have put another in its place by now.
        return tls.protocol  # type: ignore[no-any-return]

    def _failed(self, tls: TlsTransport, failed: TlsFailed) -> None:
        self._made = None
        told, self._told = self._told, None
        if told is not None:
            told(self._side.failed(tls.connection, failed.reason))


def dial_secured(
    dialer: Dialer,
    host: str,
    port: int,
    side: Side,
    make: Callable[[], IProtocol],
    *,
    timeout: float,
    guarded: bool,
    trace: Trace | None = None,
) -> Deferred[Any]:
    """
    Connect to a host as L{Dialer.dial} does, and shake hands.

    @param timeout: seconds for both together.
    @return: fires with what C{make} gave, on top of a verified connection; fails as a dial does, or with what the side
        says of the handshake. Cancelling it ends whatever is under way.
    """
    clock = dialer.reactor
    until = clock.seconds() + timeout
    result: Deferred[Any] = Deferred(lambda _: end())
    handshakes: list[UpstreamHandshake] = []
    limits: list[Any] = []

    def begin() -> Any:
        handshake = UpstreamHandshake(side, make, made, failed)
        handshakes.append(handshake)
        limits.append(clock.callLater(max(0.0, until - clock.seconds()), too_late))
        return handshake

    def made(protocol: Any) -> None:
        stop_clock()
        result.callback(protocol)

    def failed(error: BaseException) -> None:
        stop_clock()
        result.errback(Failure(error))

    def too_late() -> None:
        for handshake in handshakes:
            handshake.cancel()
        result.errback(Failure(timeout_fault(host)))

    def stop_clock() -> None:
        for limit in limits:
            if limit.active():
                limit.cancel()

    def end() -> None:
        stop_clock()
        dialling.cancel()
        for handshake in handshakes:
            handshake.cancel()

    dialling = dialer.dial(host, port, begin, timeout=timeout, guarded=guarded, trace=trace)
    # Connected is only half of it; what fails before that is all.
    dialling.addCallbacks(lambda _: None, result.errback)
    return result


def secure(
    hop: TunnelHop,
    host: str,
    side: Side,
    make: Callable[[], IProtocol],
    clock: Any,
    *,
    timeout: float,
) -> Deferred[Any]:
    """
    Shake hands on a connection that is there already, and so also with whom a parent has connected us to.

    @param hop: given away with this call.
    @param host: who is asked for, for what is said when it takes too long.
    @param timeout: seconds.
    @return: as of L{dial_secured}.
    """
    result: Deferred[Any] = Deferred(lambda _: end())
    handshake = UpstreamHandshake(
        side, make, lambda protocol: over(result.callback, protocol), lambda e: over(failed, e)
    )
    limit = clock.callLater(timeout, lambda: too_late())

    def over(tell: Callable[[Any], object], what: Any) -> None:
        if limit.active():
            limit.cancel()
        tell(what)

    def failed(error: BaseException) -> None:
        result.errback(Failure(error))

    def too_late() -> None:
        handshake.cancel()
        failed(timeout_fault(host))

    def end() -> None:
        if limit.active():
            limit.cancel()
        handshake.cancel()

    transport, rest = hop.transport, hop.surrender()
    handshake.makeConnection(transport)
    if rest:
        # A server that speaks first speaks no TLS; the handshake finds that out.
        handshake.dataReceived(rest)
        transport.resumeProducing()
    return result

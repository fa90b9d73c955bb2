"""
TLS on a connected transport: the protocol of the transport below, the transport of the protocol above.

One way for everything: a client's connection that is terminated or intercepted, a connection to an upstream, and TLS
within TLS, for what is below may itself be one of these. Records are made and read in memory (BIO), so the transport
below keeps its immediate writes and its producers. Certificates, names and trust are not known here: whoever makes the
L{OpenSSL.SSL.Connection} has set them, and judges the handshake when it is done.

An end without C{close_notify} may be an attacker's cut, so it is told as a broken connection and never as an orderly
end (RFC 8446 section 6.1, RFC 9112 section 9.8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet import main
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.python import log
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.net.splice import bare_socket
from gateway.net.tls_records import records

_DONE = Failure(main.CONNECTION_DONE)

# Why nothing is handed over, as bits.
#: The handshake is not done.
_SHAKING = 1
_PAUSED = 2
#: Something is being handed over.
_DELIVERING = 4
#: The peer said that it sends no more, and the protocol was told.
_ENDED = 8
_LOST = 16
_SHUT = _PAUSED | _ENDED | _LOST


class TlsFailed(Exception):
    """
    The handshake failed, or what came after it was no TLS.

    @ivar reason: what OpenSSL calls it, such as C{tlsv1 alert unknown ca}; empty if the peer just went.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason or "the peer closed the connection in the handshake")
        self.reason = reason


@implementer(IHalfCloseableProtocol)
class TlsTransport:
    """
    One connection.

    @ivar connection: OpenSSL's side of it; its certificate, version and protocol are known from C{established} on.
    @ivar protocol: who is above; may be exchanged by whoever takes the transport over.
    @ivar connected: something can be sent.
    @ivar disconnecting: C{loseConnection} was called.
    @ivar established: the handshake is done.
    @ivar at_end: called once when an established connection is gone, however that came but by an error of TLS.
    """

    #: Content has to be encrypted, so views of it are of no use.
    takes_views = False

    __slots__ = (
        "__weakref__",
        "_accepts",
        "_barred",
        "_below",
        "_close_sent",
        "_failed",
        "_handshaken",
        "_open",
        "_out",
        "_records",
        "_send",
        "at_end",
        "connected",
        "connection",
        "disconnecting",
        "established",
        "protocol",
    )

    def __init__(
        self,
        connection: SSL.Connection,
        handshaken: Callable[[TlsTransport], IProtocol | None],
        failed: Callable[[TlsTransport, TlsFailed], None],
        *,
        accepts: bool = False,
    ) -> None:
        """
        Take OpenSSL's side, made without a socket, and set to accept or to connect.

        @param handshaken: called once when the handshake is done; gives the protocol above, which it has given this
            transport already, or C{None} if it has aborted the connection instead.
        @param failed: called once instead, when the connection below is closed or about to be.
        @param accepts: it is set to accept.
        """
        self.connection = connection
        self._records = records(connection)
        self.protocol: Any = None
        self.connected = 0
        self.disconnecting = False
        self.established = False
        self._below: Any = None
        self._send: Callable[[bytes], object] = _nowhere
        # Why nothing is handed over; 0: it is.
        self._barred = _SHAKING
        # What is written is encrypted and sent at once.
        self._open = False
        self._handshaken: Callable[[TlsTransport], IProtocol | None] | None = handshaken
        self._failed: Callable[[TlsTransport, TlsFailed], None] | None = failed
        # Written before the handshake was done.
        self._out: list[bytes] = []
        self._accepts = accepts
        self._close_sent = False
        self.at_end: Callable[[TlsTransport], None] | None = None

    # What the transport below calls.

    def makeConnection(self, transport: Any) -> None:
        """Take the transport and begin the handshake, or wait for the peer to begin it."""
        self._below = transport
        self._send = transport.write
        self.connected = 1
        if not self._accepts:
            self._shake()

    def dataReceived(self, data: bytes) -> None:
        """Take records."""
        records = self._records
        if self._barred:
            records.feed(data)
            if not self._barred & _SHAKING:
                self._deliver()
            elif self.connected:
                self._shake()
            return
        content = records.received(data)
        if content:
            self._barred = _DELIVERING
            try:
                self.protocol.dataReceived(content)
            finally:
                self._barred &= ~_DELIVERING
        if records.more or self.disconnecting:
            self._deliver()

    def readConnectionLost(self) -> None:
        """The peer closed without saying so in TLS, or has said so before."""
        if self._barred & _ENDED:
            if self.disconnecting or self._close_sent:
                self._below.loseConnection()
            return
        if not self.established:
            self._fail("")
        self._below.abortConnection()

    def writeConnectionLost(self) -> None:
        """Our own half-close below; there is none."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection below is gone."""
        if self._barred & _LOST:
            return
        self._barred |= _LOST
        self.connected = 0
        self._open = False
        self._out.clear()
        if not self.established:
            self._fail("")
            return
        at_end, self.at_end = self.at_end, None
        if at_end is not None:
            at_end(self)
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(reason)

    # What the protocol above calls.

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if not self._open:
            if not self.established:
                self._out.append(data)
            return
        if not data:
            return
        try:
            made = self._records.encrypted(data)
        except SSL.Error as error:
            self._broken(error)
            return
        self._send(made)

    def write_last(self, data: bytes) -> None:
        """Encrypt and send, and say with it that nothing more comes."""
        if not self._open:
            self.write(data)
            return
        self._close_sent = True
        self._open = False
        try:
            self._records.encrypt(data)
            self.connection.shutdown()
        except SSL.Error as error:
            self._broken(error)
            return
        self._flush()

    def writeSequence(self, parts: Any) -> None:
        """Encrypt and send the parts as one."""
        self.write(b"".join(parts))

    def loseConnection(self) -> None:
        """Say in TLS that nothing more comes, and close once all is sent."""
        if self.disconnecting or self._barred & _LOST:
            return
        self.disconnecting = True
        if not self.established:
            self.abortConnection()
            return
        self._say_close()
        # Answers of the peer, its own close_notify at the most, are of no interest. Whoever says this while being told
        # something is told of the end when that is over.
        if not self._barred & _DELIVERING:
            self._below.loseConnection()

    def loseWriteConnection(self) -> None:
        """Say that nothing more comes, and go on reading."""
        if self.established and not self._barred & _LOST:
            self._say_close()

    def abortConnection(self) -> None:
        """Close at once, with a reset and without a word."""
        if not self._barred & _LOST and self._below is not None:
            self._handshaken = self._failed = None
            self._below.abortConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Bind a producer to the appetite of the transport below: what is written here is there at once."""
        self._below.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._below.unregisterProducer()

    def pauseProducing(self) -> None:
        """Hand over no more, and read no more."""
        self._barred |= _PAUSED
        if not self._barred & _LOST:
            self._below.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on, with what was read already first."""
        self._barred &= ~_PAUSED
        if self._barred & _LOST:
            return
        self._below.resumeProducing()
        if not self._barred & (_SHAKING | _DELIVERING):
            self._deliver()

    def stopProducing(self) -> None:
        """Stop for good."""
        self.loseConnection()

    def getPeer(self) -> Any:
        """Give the address of the peer."""
        return self._below.getPeer()

    def getHost(self) -> Any:
        """Give our own address."""
        return self._below.getHost()

    @property
    def queued(self) -> int:
        """How many bytes wait for the peer, encrypted."""
        return getattr(self._below, "queued", 0)

    @property
    def below(self) -> Any:
        """The transport below."""
        return self._below

    @property
    def reactor(self) -> Any:
        """The reactor of the lowest transport."""
        return self._below.reactor

    @property
    def readSize(self) -> int:
        """Bytes asked for in one read, below."""
        size: int = self._below.readSize
        return size

    @readSize.setter
    def readSize(self, size: int) -> None:
        self._below.readSize = size

    # Within.

    def _shake(self) -> None:
        """Go on with the handshake as far as it goes."""
        try:
            done = self._records.shake()
        except SSL.Error as error:
            self._broken(error)
            return
        if not done:
            self._flush()
            return
        handshaken, self._handshaken = self._handshaken, None
        if handshaken is None or self._barred & _LOST:
            self._flush()
            return
        self.established = self._open = True
        protocol = handshaken(self)
        if protocol is None or self._barred & _LOST:
            self.established = self._open = False
            return
        self._failed = None
        self._barred &= ~_SHAKING
        self.protocol = protocol
        out, self._out = self._out, []
        if out:
            self.write(b"".join(out))
        if not (self._accepts and self.connection.get_protocol_version() == SSL.TLS1_3_VERSION):
            # If nothing was said in the same breath. A server of TLS 1.3 has only tickets to send now: they go when that
            # is dealt with. Not later: with them goes the acknowledgement that clients without TCP_NODELAY wait for
            # before they send their request, up to 40 ms.
            self._flush()
        # The first request often comes with the end of the handshake.
        self._deliver()

    def _deliver(self) -> None:
        """Hand over what can be decrypted, until there is no more or nobody wants it."""
        if self._barred & _DELIVERING:
            return
        self._barred |= _DELIVERING
        records = self._records
        try:
            while not self._barred & _SHUT:
                try:
                    data = records.content()
                except SSL.ZeroReturnError:
                    self._peer_ended()
                    break
                except SSL.Error as error:
                    self._broken(error)
                    return
                if not data:
                    break
                self.protocol.dataReceived(data)
                if not records.more:
                    break
        finally:
            self._barred &= ~_DELIVERING
        if self._barred & _LOST:
            return
        # Tickets, and answers to key updates and the like.
        self._flush()
        if self.disconnecting:
            self._close()

    def _close(self) -> None:
        """Close once all is sent; at once if it is, as the reactor would a turn and four system calls later."""
        below = self._below
        if bare_socket(below) is None or below.producer is not None:
            below.loseConnection()
        else:
            below.connectionLost(_DONE)

    def _peer_ended(self) -> None:
        """Tell the protocol above that the peer sends no more."""
        self._barred |= _ENDED
        protocol = self.protocol
        if protocol is None:
            return
        if not IHalfCloseableProtocol.providedBy(protocol):
            self.loseConnection()
            return
        try:
            protocol.readConnectionLost()
        except BaseException:
            log.err()
            self.abortConnection()

    def _flush(self) -> None:
        """Send what OpenSSL has made."""
        made = self._records.sendable()
        if made:
            self._send(made)

    def _say_close(self) -> None:
        if self._close_sent:
            return
        self._close_sent = True
        self._open = False
        try:
            self.connection.shutdown()
        except SSL.Error:
            # In the middle of a handshake, or after an error: the end below says it.
            return
        self._flush()

    def _broken(self, error: SSL.Error) -> None:
        """End after an error of TLS: the peer gets the alert that says why."""
        reason = _reason(error)
        self._flush()
        if not self.established:
            self._fail(reason)
            self._below.loseConnection()
            return
        self.at_end = None
        # As any connection that breaks; whoever is above sees no orderly end.
        below = self._below
        self.connectionLost(Failure(ConnectionLost(reason)))
        below.loseConnection()

    def _fail(self, reason: str) -> None:
        failed, self._failed = self._failed, None
        self._handshaken = None
        if failed is not None:
            failed(self, TlsFailed(reason))


def _nowhere(data: bytes) -> None:
    """Send what was made before there is a transport: nothing is."""


def _reason(error: SSL.Error) -> str:
    """Give the last of what OpenSSL says of an error; empty if the peer just went."""
    if error.args and isinstance(error.args[0], list):
        for entry in reversed(error.args[0]):
            if entry and entry[-1]:
                return str(entry[-1])
    return ""

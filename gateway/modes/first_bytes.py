"""
The first bytes within TLS, for who did not agree on a protocol by ALPN: is this HTTP?

Not every client of HTTP/1.1 says so in its handshake, and not all that goes through TLS is HTTP. What begins with a
token and a space is taken for a request and judged as one (RFC 9112 section 3); the rest may be passed on unread, if that
is allowed. If the server speaks first it is not HTTP.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.net.tls import TlsTransport
from gateway.net.tunnel_hop import TunnelHop
from gateway.pipeline.driver import Signal

# A line end before the first request is tolerated (RFC 9112 section 2.2).
_REQUEST = re.compile(rb"(?:\r\n)?[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32} ")
_REQUEST_SO_FAR = re.compile(rb"\r?|(?:\r\n)?[!#$%&'*+\-.^_`|~0-9A-Za-z]{0,32}")
# HTTP/2 without ALPN (RFC 9113 section 3.3) is none that is spoken here.
_HTTP_2 = b"PRI * HTTP/2"


def is_http(data: bytes) -> bool | None:
    """Tell whether this is the beginning of a request of HTTP/1; C{None}: more bytes are needed."""
    if _HTTP_2.startswith(data[: len(_HTTP_2)]):
        return None if len(data) < len(_HTTP_2) else False
    if _REQUEST.match(data):
        return True
    return None if _REQUEST_SO_FAR.fullmatch(data) else False


@implementer(IHalfCloseableProtocol)
class FirstBytes:
    """
    The protocol above a client's TLS until it is known what it speaks.

    @ivar known: fires once with whether it is HTTP; the transport is paused then.
    @ivar seen: all bytes so far.
    @ivar tls: the transport.
    """

    __slots__ = ("_around", "_hop", "_over", "known", "seen", "tls")

    def __init__(self, around: Any, tls: TlsTransport) -> None:
        """
        Wait.

        @param around: the connection whose transport this is: C{connectionLost} is told to it.
        """
        self.known: Signal[bool] = Signal()
        self.seen = b""
        self.tls = tls
        self._around = around
        self._hop: TunnelHop | None = None
        self._over = False

    @property
    def protocol(self) -> str:
        """What was agreed upon by ALPN; empty: nothing."""
        return self.tls.connection.get_alpn_proto_negotiated().decode("latin-1")

    def watch(self, hop: TunnelHop) -> None:
        """Let the server be first to speak."""
        self._hop = hop
        hop.speaks(self._server_spoke)

    def give(self, protocol: Any) -> None:
        """Let another protocol have the transport, and all that was read."""
        self._end()
        seen, self.seen = self.seen, b""
        tls = self.tls
        tls.protocol = protocol
        if seen:
            # It was paused to decide; otherwise the handshake is just ending, and what came with it follows by itself.
            protocol.dataReceived(seen)
            tls.resumeProducing()

    # What the transport calls.

    def dataReceived(self, data: bytes) -> None:
        """Look at them."""
        self.seen += data
        if not self._over:
            known = is_http(self.seen)
            if known is not None:
                self._done(known)

    def readConnectionLost(self) -> None:
        """The client ends without a word, or in the middle of the first one."""
        self.tls.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our own half-close; there is none."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""
        self._end()
        self._around.connectionLost(reason)

    def expired(self) -> None:
        """It said nothing for too long."""
        self.tls.loseConnection()

    def _server_spoke(self) -> None:
        if not self._over:
            self._done(False)

    def _done(self, known: bool) -> None:
        self._end()
        self.tls.pauseProducing()
        self.known.fire(known)

    def _end(self) -> None:
        self._over = True
        hop, self._hop = self._hop, None
        if hop is not None:
            hop.speaks(None)

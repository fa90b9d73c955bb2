"""
A client connection behind a PROXY protocol header (L3).

The header comes first and from a trusted peer only; then the connection is as any other, with the address that the
header names. Until it is there nothing is answered: whoever sends something else is not a client but a mistake.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.api.transaction import Client
from gateway.message.forwarding import trusts
from gateway.modes.client import ClientConnection
from gateway.modes.listening import Listening
from gateway.modes.secured import SecuredConnection
from gateway.wire.proxy_protocol import Decoder, Endpoint, ProxyProtocolError


@implementer(IHalfCloseableProtocol)
class ProxiedConnection:
    """Reads the header, then hands the transport to a L{ClientConnection}."""

    _log = Logger()

    def __init__(self, listening: Listening, client: Client) -> None:
        self._listening = listening
        self._client = client
        self._decoder = Decoder()
        self._transport: Any = None
        self._deadline = listening.deadlines.watch(self._expired)

    def makeConnection(self, transport: Any) -> None:
        """Take the transport; a peer that is not trusted is cut off."""
        self._transport = transport
        address = self._client.address
        # Who comes by a unix socket has no address; its permissions say who that may be.
        if address and not trusts(self._listening.trusted, address):
            self._log.warn(
                "{listener}: {peer} is not in network.trusted_proxies and may not speak for clients",
                listener=self._listening.name,
                peer=self._client.address,
            )
            transport.abortConnection()
            return
        self._listening.opened(self)
        self._deadline.reset(self._listening.request_head)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes of the header, and hand over what is behind it."""
        try:
            header = self._decoder.receive(data)
        except ProxyProtocolError as error:
            self._log.info(
                "{listener}: {peer} sent no good PROXY header: {error}",
                listener=self._listening.name,
                peer=self._client.address,
                error=error,
            )
            self._transport.abortConnection()
            return
        if header is None:
            return
        client = self._client
        if isinstance(header.source, Endpoint):
            client = Client(
                header.source.host,
                header.source.port,
                mode=client.mode,
                listener=client.listener,
                peer=client.address,
            )
        self._deadline.cancel()
        self._listening.closed(self)
        connection: Any = _connection(self._listening, client)
        self._transport.protocol = connection
        connection.makeConnection(self._transport)
        if self._decoder.rest:
            # Not to the connection: behind TLS another protocol is the transport's by now.
            self._transport.protocol.dataReceived(self._decoder.rest)

    def readConnectionLost(self) -> None:
        """The peer closed before its header was there."""
        self._transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """There is no half-close of ours."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""
        self._deadline.cancel()
        self._listening.closed(self)

    #: Nothing of a snapshot is under way yet.
    unfinished = None

    def renew(self) -> None:
        """Nothing is kept yet; whether the peer is trusted was decided when it came."""

    def drain(self) -> None:
        """Nothing is under way yet."""
        self.abort()

    def abort(self) -> None:
        """End now."""
        self._transport.abortConnection()

    @property
    def running(self) -> bool:
        """No transaction can be under way yet."""
        return False

    def _expired(self) -> None:
        self._transport.abortConnection()


def _connection(listening: Listening, client: Client) -> Any:
    kind = ClientConnection if listening.secure is None else SecuredConnection
    return kind(listening, client)

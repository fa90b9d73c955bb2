"""
A client connection inside TLS: the handshake first, then a connection like any other on top of it.

Until the handshake is done nothing of HTTP is read and nothing is logged as a transaction; it has to be done within the
time that a request head has, and counts as a connection meanwhile.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from twisted.internet.interfaces import IProtocol
from twisted.logger import Logger

from gateway.api.transaction import Client
from gateway.modes.client import ClientConnection
from gateway.modes.listening import Listening
from gateway.net.client_certificates import ClientCertificateOver
from gateway.net.client_tls import client_tls, handshake_result
from gateway.net.tls import TlsFailed, TlsTransport


class SecuredConnection:
    """Shakes hands, then hands the transport to a L{ClientConnection}."""

    __slots__ = ("_begun", "_client", "_deadline", "_listening", "_tls")

    _log = Logger()

    #: Nothing of a snapshot is under way yet.
    unfinished = None
    #: No transaction can be under way yet.
    running = False

    def __init__(self, listening: Listening, client: Client) -> None:
        self._listening = listening
        self._client = client
        assert listening.secure is not None
        self._tls = TlsTransport(
            listening.secure.accept(), self._handshaken, self._failed, accepts=True
        )
        self._deadline = listening.deadlines.watch(self._expired)
        self._begun = 0.0

    def makeConnection(self, transport: Any) -> None:
        """Begin the handshake."""
        self._begun = monotonic()
        self._listening.opened(self)
        self._deadline.reset(self._listening.request_head)
        # Nobody stands between the two from here on.
        transport.protocol = self._tls
        self._tls.makeConnection(transport)

    # What the service calls.

    def renew(self) -> None:
        """Nothing is kept yet; the handshake ends with the certificate that it began with."""

    def drain(self) -> None:
        """Nothing is under way yet."""
        self.abort()

    def abort(self) -> None:
        """End now."""
        self._over()
        self._tls.abortConnection()

    # What TLS calls.

    def _handshaken(self, tls: TlsTransport) -> IProtocol | None:
        listening = self._listening
        assert listening.secure is not None
        try:
            self._client.certificate = listening.secure.client_certificate(tls.connection)
        except ClientCertificateOver:
            self._over()
            listening.tls_handshake("client", "refused")
            tls.abortConnection()
            return None
        known = self._client.tls = client_tls(tls.connection, "terminate")
        result = "resumed" if known.resumed else "new"
        listening.tls_handshake("client", result, monotonic() - self._begun)
        connection: Any = ClientConnection(listening, self._client, None, self._deadline)
        listening.succeeded(self, connection)
        chosen = tls.connection.get_app_data().chosen
        connection.secured(known.server_name, () if chosen is None else chosen.names)
        connection.makeConnection(tls)
        made: IProtocol = connection
        return made

    def _failed(self, tls: TlsTransport, failed: TlsFailed) -> None:
        self._ended(handshake_result(failed), failed)

    def _ended(self, result: str, failed: TlsFailed) -> None:
        self._over()
        self._listening.tls_handshake("client", result)
        self._log.info(
            "{listener}: no TLS with {client}: {why}",
            listener=self._listening.name,
            client=self._client.address,
            why=failed,
        )

    def _expired(self) -> None:
        self._ended("timeout", TlsFailed("it took too long"))
        self._tls.abortConnection()

    def _over(self) -> None:
        self._deadline.cancel()
        self._listening.closed(self)

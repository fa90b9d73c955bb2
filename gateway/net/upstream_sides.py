"""
Our side of each connection to an upstream: its context, whom it should be, and its sessions, put together.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography import x509
from OpenSSL import SSL
from twisted.logger import Logger

from gateway.net.tls import TlsTransport
from gateway.net.tls_contexts import HTTP_1_1
from gateway.net.tls_faults import TlsFault
from gateway.net.upstream_contexts import UpstreamContext, UpstreamContexts
from gateway.net.verify import ClientSide, TrustStore


class UpstreamSides:
    """Makes the sides of one snapshot."""

    def __init__(
        self,
        store: TrustStore,
        contexts: UpstreamContexts,
        seconds: Callable[[], float],
        refused: Callable[[str, TlsFault], None],
    ) -> None:
        """
        Take what they share.

        @param store: the one that is installed in the contexts.
        @param seconds: the clock of the sessions' age.
        @param refused: is told of each host with which there is no connection, and why.
        """
        self._store = store
        self._contexts = contexts
        self._seconds = seconds
        self._refused = refused

    def side(self, host: str) -> UpstreamSide:
        """
        Make the side of a connection.

        @param host: the name that is asked for and verified, or an address.
        """
        expected = ClientSide(self._store, host)
        on = self._contexts.for_host(expected.host)
        return UpstreamSide(expected, on, self._seconds, self._refused)

    def has_client_certificate(self, host: str) -> bool:
        """
        Tell whether this host is shown a certificate of ours if it asks for one.

        A connection on which it was shown is not for two clients to share.

        @param host: as of L{side}.
        """
        return self._contexts.presented.for_host(host) is not None


class UpstreamSide:
    """One side; a L{Side<gateway.net.upstream_tls.Side>}."""

    __slots__ = ("_begun", "_expected", "_on", "_refused", "_seconds")

    _log = Logger()

    def __init__(
        self,
        expected: ClientSide,
        on: UpstreamContext,
        seconds: Callable[[], float],
        refused: Callable[[str, TlsFault], None],
    ) -> None:
        self._expected = expected
        self._refused = refused
        self._on = on
        self._seconds = seconds
        self._begun = 0.0

    def connection(self) -> SSL.Connection:
        """Make OpenSSL's part."""
        made = SSL.Connection(self._on.context, None)
        made.set_connect_state()
        made.set_alpn_protos([HTTP_1_1])
        self._expected.attach(made)
        if not self._on.presents:
            self._on.sessions.offer(made, self._expected.host)
        return made

    def keep_certificate(self) -> None:
        """Keep what is read of the server's certificate for who asks for it: L{shown}."""
        self._expected.keeps = True

    def shown(self) -> tuple[bytes, x509.Certificate | None]:
        """
        Give what the server has shown, when it is believed; the certificate only once.

        @return: the SHA-256 of its certificate, and that as it was read; C{None} if it did not have to be, as it is
            known from before.
        """
        return self._expected.fingerprint, self._expected.take_read()

    @property
    def excused(self) -> bool:
        """The certificate is believed by an exception, although something is wrong with it."""
        return self._expected.excepted is not None

    def finish(self, connection: SSL.Connection) -> TlsFault | None:
        """Judge the finished handshake."""
        self._begun = self._seconds()
        expected = self._expected
        fault = expected.finish(connection)
        if fault is not None:
            self._on.sessions.forget(expected.host)
            self._refused(expected.host, fault)
        elif expected.excepted is not None:
            self._log.warn(
                "{host} is believed by an exception until {until}: {reason}",
                host=expected.host,
                until=expected.excepted.until,
                reason=expected.excepted.reason,
            )
        return fault

    def failed(self, connection: SSL.Connection, reason: str) -> TlsFault:
        """Say what a handshake that did not come to its end means."""
        expected = self._expected
        self._on.sessions.forget(expected.host)
        fault = expected.failed(connection, reason)
        self._refused(expected.host, fault)
        return fault

    def ended(self, tls: TlsTransport) -> None:
        """Keep the session of a connection that was good; its ticket came at some time after the handshake."""
        if self._expected.excepted is None and not self._on.presents:
            self._on.sessions.keep(tls.connection, self._expected.host, self._begun)
            self._on.sessions.over(tls.connection)

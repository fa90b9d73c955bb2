"""
TLS with clients: what a listener needs to take their connections, put together from the configuration.

One object per listener and snapshot. Contexts are shared with other listeners and with the snapshots before, so tickets
go on being good; certificates of unchanged files are taken over from the snapshot before. What a connection carries, and
who may use it, is not known here.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL

from gateway.api.client_certificate import ClientCertificate
from gateway.api.events import Event
from gateway.config.certificate_files import read_certificates
from gateway.config.tls import ListenerTls
from gateway.net.certificate_store import CertificateStore
from gateway.net.client_certificates import client_certificate
from gateway.net.tls_contexts import (
    HTTP_1_1,
    Allowed,
    ClientAuthorities,
    KeyLine,
    ServerContexts,
    ServerSide,
    TlsPolicy,
    accepting,
)


class Termination:
    """
    Makes OpenSSL's side of clients' connections.

    @ivar certificates: what is shown; follows its files from L{start} to L{stop}.
    @ivar clients: whose certificates clients show; C{None}: they are not asked.
    """

    __slots__ = ("_allowed", "_alpn", "_contexts", "certificates", "clients")

    def __init__(
        self,
        told: ListenerTls,
        policy: TlsPolicy,
        contexts: ServerContexts,
        tell: Callable[[Event], None],
        *,
        alpn: tuple[bytes, ...] = (HTTP_1_1,),
        key_log: KeyLine | None = None,
        before: Termination | None = None,
    ) -> None:
        """
        Read the files.

        @param contexts: those of the process.
        @param before: that of the same listener in the snapshot before.
        @raise BadValue: when a file is no good.
        """
        self.clients: ClientAuthorities | None = None
        if told.client_ca:
            self.clients = ClientAuthorities(
                read_certificates(told.client_ca), required=told.client_required
            )
        kept: CertificateStore | None = before.certificates if before is not None else None
        self.certificates: CertificateStore = CertificateStore(told.files, tell, before=kept)
        self._allowed = Allowed(policy, clients=self.clients, key_log=key_log)
        self._contexts = contexts
        self._alpn = alpn

    def accept(self) -> SSL.Connection:
        """Make one that waits for a client's handshake; its application data is a L{ServerSide}."""
        context = self._contexts.of(self._allowed)
        return accepting(context, ServerSide(self.certificates.certificate_for, self._alpn))

    def client_certificate(self, connection: SSL.Connection) -> ClientCertificate | None:
        """
        Give who the client is by its certificate, when the handshake is done.

        @raise ClientCertificateOver: its time is over; the connection is not to be used.
        """
        if self.clients is None:
            return None
        return client_certificate(connection, datetime.datetime.now(datetime.UTC))

    def start(self, clock: Any) -> None:
        """Follow the files; C{clock} is an C{IReactorTime}."""
        self.certificates.start(clock)

    def stop(self) -> None:
        """Follow them no more; connections can still be taken."""
        self.certificates.stop()

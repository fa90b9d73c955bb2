"""
The way to a server: a connection, by TLS from the first byte where that is said, and what verifies its certificate.

Only this module touches a reactor, and it takes the one that the plugin's clock is. In a gateway in memory there is none, and no
server answers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import (
    Certificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)

from gateway_mail.settings import Security, Server

#: Connects a protocol to a server: fires when it is connected, fails if it can't be.
Connect: TypeAlias = Callable[[Server, Security, Protocol], Deferred[Any]]

#: Makes TLS to a host, which verifies its certificate and name.
Tls: TypeAlias = Callable[[str], Any]

_END = b"-----END CERTIFICATE-----"


def tls_by(trust: str) -> Tls:
    """
    Give what makes TLS.

    @param trust: PEM file of the only authorities that are believed; empty: the system's are.
    @raise OSError: it can't be read.
    @raise ValueError: there is no certificate in it.
    """
    if trust:
        parts = Path(trust).read_bytes().split(_END)[:-1]
        roots = trustRootFromCertificates([Certificate.loadPEM(part + _END) for part in parts])
    else:
        roots = platformTrust()

    @cache
    def made(host: str) -> Any:
        # Once for each server: the system's store has hundreds of certificates.
        return optionsForClientTLS(host, roots)

    return made


def connects(clock: Any, seconds: float, tls: Tls) -> Connect:
    """
    Give what connects.

    @param clock: the plugin's; a reactor, or nobody can be reached.
    @param seconds: time for a connection.
    """

    def connect(server: Server, security: Security, protocol: Protocol) -> Deferred[Any]:
        if not IReactorTCP.providedBy(clock):
            return fail(ConnectionError("there is no network here"))
        endpoint: Any = HostnameEndpoint(clock, server.host, server.port, seconds)
        if security == "tls":
            endpoint = wrapClientTLS(tls(server.host), endpoint)
        factory: Any = Factory.forProtocol(lambda: protocol)
        factory.noisy = False
        return endpoint.connect(factory)  # type: ignore[no-any-return]

    return connect

"""
The way to a receiver's port by TCP and TLS.

Only this module touches a reactor, and it takes the one that the plugin's clock is. In a gateway in memory there is none, and
no receiver can be reached.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import ssl
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import Factory, Protocol

from gateway_syslog.settings import Receiver, own_certificate
from gateway_syslog.streams import Connect
from gateway_syslog.ways import Unreachable


def connects(clock: Any, receiver: Receiver) -> Connect:
    """
    Give what connects to a receiver.

    @param clock: the plugin's; a reactor, or nobody can be reached.
    """
    context: list[Any] = []

    def connect(protocol: Protocol) -> Deferred[Any]:
        if not IReactorTCP.providedBy(clock):
            return fail(Unreachable("there is no network here"))
        endpoint: Any = HostnameEndpoint(
            clock, receiver.address.host, receiver.port, receiver.timeout
        )
        if receiver.transport == "tls":
            if not context:
                # Reading the system's store takes milliseconds.
                context.append(tls_options(receiver))
            endpoint = wrapClientTLS(context[0], endpoint)
        return endpoint.connect(_Once.forProtocol(lambda: protocol))  # type: ignore[no-any-return]

    return connect


class _Once(Factory):
    """Gives a connection its protocol, and says nothing of that in the log."""

    noisy = False


def tls_options(receiver: Receiver) -> Any:
    """
    Make what verifies a receiver and shows it our certificate, in Twisted's terms.
    """
    more: dict[str, Any] = {"raiseMinimumTo": ssl.TLSVersion.TLSv1_2}
    own = None
    if receiver.certificate is not None and receiver.key is not None:
        own = own_certificate(receiver.certificate.found[0], receiver.key)
        chain = [one.original for one in receiver.certificate.found[1:]]
        if chain:
            more["extraCertChain"] = chain
    trust = None if receiver.trust is None else ssl.trustRootFromCertificates(receiver.trust.found)
    return ssl.optionsForClientTLS(
        receiver.tls_name or receiver.address.host,
        trustRoot=trust or ssl.platformTrust(),
        clientCertificate=own,
        extraCertificateOptions=more,
    )

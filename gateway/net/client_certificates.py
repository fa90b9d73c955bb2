"""Read who a client is from the certificate that OpenSSL has verified (mutual TLS)."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from gateway.api.client_certificate import ClientCertificate


class ClientCertificateOver(Exception):
    """A resumed session was made with a certificate that has expired since: close the connection."""


def client_certificate(
    connection: SSL.Connection, now: datetime.datetime
) -> ClientCertificate | None:
    """
    Give the identity of the client once the handshake is done; C{None} if it showed no certificate.

    Only for connections of a context that asked for certificates: there what is not verified makes no handshake. A
    resumed session brings the certificate of its full handshake, which is not verified anew, so its time is.

    @raise ClientCertificateOver: its time is over.
    """
    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        return None
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise ClientCertificateOver
    return describe(certificate)


def describe(certificate: x509.Certificate) -> ClientCertificate:
    """Describe a certificate."""
    return ClientCertificate(
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        _names(certificate),
        certificate.fingerprint(hashes.SHA256()).hex(),
        f"{certificate.serial_number:x}",
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return (
        *names.get_values_for_type(x509.DNSName),
        *names.get_values_for_type(x509.RFC822Name),
        *names.get_values_for_type(x509.UniformResourceIdentifier),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    )

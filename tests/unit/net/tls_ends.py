"""Two ends of OpenSSL in memory, for the tests of contexts, sessions and certificates."""

from __future__ import annotations

import contextlib
import datetime

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from OpenSSL import SSL, crypto

from tests.unit.net.certificates import DAY, NOW, Made, root


class Trusting:
    """Judges by the root of the tests alone."""

    def install(self, context: SSL.Context) -> None:
        """Trust the root."""
        store = context.get_cert_store()
        assert store is not None
        store.add_cert(crypto.X509.from_cryptography(root().certificate))
        context.set_verify(SSL.VERIFY_PEER)


def as_client(context: SSL.Context, name: str) -> SSL.Connection:
    """Make a client's side that asks for a name; empty: for none."""
    connection = SSL.Connection(context, None)
    if name:
        connection.set_tlsext_host_name(name.encode())
    connection.set_connect_state()
    return connection


def shake(client: SSL.Connection, server: SSL.Connection) -> None:
    """
    Shake hands to the end, tickets and alerts included.

    @raise SSL.Error: when one of both ends it; all its bytes reach the other one first.
    """
    fault: SSL.Error | None = None
    for _ in range(10):
        for one, other in ((client, server), (server, client)):
            try:
                one.do_handshake()
                one.recv(1)
            except SSL.WantReadError:
                pass
            except SSL.Error as error:
                fault = fault or error
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(1 << 20))
    if fault is not None:
        raise fault


def reused(connection: SSL.Connection) -> bool:
    """Tell whether a connection was resumed; pyOpenSSL has no word for it."""
    from OpenSSL._util import lib

    return bool(lib.SSL_session_reused(connection._ssl))


def response(made: Made, until: datetime.datetime = NOW + DAY, *, revoked: bool = False) -> bytes:
    """Make an OCSP response of the root on a certificate."""
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=made.certificate,
        issuer=root().certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
        this_update=NOW - DAY / 2,
        next_update=until,
        revocation_time=NOW - DAY / 2 if revoked else None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, root().certificate)
    signed = builder.sign(root().key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)

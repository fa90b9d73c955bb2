"""CAs of others for tests, and a client that judges a certificate as OpenSSL does."""

from __future__ import annotations

import datetime
import ssl
from contextlib import suppress
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from gateway.net.authority import utc_now
from gateway.net.ca_reading import Material
from gateway.net.certificates import CertificateAndKey

DAY = datetime.timedelta(days=1)
NOW = utc_now().replace(microsecond=0)


class Now:
    """The time, moved by hand."""

    def __init__(self, time: datetime.datetime = NOW) -> None:
        self.time = time

    def __call__(self) -> datetime.datetime:
        """Tell it."""
        return self.time


def foreign(
    name: str = "CA of others",
    *,
    above: Material | None = None,
    key: Any = None,
    ca: bool | None = True,
    sign: bool | None = True,
    purposes: tuple[x509.ObjectIdentifier, ...] = (),
    begin: datetime.datetime = NOW - DAY,
    end: datetime.datetime = NOW + 365 * DAY,
    extra: tuple[x509.ExtensionType, ...] = (),
) -> Material:
    """Make a CA, or nearly one: C{None} leaves the extension out."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(own if above is None else above.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )
    if above is not None:
        public: Any = above.certificate.public_key()
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False
        )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), True)
    if sign is not None:
        usage = x509.KeyUsage(not sign, False, False, False, False, sign, sign, False, False)
        builder = builder.add_extension(usage, True)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), False)
    for one in extra:
        builder = builder.add_extension(one, True)
    signer: Any = key if above is None else above.key
    chain = () if above is None else (above.certificate, *above.chain)
    return Material(builder.sign(signer, hashes.SHA256()), key, chain)


def pem(*certificates: x509.Certificate) -> str:
    """Give certificates as PEM."""
    return "".join(
        one.public_bytes(serialization.Encoding.PEM).decode("ascii") for one in certificates
    )


def judged(
    shown: CertificateAndKey,
    trusted: x509.Certificate,
    name: str,
    issuers: tuple[x509.Certificate, ...] = (),
) -> str:
    """
    Shake hands in memory as a strict client that trusts one root.

    @return: empty if the client is content, else what it says.
    """
    context = SSL.Context(SSL.TLS_METHOD)
    for one in issuers:
        context.add_extra_chain_cert(one)
    server = SSL.Connection(context, None)
    shown.use(server)
    server.set_accept_state()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.verify_flags |= ssl.VERIFY_X509_STRICT
    theirs.load_verify_locations(cadata=pem(trusted))
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = theirs.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(6):
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError as error:
            return str(error.verify_message)
        else:
            return ""
        if sent := to_server.read():
            server.bio_write(sent)
        with suppress(SSL.WantReadError):
            server.do_handshake()
        to_client.write(server.bio_read(65536))
    raise AssertionError("the handshake came to no end")

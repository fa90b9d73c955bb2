"""Certificates for tests: made once, with a root of their own."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """Both as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM) + self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@cache
def root() -> Made:
    """Make the root."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name("Root of tests"))
        .issuer_name(_name("Root of tests"))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 10 * DAY)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
    )
    return Made(builder.sign(key, hashes.SHA256()), key)


@cache
def leaf(*names: str) -> Made:
    """Make a certificate for these names, signed by the root."""
    key = ec.generate_private_key(ec.SECP256R1())
    above = root()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(names[0]))
        .issuer_name(above.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 5 * DAY)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
    )
    return Made(builder.sign(above.key, hashes.SHA256()), key)


def server_context(*names: str) -> SSL.Context:
    """Make a context that shows a certificate for these names."""
    made = leaf(*(names or ("www.example.com",)))
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_certificate(crypto.X509.from_cryptography(made.certificate))
    context.use_privatekey(crypto.PKey.from_cryptography_key(made.key))
    return context


def client_context() -> SSL.Context:
    """Make a context that trusts the root."""
    context = SSL.Context(SSL.TLS_METHOD)
    store = context.get_cert_store()
    assert store is not None
    store.add_cert(crypto.X509.from_cryptography(root().certificate))
    context.set_verify(SSL.VERIFY_PEER, lambda connection, certificate, code, depth, ok: bool(ok))
    return context

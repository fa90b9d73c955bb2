"""Certificates for tests: made once, with a root of their own."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL, crypto

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)

Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

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
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """Make an RSA key, once for each length: that takes a twentieth of a second, and no test asks for two of a length."""
    return rsa.generate_private_key(65537, bits)


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


@cache
def authority(name: str = "Authority of tests", *, above: Made | None = None) -> Made:
    """Make an authority, once: a root, or one that another certifies."""
    return issue(name, above, is_authority=True)


def issue(
    name: str,
    above: Made | None,
    names: Sequence[str] = (),
    *,
    is_authority: bool = False,
    path_length: int | None = None,
    valid: tuple[float, float] = (-1, 5),
    key: Key | None = None,
    usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,),
    extensions: Iterable[x509.ExtensionType] = (),
) -> Made:
    """
    Make any certificate.

    @param above: who signs it; C{None} for itself.
    @param names: alternative names: hosts and addresses.
    @param valid: from and until when, in days from now.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer = above.key if above else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(above.certificate.subject if above else _name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + valid[0] * DAY)
        .not_valid_after(NOW + valid[1] * DAY)
        .add_extension(x509.BasicConstraints(is_authority, path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_alternative(one) for one in names]), critical=False
        )
    if usages and not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    for extension in extensions:
        builder = builder.add_extension(
            extension, critical=isinstance(extension, x509.KeyUsage | x509.NameConstraints)
        )
    return Made(builder.sign(signer, hashes.SHA256()), key)


def signed_anew(made: Made, above: Made, digest: str = "sha1") -> Made:
    """Sign a certificate anew: over a weak hash, or with another's key."""
    certificate = crypto.X509.from_cryptography(made.certificate)
    certificate.sign(crypto.PKey.from_cryptography_key(above.key), digest)
    return Made(certificate.to_cryptography(), made.key)


def revocation_list(
    above: Made, *revoked: Made, valid: tuple[float, float] = (-1, 5)
) -> x509.CertificateRevocationList:
    """Make a list of revoked certificates."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(above.certificate.subject)
        .last_update(NOW + valid[0] * DAY)
        .next_update(NOW + valid[1] * DAY)
    )
    for one in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(one.certificate.serial_number)
            .revocation_date(NOW - DAY)
            .build()
        )
    return builder.sign(above.key, hashes.SHA256())


def key_usage(*, signs: bool = False, certifies: bool = False) -> x509.KeyUsage:
    """Say what a key is for."""
    return x509.KeyUsage(signs, False, False, False, False, certifies, certifies, False, False)


def _alternative(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)

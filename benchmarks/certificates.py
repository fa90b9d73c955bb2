"""
The certificates of one run: an origin that proxies are told to trust, a site that they terminate, and a CA for them to sign with.

All keys are EC P-256, for every peer alike. They live for days and lie in the state folder of the run, readable by whatever user a peer
becomes: they are worth nothing.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from benchmarks.peers import AUTHORITY_FILE

#: The host of the intercepted origin: every machine and every proxy finds it without asking a name server.
ORIGIN_HOST = "localhost"
#: The host of the site that is terminated.
SITE_HOST = "www.example.com"
#: Below it every name is good for the origin, too.
NAMES_BELOW = "names.localhost"
#: Who has signed the origin's and the site's certificate; what proxies are told to trust.
TRUST_FILE = "trust.pem"
ORIGIN_FILE = "origin.pem"
SITE_FILE = "site.pem"

_LIFE = datetime.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Made:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def write_certificates(folder: Path) -> None:
    """Make all of them and write them into a new folder."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    above = _authority("Origins of benchmarks")
    proxies = _authority("Proxies of benchmarks")
    origin = _leaf(above, ORIGIN_HOST, f"*.{NAMES_BELOW}")
    site = _leaf(above, SITE_HOST, "localhost")
    (folder / TRUST_FILE).write_bytes(above.certificate_pem)
    for name, made in ((AUTHORITY_FILE, proxies), (ORIGIN_FILE, origin), (SITE_FILE, site)):
        (folder / name).write_bytes(made.certificate_pem + made.key_pem)


def _authority(name: str) -> _Made:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(key.public_key(), subject, subject).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return _Made(builder.sign(key, hashes.SHA256()), key)


def _leaf(above: _Made, *names: str) -> _Made:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = (
        _builder(key.public_key(), subject, above.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(alternatives, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key()),
            critical=False,
        )
    )
    return _Made(builder.sign(above.key, hashes.SHA256()), key)


def _builder(
    key: ec.EllipticCurvePublicKey, subject: x509.Name, issuer: x509.Name
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )

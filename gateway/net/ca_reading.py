"""
Reading a CA: PEM with key and certificates, or PKCS#12, and the judgement whether it can be the gateway's.

Used for what an operator brings (C{gateway ca import}) and for the gateway's own files, which are in the same form. No
file is opened here and nothing is signed. The rules are those of RFC 5280 sections 4.2.1 and 6.1, and of what clients take.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.net.ca_files import AuthorityError

CaKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
SigningHash: TypeAlias = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

MIN_RSA_BITS = 2048
#: What browsers and Java take in a chain.
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_WEAK_HASHES = ("md5", "sha1")
#: A chain of more is somebody's mistake.
_MAX_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Material:
    """
    A CA as it was read.

    @ivar key: C{None} in a file whose key was taken away when the CA had served its time.
    @ivar chain: certificates above it, in order; the last one is the root if it is known.
    """

    certificate: x509.Certificate
    key: CaKey | None
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """All of it, the key first and in the clear."""
        parts = [
            one.public_bytes(serialization.Encoding.PEM) for one in (self.certificate, *self.chain)
        ]
        if self.key is not None:
            parts.insert(
                0,
                self.key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
            )
        return b"".join(parts)


def read_material(
    content: bytes,
    where: str,
    *,
    passphrase: bytes | None = None,
    key: bytes | None = None,
    keyless: bool = False,
) -> Material:
    """
    Read PEM or PKCS#12; it is not judged yet.

    @param where: the file's name, for what is said of it.
    @param key: PEM with the key, if it is in a file of its own.
    @param keyless: whether a certificate without a key will do.
    @raise AuthorityError: it can't be read, has no key, or none of its certificates belongs to the key.
    """
    if b"-----BEGIN" in content:
        certificates, found = _read_pem(content, key, where, passphrase)
    else:
        certificates, found = _read_pkcs12(content, where, passphrase)
    if not certificates:
        raise AuthorityError(
            "has no certificate", where, "put the CA's certificate into it, as PEM or PKCS#12"
        )
    if found is None:
        if not keyless:
            raise AuthorityError(
                "has no private key", where, "a CA that is to sign needs its key: --key FILE"
            )
        own = certificates[0]
    else:
        if not isinstance(found, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise AuthorityError(
                "its key is neither RSA nor EC", where, "use a CA with an EC P-256 or an RSA key"
            )
        mine = _public(found.public_key())
        matching = [one for one in certificates if _public(one.public_key()) == mine]
        if not matching:
            raise AuthorityError(
                "the key belongs to none of the certificates", where, "bring the key of this CA"
            )
        own = matching[0]
    return Material(own, found, _chain(own, certificates))


def faults(material: Material, now: datetime.datetime) -> Iterator[str]:
    """Give everything for which this can't be the gateway's CA; nothing if it can."""
    certificate = material.certificate
    try:
        yield from _extension_faults(certificate)
    except ValueError as error:
        yield f"the certificate can't be read: {error}"
        return
    if certificate.not_valid_after_utc <= now:
        yield f"it expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if certificate.not_valid_before_utc > now:
        yield f"it is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < MIN_RSA_BITS:
            yield f"its RSA key has {public.key_size} bits; {MIN_RSA_BITS} are the least"
    elif isinstance(public, ec.EllipticCurvePublicKey):
        if public.curve.name not in _CURVES:
            yield f"its curve is {public.curve.name}, which clients do not take"
    else:
        yield "its key is neither RSA nor EC"
    for one in (certificate, *material.chain):
        # A root's own signature is never looked at.
        if not self_signed(one) and _hash_name(one) in _WEAK_HASHES:
            yield f"{name_of(one)} is signed with {_hash_name(one).upper()}, which clients refuse"
    for one in material.chain:
        if one.not_valid_after_utc <= now:
            yield f"{name_of(one)}, above it, expired on {one.not_valid_after_utc:%Y-%m-%d}"


def self_signed(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is a root."""
    # A signature of the old kind is not checked any more; nobody looks at the one of a root (RFC 5280 section 6.1).
    return certificate.subject == certificate.issuer and (
        _hash_name(certificate) in _WEAK_HASHES or _signed(certificate, certificate)
    )


def name_of(certificate: x509.Certificate) -> str:
    """Name a CA for people: its common name, or all of the subject."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def key_kind(certificate: x509.Certificate) -> str:
    """Say what kind of key it is, such as C{EC secp256r1}."""
    public = certificate.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        return f"EC {public.curve.name}"
    return f"RSA {public.key_size}" if isinstance(public, rsa.RSAPublicKey) else "other"


def signing_hash(key: CaKey) -> SigningHash:
    """Give the hash that is as strong as the key."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if key.curve.key_size > 384:
            return hashes.SHA512()
        if key.curve.key_size > 256:
            return hashes.SHA384()
    return hashes.SHA256()


def _extension_faults(certificate: x509.Certificate) -> Iterator[str]:
    extensions = certificate.extensions
    try:
        if not extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            yield "it is the certificate of a server or a person, not of a CA (basicConstraints)"
    except x509.ExtensionNotFound:
        yield "it does not say that it is a CA (basicConstraints is missing)"
    try:
        if not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            yield "its key may not sign certificates (keyUsage without keyCertSign)"
    except x509.ExtensionNotFound:
        pass
    try:
        purposes = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return
    if not purposes & {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    }:
        yield "it may not sign for servers (extendedKeyUsage without serverAuth)"


def _read_pem(
    content: bytes, key: bytes | None, where: str, passphrase: bytes | None
) -> tuple[list[x509.Certificate], object]:
    holder = content if key is None else key
    found: object = None
    if key is not None or b"PRIVATE KEY-----" in content:
        if b"ENCRYPTED" not in holder:
            passphrase = None
        elif passphrase is None:
            raise _no_passphrase(where)
        try:
            found = serialization.load_pem_private_key(_only_key(holder), passphrase)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise AuthorityError(
                "the key can't be read" + (", or the passphrase is wrong" if passphrase else ""),
                where,
                "bring it as PEM, unencrypted or with its passphrase",
            ) from None
    if b"-----BEGIN CERTIFICATE-----" not in content:
        return [], found
    try:
        return x509.load_pem_x509_certificates(content), found
    except ValueError:
        raise AuthorityError(
            "a certificate in it is damaged", where, "bring it as PEM, from BEGIN to END"
        ) from None


def _only_key(content: bytes) -> bytes:
    """Cut the first private key out of a file with other things before it, such as EC parameters."""
    end = content.find(b"PRIVATE KEY-----")
    begin = content.rfind(b"-----BEGIN", 0, end)
    return content[begin:] if begin >= 0 else content


def _read_pkcs12(
    content: bytes, where: str, passphrase: bytes | None
) -> tuple[list[x509.Certificate], object]:
    try:
        read = pkcs12.load_pkcs12(content, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # What is no PKCS#12 at all, and what is encrypted, fail alike without a passphrase.
        if passphrase is None and content[:1] == b"\x30":
            raise _no_passphrase(where) from None
        raise AuthorityError(
            "is neither PEM nor PKCS#12" + (", or the passphrase is wrong" if passphrase else ""),
            where,
            "bring PEM with key and certificate, or PKCS#12 (.p12, .pfx)",
        ) from None
    certificates = [read.cert.certificate] if read.cert is not None else []
    return [*certificates, *(one.certificate for one in read.additional_certs)], read.key


def _no_passphrase(where: str) -> AuthorityError:
    return AuthorityError(
        "is encrypted, or damaged", where, "give its passphrase: --passphrase-file FILE"
    )


def _chain(
    own: x509.Certificate, certificates: list[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Give what is above a CA as far as it is there, each signing the one before; the rest is left out."""
    chain: list[x509.Certificate] = []
    current = own
    while len(chain) < _MAX_CHAIN and not self_signed(current):
        above = next((one for one in certificates if _signed(current, one)), None)
        if above is None or above in chain:
            break
        chain.append(above)
        current = above
    return tuple(chain)


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _public(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _hash_name(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "md5"
    return algorithm.name if algorithm is not None else ""

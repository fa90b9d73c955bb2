"""
What one certificate says that OpenSSL does not judge, or judges by a security level that others may set.

Names are compared by service-identity: subjectAltName only, never the common name (RFC 9525 section 2). Nothing is known
here of chains and trust.
"""

from __future__ import annotations

import ipaddress
import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from service_identity.exceptions import CertificateError
from service_identity.hazmat import DNS_ID, DNSPattern, IPAddress_ID, IPAddressPattern

#: Fewer bits can be broken by who is rich enough (NIST SP 800-57: 112 bits of strength).
MIN_RSA_BITS = 2048
MIN_EC_BITS = 224

_HARMLESS = re.compile(r"[A-Za-z0-9*.-]{1,100}")


def is_address(host: str) -> bool:
    """Tell whether a host is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_for_host(certificate: x509.Certificate, host: str) -> bool:
    """
    Tell whether the certificate is for this host.

    A name among many that means nothing, such as a lone C{*}, matches nothing and spoils no other.

    @param host: a name in lower case without a dot at its end, or an address without brackets.
    @raise ValueError: the extension can't be read.
    """
    names = _alternative_names(certificate)
    if names is None:
        return False
    if is_address(host):
        wanted = IPAddress_ID(host)
        return any(
            wanted.verify(IPAddressPattern(address))
            for address in names.get_values_for_type(x509.IPAddress)
            if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
        )
    try:
        name = DNS_ID(host)
    except ValueError:
        return False
    # Large sites have hundreds of names; only those of the same ending are worth a look.
    ending = host.partition(".")[2] or host
    for pattern in names.get_values_for_type(x509.DNSName):
        if pattern.lower().endswith(ending):
            try:
                if name.verify(DNSPattern.from_bytes(pattern.encode())):
                    return True
            except CertificateError:
                continue
    return False


def some_names(certificate: x509.Certificate) -> str:
    """
    Write a few of the names that the certificate is for, to be read by people; empty if there are none.

    Only what looks like a host name is written: the peer chose them.

    @raise ValueError: the extension can't be read.
    """
    names = _alternative_names(certificate)
    if names is None:
        return ""
    few = [str(name) for name in names.get_values_for_type(x509.DNSName)[:3]]
    return ", ".join(name for name in few if _HARMLESS.fullmatch(name))


def has_weak_key(certificate: x509.Certificate) -> bool:
    """
    Tell whether the key is too short, or of a kind that TLS does not use any more.

    @raise ValueError: it can't be read.
    """
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size < MIN_RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.key_size < MIN_EC_BITS
    return not isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)


def has_weak_signature(certificate: x509.Certificate) -> bool:
    """
    Tell whether the certificate was signed over a hash that can be forged.

    @raise cryptography.exceptions.UnsupportedAlgorithm: it can't be told.
    """
    algorithm = certificate.signature_hash_algorithm
    # None is Ed25519 and Ed448, which hash for themselves.
    return algorithm is not None and (
        isinstance(algorithm, hashes.MD5 | hashes.SHA1) or algorithm.digest_size < 28
    )


def wants_staple(certificate: x509.Certificate) -> bool:
    """
    Tell whether the certificate is not to be believed without a stapled response (RFC 7633).

    @raise ValueError: the extension can't be read.
    """
    try:
        features = certificate.extensions.get_extension_for_class(x509.TLSFeature).value
    except x509.ExtensionNotFound:
        return False
    return x509.TLSFeatureType.status_request in features


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None

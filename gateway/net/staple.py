"""
What a stapled OCSP response says of a certificate (RFC 6960, RFC 6066 section 8).

A staple comes from the very server that is judged, so its word counts only where its issuer signed it. What a responder
says about itself (C{tryLater} and the like, which servers staple when they could not ask) says nothing of the
certificate and is as no staple at all: who holds a revoked key would not staple either.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

#: No response that counts is larger; what is larger is not even read.
MAX_STAPLE_BYTES = 64 * 1024
#: Clocks differ.
SKEW = datetime.timedelta(minutes=5)


class BadStaple(Exception):
    """
    The staple is no valid statement about this certificate.

    Its text is a part of a sentence and holds nothing of the peer's.
    """


@dataclass(frozen=True, slots=True)
class Statement:
    """
    What the issuer says.

    @ivar revoked: when, if the certificate was revoked.
    """

    revoked: datetime.datetime | None


def read_staple(
    data: bytes, leaf: x509.Certificate, issuer: x509.Certificate, now: datetime.datetime
) -> Statement | None:
    """
    Read what a server stapled.

    A revocation is believed however old the response is: there is no way back from it.

    @param issuer: of the leaf, from the chain that was built.
    @return: C{None} if nothing is said of the certificate.
    @raise BadStaple: something is said, and it is not valid.
    """
    if not data:
        return None
    if len(data) > MAX_STAPLE_BYTES:
        raise BadStaple("is too large")
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        single = _about(response, leaf, issuer)
        _check_signature(response, leaf, issuer, now)
        if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
            return Statement(single.revocation_time_utc)
        if single.certificate_status is not ocsp.OCSPCertStatus.GOOD:
            raise BadStaple("says that the certificate is not known to its issuer")
        if single.this_update_utc > now + SKEW:
            raise BadStaple("is from the future")
        until = single.next_update_utc
        if until is None:
            # Newer information is always there, says RFC 6960 section 4.2.2.1: so a staple is old at once.
            until = single.this_update_utc + datetime.timedelta(days=1)
        if until < now - SKEW:
            raise BadStaple("is out of date")
    except BadStaple:
        raise
    except Exception as error:
        # Whatever a parser says of the peer's bytes: it is no response.
        raise BadStaple("is not an OCSP response") from error
    return Statement(None)


def _about(
    response: ocsp.OCSPResponse, leaf: x509.Certificate, issuer: x509.Certificate
) -> ocsp.OCSPSingleResponse:
    """Find the part about the leaf: its serial number, and the issuer by name and key."""
    for single in response.responses:
        if single.serial_number != leaf.serial_number:
            continue
        # SHA-1 only names the issuer here; it protects nothing.
        expected = (
            ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, single.hash_algorithm).build()
        )
        if (single.issuer_name_hash, single.issuer_key_hash) == (
            expected.issuer_name_hash,
            expected.issuer_key_hash,
        ):
            return single
    raise BadStaple("is about another certificate")


def _check_signature(
    response: ocsp.OCSPResponse,
    leaf: x509.Certificate,
    issuer: x509.Certificate,
    now: datetime.datetime,
) -> None:
    """Find the responder, the issuer itself or whom it delegated to, and check its signature."""
    signer = issuer
    for certificate in response.certificates[:4]:
        if certificate != issuer and _is_responder(response, certificate):
            _check_delegation(certificate, issuer, now)
            signer = certificate
            break
    else:
        if not _is_responder(response, issuer):
            raise BadStaple("is signed by somebody else than the issuer")
    algorithm = response.signature_hash_algorithm
    if isinstance(algorithm, hashes.MD5 | hashes.SHA1):
        raise BadStaple("has a weak signature")
    key = signer.public_key()
    signature, signed = response.signature, response.tbs_response_bytes
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(signature, signed, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(signature, signed, ec.ECDSA(algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, signed)
        else:
            raise BadStaple("is signed in an unknown way")
    except InvalidSignature:
        raise BadStaple("has a wrong signature") from None


def _is_responder(response: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    """Tell whether the response names this certificate as its responder's."""
    if response.responder_name is not None:
        return response.responder_name == certificate.subject
    return response.responder_key_hash == _key_hash(certificate)


def _key_hash(certificate: x509.Certificate) -> bytes:
    """Give the SHA-1 of the key's bits (RFC 6960 section 4.2.1), which is what this identifier is."""
    return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest


def _check_delegation(
    certificate: x509.Certificate, issuer: x509.Certificate, now: datetime.datetime
) -> None:
    """Check that the issuer itself delegated, for this, and for now (RFC 6960 section 4.2.2.2)."""
    try:
        certificate.verify_directly_issued_by(issuer)
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        raise BadStaple("is signed by somebody whom the issuer did not delegate to") from None
    if ExtendedKeyUsageOID.OCSP_SIGNING not in usage:
        raise BadStaple("is signed by somebody whom the issuer did not delegate to")
    if not certificate.not_valid_before_utc - SKEW <= now <= certificate.not_valid_after_utc + SKEW:
        raise BadStaple("is signed with a certificate that is not valid now")

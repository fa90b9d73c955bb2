"""
Leaves: the certificates that clients are shown in place of an origin's own.

A leaf mirrors what its origin shows, so that a client judges the same names and the same end. It is made only from what
the caller has accepted; for everything else there is a leaf of an issuer that nobody trusts (L{gateway.net.mints}).
Connections and trust are not known here (RFC 5280 section 4.2, RFC 9525; the CA/Browser Forum's rules for what clients take).
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto

from gateway.net.ca_files import AuthorityError
from gateway.net.ca_generation import SKEW, Generation

#: No leaf is valid for longer.
MAX_LIFE = datetime.timedelta(days=90)
#: More names are not mirrored: certificates of large hosters have thousands, and every client would get them.
MAX_NAMES = 100

# A star only as the whole first label; underscores are in use. No end in a line end, so \Z.
_DNS = re.compile(
    r"(?=.{1,253}\Z)(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\Z"
)
_MAX_COMMON_NAME = 64

_NO_CA = x509.BasicConstraints(ca=False, path_length=None)
_FOR_SERVERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
_FOR_SIGNATURES = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


class NotMinted(AuthorityError):
    """No certificate can be made for this, and so the connection must not be decrypted."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """
    What of an origin's certificate a leaf repeats.

    @ivar names: DNS names in lower case and IP addresses as text; empty if none could be read.
    @ivar common_name: of the subject; empty if there is none.
    @ivar excused: the operator takes this very certificate although it doesn't fit: the name that was asked for is added
        and an end that has passed is not repeated. Otherwise neither is mended.
    """

    names: tuple[str, ...] = ()
    common_name: str = ""
    not_after: datetime.datetime | None = None
    excused: bool = False


#: The name that was asked for may stand in for those that nobody has shown.
_NOTHING = Mirrored(excused=True)


def mirrored(certificate: crypto.X509 | x509.Certificate, *, excused: bool = False) -> Mirrored:
    """
    Read a certificate that was verified, or is excused.

    Of one that can't be read no leaf is made, unless it is excused: the reader here is stricter than OpenSSL.
    """
    try:
        if isinstance(certificate, crypto.X509):
            certificate = certificate.to_cryptography()
        end = certificate.not_valid_after_utc
        names = tuple(dict.fromkeys(_names(certificate)))
    except ValueError:
        return Mirrored(excused=excused)
    try:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        common = []
    return Mirrored(names, str(common[0].value) if common else "", end, excused)


def canonical_name(server_name: str) -> str:
    """
    Give the name that was asked for as it stands in certificates.

    @param server_name: a DNS name (A-labels) or an IP address; brackets and a last dot are taken away.
    @raise NotMinted: it is neither.
    """
    name = server_name.lower().removesuffix(".")
    if (address := _address(name.strip("[]"))) is not None:
        return str(address)
    if not _DNS.match(name) or name.startswith("*"):
        raise NotMinted("no certificate can be made for a name that is none")
    return name


class Stamp:
    """
    An issuer and the leaves' key, with all that is the same in each leaf in place.

    @ivar issuer: who signs.
    """

    __slots__ = ("_base", "_begin", "_key", "issuer")

    def __init__(self, issuer: Generation, key: ec.EllipticCurvePublicKey) -> None:
        """
        Prepare.

        @param key: the public key of all leaves.
        @raise NotMinted: the issuer has no key any more.
        """
        if issuer.key is None:
            raise NotMinted("the CA's key is gone", issuer.path)
        self.issuer = issuer
        self._key = issuer.key
        self._begin = issuer.certificate.not_valid_before_utc
        self._base = (
            x509.CertificateBuilder()
            .issuer_name(issuer.certificate.subject)
            .public_key(key)
            .add_extension(_NO_CA, critical=True)
            .add_extension(_FOR_SIGNATURES, critical=True)
            .add_extension(_FOR_SERVERS, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(_issuer_identifier(issuer.certificate), critical=False)
        )

    def mint(
        self, server_name: str, model: Mirrored | None, now: datetime.datetime
    ) -> x509.Certificate:
        """
        Make a leaf.

        @param server_name: from L{canonical_name}.
        @param model: C{None} if no origin has shown anything; then the name is all that it has.
        @raise NotMinted: the CA may not sign for the name, or the model doesn't cover it or is past its end, and is
            not excused.
        """
        issuer = self.issuer
        if not issuer.permits(server_name):
            raise NotMinted(f"the CA may not sign for {server_name} (name constraints)")
        model = model or _NOTHING
        names = _leaf_names(issuer, server_name, model)
        begin = max(now - SKEW, self._begin)
        end = min(begin + MAX_LIFE, issuer.expires)
        if model.not_after is not None and not (model.excused and model.not_after <= now):
            end = min(end, model.not_after)
        if end <= now:
            raise NotMinted(f"what {server_name} has shown is past its end")
        common = model.common_name
        if not 0 < len(common) <= _MAX_COMMON_NAME or not common.isprintable():
            common = server_name if len(server_name) <= _MAX_COMMON_NAME else ""
        return (
            self._base.subject_name(
                x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])
            )
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            # Without a subject the names are all there is to go by (RFC 5280 section 4.2.1.6).
            .add_extension(x509.SubjectAlternativeName(names), critical=not common)
            .sign(self._key, issuer.hash)
        )


def covers(names: tuple[str, ...], name: str) -> bool:
    """Tell whether names of a certificate cover a name; a star stands for one label (RFC 9525 section 6.3)."""
    return name in names or "*." + name.partition(".")[2] in names


def _leaf_names(issuer: Generation, server_name: str, model: Mirrored) -> list[x509.GeneralName]:
    names = [name for name in model.names if issuer.permits(name)]
    if not covers(tuple(names), server_name):
        if not model.excused:
            raise NotMinted(f"what {server_name} has shown is for other names")
        names.insert(0, server_name)
    if len(names) > MAX_NAMES:
        own = [name for name in names if covers((name,), server_name)]
        names = [*own, *(name for name in names if name not in own)][:MAX_NAMES]
    return [_general(name) for name in names]


def _general(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    # Most names are none, and an exception costs more than a look at the last character.
    if name[-1:].isdigit() or ":" in name:
        try:
            return ipaddress.ip_address(name)
        except ValueError:
            pass
    return None


def _names(certificate: x509.Certificate) -> Iterator[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for one in found:
        if isinstance(one, x509.DNSName):
            name = one.value.lower()
            if _DNS.match(name):
                yield name
        elif isinstance(one, x509.IPAddress):
            yield str(one.value)


def _issuer_identifier(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Point at the issuer's key as the issuer itself names it (RFC 5280 section 4.2.1.1)."""
    try:
        own = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(
            certificate.public_key()  # type: ignore[arg-type]
        )
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)

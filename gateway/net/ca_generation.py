"""
One generation of the gateway's CA: what it is made like, what it may sign for, and making it.

Values only: nothing is read or written here, and which generation is in force is not known (RFC 5280 section 4.2.1).
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.config.sections.tls import Tls
from gateway.net.ca_files import AuthorityError
from gateway.net.ca_reading import (
    CaKey,
    Material,
    SigningHash,
    name_of,
    self_signed,
    signing_hash,
)

#: Ten years, the leap days included.
LIFE = datetime.timedelta(days=3652)
#: How far clocks of clients may be behind.
SKEW = datetime.timedelta(days=1)

# 64 characters are the most (RFC 5280 appendix A.1), and the generation's mark needs nine of them.
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,55}")
_MARK = re.compile(r" [0-9a-f]{8}\Z")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_EVERY_ADDRESS = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


@dataclass(frozen=True, slots=True)
class CaProfile:
    """
    What a CA is made like; it says nothing of those that are there already.

    @ivar name: what the common name begins with, 1 to 55 characters; a mark of the key follows, so that each
        generation has a name of its own.
    @ivar permitted: domains for which it may sign, with all names below them; empty: all. With any here no IP
        address is signed for.
    @ivar excluded: domains for which it may not sign, with all names below them.
    """

    name: str = "Gateway CA"
    permitted: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise AuthorityError(
                f"the CA's name {self.name!r} can't be used",
                mend="take 1 to 55 printable characters",
            )
        for domain in (*self.permitted, *self.excluded):
            if not _DOMAIN.fullmatch(domain):
                raise AuthorityError(
                    f"the CA can't be constrained to {domain!r}",
                    mend="name a domain such as example.com, in lower case and without a star; "
                    "names below it are included",
                )


@dataclass(frozen=True, slots=True)
class Generation:
    """
    One CA: certificate and key, and from when it signs.

    @ivar key: C{None} once it has retired and its key was taken away.
    @ivar chain: what is above it if it is no root, as far as it is known.
    @ivar fingerprint: SHA-256 of the certificate.
    """

    signs_from: datetime.datetime
    certificate: x509.Certificate
    key: CaKey | None = field(repr=False)
    chain: tuple[x509.Certificate, ...]
    path: Path
    fingerprint: bytes
    hash: SigningHash
    permitted: tuple[str, ...]
    excluded: tuple[str, ...]
    addresses: bool
    """Whether it may sign for IP addresses."""
    shown: tuple[x509.Certificate, ...]
    """What a server sends behind the leaf: nothing for a root, which clients have (RFC 8446 section 4.4.2)."""

    @property
    def name(self) -> str:
        """Its common name."""
        return name_of(self.certificate)

    @property
    def expires(self) -> datetime.datetime:
        """When it, or what is above it, expires first."""
        return min(one.not_valid_after_utc for one in (self.certificate, *self.chain))

    @property
    def anchor(self) -> x509.Certificate:
        """What clients have to trust: itself, or the highest that is known above it."""
        return self.chain[-1] if self.chain else self.certificate

    def permits(self, name: str) -> bool:
        """
        Tell whether clients would take its signature for a name.

        @param name: a DNS name in lower case, with a star perhaps, or an IP address as text.
        """
        if self.addresses and not self.permitted and not self.excluded:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            pass
        else:
            return self.addresses
        if any(_below(name, domain) for domain in self.excluded):
            return False
        return not self.permitted or any(_below(name, domain) for domain in self.permitted)


def configured_profile(tls: Tls) -> CaProfile:
    """Give the profile that the configuration asks for."""
    return CaProfile(tls.ca_name, tls.ca_permit, tls.ca_exclude)


def profile_of(one: Generation) -> CaProfile:
    """Give the profile that a CA was made with, for another one like it."""
    name = _MARK.sub("", one.name)
    return CaProfile(
        name if _NAME.fullmatch(name) else CaProfile().name, one.permitted, one.excluded
    )


def make_root(
    profile: CaProfile, now: datetime.datetime, life: datetime.timedelta = LIFE
) -> Material:
    """Make a key (EC P-256) and its root certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"{profile.name} {identifier.digest[:4].hex()}")]
    )
    begin = (now - SKEW).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(identifier, critical=False)
    )
    if profile.permitted or profile.excluded:
        builder = builder.add_extension(_constraints(profile), critical=True)
    return Material(builder.sign(key, signing_hash(key)), key)


def _constraints(profile: CaProfile) -> x509.NameConstraints:
    permitted = [x509.DNSName(domain) for domain in profile.permitted]
    excluded: list[x509.GeneralName] = [x509.DNSName(domain) for domain in profile.excluded]
    if permitted:
        # A list of names that left every address open would not be what was meant.
        excluded += [x509.IPAddress(network) for network in _EVERY_ADDRESS]
    return x509.NameConstraints(permitted or None, excluded or None)


def generation(when: datetime.datetime, material: Material, path: Path) -> Generation:
    """Take what was read and judged, and find out for what it may sign."""
    permitted: list[str] = []
    excluded: list[str] = []
    addresses = True
    for certificate in (material.certificate, *material.chain):
        try:
            found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound:
            continue
        domains = _domains(found.permitted_subtrees)
        # Of two lists one above the other only what both permit is permitted.
        if domains:
            permitted = (
                [one for one in permitted if any(_below(one, above) for above in domains)]
                + [one for one in domains if any(_below(one, above) for above in permitted)]
                if permitted
                else domains
            ) or ["invalid."]
        excluded += _domains(found.excluded_subtrees)
        if any(
            isinstance(one, x509.IPAddress)
            for one in (*(found.permitted_subtrees or ()), *(found.excluded_subtrees or ()))
        ):
            # Any word on addresses is taken for a no: nobody has asked for finer.
            addresses = False
    key = material.key
    return Generation(
        signs_from=when,
        certificate=material.certificate,
        key=key,
        chain=material.chain,
        path=path,
        fingerprint=material.certificate.fingerprint(hashes.SHA256()),
        hash=signing_hash(key) if key is not None else hashes.SHA256(),
        permitted=tuple(dict.fromkeys(permitted)),
        excluded=tuple(dict.fromkeys(excluded)),
        addresses=addresses,
        shown=tuple(one for one in (material.certificate, *material.chain) if not self_signed(one)),
    )


def _domains(subtrees: list[x509.GeneralName] | None) -> list[str]:
    return [
        one.value.lower().removeprefix(".")
        for one in subtrees or ()
        if isinstance(one, x509.DNSName)
    ]


def _below(name: str, domain: str) -> bool:
    """Tell whether a name is a domain or below it, by whole labels; the empty domain is above all."""
    return not domain or name == domain or name.endswith("." + domain)

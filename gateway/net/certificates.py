"""
The certificates that the gateway shows to clients: which one for which name.

What lies in files is read by L{gateway.config.certificate_files}; when it is read again is the business of
L{gateway.net.certificate_store}. A certificate here may as well have been minted a moment ago. Names are those of
Server Name Indication (RFC 6066 section 3): lower case, without the dot of the root, empty for none.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto

from gateway.config.certificate_files import Pair, names_of


@dataclass(frozen=True, slots=True, eq=False)
class CertificateAndKey:
    """
    What is shown in one handshake.

    @ivar chain: the server's certificate, then its issuers as they are sent along.
    @ivar key: the key of the first one.
    @ivar names: DNS names and addresses that it is for.
    @ivar staple: a fresh OCSP response on it (DER), sent to clients that ask for one.
    @ivar lasting: it comes from a file and gets contexts of its own; one that was minted for a few connections is set
        on each by L{use}.
    @ivar contexts: contexts with this certificate, by what they allow; made by L{gateway.net.tls_contexts} and gone
        with the certificate.
    """

    chain: tuple[crypto.X509, ...]
    key: crypto.PKey
    names: tuple[str, ...] = ()
    staple: bytes | None = None
    lasting: bool = False
    contexts: dict[Hashable, SSL.Context] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        leaf: x509.Certificate,
        issuers: Iterable[x509.Certificate],
        key: Any,
    ) -> CertificateAndKey:
        """Make a short-lived one of C{cryptography}'s values; C{key} is a private key of RSA, EC or Ed25519."""
        chain = tuple(map(crypto.X509.from_cryptography, (leaf, *issuers)))
        return cls(chain, crypto.PKey.from_cryptography_key(key), names_of(leaf))

    @classmethod
    def from_pair(cls, pair: Pair, staple: bytes | None = None) -> CertificateAndKey:
        """Make one of what a file held."""
        return replace(cls.of(pair.leaf, pair.issuers, pair.key), staple=staple, lasting=True)

    def use(self, connection: SSL.Connection) -> None:
        """
        Show it on one connection, without its issuers: OpenSSL knows those by the context alone.

        For certificates that live shortly; a context takes 20 KiB and 0.3 ms.
        """
        connection.use_certificate(self.chain[0])
        connection.use_privatekey(self.key)


class Certificates:
    """
    A frozen choice of certificates.

    An exact name wins over a wildcard, a certificate named earlier over a later one; the first is shown to clients that
    name nobody, or somebody unknown.
    """

    __slots__ = ("_below", "_exact", "all")

    def __init__(self, certificates: Sequence[CertificateAndKey]) -> None:
        self.all = tuple(certificates)
        self._exact: dict[str, CertificateAndKey] = {}
        self._below: dict[str, CertificateAndKey] = {}
        for certificate in self.all:
            for name in certificate.names:
                if name.startswith("*."):
                    self._below.setdefault(name[2:], certificate)
                else:
                    self._exact.setdefault(name, certificate)

    def named(self, server_name: str) -> CertificateAndKey | None:
        """Give the certificate that is good for a name; C{None} if none is."""
        found = self._exact.get(server_name)
        if found is None and self._below:
            # A wildcard is one label (RFC 9525 section 6.3), and not an empty one.
            label, _, rest = server_name.partition(".")
            if label:
                found = self._below.get(rest)
        return found

    def for_name(self, server_name: str) -> CertificateAndKey | None:
        """Give the certificate to show for a name, the first if none fits; C{None} if there is none at all."""
        found = self.named(server_name)
        if found is None and self.all:
            return self.all[0]
        return found


class Shared:
    """
    The certificates of one listener that several sites share.

    A host of a site is answered with that site's certificate, also when another's would fit.
    """

    __slots__ = ("_all", "_below", "_every", "_exact")

    def __init__(self, sites: Sequence[tuple[Sequence[str], Certificates]]) -> None:
        """
        Take the sites in the order of the file.

        @param sites: hosts as in the file (a name, C{*.name} for everything below it, C{*}; none: no host in
            particular), and the site's certificates.
        """
        self._all = Certificates([one for _, site in sites for one in site.all])
        self._exact: dict[str, Certificates] = {}
        self._below: dict[str, Certificates] = {}
        self._every: Certificates | None = None
        for hosts, site in sites:
            for host in hosts:
                if host == "*":
                    self._every = self._every or site
                elif host.startswith("*."):
                    self._below.setdefault(host[2:], site)
                else:
                    self._exact.setdefault(host, site)

    def for_name(self, server_name: str) -> CertificateAndKey | None:
        """Give the certificate to show for a name; C{None} if there is none at all."""
        site = self._exact.get(server_name)
        if site is None and self._below:
            at = server_name.find(".")
            while site is None and at >= 0:
                site = self._below.get(server_name[at + 1 :])
                at = server_name.find(".", at + 1)
        if site is not None:
            return site.for_name(server_name)
        found = self._all.named(server_name)
        if found is not None:
            return found
        return (self._every or self._all).for_name(server_name)

"""
The gateway's own certificates for servers that ask for one: which is shown to whom.

Read when a snapshot is made; nothing is looked up by what a server says. A connection on which one was shown speaks for
the gateway, and how far it may be shared is for those to judge who use it.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.config.certificate_files import read_pair
from gateway.config.faults import BadValue, ConfigError, Fault
from gateway.config.networks import is_address
from gateway.config.sections.tls import TlsClientCertificate
from gateway.net.certificates import CertificateAndKey


class Presented:
    """A frozen choice of certificates by host."""

    __slots__ = ("_below", "_exact")

    def __init__(self, shown: Iterable[TlsClientCertificate] = ()) -> None:
        """
        Read the files.

        @raise ConfigError: one is no good; a key is never quoted.
        """
        self._exact: dict[str, CertificateAndKey] = {}
        self._below: dict[str, CertificateAndKey] = {}
        for index, one in enumerate(shown):
            try:
                made = CertificateAndKey.from_pair(read_pair(one.certificate, one.key))
            except BadValue as bad:
                path = f"tls.client_certificates[{index}].certificate"
                raise ConfigError([Fault(bad.message, path, mend=bad.mend)]) from None
            if one.host.startswith("*."):
                self._below[one.host[2:]] = made
            else:
                self._exact[one.host] = made

    def for_host(self, host: str) -> CertificateAndKey | None:
        """
        Give what is shown to a host, if anything is; an exact name wins, then the longest wildcard.

        @param host: a name in any spelling, or an address.
        """
        if not self._exact and not self._below:
            return None
        name = host.strip("[]").removesuffix(".").lower()
        found = self._exact.get(name)
        if found is None and self._below and not is_address(name):
            at = name.find(".")
            while found is None and at >= 0:
                found = self._below.get(name[at + 1 :])
                at = name.find(".", at + 1)
        return found

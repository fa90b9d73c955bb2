"""
What the configuration says of TLS, put together: which certificates a listener shows, and which hosts are excepted.

A listener is TLS when its own table or one of its sites names a certificate. Files are named here and read elsewhere.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.config.addresses import Listen, ListenTls
from gateway.config.faults import BadValue
from gateway.config.hosts import host_name, site_host
from gateway.config.kind import Kind, kind_name
from gateway.config.kinds.sets import HostsKind
from gateway.config.networks import is_address

if TYPE_CHECKING:
    from gateway.config.schema import Config
    from gateway.config.sections.site import Site


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """
    Where certificates come from.

    @ivar certificate: a PEM file, or a folder of them.
    @ivar key: the file of the key, if it is another one.
    @ivar staple: the OCSP response (DER); empty: the file beside the certificate that ends in C{.ocsp}, if there.
    @ivar hosts: the hosts of the site; none for the certificate of a listener.
    """

    certificate: str
    key: str = ""
    staple: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListenerTls:
    """
    The TLS of a listener.

    @ivar files: its certificates; the first one is shown to clients that name no host, or an unknown one.
    @ivar client_ca: the file of the authorities whose certificates clients show; empty: none is asked for.
    @ivar client_required: a client without one is refused.
    """

    files: tuple[CertificateFiles, ...]
    client_ca: str = ""
    client_required: bool = True


def listener_tls(place: Listen, sites: Sequence[Site] = ()) -> ListenerTls | None:
    """
    Put together what a listener and the sites on it say; C{None}: it is not TLS.

    Of sites that disagree on clients' certificates, which the check of the configuration refuses, the first one counts.
    """
    files = []
    told: ListenTls | Site | None = place.tls
    if place.tls is not None:
        files.append(CertificateFiles(place.tls.certificate, place.tls.key, place.tls.staple))
    for site in sites:
        if site.certificate:
            files.append(CertificateFiles(site.certificate, site.key, site.staple, site.host))
            told = told or site
    if told is None:
        return None
    return ListenerTls(tuple(files), told.client_ca, told.client_certificate == "required")


def uses_tls(config: Config) -> bool:
    """Tell whether anything of a configuration is about TLS; the libraries for it are not imported otherwise."""
    forward = config.forward
    return (
        config.tls != type(config.tls)()
        or any(
            site.certificate
            or site.key
            or site.client_ca
            or site.staple
            or site.verify_host
            or site.hsts.max_age
            or site.hsts.subdomains
            or site.hsts.preload
            or any(place.tls for place in site.listen)
            or any(origin.scheme == "https" for origin in site.origins)
            for site in config.site
        )
        or (
            forward is not None
            and (
                any(place.tls for place in forward.listen)
                or any(parent.scheme == "https" for parent in forward.parent)
            )
        )
    )


def mints_certificates(config: Config) -> bool:
    """Tell whether the gateway shows clients certificates of its own CA; without that it needs no CA."""
    return config.forward is not None and (
        config.tls.decrypt != "none" or config.tls.block_page_over_tls
    )


def verifies_upstreams(config: Config) -> bool:
    """Tell whether some upstream is reached by TLS; whom to trust is not read otherwise."""
    forward = config.forward
    parents = () if forward is None else forward.parent
    return (
        mints_certificates(config)
        or any(parent.scheme == "https" for parent in parents)
        or any(origin.scheme == "https" for site in config.site for origin in site.origins)
    )


def exact_host(text: str) -> str:
    """
    Check the host of an exception: a name or an address, no pattern.

    @raise BadValue: for anything else.
    """
    if "*" in text:
        raise BadValue(f'"{text}" is a pattern', "an exception is for one host")
    return host_name(text)


def presented_host(text: str) -> str:
    """
    Check the host that a client certificate is for: a name, C{*.name} or an address.

    @raise BadValue: for anything else, "*" too: who shows a certificate tells who it is.
    """
    if text == "*":
        raise BadValue('"*" would show the certificate to everybody who asks', "name the servers")
    return site_host(text)


def signed_domain(text: str) -> str:
    """
    Check a domain that the CA is constrained to.

    @raise BadValue: for what is no domain; names below it are included without a star.
    """
    if "*" in text or text.startswith("."):
        raise BadValue(f'"{text}" is a pattern', "a domain holds for all names below it, too")
    name = host_name(text)
    if is_address(name):
        raise BadValue(f'"{text}" is an address', "a CA is constrained to domains")
    return name


def ca_name(text: str) -> str:
    """
    Check what the names of the gateway's CAs begin with.

    @raise BadValue: when it is empty, too long, or holds what cannot be shown.
    """
    if not re.fullmatch(r"[^\x00-\x1f\x7f]{1,55}", text) or not text.strip():
        raise BadValue(f"{text!r} cannot be the name of a CA", "1 to 55 printable characters")
    return text


def verified_host(text: str) -> str:
    """
    Check the name that origins are verified by; empty: the host of the origin.

    @raise BadValue: for what is no host.
    """
    return exact_host(text) if text else ""


def fingerprint(text: str) -> str:
    """
    Check a SHA-256 fingerprint, with or without colons, and give its 64 digits in lower case.

    @raise BadValue: when it is none.
    """
    digits = text.strip().lower().removeprefix("sha256:").replace(":", "")
    if len(digits) == 64 and not digits.strip("0123456789abcdef"):
        return digits
    if not text:
        return ""
    raise BadValue(
        f'"{text}" is no SHA-256 fingerprint',
        "64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256` writes them",
    )


@dataclass(frozen=True, slots=True)
class ListedHostsKind(HostsKind):
    """Host patterns of a list that is to have categories as well."""

    @staticmethod
    def pattern(text: str) -> str:
        """
        Check one pattern.

        @raise BadValue: also for C{@name}: a category needs a plugin that has its list.
        """
        if text.startswith("@"):
            raise BadValue(
                f'"{text}" is a category, whose list a plugin brings; none does so in this version',
                'name the hosts: "bank.example.com", "*.bank.example.com"',
            )
        return HostsKind.pattern(text)


@dataclass(frozen=True, slots=True)
class DayKind(Kind):
    """A day, as a C{datetime.date}."""

    name = "day"

    def read(self, raw: object, place: Any) -> datetime.date:
        """Take a date of TOML, or the same as a string."""
        if isinstance(raw, datetime.date) and not isinstance(raw, datetime.datetime):
            return raw
        if isinstance(raw, str):
            try:
                return datetime.date.fromisoformat(raw)
            except ValueError:
                pass
            raise BadValue(f'"{raw}" is not a day', "year, month and day: 2027-12-31")
        raise BadValue(f"expected a day, found {kind_name(raw)}", "2027-12-31")

    def toml(self, value: Any) -> str:
        """Write a date of TOML."""
        return str(value.isoformat())

"""
What the configuration says of TLS, put together: which certificates a listener shows, and which hosts are excepted.

A listener is TLS when its own table or one of its sites names a certificate. Files are named here and read elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.config.addresses import Listen, ListenTls
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

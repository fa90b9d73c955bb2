"""
What is wrong, and what is probably not meant, in the TLS part of a configuration; certificate files are read for it.

Imported only when something of TLS is configured.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

from gateway.config.addresses import Listen
from gateway.config.certificate_files import (
    Pair,
    covers,
    day,
    is_readable_by_all,
    key_file,
    read_certificates,
    read_pair,
    read_pairs,
    read_revocations,
)
from gateway.config.clash import Clash
from gateway.config.faults import BadValue, Fault, Path
from gateway.config.schema import Config
from gateway.config.sections.site import Site
from gateway.config.tls import CertificateFiles, listener_tls, mints_certificates

#: Days before the end of a certificate from which on it is worth a word.
_SOON = 30
#: What the lists of browsers' makers ask for.
_PRELOAD_SECONDS = 365 * 86400


def clashes(config: Config) -> Iterator[Clash]:
    """List what keeps TLS from working."""
    yield from _policy(config)
    for path, files, authorities in _places(config):
        yield from _files(path, files, authorities)
    yield from _halves(config)
    yield from _shared(config)
    yield from _shown_to_upstreams(config)
    yield from _decryption(config)
    yield from _strict_transport(config)


def cautions(
    config: Config, now: float | None = None, *, with_files: bool = True
) -> Iterator[Fault]:
    """
    List what the person who wrote it should look at again.

    @param now: seconds since 1970; of the clock by default.
    @param with_files: also what is in the files that it names.
    """
    moment = time.time() if now is None else now
    fault = config.sources.fault
    if with_files:
        yield from _listener_cautions(config, moment)
        yield from _shown_cautions(config, moment)
    for index, site in enumerate(config.site):
        if site.verify_host and not any(origin.scheme == "https" for origin in site.origins):
            yield fault(
                ("site", index, "verify_host"), "has no effect: no origin is https", "leave it out"
            )
    yield from _decryption_cautions(config)
    for index, site in enumerate(config.site):
        hsts = site.hsts
        if hsts.preload and not (hsts.subdomains and hsts.max_age >= _PRELOAD_SECONDS):
            yield fault(
                ("site", index, "hsts", "preload"),
                "the lists take nothing that is not for subdomains, too, and for a year",
                'hsts = { max_age = "365d", subdomains = true, preload = true }',
            )
    if config.tls.key_log:
        yield fault(
            ("tls", "key_log"),
            f'whoever reads "{config.tls.key_log}" can read all TLS traffic',
            "take it out after the test",
        )
    for index, exception in enumerate(config.tls.exceptions):
        if exception.until.isoformat() < time.strftime("%Y-%m-%d", time.gmtime(moment)):
            yield fault(
                ("tls", "exceptions", index),
                f"the exception for {exception.host} ended on {exception.until}",
                "leave it out",
            )


def _policy(config: Config) -> Iterator[Clash]:
    tls = config.tls
    if tls.min_version > tls.max_version:
        yield Clash(("tls", "max_version"), f"is below min_version, {tls.min_version}")
    for index, name in enumerate(tls.trust):
        try:
            read_certificates(name)
        except BadValue as error:
            yield Clash(("tls", "trust", index), error.message, error.mend)
    for index, name in enumerate(tls.crl):
        try:
            read_revocations(name)
        except BadValue as error:
            yield Clash(("tls", "crl", index), error.message, error.mend)
    if tls.key_log and not os.path.isdir(os.path.dirname(tls.key_log) or "."):
        yield Clash(("tls", "key_log"), f'the folder of "{tls.key_log}" is not there')
    for index, exception in enumerate(tls.exceptions):
        at = ("tls", "exceptions", index)
        if not (exception.min_version or exception.ciphers or exception.fingerprint):
            yield Clash(at, "excepts nothing", "add min_version, ciphers or fingerprint")
        if exception.min_version > tls.max_version:
            yield Clash((*at, "min_version"), f"is above tls.max_version, {tls.max_version}")
        if not exception.reason.strip():
            yield Clash((*at, "reason"), "is empty", "say why, for those who come after you")


def _places(config: Config) -> Iterator[tuple[Path, CertificateFiles, str]]:
    """Go through all that names a certificate: the path of that setting, the files, and clients' authorities."""
    seen: set[CertificateFiles] = set()
    listeners: list[tuple[Path, Listen]] = []
    if config.forward is not None:
        listeners += [
            (("forward", "listen", index), place)
            for index, place in enumerate(config.forward.listen)
        ]
    for number, site in enumerate(config.site):
        listeners += [
            (("site", number, "listen", index), place) for index, place in enumerate(site.listen)
        ]
    for path, place in listeners:
        if place.tls is None:
            continue
        files = CertificateFiles(place.tls.certificate, place.tls.key, place.tls.staple)
        if files not in seen:  # said once of what sites share
            seen.add(files)
            yield (*path, "tls", "certificate"), files, place.tls.client_ca
    for number, site in enumerate(config.site):
        if site.certificate:
            files = CertificateFiles(site.certificate, site.key, site.staple, site.host)
            yield ("site", number, "certificate"), files, site.client_ca


def _files(path: Path, files: CertificateFiles, authorities: str) -> Iterator[Clash]:
    try:
        read_pairs(files.certificate, files.key)
    except BadValue as error:
        yield Clash(path, error.message, error.mend)
    if files.staple and not os.path.exists(files.staple):
        yield Clash((*path[:-1], "staple"), f'"{files.staple}" is not there')
    if authorities:
        try:
            read_certificates(authorities)
        except BadValue as error:
            yield Clash((*path[:-1], "client_ca"), error.message, error.mend)


def _halves(config: Config) -> Iterator[Clash]:
    """Keys that mean nothing without a certificate."""
    for number, site in enumerate(config.site):
        if site.certificate:
            continue
        for key in ("key", "staple", "client_ca"):
            if getattr(site, key):
                yield Clash(
                    ("site", number, key), "has no effect without certificate", "add certificate"
                )


def _shared(config: Config) -> Iterator[Clash]:
    """A listener is TLS for all of its sites or for none, and asks all clients for a certificate or none."""
    for place, sites in config.reverse_listeners:
        if place.tls is None:
            secured = [site for site in sites if site.certificate]
            for site in sites:
                if secured and not site.certificate:
                    yield Clash(
                        ("site", _number(config, site), "certificate"),
                        f"{place} is TLS for another site, so it is for this one, which has no "
                        "certificate",
                        "name one, or give the site a listener of its own",
                    )
        told: Site | None = None
        for site in sites:
            if not site.certificate:
                continue
            mine = site.client_ca, site.client_certificate
            if place.tls is not None:
                if site.client_ca and mine != (place.tls.client_ca, place.tls.client_certificate):
                    yield _disagreement(config, site, place)
            elif told is None:
                told = site
            elif mine != (told.client_ca, told.client_certificate):
                yield _disagreement(config, site, place)


def _disagreement(config: Config, site: Site, place: Listen) -> Clash:
    # Who is let in by one site could ask for the other's pages on the same connection.
    return Clash(
        ("site", _number(config, site), "client_ca"),
        f"{place} asks its clients for other certificates already",
        "the same for all sites of a listener, or a listener of its own",
    )


def _number(config: Config, site: Site) -> int:
    return next(number for number, one in enumerate(config.site) if one is site)


def _shown_to_upstreams(config: Config) -> Iterator[Clash]:
    seen: dict[str, int] = {}
    for index, shown in enumerate(config.tls.client_certificates):
        at = ("tls", "client_certificates", index)
        if seen.setdefault(shown.host, index) != index:
            yield Clash((*at, "host"), f"{shown.host} stands here twice", "leave one out")
        try:
            read_pair(shown.certificate, shown.key)
        except BadValue as error:
            yield Clash((*at, "certificate"), error.message, error.mend)


def _decryption(config: Config) -> Iterator[Clash]:
    if mints_certificates(config) and config.tls.ca:
        above = os.path.dirname(config.tls.ca.rstrip("/")) or "."
        if not os.path.isdir(above):
            yield Clash(("tls", "ca"), f'the folder "{above}" is not there', "make it")


def _strict_transport(config: Config) -> Iterator[Clash]:
    """The field is for answers over TLS alone (RFC 6797 section 7.2)."""
    for number, site in enumerate(config.site):
        at = ("site", number, "hsts")
        hsts = site.hsts
        if not hsts.max_age:
            for key in ("subdomains", "preload"):
                if getattr(hsts, key):
                    yield Clash((*at, key), "has no effect without max_age", 'max_age = "365d"')
        elif not any(listener_tls(place, sites) for place, sites in _listeners_of(config, site)):
            yield Clash(at, "no listener of this site is TLS", "add certificate")


def _listeners_of(config: Config, site: Site) -> Iterator[tuple[Listen, tuple[Site, ...]]]:
    for place, sites in config.reverse_listeners:
        if any(one is site for one in sites):
            yield place, sites


def _listener_cautions(config: Config, now: float) -> Iterator[Fault]:
    fault = config.sources.fault
    for path, files, _ in _places(config):
        try:
            pairs = read_pairs(files.certificate, files.key)
        except BadValue:
            continue  # changed since the check
        for pair in pairs:
            key = key_file(pair.path, files.key)
            if is_readable_by_all(key):
                yield fault(
                    path,
                    f'everybody on this machine can read the key in "{key}"',
                    f"chmod o= {key}",
                )
            text = _time(pair, now, "clients")
            if text:
                yield fault(path, text, "have it renewed")
        bare = _uncovered(pairs, files.hosts)
        if bare:
            names = ", ".join(pairs[0].names) or "no name at all"
            held = names if len(pairs) == 1 else f"{len(pairs)} certificates"
            yield fault(
                path,
                f"clients will refuse it for {', '.join(bare)}: it is for {held}",
                "check host",
            )


def _shown_cautions(config: Config, now: float) -> Iterator[Fault]:
    fault = config.sources.fault
    for index, shown in enumerate(config.tls.client_certificates):
        at = ("tls", "client_certificates", index, "certificate")
        try:
            pair = read_pair(shown.certificate, shown.key)
        except BadValue:
            continue  # changed since the check
        key = key_file(pair.path, shown.key)
        if is_readable_by_all(key):
            yield fault(
                at, f'everybody on this machine can read the key in "{key}"', f"chmod o= {key}"
            )
        text = _time(pair, now, "servers")
        if text:
            yield fault(at, text, "have it renewed")


def _decryption_cautions(config: Config) -> Iterator[Fault]:
    fault, tls = config.sources.fault, config.tls
    decrypts = tls.decrypt != "none"
    if config.forward is None:
        for key, said in (
            ("decrypt", decrypts),
            ("block_page_over_tls", tls.block_page_over_tls),
        ):
            if said:
                yield fault(
                    ("tls", key), "has no effect: there is no forward proxy", "add [forward]"
                )
        return
    for key in ("never_decrypt", "pinned_bypass"):
        if getattr(tls, key) and not decrypts:
            yield fault(
                ("tls", key),
                "has no effect: nothing is decrypted",
                'decrypt = "rules" or "all", or leave it out',
            )
    if tls.decrypt_hosts and tls.decrypt != "rules":
        what = "everything" if decrypts else "nothing"
        yield fault(
            ("tls", "decrypt_hosts"),
            f"has no effect: {what} is decrypted",
            'decrypt = "rules", or leave it out',
        )
    if mints_certificates(config) and not tls.ca and not config.gateway.state:
        yield fault(
            ("tls", "ca"),
            "the CA is kept in the folder that systemd gives (StateDirectory=); without one the "
            "gateway does not start",
            'ca = "/var/lib/gateway/ca"',
        )


def _time(pair: Pair, now: float, who: str) -> str:
    left = pair.days_left(now)
    until = day(pair.leaf.not_valid_after_utc)
    if left < 0:
        return f'"{pair.path}" expired on {until}: {who} will refuse it'
    if pair.leaf.not_valid_before_utc.timestamp() > now:
        return f'"{pair.path}" is not valid before {day(pair.leaf.not_valid_before_utc)}'
    return f'"{pair.path}" expires on {until}' if left <= _SOON else ""


def _uncovered(pairs: Sequence[Pair], hosts: Sequence[str]) -> list[str]:
    """List the hosts that no certificate is good for; C{*} says nothing of names."""
    return [
        host
        for host in hosts
        if host != "*" and not any(covers(pair.names, host) for pair in pairs)
    ]

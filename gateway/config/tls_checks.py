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
    read_pairs,
    read_revocations,
)
from gateway.config.checks import Clash
from gateway.config.faults import BadValue, Fault, Path
from gateway.config.schema import Config, Site
from gateway.config.tls import CertificateFiles

#: Days before the end of a certificate from which on it is worth a word.
_SOON = 30


def clashes(config: Config) -> Iterator[Clash]:
    """List what keeps TLS from working."""
    yield from _policy(config)
    for path, files, authorities in _places(config):
        yield from _files(path, files, authorities)
    yield from _halves(config)
    yield from _shared(config)


def cautions(config: Config, now: float | None = None) -> Iterator[Fault]:
    """List what the person who wrote it should look at again; C{now} in seconds since 1970, of the clock by default."""
    moment = time.time() if now is None else now
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
            text = _time(pair, moment)
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
    for index, site in enumerate(config.site):
        if site.verify_host and not any(origin.scheme == "https" for origin in site.origins):
            yield fault(
                ("site", index, "verify_host"), "has no effect: no origin is https", "leave it out"
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


def _time(pair: Pair, now: float) -> str:
    left = pair.days_left(now)
    until = day(pair.leaf.not_valid_after_utc)
    if left < 0:
        return f'"{pair.path}" expired on {until}: clients will refuse it'
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

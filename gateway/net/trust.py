"""
Whom the gateway trusts: the certificates, revocation lists and exceptions that the configuration names, read from disk.

Everything is read when a snapshot is built and nothing afterwards; nothing is ever fetched. What connections are judged
with is L{gateway.net.verify.TrustStore}, which is made of this.
"""

from __future__ import annotations

import datetime
import os
import re
import ssl
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from twisted.logger import Logger

#: Where systems keep the file with all their roots; the first one that is there is taken.
SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
#: What is read of a folder.
FOLDER_ENDINGS = (".pem", ".crt", ".cer")
MAX_FILE_BYTES = 256 * 1024 * 1024

_BLOCK = re.compile(
    rb"-----BEGIN (CERTIFICATE|X509 CRL)-----[A-Za-z0-9+/=\s]+?-----END \1-----", re.ASCII
)
_log = Logger()
_T = TypeVar("_T")


class TrustError(Exception):
    """What is to be trusted can't be read; the text says which file, and what to do."""


@dataclass(frozen=True, slots=True)
class CertificateException:
    """
    One certificate that is accepted for one host although something is wrong with it, until a day.

    @ivar host: a name in lower case or an address; no pattern.
    @ivar fingerprint: SHA-256 of the certificate.
    @ivar until: the last day (UTC) it holds.
    @ivar reason: why, in the operator's words.
    """

    host: str
    fingerprint: bytes
    until: datetime.date
    reason: str


@dataclass(frozen=True, slots=True)
class Trust:
    """
    What was read.

    @ivar roots: whose word counts.
    @ivar revocations: lists of revoked certificates; certificates of an issuer with a list are looked up in it, those of
        others are not.
    """

    roots: tuple[x509.Certificate, ...]
    revocations: tuple[x509.CertificateRevocationList, ...] = ()


def read_fingerprint(text: str) -> bytes:
    """
    Read a SHA-256 fingerprint, in hexadecimal digits, with or without colons.

    @raise ValueError: it is none.
    """
    digits = text.strip().removeprefix("sha256:").replace(":", "")
    if not re.fullmatch("[0-9A-Fa-f]{64}", digits):
        raise ValueError("a SHA-256 fingerprint has 64 hexadecimal digits")
    return bytes.fromhex(digits)


def system_store() -> Path:
    """
    Find the file with the system's roots; C{SSL_CERT_FILE} in the environment comes first.

    @raise TrustError: there is none.
    """
    named = os.environ.get("SSL_CERT_FILE")
    if named:
        return Path(named)
    for place in (*SYSTEM_FILES, ssl.get_default_verify_paths().openssl_cafile):
        if os.path.isfile(place):
            return Path(place)
    raise TrustError(
        "the system has no file of trusted certificates; looked for "
        f"{', '.join(SYSTEM_FILES)} (install the package ca-certificates, or set SSL_CERT_FILE)"
    )


def load_trust(
    more: Sequence[Path] = (),
    revocations: Sequence[Path] = (),
    *,
    system: Path | None,
) -> Trust:
    """
    Read everything.

    @param more: files and folders with certificates, PEM or DER; several in a file. One that can't be read is an error.
    @param revocations: files and folders with revocation lists, PEM or DER.
    @param system: the system's roots, see L{system_store}; C{None} to trust I{more} alone. A certificate in it that can't
        be read is left out, for its file is not the operator's.
    @raise TrustError: with a sentence for people.
    """
    roots: dict[x509.Certificate, None] = {}
    if system is not None:
        roots.update(dict.fromkeys(_system_roots(system)))
    for path in more:
        roots.update(dict.fromkeys(_read(path, "certificate", _certificates)))
    if not roots:
        raise TrustError("no certificate is trusted, so no upstream could be verified")
    lists = [one for path in revocations for one in _read(path, "revocation list", _lists)]
    return Trust(tuple(roots), tuple(lists))


def _system_roots(path: Path) -> tuple[x509.Certificate, ...]:
    found, bad = _parsed(_content(path))
    if bad:
        _log.warn("{count} certificates of {path} can't be read", count=bad, path=str(path))
    if not found:
        raise TrustError(f"{path}: no certificate in the system's file of trusted certificates")
    return found


@lru_cache(maxsize=1)
def _parsed(content: bytes) -> tuple[tuple[x509.Certificate, ...], int]:
    """Read the system's certificates, and count what can't be read; at a reload they are nearly always the same."""
    found, bad = [], 0
    with warnings.catch_warnings():
        # Old roots have serial numbers that are forbidden now; that is their authorities' affair.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for block in _blocks(content, b"CERTIFICATE"):
            try:
                found.append(x509.load_pem_x509_certificate(block))
            except ValueError:
                bad += 1
    return tuple(found), bad


def _read(path: Path, what: str, parse: Callable[[bytes], list[_T]]) -> Iterable[_T]:
    """Read a file, or the files of a folder, and insist that there is something in each file that was named."""
    files = [path]
    if path.is_dir():
        endings = (*FOLDER_ENDINGS, ".crl") if what != "certificate" else FOLDER_ENDINGS
        files = sorted(one for one in path.iterdir() if one.suffix in endings)
        if not files:
            raise TrustError(f"{path}: no file with one of the endings {', '.join(endings)}")
    for file in files:
        try:
            found = parse(_content(file))
        except ValueError as error:
            raise TrustError(f"{file}: a {what} in it can't be read") from error
        if not found:
            raise TrustError(f"{file}: no {what} in it")
        yield from found


def _certificates(content: bytes) -> list[x509.Certificate]:
    if b"-----BEGIN " not in content:
        return [x509.load_der_x509_certificate(content)]
    return [x509.load_pem_x509_certificate(block) for block in _blocks(content, b"CERTIFICATE")]


def _lists(content: bytes) -> list[x509.CertificateRevocationList]:
    if b"-----BEGIN " not in content:
        return [x509.load_der_x509_crl(content)]
    return [x509.load_pem_x509_crl(block) for block in _blocks(content, b"X509 CRL")]


def _blocks(content: bytes, label: bytes) -> Iterable[bytes]:
    return (match.group() for match in _BLOCK.finditer(content) if match.group(1) == label)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror or 'can not be read'}") from error
    if len(content) > MAX_FILE_BYTES:
        raise TrustError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    return content

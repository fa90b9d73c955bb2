"""
Certificates and keys as they lie in files: PEM (RFC 7468) in, checked values or one fault out.

Read here so that C{gateway check} finds what a start would find. Nothing is known of OpenSSL's contexts, nor of who
shows a certificate to whom. C{cryptography} is imported only when a certificate is configured.
"""

from __future__ import annotations

import datetime
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from gateway.config.faults import BadValue

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    ServerKey: TypeAlias = (
        rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    )

#: What a file of certificates may hold; a whole system store has 200 KiB.
MAX_FILE_BYTES = 2 * 1024 * 1024
#: Lists of revoked certificates are longer.
MAX_LIST_BYTES = 256 * 1024 * 1024
#: Certificates in a folder.
MAX_FILES = 2_000
#: RSA keys below this are refused by OpenSSL's security level 2 (NIST SP 800-57: 112 bits).
MIN_RSA_BITS = 2048

_SUFFIXES = (".pem", ".crt")
_WEAK_DIGESTS = ("md5", "sha1")


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """
    A server's certificate with its key.

    @ivar path: the file that the certificate stands in.
    @ivar leaf: the server's own certificate.
    @ivar issuers: what follows it in the file, to be sent along.
    @ivar names: the DNS names and IP addresses that it is for, in lower case.
    """

    path: str
    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...]
    key: ServerKey
    names: tuple[str, ...]

    def days_left(self, now: float) -> float:
        """Give the days until it expires, negative afterwards; C{now} in seconds since 1970."""
        return (self.leaf.not_valid_after_utc.timestamp() - now) / 86400


def read_pair(path: str, key_path: str = "") -> Pair:
    """
    Read a certificate, the issuers that follow it, and its key.

    @param key_path: the file of the key; empty: it stands with the certificate, or in a file of the same name that ends
        in C{.key}.
    @raise BadValue: when a file can't be read or holds something else, or the key is not the certificate's.
    """
    content = _read(path)
    leaf, *issuers = _certificates(path, content)
    key_content = content
    if key_path:
        key_content = _read(key_path)
    elif b"PRIVATE KEY-----" not in content:
        key_path = os.path.splitext(path)[0] + ".key"
        if not os.path.exists(key_path):
            raise BadValue(
                f'"{path}" holds no private key', "add it to the file, or name its file with key"
            )
        key_content = _read(key_path)
    key = _key(key_path or path, key_content)
    if not _belong(leaf, key):
        if any(_belong(other, key) for other in issuers):
            raise BadValue(
                f'"{path}" does not begin with the certificate of its key',
                "the server's own certificate first, its issuers after it",
            )
        raise BadValue(f'the key in "{key_path or path}" does not belong to "{path}"')
    _check_strength(path, leaf, key)
    return Pair(path, leaf, tuple(issuers), key, names_of(leaf))


def read_certificates(path: str) -> tuple[x509.Certificate, ...]:
    """
    Read one or more certificates, such as the authorities that clients' certificates come from.

    @raise BadValue: when the file can't be read or holds none.
    """
    return tuple(_certificates(path, _read(path)))


def read_revocations(path: str) -> tuple[x509.CertificateRevocationList, ...]:
    """
    Read one or more lists of revoked certificates (PEM), or a single one (DER).

    @raise BadValue: when the file can't be read or holds none.
    """
    from cryptography import x509

    content = _read(path, MAX_LIST_BYTES)
    mark = b"-----BEGIN X509 CRL-----"
    try:
        if mark not in content:
            return (x509.load_der_x509_crl(content),)
        blocks = content.split(mark)[1:]
        return tuple(x509.load_pem_x509_crl(mark + block) for block in blocks)
    except ValueError:
        raise BadValue(f'"{path}" holds no list of revoked certificates') from None


def certificate_paths(path: str) -> tuple[str, ...]:
    """
    Give the file itself, or the certificate files of a folder in the order of their names.

    @raise BadValue: when there is nothing, an empty folder, or one with too many files.
    """
    try:
        if not os.path.isdir(path):
            os.stat(path)
            return (path,)
        found = sorted(
            os.path.join(path, name)
            for name in os.listdir(path)
            if name.endswith(_SUFFIXES) and not name.startswith(".")
        )
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if not found:
        raise BadValue(f'"{path}" holds no file that ends in .pem or .crt')
    if len(found) > MAX_FILES:
        raise BadValue(f'"{path}" holds {len(found)} certificates, more than {MAX_FILES}')
    return tuple(found)


def read_pairs(path: str, key_path: str = "") -> tuple[Pair, ...]:
    """
    Read a file, or every certificate of a folder.

    @raise BadValue: for the first fault.
    """
    paths = certificate_paths(path)
    if key_path and os.path.isdir(path):
        raise BadValue(
            f'"{path}" is a folder: it has no single key', "leave key out; NAME.key goes with NAME"
        )
    return tuple(read_pair(one, key_path) for one in paths)


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give the DNS names and addresses of a certificate; the common name counts for nothing (RFC 9525 section 2)."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    dns = [name.lower().removesuffix(".") for name in names.get_values_for_type(x509.DNSName)]
    return (*dns, *map(str, names.get_values_for_type(x509.IPAddress)))


def covers(names: tuple[str, ...], host: str) -> bool:
    """
    Tell whether a certificate with these names is good for a host.

    A wildcard stands for one whole label (RFC 9525 section 6.3). A host C{*.example.com} is covered by that very wildcard.
    """
    if host in names:
        return True
    label, dot, rest = host.partition(".")
    return bool(dot and label) and label != "*" and f"*.{rest}" in names


def is_expired(pair: Pair, now: float) -> bool:
    """Tell whether the time of a certificate is over; C{now} in seconds since 1970."""
    return pair.days_left(now) < 0


def is_readable_by_all(path: str) -> bool:
    """Tell whether everybody on this machine can read a file; what is not there nobody can."""
    try:
        return bool(os.stat(path).st_mode & stat.S_IROTH)
    except (OSError, ValueError):
        return False


def key_file(path: str, key_path: str = "") -> str:
    """Name the file in which L{read_pair} finds the key."""
    if key_path:
        return key_path
    beside = os.path.splitext(path)[0] + ".key"
    try:
        inside = b"PRIVATE KEY-----" in _read(path)
    except BadValue:
        return path
    return path if inside or not os.path.exists(beside) else beside


def day(moment: datetime.datetime) -> str:
    """Write a date for people."""
    return moment.strftime("%Y-%m-%d")


def _read(path: str, most: int = MAX_FILE_BYTES) -> bytes:
    try:
        with open(path, "rb") as stream:
            content = stream.read(most + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if len(content) > most:
        raise BadValue(f'"{path}" is larger than a file of certificates can be')
    return content


def _unreadable(path: str, error: Exception) -> BadValue:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return BadValue(f'cannot read "{path}": {reason}')


def _certificates(path: str, content: bytes) -> list[x509.Certificate]:
    from cryptography import x509

    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise BadValue(
            f'"{path}" holds no certificate in PEM form',
            'one that begins with "-----BEGIN CERTIFICATE-----"',
        )
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise BadValue(f'"{path}" holds a damaged certificate') from None


def _key(path: str, content: bytes) -> ServerKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    start = content.find(b"-----BEGIN ")
    while start >= 0:
        line = content[start : content.find(b"\n", start)].rstrip()
        if line.endswith(b"PRIVATE KEY-----"):
            break
        start = content.find(b"-----BEGIN ", start + 1)
    else:
        raise BadValue(f'"{path}" holds no private key in PEM form')
    # The library wants one block alone; what follows the key in its file is no part of it.
    end = content.find(b"-----END ", start)
    end = content.find(b"\n", end) if end >= 0 else -1
    block = content[start : end if end >= 0 else len(content)] + b"\n"
    try:
        key = serialization.load_pem_private_key(block, None)
    except TypeError:
        raise BadValue(
            f'the key in "{path}" is locked with a password', "keep it without one, mode 0600"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        # The library's words may quote the content.
        raise BadValue(f'"{path}" holds a damaged private key') from None
    if not isinstance(
        key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
    ):
        raise BadValue(f'the key in "{path}" is of a kind not used for TLS', "RSA, EC or Ed25519")
    return key


def _belong(certificate: x509.Certificate, key: ServerKey) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False


def _check_strength(path: str, leaf: x509.Certificate, key: ServerKey) -> None:
    """Refuse what OpenSSL would refuse to show, in words of ours."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < MIN_RSA_BITS:
        raise BadValue(
            f'"{path}" has an RSA key of {key.key_size} bits', f"at least {MIN_RSA_BITS}"
        )
    digest = leaf.signature_hash_algorithm
    if digest is not None and digest.name in _WEAK_DIGESTS:
        raise BadValue(f'"{path}" is signed with {digest.name.upper()}', "SHA-256 or better")

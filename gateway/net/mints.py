"""
The cache of leaves, ready for a connection, and the leaves that nobody is to trust.

One key serves all leaves of a process: making one costs as much as a signature, and who has the process has them all. It
is kept in memory alone, and so are the leaves: they are made again within a tenth of a millisecond or two, so there is no
file that could be damaged or stolen.

An entry weighs 5.9 KiB (6,000 bytes), 5.4 of which are OpenSSL's reading of the certificate, so 10,000 of them hold 57 MiB;
C{python -m benchmarks.minting} measures it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import crypto

from gateway.net.authority import Authority, Generation
from gateway.net.ca_generation import CaProfile, generation, make_root
from gateway.net.certificates import CertificateAndKey
from gateway.net.mint import MAX_NAMES, Mirrored, Stamp, canonical_name

SIZE = 10_000

#: Of what is left of a leaf's time, the last part in which it is made anew instead of shown.
_LAST_PART = 10
_UNTRUSTED = b"untrusted"


@dataclass(slots=True)
class _Entry:
    shown: CertificateAndKey
    issuer: Generation
    good_until: datetime


class Mints:
    """
    Leaves by what the origin has shown and the name that was asked for; the least used give way.

    Not for more than one thread.

    @ivar hits: leaves that were there.
    @ivar misses: leaves that had to be made, those that ran out or whose issuer has been followed by another included.
    @ivar evicted: leaves that gave way.
    """

    __slots__ = (
        "_authority",
        "_entries",
        "_size",
        "_stamps",
        "_stranger",
        "evicted",
        "hits",
        "misses",
    )

    def __init__(self, authority: Authority, size: int = SIZE) -> None:
        """
        Make an empty one; the CA is asked for, and made if need be, with the first leaf.

        @param size: leaves kept, at least one.
        """
        if size < 1:
            raise ValueError("a cache of no leaves is none")
        self.hits = self.misses = self.evicted = 0
        self._authority = authority
        self._size = size
        self._entries: OrderedDict[tuple[bytes, str], _Entry] = OrderedDict()
        # One for each generation that has signed, and one for the stranger.
        self._stamps: dict[bytes, Stamp] = {}
        self._stranger: Generation | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def issuers(self) -> tuple[x509.Certificate, ...]:
        """
        Give what has to be sent behind each leaf; empty with a root as the gateway makes it.

        pyOpenSSL takes them for a whole context only: C{Context.add_extra_chain_cert}.

        @raise gateway.net.authority.AuthorityError: there is no CA that may sign.
        """
        return self._authority.signer().shown

    def leaf(
        self, upstream_fingerprint: bytes, server_name: str, mirrored: Mirrored | None
    ) -> CertificateAndKey:
        """
        Give the leaf for an origin whose certificate was accepted.

        Never call it with what was not: L{untrusted} is for that. Ask L{known} first where reading the certificate can be
        spared.

        @param upstream_fingerprint: SHA-256 of the origin's certificate; empty if none was shown.
        @param server_name: the name or address that the client asked for.
        @param mirrored: what the certificate says; C{None} if none was shown.
        @raise gateway.net.mint.NotMinted: the certificate doesn't cover the name, is past its end, or the CA may not
            sign for it.
        @raise gateway.net.authority.AuthorityError: there is no CA that may sign.
        @raise ValueError: a fingerprint without what the certificate says, or the other way round.
        """
        if (mirrored is None) == bool(upstream_fingerprint):
            # One leaf would stand for certificates that nobody has compared.
            raise ValueError("fingerprint and certificate belong together")
        # Whoever is excused gets another leaf than whoever is not, from the same certificate.
        kind = upstream_fingerprint
        if mirrored is not None and mirrored.excused:
            kind = b"!" + upstream_fingerprint
        now = self._authority.now()
        issuer = self._authority.signer(now)
        return self._leaf(kind, server_name, issuer, mirrored, now)

    def known(self, upstream_fingerprint: bytes, server_name: str) -> CertificateAndKey | None:
        """
        Give the leaf for an origin whose certificate was accepted without an excuse, if it is there.

        @param server_name: in its canonical spelling; another one finds nothing.
        @raise gateway.net.authority.AuthorityError: there is no CA that may sign.
        """
        now = self._authority.now()
        return self._kept((upstream_fingerprint, server_name), self._authority.signer(now), now)

    def untrusted(self, server_name: str) -> CertificateAndKey:
        """
        Give a leaf that no client trusts, for a page over TLS that says why the origin was refused.

        Its issuer lives as long as the process and is written nowhere; the gateway's CA has no part in it.
        """
        now = self._authority.now()
        if self._stranger is None or self._stranger.expires <= now:
            self._stranger = _stranger(now)
        return self._leaf(_UNTRUSTED, server_name, self._stranger, None, now)

    def _kept(
        self, key: tuple[bytes, str], issuer: Generation, now: datetime
    ) -> CertificateAndKey | None:
        entry = self._entries.get(key)
        if entry is None or entry.issuer is not issuer or now >= entry.good_until:
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry.shown

    def _leaf(
        self,
        kind: bytes,
        server_name: str,
        issuer: Generation,
        mirrored: Mirrored | None,
        now: datetime,
    ) -> CertificateAndKey:
        # Nearly all names come in the canonical spelling: it is looked into only if that leads nowhere.
        found = self._kept((kind, server_name), issuer, now)
        if found is not None:
            return found
        key = (kind, canonical_name(server_name))
        if key[1] != server_name and (found := self._kept(key, issuer, now)) is not None:
            return found
        self.misses += 1
        self._entries.pop(key, None)
        stamp = self._stamps.get(issuer.fingerprint)
        if stamp is None:
            stamp = self._stamps[issuer.fingerprint] = Stamp(issuer, _leaf_key().public_key())
        leaf = stamp.mint(key[1], mirrored, now)
        names = key[1:] if mirrored is None else (key[1], *mirrored.names[:MAX_NAMES])
        shown = CertificateAndKey((crypto.X509.from_cryptography(leaf),), _shown_key(), names)
        left = leaf.not_valid_after_utc - now
        entry = _Entry(shown, issuer, now + left - left / _LAST_PART)
        self._entries[key] = entry
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
            self.evicted += 1
        return shown


@cache
def _leaf_key() -> ec.EllipticCurvePrivateKey:
    """Make the process's key of leaves, once."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def _shown_key() -> crypto.PKey:
    return crypto.PKey.from_cryptography_key(_leaf_key())


def _stranger(now: datetime) -> Generation:
    """Make an issuer that nobody knows."""
    profile = CaProfile("Not trusted - the gateway refused this site")
    made = make_root(profile, now, timedelta(days=7))
    return generation(now, made, Path())

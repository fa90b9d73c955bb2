"""
The verification of upstreams: who a server is, before one byte of a request is sent to it (RFC 5280, RFC 9525).

OpenSSL builds the chain and checks signatures, times, purposes, path lengths, name constraints and revocation lists. What
it finds wrong is written down rather than obeyed at once, so that all of it is known and the most telling is told. When
the server's own certificate was reached, its names, keys and signatures are judged here, and the handshake ends with an
alert unless all is well: neither our Finished nor a client certificate goes to a server that is not believed.

One context serves all connections: its callbacks find the L{ClientSide} of theirs by C{Connection.get_app_data}.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from OpenSSL import SSL, crypto
from twisted.logger import Logger

from gateway.net.certificate_checks import (
    has_weak_key,
    has_weak_signature,
    is_address,
    is_for_host,
    some_names,
    wants_staple,
)
from gateway.net.openssl_codes import FORGIVEN, NO_LIST, WORDS, say
from gateway.net.staple import BadStaple, read_staple
from gateway.net.tls_faults import TlsFault, handshake_fault, most_telling
from gateway.net.trust import CertificateException, Trust

#: Certificates in a chain; the web has four.
MAX_DEPTH = 10
#: Certificates that were found to be good for a host, remembered: as many as there may be sessions to be resumed.
REMEMBERED = 8192


@dataclass(frozen=True, slots=True)
class _Good:
    """What is remembered of a certificate that is good for a host."""

    above: tuple[bytes, ...]
    until: datetime.datetime
    wants_staple: bool


@lru_cache(maxsize=512)
def _for_openssl(certificate: x509.Certificate) -> crypto.X509:
    """Give it as OpenSSL has it; a reload nearly always has the same roots."""
    return crypto.X509.from_cryptography(certificate)


class TrustStore:
    """
    Whom a snapshot trusts; immutable but for what it remembers of good certificates.

    TLS sessions may be resumed with contexts of the store that they were made with, never with another's.
    """

    def __init__(
        self,
        trust: Trust,
        exceptions: Iterable[CertificateException] = (),
        *,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
        remembered: int = REMEMBERED,
    ) -> None:
        """
        Prepare what was read.

        @param now: the time in UTC, for exceptions and staples; certificates and lists are judged by OpenSSL's own clock.
        @param remembered: how many good certificates to remember, each for one host.
        """
        self.now = now
        self._bound = remembered
        self._roots = list(map(_for_openssl, trust.roots))
        self._lists = trust.revocations
        self._listed = frozenset(one.issuer.public_bytes() for one in trust.revocations)
        self._exceptions: dict[str, list[CertificateException]] = {}
        for exception in exceptions:
            self._exceptions.setdefault(exception.host, []).append(exception)
        self._good: dict[tuple[str, bytes], _Good] = {}

    def install(self, context: SSL.Context) -> None:
        """Make all connections of a context, which has none yet, verified; costs milliseconds, so once per context."""
        store = context.get_cert_store()
        assert store is not None
        for root in self._roots:
            store.add_cert(root)
        flags = crypto.X509StoreFlags.X509_STRICT
        if self._lists:
            flags |= crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL
            for one in self._lists:
                store.add_crl(one)
        store.set_flags(flags)
        context.set_verify_depth(MAX_DEPTH)
        context.set_verify(SSL.VERIFY_PEER, _judge_certificate)
        context.set_ocsp_client_callback(_judge_staple)

    def cautions(self) -> list[str]:
        """Say what will refuse certificates soon or does already: lists that are out of date, exceptions that ran out."""
        now = self.now()
        found = [
            f"the revocation list of {one.issuer.rfc4514_string()!r} is out of date since "
            f"{one.next_update_utc:%Y-%m-%d}: certificates of this issuer are refused"
            for one in self._lists
            if one.next_update_utc is not None and one.next_update_utc < now
        ]
        found += [
            f"the exception for the certificate of {one.host} ran out on {one.until}"
            for several in self._exceptions.values()
            for one in several
            if one.until < now.date()
        ]
        return found

    def has_list_of(self, certificate: crypto.X509) -> bool:
        """Tell whether there is a revocation list by the issuer of this certificate."""
        return bool(self._listed) and certificate.get_issuer().der() in self._listed

    def exceptions_for(self, host: str) -> list[CertificateException]:
        """Give those for a host, also those that ran out."""
        return self._exceptions.get(host, [])

    def remembered(self, host: str, leaf: bytes) -> _Good | None:
        """Give what is known of a certificate for a host; whoever is asked for stays longer."""
        memory = self._good
        good = memory.pop((host, leaf), None)
        if good is not None:
            memory[host, leaf] = good
        return good

    def remember(self, host: str, leaf: bytes, good: _Good) -> None:
        """Remember that a certificate is good for a host."""
        memory = self._good
        if len(memory) >= self._bound and (host, leaf) not in memory:
            # The one that was not asked for for longest; whoever comes back is judged anew.
            del memory[next(iter(memory))]
        memory[host, leaf] = good


class ClientSide:
    """
    Our side of one connection to an upstream: whom it should be, and what was found.

    @ivar host: a name in lower case, or an address.
    @ivar faults: all that is wrong with the server's certificates, as far as OpenSSL went.
    @ivar fault: why there is no connection, if that is so.
    @ivar excepted: the exception that made the connection possible although there are C{faults}.
    @ivar fingerprint: the SHA-256 of the server's certificate, when that was judged.
    @ivar keeps: what was read of the certificate is kept until L{take_read}; else no longer than the handshake, for it
        is several times as large as all the rest.
    """

    __slots__ = (
        "_chain",
        "_finished",
        "_good",
        "_judged",
        "_read",
        "_stapled",
        "excepted",
        "fault",
        "faults",
        "fingerprint",
        "host",
        "keeps",
        "store",
    )

    def __init__(self, store: TrustStore, host: str) -> None:
        """
        Say whom to expect.

        @param store: the one that is installed in the connection's context.
        """
        self.store = store
        self.host = host.strip("[]").removesuffix(".").lower()
        self.faults: list[TlsFault] = []
        self.fault: TlsFault | None = None
        self.excepted: CertificateException | None = None
        # From the root down, as OpenSSL goes.
        self._chain: list[crypto.X509] = []
        self.fingerprint = b""
        self.keeps = False
        self._read: x509.Certificate | None = None
        self._good: _Good | None = None
        self._judged = False
        self._stapled = False
        self._finished = False

    def attach(self, connection: SSL.Connection) -> None:
        """Bind to a connection, before its handshake: server name (RFC 6066 section 3), staple, callbacks."""
        connection.set_app_data(self)
        if not is_address(self.host):
            connection.set_tlsext_host_name(self.host.encode("ascii"))
        connection.request_ocsp()

    def finish(self, connection: SSL.Connection) -> TlsFault | None:
        """
        Judge the finished handshake, once.

        @return: why nothing may be sent.
        """
        self._finished = True
        if self.fault is None:
            if not self._judged:
                self.fault = self._resumed(connection)
            else:
                # Again, in case nobody asked for a staple.
                self._demand_staple()
                if self._decide() and self._good is not None and not self.faults:
                    self.store.remember(self.host, self.fingerprint, self._good)
        # The certificates stand in OpenSSL's session as well.
        self._chain.clear()
        if not self.keeps:
            self._read = None
        return self.fault

    def take_read(self) -> x509.Certificate | None:
        """Give the server's certificate, once; C{None} if it did not have to be read."""
        read, self._read = self._read, None
        return read

    def failed(self, connection: SSL.Connection, reason: str) -> TlsFault:
        """
        Say what a handshake that did not come to its end means.

        @param reason: OpenSSL's; empty if the upstream just went.
        """
        self._finished = True
        self._chain.clear()
        self._read = None
        if self.fault is None:
            self.fault = handshake_fault(self.host, reason, shown=self._judged)
        return self.fault

    # What the callbacks call.

    def take_certificate(self, certificate: crypto.X509, code: int, depth: int, ok: int) -> bool:
        """
        Take what OpenSSL says of one certificate: first errors of the chain, then each certificate from the root down.

        @return: whether it shall go on.
        """
        if self._finished:
            # Another certificate on the same connection: renegotiation, which nobody asked for.
            return False
        if ok:
            self._chain.append(certificate)
            if depth:
                return True
            self._judged = True
            self._judge(certificate)
            return self._decide()
        if code in FORGIVEN:
            return True
        if code == NO_LIST and not self.store.has_list_of(certificate):
            return True
        self._add(*say(code, depth, certificate))
        # What comes after the server's own certificate comes last: name constraints.
        return self._decide() if self._judged else True

    def take_staple(self, data: bytes) -> bool:
        """
        Take the stapled OCSP response, empty if there is none.

        @return: whether the handshake shall go on.
        """
        if not self._judged:
            # A resumed session has neither certificates nor a staple.
            return True
        if data and len(self._chain) > 1:
            self._read_staple(data)
        self._demand_staple()
        return self._decide()

    # Within.

    def _judge(self, leaf: crypto.X509) -> None:
        """Judge what OpenSSL does not, or take what is remembered of it."""
        # What is trusted is not judged: nobody has to believe a root's signature.
        below_root = self._chain[1:] if len(self._chain) > 1 else self._chain
        ders = list(map(_der, below_root))
        *digests, self.fingerprint = map(_digest, ders)
        above = tuple(digests)
        good = self.store.remembered(self.host, self.fingerprint)
        if good is not None and good.above == above:
            self._good = good
            return
        try:
            read = list(map(x509.load_der_x509_certificate, ders))
            own = self._read = read[-1]
            if len(self._chain) > 1 and any(map(has_weak_signature, read)):
                self._add("weak_signature", WORDS["weak_signature"])
            if any(map(has_weak_key, read)):
                self._add("weak_key", WORDS["weak_key"])
            if not is_for_host(own, self.host):
                names = some_names(own)
                self._add("wrong_host", f"is for {names}" if names else "names no host")
            self._good = _Good(above, own.not_valid_after_utc, wants_staple(own))
        except _UNREADABLE:
            self._add("bad_certificate", "has contents that can't be read")

    def _read_staple(self, data: bytes) -> None:
        leaf = self._chain[-1].to_cryptography()
        issuer = self._chain[-2].to_cryptography()
        try:
            statement = read_staple(data, leaf, issuer, self.store.now())
        except BadStaple as bad:
            self._add("revocation_unknown", f"has a stapled OCSP response that {bad}")
            return
        if statement is None:
            return
        self._stapled = True
        if statement.revoked is not None:
            day = f"{statement.revoked:%Y-%m-%d}"
            self._add("revoked", f"was revoked on {day}, says its stapled response")

    def _demand_staple(self) -> None:
        if self._good is not None and self._good.wants_staple and not self._stapled:
            self._add("revocation_unknown", "must have a stapled OCSP response and has none")

    def _resumed(self, connection: SSL.Connection) -> TlsFault | None:
        """
        Judge a resumed session: its certificate was judged when the session was made, or is not believed.

        Sessions of excepted certificates are not believed either: exceptions end.
        """
        certificate = connection.get_peer_certificate()
        if certificate is None:
            return TlsFault("not_verified", f"{self.host} showed no certificate.")
        self.fingerprint = _digest(_der(certificate))
        good = self.store.remembered(self.host, self.fingerprint)
        if good is not None and self.store.now() < good.until:
            return None
        self._add("not_verified", "belongs to a resumed session and was not verified for it")
        return self.faults[-1]

    def _add(self, token: str, words: str) -> None:
        """Write a fault down; the same one only once."""
        detail = f"The certificate of {self.host} {words}."
        if not any(fault.token == token for fault in self.faults):
            self.faults.append(TlsFault(token, detail))

    def _decide(self) -> bool:
        """Tell whether the connection may be used, as far as is known."""
        if not self.faults:
            return True
        fault = most_telling(self.faults)
        if fault.token not in _NEVER_EXCEPTED:
            self.excepted = self._exception()
            if self.excepted is not None:
                return True
        self.excepted = None
        note = self._exception_note(fault.token)
        self.fault = TlsFault(fault.token, fault.detail + note) if note else fault
        return False

    def _exception(self) -> CertificateException | None:
        """Give the exception that holds today for this host and certificate."""
        today = self.store.now().date()
        for exception in self.store.exceptions_for(self.host):
            if self.fingerprint == exception.fingerprint and today <= exception.until:
                return exception
        return None

    def _exception_note(self, token: str) -> str:
        """Say why the host's exception, if there is one, did not help."""
        exceptions = self.store.exceptions_for(self.host)
        if not exceptions:
            return ""
        same = [one for one in exceptions if one.fingerprint == self.fingerprint]
        if not same:
            return " The exception for this host is for another certificate."
        if token in _NEVER_EXCEPTED:
            return " No exception covers that."
        return f" The exception for it ran out on {max(one.until for one in same)}."


_log = Logger()


def _judge_certificate(
    connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, ok: int
) -> bool:
    """Pass OpenSSL's word to the connection's side; whatever goes wrong with that refuses the certificate."""
    side = connection.get_app_data()
    if not isinstance(side, ClientSide):
        _log.error("a connection without a side can't be verified")
        return False
    try:
        return side.take_certificate(certificate, code, depth, ok)
    except Exception:
        return _not_judged(side)


def _judge_staple(connection: SSL.Connection, staple: bytes, data: object | None) -> bool:
    """Pass the stapled response to the connection's side."""
    side = connection.get_app_data()
    if not isinstance(side, ClientSide):
        return False
    try:
        return side.take_staple(staple)
    except Exception:
        return _not_judged(side)


def _not_judged(side: ClientSide) -> bool:
    _log.failure("the certificate of {host} could not be judged", host=side.host)
    side.fault = TlsFault("not_verified", f"The certificate of {side.host} could not be judged.")
    return False


def _der(certificate: crypto.X509) -> bytes:
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)


def _digest(der: bytes) -> bytes:
    return sha256(der).digest()


#: What cryptography raises on contents that it can't read.
_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

#: Whoever holds a revoked key may be anybody, and what could not be judged can't be excepted.
_NEVER_EXCEPTED = frozenset(("revoked", "not_verified"))

"""
OpenSSL's contexts: what the gateway allows in a handshake, with clients and with upstreams.

One context per direction and policy. What differs per connection stands in its application data: a L{ServerSide} here,
for upstreams what L{gateway.net.verify} wants. Contexts can't be changed after their first connection, so a new
policy is a new context; connections under way keep theirs.

A connection begins on a context without a certificate. One that was minted is set on it; for one from a file it is moved
to the context of that certificate, since OpenSSL knows the issuers to send along by the context alone.
Tickets belong to the first one, so they outlive an exchange of certificates. Nothing here reads files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto
from twisted.logger import Logger

from gateway.net.certificates import CertificateAndKey

Version: TypeAlias = Literal["1.0", "1.1", "1.2", "1.3"]
Ciphers: TypeAlias = Literal["modern", "compatible"]
#: Takes one line of a key log; see L{gateway.net.key_log}.
KeyLine: TypeAlias = Callable[[SSL.Connection, bytes], None]

#: What HTTP/1.1 is called in ALPN (RFC 7301 section 6).
HTTP_1_1 = b"http/1.1"
#: Seconds for which a client may resume; RFC 8446 allows a week, forward secrecy wants it short.
TICKET_SECONDS = 7200
#: Seconds after which tickets are sealed with new keys.
KEY_SECONDS = 12 * 3600

_VERSIONS: dict[str, int] = {
    "1.0": SSL.TLS1_VERSION,
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}
_TLS13 = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
# Forward secrecy and authenticated encryption alone (RFC 9325 section 4.2); the cheapest first, as all are strong.
_MODERN = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    b"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
# What old clients and servers still need: CBC, and in the end key exchange without forward secrecy. Never RC4, 3DES,
# export, NULL or anonymous.
_COMPATIBLE = (
    _MODERN + b":DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:kRSA+AESGCM:kRSA+AES"
    b":!aNULL:!eNULL:!PSK:!SRP:!aDSS:!3DES:!RC4:!AESCCM"
)
# TLS 1.0 and 1.1 sign with SHA-1 and MD5, which OpenSSL refuses above level 0.
_OLD = b":@SECLEVEL=0"

# SSL_MODE_NO_AUTO_CHAIN, which pyOpenSSL does not name: else each handshake searches the store, that of clients'
# authorities too, for issuers to send along.
_MODE_NO_AUTO_CHAIN = 8

_log = Logger()


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """
    What may be negotiated.

    @ivar min_version: C{"1.2"} unless an exception for one host says less.
    @ivar ciphers: C{"modern"} or C{"compatible"}; TLS 1.3 has the same three ciphers in both.
    """

    min_version: Version = "1.2"
    max_version: Version = "1.3"
    ciphers: Ciphers = "modern"

    def __post_init__(self) -> None:
        """Refuse what can negotiate nothing."""
        if _VERSIONS[self.min_version] > _VERSIONS[self.max_version]:
            raise ValueError(f"TLS {self.min_version} is above TLS {self.max_version}")


class Trust(Protocol):
    """What judges upstreams: L{gateway.net.verify.TrustStore}."""

    def install(self, context: SSL.Context) -> None:
        """Set store and verify callback, before the first connection."""


@dataclass(frozen=True, slots=True)
class ClientAuthorities:
    """
    Whose certificates clients show (mutual TLS).

    @ivar certificates: the roots that are trusted for it, and for nothing else.
    @ivar required: without a certificate there is no handshake; otherwise C{None} is its identity.
    """

    certificates: tuple[x509.Certificate, ...]
    required: bool = True


class ServerSide:
    """
    The application data of a connection with a client.

    @ivar certificate_for: gives the certificate for a server name (lower case; empty: the client named nobody), or
        C{None}: there is no handshake.
    @ivar alpn: what may be spoken within, the best first.
    @ivar chosen: what it gave; C{None} before the ClientHello was read.
    """

    __slots__ = ("alpn", "begun_on", "certificate_for", "chosen")

    def __init__(
        self,
        certificate_for: Callable[[str], CertificateAndKey | None],
        alpn: tuple[bytes, ...] = (HTTP_1_1,),
    ) -> None:
        self.certificate_for = certificate_for
        self.alpn = alpn
        self.chosen: CertificateAndKey | None = None
        # OpenSSL goes on using the callbacks of the first context after the move to another.
        self.begun_on: SSL.Context | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """
    All that two server contexts must have in common to be one: the key of caches.

    @ivar tickets: whether clients may resume.
    @ivar clients: whose certificates clients are asked for.
    @ivar key_log: takes lines as of SSLKEYLOGFILE: whoever has them can read the traffic.
    @ivar issuers: sent along with every certificate that is not L{lasting<CertificateAndKey>}: those between a
        minted one and the root that clients have.
    """

    policy: TlsPolicy
    tickets: bool = True
    clients: ClientAuthorities | None = None
    key_log: KeyLine | None = None
    issuers: tuple[x509.Certificate, ...] = ()
    # Looked up twice for each connection.
    hashed: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Hash it once."""
        told = self.policy, self.tickets, self.clients, self.key_log, self.issuers
        object.__setattr__(self, "hashed", hash(told))

    def __hash__(self) -> int:
        """Give that."""
        return self.hashed


def server_context(
    policy: TlsPolicy,
    *,
    tickets: bool = True,
    clients: ClientAuthorities | None = None,
    key_log: KeyLine | None = None,
    issuers: tuple[x509.Certificate, ...] = (),
) -> SSL.Context:
    """
    Make a context on which connections with clients begin; each needs a L{ServerSide} before the first byte.

    @param tickets: whether clients may resume. Each context has ticket keys of its own, see L{ServerContexts}.
    @param key_log: takes lines as of SSLKEYLOGFILE: whoever has them can read the traffic.
    @param issuers: sent along with every certificate that is not L{lasting<CertificateAndKey>}: those between a
        minted one and the root that clients have.
    """
    return _first_context(Allowed(policy, tickets, clients, key_log, issuers))


def _first_context(allowed: Allowed) -> SSL.Context:
    context = _server(allowed)
    for issuer in allowed.issuers:
        context.add_extra_chain_cert(issuer)

    def choose(connection: SSL.Connection) -> None:
        try:
            _choose(connection, allowed)
        except Exception:
            # Without a certificate there is no handshake; pyOpenSSL would write to the standard error.
            _log.failure("no certificate could be chosen")

    context.set_tlsext_servername_callback(choose)
    return context


def client_context(
    policy: TlsPolicy,
    trust: Trust,
    *,
    shown: CertificateAndKey | None = None,
    key_log: KeyLine | None = None,
) -> SSL.Context:
    """
    Make a context for upstreams.

    Server name, ALPN and what is expected of the certificate are set per connection. Sessions are kept by
    L{gateway.net.tls_sessions}, one object per context.

    @param shown: our certificate for servers that ask for one. It belongs to the context, for only there does OpenSSL
        know the issuers to send along.
    """
    context = _context(SSL.TLS_CLIENT_METHOD, policy, key_log)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    trust.install(context)
    if shown is not None:
        _show(context, shown)
    return context


class ServerContexts:
    """
    The contexts of one process, so that listeners of one kind share ticket keys, over reloads of the configuration too.

    Keys are exchanged every L{KEY_SECONDS}: a stolen one opens no older traffic. Clients with a ticket from before
    make a full handshake.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        """
        Have none yet.

        @param seconds: a clock that never goes backwards, such as the reactor's.
        """
        self._seconds = seconds
        self._made: dict[Allowed, tuple[float, SSL.Context]] = {}

    def get(
        self,
        policy: TlsPolicy,
        *,
        tickets: bool = True,
        clients: ClientAuthorities | None = None,
        key_log: KeyLine | None = None,
        issuers: tuple[x509.Certificate, ...] = (),
    ) -> SSL.Context:
        """Give the context of this kind; see L{of}."""
        return self.of(Allowed(policy, tickets, clients, key_log, issuers))

    def of(self, allowed: Allowed) -> SSL.Context:
        """Give the context of a kind; ask anew for each connection, so that keys grow no older than they should."""
        now = self._seconds()
        found = self._made.get(allowed)
        if found is not None and now - found[0] < KEY_SECONDS:
            return found[1]
        # Kinds that nobody asks for any more go with the keys of their time.
        self._made = {
            kind: made for kind, made in self._made.items() if now - made[0] < KEY_SECONDS
        }
        context = _first_context(allowed)
        self._made[allowed] = now, context
        return context


def accepting(context: SSL.Context, side: ServerSide) -> SSL.Connection:
    """Make a connection in memory that waits for a ClientHello."""
    connection = SSL.Connection(context, None)
    side.begun_on = context
    connection.set_app_data(side)
    connection.set_accept_state()
    return connection


def _context(method: int, policy: TlsPolicy, key_log: KeyLine | None) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(_VERSIONS[policy.min_version])
    context.set_max_proto_version(_VERSIONS[policy.max_version])
    ciphers = _MODERN if policy.ciphers == "modern" else _COMPATIBLE
    if policy.min_version in ("1.0", "1.1"):
        # Nothing in the modern list can be spoken there.
        ciphers = _COMPATIBLE + _OLD
    context.set_cipher_list(ciphers)
    context.set_tls13_ciphersuites(_TLS13)
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    # An idle connection keeps no buffers: 34 KiB each.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS | _MODE_NO_AUTO_CHAIN)
    if key_log is not None:
        context.set_keylog_callback(key_log)
    return context


def _server(allowed: Allowed) -> SSL.Context:
    """Make a server context, with everything but the choice of a certificate."""
    context = _context(SSL.TLS_SERVER_METHOD, allowed.policy, allowed.key_log)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    # Tickets keep the sessions with the clients: no memory of ours, nothing to bound.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    if not allowed.tickets:
        context.set_options(SSL.OP_NO_TICKET)
    context.set_timeout(TICKET_SECONDS)
    context.set_session_id(_session_id(allowed))
    context.set_alpn_select_callback(_select)
    context.set_ocsp_server_callback(_staple)
    if allowed.clients is not None:
        _ask_for_certificates(context, allowed.clients)
    return context


def _session_id(allowed: Allowed) -> bytes:
    """Bind sessions to what was asked of the client: one made without a certificate is none where one is required."""
    text = repr((allowed.policy, allowed.tickets)).encode()
    if allowed.clients is not None:
        text += b"required" if allowed.clients.required else b"optional"
        for certificate in allowed.clients.certificates:
            text += certificate.public_bytes(Encoding.DER)
    return hashlib.sha256(text).digest()


def _ask_for_certificates(context: SSL.Context, clients: ClientAuthorities) -> None:
    store = context.get_cert_store()
    if store is None:
        raise AssertionError("a context has a store")
    for certificate in clients.certificates:
        store.add_cert(crypto.X509.from_cryptography(certificate))
        context.add_client_ca(certificate)
    mode = SSL.VERIFY_PEER
    if clients.required:
        mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    context.set_verify(mode)


def _choose(connection: SSL.Connection, allowed: Allowed) -> None:
    """Show the certificate for the name in the ClientHello; called again after a HelloRetryRequest."""
    side: ServerSide = connection.get_app_data()
    if side.chosen is not None:
        return
    name = connection.get_servername() or b""
    try:
        server_name = name.decode("ascii").lower().removesuffix(".")
    except UnicodeDecodeError:
        server_name = ""
    chosen = side.certificate_for(server_name)
    if chosen is None:
        return
    if chosen.lasting:
        side.begun_on = connection.get_context()
        connection.set_context(_with_certificate(chosen, allowed))
    else:
        chosen.use(connection)
    side.chosen = chosen


def _with_certificate(certificate: CertificateAndKey, allowed: Allowed) -> SSL.Context:
    """Give the context that shows a certificate, made the first time."""
    context = certificate.contexts.get(allowed)
    if context is None:
        context = _server(allowed)
        _show(context, certificate)
        certificate.contexts[allowed] = context
    return context


def _show(context: SSL.Context, certificate: CertificateAndKey) -> None:
    """Show a certificate on all connections of a context."""
    leaf, *issuers = certificate.chain
    context.use_certificate(leaf.to_cryptography())
    for issuer in issuers:
        context.add_extra_chain_cert(issuer.to_cryptography())
    context.use_privatekey(certificate.key.to_cryptography_key())  # type: ignore[arg-type]
    context.check_privatekey()


def _select(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """
    Choose what is spoken within.

    Who offers nothing of ours is answered without ALPN, not with the alert of RFC 7301 section 3.2: it may well speak
    HTTP/1.1 and not say so, and what it sends is judged as HTTP in any case.
    """
    side: ServerSide = connection.get_app_data()
    for protocol in side.alpn:
        if protocol in offered:
            return protocol
    return SSL.NO_OVERLAPPING_PROTOCOLS


def _staple(connection: SSL.Connection, data: object) -> bytes:
    """Give the OCSP response; empty for none."""
    side: ServerSide = connection.get_app_data()
    return (side.chosen.staple if side.chosen is not None else None) or b""

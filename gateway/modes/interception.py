"""
Looking into tunnels: from a CONNECT that was granted to a tunnel, a refusal, or a decrypted connection.

The server is connected first, and what the client says then decides. To decrypt, TLS with the server comes before TLS
with the client: the client is shown a certificate after the one that the server was believed for, and only then. A
server that is not believed, or can't be talked to, gets the client a page with the reason over a certificate that
nobody trusts; the gateway's CA never signs for it. How requests inside are dealt with is L{gateway.modes.intercepted}'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from types import CoroutineType
from typing import Any, Protocol

from cryptography import x509
from OpenSSL import SSL, crypto

from gateway.api.answers import ClientHello, Intercept, Tunnel
from gateway.api.errors import ClientError, GatewayError, TransactionError
from gateway.api.transaction import (
    ClientTls,
    Failed,
    Intercepted,
    Outcome,
    Phase,
    Refused,
    Transaction,
    Tunnelled,
)
from gateway.api.verdicts import Block
from gateway.modes.decryption import HTTP2_ONLY, Decision, Decryption
from gateway.modes.http2_only import Http2Only
from gateway.modes.intercepted import InterceptedMode, Server, ServerSide, Sides
from gateway.modes.overheard import Overheard
from gateway.modes.peek import Peeked
from gateway.net.authority import AuthorityError
from gateway.net.certificates import CertificateAndKey
from gateway.net.client_tls import client_tls, handshake_result, shaken_result
from gateway.net.mint import mirrored
from gateway.net.mints import Mints
from gateway.net.tls import TlsFailed
from gateway.net.tls_faults import TlsFault
from gateway.net.tunnel_hop import TunnelHop
from gateway.net.upstream import UpstreamConnection
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.driver import Signal
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.obtain import dial
from gateway.pipeline.refusal import UNREAD, ClientGone, forget_frames
from gateway.pipeline.scanning import unseen
from gateway.wire.client_hello import BadClientHello

# Alerts (RFC 8446 section 6).
_ACCESS_DENIED = 49
_DECODE_ERROR = 50

_DELIVERING = Phase.DELIVERING
_HTTP_1_1 = "http/1.1"


class Minting(Protocol):
    """Where certificates come from: L{gateway.net.minting.Minting}."""

    @property
    def mints(self) -> Mints:
        """The leaves."""

    def accept(self, leaf: CertificateAndKey, *, trusted: bool) -> SSL.Connection:
        """Make OpenSSL's side of a connection that shows a leaf."""


class Pins(Protocol):
    """Who notices clients that trust nobody's certificate but one: L{gateway.net.pins.Pins}."""

    def failed(
        self, server_name: str, reason: str, client_address: str, hello: ClientHello
    ) -> object:
        """A client has refused a certificate of ours, or its handshake failed otherwise."""

    def succeeded(self, server_name: str, client_address: str, hello: ClientHello) -> None:
        """A client has taken one."""


class Counts(Protocol):
    """Who counts what becomes of TLS."""

    def tls_decided(self, decision: str, why: str) -> None:
        """It was decided what to do."""

    def tls_handshake(self, side: str, result: str, seconds: float = 0.0) -> None:
        """A handshake was over."""


@dataclass(frozen=True, slots=True)
class _Upstream:
    """
    A server that is believed.

    @ivar leaf: what clients are shown in its place.
    @ivar kept: the connection, if requests have gone through it already; else C{hop} is there.
    """

    leaf: CertificateAndKey
    session: SSL.Connection
    kept: UpstreamConnection | None = None
    hop: TunnelHop | None = None


class Interception:
    """
    What all decrypted connections of one snapshot share.

    @ivar sides: makes our sides of TLS with servers.
    """

    def __init__(
        self,
        rules: Decryption,
        minting: Minting | None,
        sides: Sides | None,
        *,
        pins: Pins,
        counts: Counts,
        http2_only: Http2Only,
        excepted: Callable[[str], bool] = lambda host: False,
    ) -> None:
        """
        Take the parts.

        @param http2_only: remembers the servers that can't be decrypted.
        @param minting: C{None}: nothing is decrypted, and C{sides} may be C{None} too; the rules say so as well.
        @param excepted: tells whether the certificate of a host may be one that is believed by an exception.
        """
        self.rules = rules
        self.sides = sides
        self._minting = minting
        self._pins = pins
        self._counts = counts
        self._http2_only = http2_only
        self._excepted = excepted

    def looks(self, txn: Transaction) -> bool:
        """Tell whether there is something to look at; else the decision is made, and noted."""
        decision = self.rules.before_hello(txn.request.host)
        if decision is None:
            return True
        self._decided(txn, None, decision)
        return False

    def goes_on(self, server: Server) -> bool:
        """Tell whether a connection that another snapshot has decrypted may stay so."""
        return not self.rules.never(server.host, server.name)

    @property
    def pages(self) -> bool:
        """A refused CONNECT is granted, and its page shown within."""
        return self.rules.page_over_tls

    async def show(self, x: Exchange, block: Block) -> Outcome:
        """Show the page of a refused CONNECT; what is no TLS is closed."""
        connection: Any = x.down.connection  # type: ignore[attr-defined]
        x.txn.status = 200
        peeked = await self._look(x, connection, None)
        self._decided(x.txn, peeked.hello, Decision("block", "plugin"))
        return await self._refuse(x, connection, peeked, block)

    async def follow(self, x: Exchange, plans: CallPlans) -> Outcome:
        """Take a CONNECT to its end; see L{Intercepts.follow<gateway.pipeline.ports.Intercepts.follow>}."""
        txn = x.txn
        upstream: Any = x.upstream
        host = txn.request.host
        hop: TunnelHop | None = None
        server: Server | None = None
        if self.rules.may_intercept and self.sides is not None:
            server = Server(upstream, self.sides, host)
        if server is None or not server.mode.pool.keeps(server.key):
            hop = await self._connect(x, plans)
        txn.status = 200
        txn.phase = _DELIVERING
        txn.timings.first_byte = monotonic()
        connection: Any = x.down.connection  # type: ignore[attr-defined]
        peeked = await self._look(x, connection, hop)
        said: Any = None
        if peeked.hello is not None and plans.client_hello is not None:
            said = plans.client_hello(txn.client, peeked.hello)
            if type(said) is CoroutineType:
                said = await said
        decision = self._decide(host, peeked.hello, said)
        if decision.kind == "tunnel" and txn.decrypted_only:
            decision, said = Decision("block", "plugin"), UNREAD
        sealed = ""
        if decision.kind == "intercept" and server is not None:
            sealed = self._sealed(txn, peeked.hello, said, plans)
            if not sealed and self._http2_only.known(server.host, server.port):
                decision = HTTP2_ONLY
        self._decided(txn, peeked.hello, decision)
        if decision.kind == "intercept" and server is not None:
            return await self._intercept(x, server, hop, connection, peeked, plans, sealed)
        if decision.kind == "block":
            block = said if isinstance(said, Block) else Block(decision.why)
            return await self._refuse(x, connection, peeked, block)
        if decision.to:
            upstream.lead_to(decision.to)
            if hop is not None:
                hop.abort()
            hop = None
        return await self._tunnel(x, connection, hop, peeked.seen, plans)

    # Deciding.

    async def _look(self, x: Exchange, connection: Any, hop: TunnelHop | None) -> Peeked:
        """
        See what the client says first.

        @raise ClientError: nothing that may go on.
        """
        peek = connection.peek(hop)
        try:
            peeked: Peeked = await peek.seen
        except BadClientHello as bad:
            connection.refuse(_DECODE_ERROR)
            self._decided(x.txn, None, Decision("block", "bad_hello"))
            raise ClientError(f"a bad ClientHello: {bad}", page="tls_client") from None
        finally:
            peek.stop()
        return peeked

    def _decide(
        self, host: str, hello: ClientHello | None, said: Intercept | Tunnel | Block | None
    ) -> Decision:
        if hello is None:
            return Decision(self.rules.unknown, "unknown_protocol")
        return self.rules.decide(host, hello, said)

    def _sealed(
        self, txn: Transaction, hello: ClientHello | None, said: Any, plans: CallPlans
    ) -> str:
        """Say why a connection must not pass unread even if there is no decrypting it; empty: it may."""
        if hello is None or txn.decrypted_only:
            return "this request may pass only if it is decrypted"
        return self.rules.why_not_unread(
            txn.request.host,
            hello,
            said,
            content_wanted=plans.content_need is not None or plans.response_filters is not None,
        )

    def _decided(self, txn: Transaction, hello: ClientHello | None, decision: Decision) -> None:
        """Note it for the log."""
        self._counts.tls_decided(decision.kind, decision.why)
        txn.client.tls = ClientTls(
            server_name="" if hello is None else hello.server_name,
            decision=decision.kind,
            why=decision.why,
        )

    # Passing on and refusing.

    async def _connect(self, x: Exchange, plans: CallPlans) -> TunnelHop:
        """Connect without TLS; what the server says first is kept."""
        hop = TunnelHop.of(await dial(x, plans))
        held: Any = hop
        x.hop = held
        return hop

    async def _tunnel(
        self, x: Exchange, connection: Any, hop: TunnelHop | None, early: bytes, plans: CallPlans
    ) -> Outcome:
        if hop is None or hop.gone:
            hop = await self._connect(x, plans)
        return await self._relay(x, connection, hop, early, plans, Overheard(x.txn.client))

    async def _relay(
        self,
        x: Exchange,
        connection: Any,
        hop: TunnelHop,
        early: bytes,
        plans: CallPlans,
        overheard: Overheard | None = None,
    ) -> Outcome:
        """Pass on unread from here on."""
        if plans.content_need is not None:
            unseen(x.txn)
        x.hop = None
        over: Signal[None] = Signal()
        connection.relay(hop, hop.surrender(), early, over.fire, overheard)
        await over
        return Tunnelled()

    async def _refuse(self, x: Exchange, connection: Any, peeked: Peeked, block: Block) -> Outcome:
        """Close with an alert, or show a page over TLS where that is wanted (S09)."""
        txn = x.txn
        txn.verdict = block
        x.drop(ClientError("refused"))
        hello = peeked.hello
        if hello is None:
            return Refused(block)
        if not self.rules.page_over_tls or self._minting is None:
            connection.refuse(_ACCESS_DENIED)
            return Refused(block)
        name = hello.server_name or txn.request.host
        fault = TransactionError(block.why, status=block.status, page=block.page)
        try:
            leaf = self._minting.mints.leaf(b"", name, None)
        except AuthorityError:
            connection.refuse(_ACCESS_DENIED)
            return Refused(block)
        await self._pages(x, connection, peeked, name, leaf, fault, trusted=True)
        return Refused(block)

    # Decrypting.

    async def _intercept(
        self,
        x: Exchange,
        server: Server,
        hop: TunnelHop | None,
        connection: Any,
        peeked: Peeked,
        plans: CallPlans,
        sealed: str,
    ) -> Outcome:
        """
        Decrypt.

        @param sealed: why it may not pass unread even if its server can't be read; empty: it may.
        """
        txn = x.txn
        hello = peeked.hello
        assert hello is not None and txn.client.tls is not None
        why = txn.client.tls.why
        name = hello.server_name or server.host
        if name != server.host:
            server = server.named(name)
        try:
            upstream = await self._secured(x, server, hop, hello, plans)
        except TransactionError as fault:
            if isinstance(fault, TlsFault) and fault.token == HTTP2_ONLY.why:
                if not sealed:
                    self._http2_only.found(server.host, server.port)
                    self._decided(txn, hello, HTTP2_ONLY)
                    return await self._tunnel(x, connection, None, peeked.seen, plans)
                fault = TlsFault(
                    fault.token, f"{fault.detail} It is not passed on unread: {sealed}."
                )
            return await self._fault(x, connection, peeked, name, fault)
        assert self._minting is not None
        held: Any = upstream.hop
        x.hop = held
        begun = monotonic()
        try:
            first = await connection.secure(
                self._minting.accept(upstream.leaf, trusted=True), peeked.seen
            )
        except TlsFailed as failed:
            self._give_back(x, server, upstream)
            self._counts.tls_handshake("client", handshake_result(failed))
            if not failed.reason:
                raise ClientGone("the client closed in the TLS handshake") from None
            self._pins.failed(name, failed.reason, txn.client.address, hello)
            return Failed(ClientError(f"no TLS with the client: {failed}", page="tls_client"))
        except BaseException:
            self._give_back(x, server, upstream)
            raise
        session = first.tls.connection
        result = shaken_result(session)
        self._counts.tls_handshake("client", result, monotonic() - begun)
        if result == "new":
            # Who resumes a session has judged no certificate.
            self._pins.succeeded(name, txn.client.address, hello)
        txn.client.tls = client_tls(session, "intercept", why, upstream=upstream.session)
        if first.protocol != _HTTP_1_1:
            if upstream.hop is not None:
                first.watch(upstream.hop)
            try:
                known = await first.known
            except BaseException:
                self._give_back(x, server, upstream)
                raise
            if not known:
                return await self._unknown(x, server, upstream, connection, first, plans)
        self._give_back(x, server, upstream)
        shown = name, upstream.leaf.names
        connection.become(InterceptedMode(server, txn.identity), first, shown)
        return Intercepted()

    async def _unknown(
        self,
        x: Exchange,
        server: Server,
        upstream: _Upstream,
        connection: Any,
        first: Any,
        plans: CallPlans,
    ) -> Outcome:
        """Deal with something else than HTTP inside of TLS."""
        txn = x.txn
        kind = "block" if txn.decrypted_only else self.rules.unknown
        assert txn.client.tls is not None
        self._counts.tls_decided(kind, "unknown_protocol")
        txn.client.tls = replace(txn.client.tls, decision=kind, why="unknown_protocol")
        if kind == "block":
            self._give_back(x, server, upstream)
            block = Block("unknown_protocol")
            txn.verdict = block
            return Refused(block)
        hop = upstream.hop
        if hop is None or hop.gone:
            self._give_back(x, server, upstream)
            plain = await self._connect(x, plans)
            hop = await server.secure(plain, server.side())
        return await self._relay(x, connection, hop, first.seen, plans)

    async def _secured(
        self,
        x: Exchange,
        server: Server,
        hop: TunnelHop | None,
        hello: ClientHello,
        plans: CallPlans,
    ) -> _Upstream:
        """
        Have TLS with the server, and a leaf for what it shows.

        @raise TransactionError: there is no believing it.
        """
        pool = server.mode.pool
        # Without ALPN the server may turn out to be the one that speaks first: a connection that is kept for HTTP
        # would not take that.
        if hop is None and _HTTP_1_1 in hello.alpn and not self._excepted(server.name):
            kept = pool.take(server.key)
            if kept is not None:
                try:
                    return self._shown(server, kept.transport.connection, kept=kept)
                except BaseException:
                    kept.abort()
                    raise
        if hop is None or hop.gone:
            hop = await self._connect(x, plans)
        x.hop = None
        side = server.side()
        side.keep_certificate()
        begun = monotonic()
        try:
            secured = await server.secure(hop, side)
        except TlsFault as fault:
            self._counts.tls_handshake("upstream", handshake_result(fault))
            raise
        session = secured.transport.connection
        self._counts.tls_handshake("upstream", shaken_result(session), monotonic() - begun)
        try:
            return self._shown(server, session, side, hop=secured)
        except BaseException:
            secured.abort()
            raise

    def _shown(
        self,
        server: Server,
        session: SSL.Connection,
        side: ServerSide | None = None,
        *,
        kept: UpstreamConnection | None = None,
        hop: TunnelHop | None = None,
    ) -> _Upstream:
        """
        Find, or make, the leaf for what a server has shown.

        @param side: ours, which has just judged it; C{None}: that was for an earlier request.
        """
        excused = False
        certificate: x509.Certificate | crypto.X509 | None
        if side is None:
            certificate = _certificate(session)
            der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
            fingerprint = hashlib.sha256(der).digest()
        else:
            excused = side.excused
            fingerprint, certificate = side.shown()
        assert self._minting is not None
        mints = self._minting.mints
        try:
            leaf = None if excused else mints.known(fingerprint, server.name)
            if leaf is None:
                model = mirrored(certificate or _certificate(session), excused=excused)
                leaf = mints.leaf(fingerprint, server.name, model)
        except AuthorityError as error:
            raise GatewayError(str(error)) from None
        return _Upstream(leaf, session, kept, hop)

    def _give_back(self, x: Exchange, server: Server, upstream: _Upstream) -> None:
        """Keep the connection for the first request, or for somebody else's."""
        x.hop = None
        kept = upstream.kept
        hop = upstream.hop
        if hop is not None and not hop.gone:
            kept = server.adopt(hop)
        if kept is not None and not kept.gone:
            server.mode.pool.keep(kept)

    # What went wrong.

    async def _fault(
        self, x: Exchange, connection: Any, peeked: Peeked, name: str, fault: TransactionError
    ) -> Outcome:
        """Show why there is no talking to the server, over a certificate that nobody trusts."""
        x.drop(ClientError("refused"))
        forget_frames(fault)
        assert self._minting is not None
        leaf = self._minting.mints.untrusted(name)
        await self._pages(x, connection, peeked, name, leaf, fault, trusted=False)
        return Failed(fault)

    async def _pages(
        self,
        x: Exchange,
        connection: Any,
        peeked: Peeked,
        name: str,
        leaf: CertificateAndKey,
        fault: TransactionError,
        *,
        trusted: bool,
    ) -> None:
        """Shake hands with the client to answer whatever it asks with a fault's page; it may well refuse."""
        txn = x.txn
        upstream: Any = x.upstream
        assert self._minting is not None and self.sides is not None
        try:
            first = await connection.secure(
                self._minting.accept(leaf, trusted=trusted), peeked.seen
            )
        except TlsFailed:
            # Who doesn't trust it has seen enough.
            return
        mode = InterceptedMode(Server(upstream, self.sides, name), txn.identity, fault)
        connection.become(mode, first, (name, ()))


def _certificate(session: SSL.Connection) -> crypto.X509:
    """
    Give the certificate of a server that is believed.

    @raise GatewayError: there is none.
    """
    certificate = session.get_peer_certificate()
    if certificate is None:
        raise GatewayError("a server without a certificate was believed")
    return certificate

"""
The reverse proxy: requests by host and path to a site's origins.

Which origin is the site's pool's business, and so are limits and health. A request that failed goes to another origin
only while nothing was sent on (RFC 9110 section 9.2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import ceil
from time import monotonic
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api.answers import Route
from gateway.api.errors import ClientError, GatewayError, TransactionError
from gateway.api.transaction import Failed, Response, Transaction
from gateway.config.sections.site import Hsts, Site
from gateway.message.forwarding import Forwarding, trusts
from gateway.message.location import OriginReferences
from gateway.message.target import InvalidTarget, format_authority, parse_absolute, parse_authority
from gateway.message.via import Via
from gateway.modes import onward
from gateway.modes.balance import Pool as Origins
from gateway.modes.bound import BoundMode
from gateway.modes.mode import Mode
from gateway.modes.origins import OriginState
from gateway.modes.sites import HostTable
from gateway.modes.sticky import StickyCookie
from gateway.net.dial import Dialer, Trace
from gateway.net.faults import (
    DescriptorsExhausted,
    SourcePortsExhausted,
    UpstreamClosed,
    UpstreamTimeout,
)
from gateway.net.upstream import Pool, UpstreamConnection
from gateway.net.upstream_tls import Side, dial_secured
from gateway.wire.events import RequestHead, ResponseHead
from gateway.wire.lines import COOKIE, FORWARDING, REQUEST_ID, FieldLine


class RunningSite:
    """
    A configured site with what runs for it.

    @ivar site: the configuration.
    @ivar origins: its pool.
    @ivar cookie: the sticky cookie; C{None} without.
    @ivar only: the one origin of a site that has no other and bounds nothing; else C{None}.
    @ivar keeps_fields: an origin is told the same whichever it is.
    @ivar references: what Location rewriting looks for; C{None} without.
    @ivar strict_transport: the line that answers over TLS get (RFC 6797 section 6.1); empty: none.
    @ivar amends: some answers get more than an intermediary adds to all.
    """

    __slots__ = (
        "amends",
        "cookie",
        "host",
        "keeps_fields",
        "listen",
        "name",
        "only",
        "origins",
        "path",
        "references",
        "site",
        "strict_transport",
        "upload",
    )

    def __init__(self, site: Site, origins: Origins, key: bytes, upload: int) -> None:
        self.site = site
        self.host = site.host
        self.path = site.path
        self.listen = site.listen
        self.name = site.host[0]
        self.origins = origins
        self.upload = upload
        self.cookie = None
        if site.sticky == "cookie":
            addresses = [str(origin) for origin in site.origins]
            self.cookie = StickyCookie(site.sticky_cookie, addresses, key, path=site.path)
        # Then there is nothing to choose and nobody to wait for.
        self.only = None
        if len(origins.origins) == 1 and not site.max_connections and self.cookie is None:
            self.only = origins.origins[0]
        # Then what goes on depends on nothing but the client's connection and its fields.
        self.keeps_fields = self.cookie is None and site.preserve_host
        self.references = None
        if site.rewrite_location:
            self.references = OriginReferences((o.scheme, o.host, o.port) for o in site.origins)
        self.strict_transport = _strict_transport(site.hsts)
        self.amends = bool(self.references or self.cookie or self.strict_transport)


class ReverseMode:
    """What all connections of one reverse listener share."""

    name = "reverse"
    keeps_http10 = True

    def __init__(
        self,
        dialer: Dialer,
        pool: Pool,
        via: Via,
        sites: HostTable[RunningSite],
        *,
        trusted: Any = (),
        forwarded: bool = False,
        connect_seconds: float = 30.0,
        secure: bool = False,
        side: Callable[[str], Side] | None = None,
    ) -> None:
        """
        Take what the connections of a listener share.

        @param side: makes our side of TLS with an origin of this name; needed if some origin is an https one.
        @param secure: its clients come by https.
        """
        self.dialer = dialer
        self.pool = pool
        self.via = via
        self.sites = sites
        self.trusted = trusted
        self.forwarded = forwarded
        self.connect_seconds = connect_seconds
        self.side: Any = side
        self.secure = secure
        self.scheme = "https" if secure else "http"
        self.port = 443 if secure else 80

    def resolve(self, head: RequestHead) -> None:
        """Resolve the target: the authority of an absolute-form wins over Host (RFC 9112 section 3.2.2)."""
        target = head.target
        field = head.section.host_field
        if field:
            head.host, head.port = parse_authority(field, self.port)
        else:
            head.port = self.port
        if self.secure:
            head.scheme = "https"
        if target[0] == 0x2F:
            # The parser lets printable ASCII through; of that only the fragment has no place here.
            if b"#" in target:
                raise InvalidTarget("a fragment has no place in a request")
            return
        if head.raw_method == b"CONNECT":
            raise InvalidTarget("this is no proxy", status=405, page="method_not_allowed")
        if target == b"*":
            if head.raw_method != b"OPTIONS":
                raise InvalidTarget("only OPTIONS has the target *")
            return
        head.scheme, head.host, head.port, head.raw_target = parse_absolute(target, head.raw_method)

    def upstream(
        self, txn: Transaction, head: RequestHead, connection: Any
    ) -> ReverseUpstream | Response:
        """Find the site."""
        request = txn.request
        site = self.sites.find(request.host, request.raw_target)
        if site is None:
            if self.sites.knows(request.host):
                raise ClientError("no site has this path", status=404, page="no_site")
            raise ClientError("no site has this host", status=421, page="misdirected")
        if self.secure and connection.names_another(request.host):
            raise ClientError(
                "the connection was made for another host", status=421, page="misdirected"
            )
        txn.site = site.name
        txn.upload_limit = site.upload
        answer = onward.check(head, self.via)
        if answer is not None:
            if self.secure and site.strict_transport:
                name, _, value = site.strict_transport.decode().strip().partition(": ")
                answer.fields.add(name, value)
            return answer
        forwarding = connection.forwarding
        if forwarding is None or connection.forwarding_site is not site:
            address = connection.client.address
            forwarding = Forwarding(
                site.site.xff,
                address,
                self.scheme,
                trusted=trusts(self.trusted, address),
                forwarded=self.forwarded,
            )
            connection.forwarding = forwarding
            connection.forwarding_site = site
        return ReverseUpstream(self, site, head, forwarding)

    def renewed(self, newer: Mode) -> Mode:
        """Go over to the listener's mode."""
        return newer


class ReverseUpstream:
    """Where one request of a site goes."""

    __slots__ = (
        "_excluded",
        "_forwarding",
        "_head",
        "_left",
        "_mode",
        "_origin",
        "_site",
        "_sticky",
        "_waiting",
        "route",
        "tunnels",
    )

    interception = None
    shares = True

    def __init__(
        self, mode: ReverseMode, site: RunningSite, head: RequestHead, forwarding: Forwarding
    ) -> None:
        self._mode = mode
        self._site = site
        self._head = head
        self._forwarding = forwarding
        self._origin: OriginState | None = None
        self._waiting: Deferred[OriginState] | None = None
        self._excluded: list[OriginState] | None = None
        self._left = site.site.retries
        self._sticky: str | None = None
        self.tunnels = False
        self.route = "origin"

    def reroute(self, txn: Transaction, route: Route) -> None:
        """
        Stay: a site's requests go to the site's own origins.

        @raise GatewayError: a plugin says something else than C{"direct"}.
        """
        if route.kind != "direct":
            raise GatewayError("a plugin sent the request of a site elsewhere than to its origins")

    def take(self, txn: Transaction) -> UpstreamConnection | None:
        """Choose an origin and give a kept connection to it."""
        only = self._site.only
        if only is not None and self._excluded is None:
            if self._origin is None:
                only.open += 1
                only.served += 1
                self._origin = only
            return self._mode.pool.take(only.address)
        if self._origin is None:
            if self._waiting is not None:
                return None
            cookie = self._site.cookie
            if cookie is not None:
                values = [
                    known.value for known in self._head.section.special if known.code == COOKIE
                ]
                self._sticky = cookie.read(values) if values else None
            chosen = self._site.origins.acquire(
                txn.client.address, self._excluded or (), self._sticky
            )
            if isinstance(chosen, Deferred):
                self._waiting = chosen
                return None
            self._origin = chosen
        return self._mode.pool.take(self._origin.address)

    async def dial(self, txn: Transaction) -> UpstreamConnection:
        """Wait for room if need be, then connect."""
        mode = self._mode
        if self._origin is None:
            if self._waiting is None:
                self.take(txn)
            if self._waiting is not None:
                waiting, self._waiting = self._waiting, None
                self._origin = await waiting
                kept = mode.pool.take(self._key(self._origin))
                if kept is not None:
                    return kept
        state = self._origin
        assert state is not None
        origin = state.origin
        trace = Trace()
        begun = monotonic()
        clock = mode.dialer.reactor.seconds()
        txn.upstream = f"{origin.host}:{origin.port}"
        make: Any = mode.pool.factory(self._key(state))
        seconds = mode.connect_seconds
        hop: Any
        if origin.scheme == "https":
            side = mode.side(self._site.site.verify_host or origin.host)
            hop = await dial_secured(
                mode.dialer,
                origin.host,
                origin.port,
                side,
                make,
                timeout=seconds,
                guarded=False,
                trace=trace,
            )
        else:
            hop = await mode.dialer.dial(
                origin.host, origin.port, make, timeout=seconds, guarded=False, trace=trace
            )
        if trace.resolved_at is not None:
            txn.timings.resolved = begun + trace.resolved_at - clock
        if trace.connected_at is not None:
            txn.timings.connected = begun + trace.connected_at - clock
        address = f"[{trace.address}]" if ":" in trace.address else trace.address
        hop.address = f"{address}:{origin.port}"
        made: UpstreamConnection = hop
        return made

    def bound(self, mode: BoundMode, txn: Transaction) -> ReverseUpstream:
        """Give the same for a client connection that has upstream connections of its own."""
        made = BoundReverseUpstream(self._mode, self._site, self._head, self._forwarding)
        made.mode_around = mode
        made.txn = txn
        return made

    def _key(self, state: OriginState) -> Hashable:
        """What connections to an origin are kept under; L{take} knows it too."""
        return state.address

    def head(self, txn: Transaction, hop: UpstreamConnection, chunked: bool | None) -> bytes:
        """Write the request head."""
        head = self._head
        forwarding = self._forwarding
        section = head.section
        lines = head.fields.lines
        if (
            chunked is None
            and section.harmless
            and self._site.keeps_fields
            and head.target[0] == 0x2F
            and head.raw_method not in onward.COUNTED
            and (lines is section.received or onward.binds_nothing(section, lines))
        ):
            if section.onward_for is not forwarding or section.onward_lines is not lines:
                section.onward = self._fields(chunked)
                section.onward_for = forwarding
                section.onward_lines = lines
            fields = section.onward
        else:
            if lines is not section.received:
                onward.taint(head, hop)
            fields = self._fields(chunked)
        return b"%b %b HTTP/1.1\r\n%bX-Request-Id: %b\r\n\r\n" % (
            head.raw_method,
            head.raw_target,
            fields,
            txn.id.encode("ascii"),
        )

    def _fields(self, chunked: bool | None) -> bytes:
        head = self._head
        site = self._site
        assert self._origin is not None
        public = head.section.host_field or b""
        if head.target[0] != 0x2F and head.target != b"*":
            public = format_authority(head.scheme, head.host, head.port)
        host = public
        if not site.site.preserve_host or not public:
            origin = self._origin.origin
            host = format_authority(origin.scheme, origin.host, origin.port)
        received: list[FieldLine] = []
        kept = head.fields
        for known in head.section.special:
            code = known.code
            if code == FORWARDING:
                received.append(known)
            elif code == REQUEST_ID:
                # One id for one transaction: ours, for it is the one in our log.
                kept.remove("x-request-id")
            elif code == COOKIE and site.cookie is not None:
                stripped = site.cookie.strip(known.line)
                kept.lines = [stripped if line is known.line else line for line in kept.lines]  # type: ignore[misc]
                if stripped is None:
                    kept.lines = [line for line in kept.lines if line is not None]
        forwarding = self._forwarding
        more = forwarding.lines(public, received)
        return onward.fields(
            head, host, self._mode.via, chunked, keeps_forwarding=not forwarding.drops, more=more
        )

    def another(self, txn: Transaction, error: TransactionError) -> bool:
        """Count the failure and choose another origin, as often as the site allows."""
        state = self._origin
        if state is None:
            return False
        site = self._site
        self._origin = None
        if not isinstance(error, (SourcePortsExhausted, DescriptorsExhausted)):
            # Those are our own shortage and say nothing of the origin.
            site.origins.failed(state, error.page)
        site.origins.release(state)
        if self._left <= 0 or len(site.origins.origins) < 2:
            return False
        self._left -= 1
        if self._excluded is None:
            self._excluded = []
        self._excluded.append(state)
        return len(self._excluded) < len(site.origins.origins)

    def answered(self, txn: Transaction, head: ResponseHead) -> bytes:
        """Note that the origin works; add and rewrite what the site says."""
        state = self._origin
        assert state is not None
        site = self._site
        if state.failures:
            site.origins.succeeded(state)
        return self._amendment(txn, head, site, state) if site.amends else b""

    def amended(self, response: Response) -> bytes:
        """Keep browsers to TLS, where the site says so; an origin is not bound by what none has answered."""
        strict = self._site.strict_transport
        return (
            strict
            if strict and self._mode.secure and not _is_strict(response.fields.lines)
            else b""
        )

    def over(self, txn: Transaction) -> None:
        """Give the origin back, and count a failure of its own."""
        if self._waiting is not None:
            self._waiting.addErrback(lambda _: None)
            self._waiting.cancel()
            self._waiting = None
        state, self._origin = self._origin, None
        if state is not None:
            outcome = txn.outcome
            if type(outcome) is Failed and isinstance(
                outcome.error, (UpstreamClosed, UpstreamTimeout)
            ):
                self._site.origins.failed(state, outcome.error.page)
            if self._site.only is not None:
                # Nobody waits for room where there is no bound.
                state.open -= 1
            else:
                self._site.origins.release(state)

    def _amendment(
        self, txn: Transaction, head: ResponseHead, site: RunningSite, state: OriginState
    ) -> bytes:
        """Bind the client to the origin, rewrite what names it, and keep browsers to TLS, where the site says so."""
        if site.references is not None:
            self._rewrite(txn, site.references)
        more = b""
        # Browsers go by the first of two such fields (RFC 6797 section 8.1), and the origin knows its own.
        if site.strict_transport and self._mode.secure and not _is_strict(head.fields.lines):
            more = site.strict_transport
        if site.cookie is not None and self._sticky != state.id:
            more += site.cookie.set_line(state.address, secure=self._mode.secure) + b"\r\n"
        return more

    def _rewrite(self, txn: Transaction, references: OriginReferences) -> None:
        assert txn.response is not None
        fields = txn.response.fields
        public = b"%b://" % self._mode.scheme.encode() + (self._head.section.host_field or b"")
        for name in ("location", "content-location", "refresh"):
            value = fields.get(name)
            if value is not None:
                raw = value.encode("latin-1")
                made = (
                    references.rewrite_refresh(raw, public)
                    if name == "refresh"
                    else references.rewrite(raw, public)
                )
                if made is not raw and made != raw:
                    fields.set(name.title(), made.decode("latin-1"))


class BoundReverseUpstream(ReverseUpstream):
    """
    The same for a client connection that has upstream connections of its own: to one origin, as long as that is up.

    @ivar mode_around: knows which one, and whose they are.
    """

    __slots__ = ("mode_around", "txn")

    mode_around: BoundMode
    txn: Transaction
    shares = False

    def take(self, txn: Transaction) -> UpstreamConnection | None:
        """Take the origin of the requests before, and give the kept connection to it."""
        state = self._origin
        if state is None:
            if self._waiting is not None:
                return None
            site = self._site
            if site.cookie is not None:
                self._sticky = site.cookie.read(
                    [known.value for known in self._head.section.special if known.code == COOKIE]
                )
            chosen = site.origins.acquire(
                txn.client.address,
                self._excluded or (),
                self.mode_around.origin((site.name, site.path), txn) or self._sticky,
            )
            if isinstance(chosen, Deferred):
                self._waiting = chosen
                return None
            state = self._origin = chosen
        return self._mode.pool.take(self._key(state))

    def _key(self, state: OriginState) -> Hashable:
        site = self._site
        self.mode_around.settle((site.name, site.path), self.txn, state.id)
        return self.mode_around.key(state.address, self.txn)


_STRICT = b"strict-transport-security:"


def _strict_transport(hsts: Hsts) -> bytes:
    if not hsts.max_age:
        return b""
    # A part of a second is not nothing, which would take it back.
    value = b"max-age=%d" % ceil(hsts.max_age)
    if hsts.subdomains:
        value += b"; includeSubDomains"
    if hsts.preload:
        value += b"; preload"
    return b"Strict-Transport-Security: " + value + b"\r\n"


def _is_strict(lines: list[bytes]) -> bool:
    """Tell whether there is such a field already."""
    length = len(_STRICT)
    return any(line[:length].lower() == _STRICT for line in lines if line[:1] in b"Ss")

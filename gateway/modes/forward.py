"""
The forward proxy: absolute-form requests and CONNECT (RFC 9112 section 3.2, RFC 9110 section 9.3.6).

Direct, or through a parent by rule. What the guard thinks of the address is asked when it is dialled.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Hashable, Sequence
from time import monotonic
from typing import Any, Protocol

from gateway.api.answers import Route
from gateway.api.errors import ClientError, TransactionError, UpstreamError
from gateway.api.transaction import Response, Transaction
from gateway.config.parents import Parent
from gateway.message.forwarding import Addresses, Forwarding, Policy, trusts
from gateway.message.target import InvalidTarget, format_authority, parse_absolute, parse_authority
from gateway.message.via import Via
from gateway.modes import onward
from gateway.modes.bound import BoundMode
from gateway.modes.mode import Mode
from gateway.modes.own_pages import OWN_HOST, own_response
from gateway.net.dial import Dialer, Dialling, Trace
from gateway.net.tunnel_hop import TunnelHop
from gateway.net.upstream import Pool, UpstreamConnection
from gateway.net.upstream_tls import Side, dial_secured
from gateway.pipeline.ca_formats import PublishedCa
from gateway.pipeline.driver import Signal
from gateway.pipeline.ports import Intercepts
from gateway.wire.events import RequestHead, ResponseHead
from gateway.wire.lines import is_binding_challenge
from gateway.wire.write import request_head, section

_WANTS_CREDENTIALS = frozenset((401, 407))


class AllowedPorts(Protocol):
    """Ports that something may be done with."""

    def __contains__(self, port: int, /) -> bool: ...


class ForwardMode:
    """What all connections of the forward listeners share."""

    name = "forward"
    keeps_http10 = False

    def __init__(
        self,
        dialer: Dialer,
        pool: Pool,
        via: Via,
        *,
        allow_from: Addresses,
        connect_ports: AllowedPorts,
        parents: Sequence[Parent] = (),
        xff: Policy = "delete",
        trusted: Addresses = (),
        connect_seconds: float = 30.0,
        side: Callable[[str], Side] | None = None,
        interception: Intercepts | None = None,
        published: Callable[[], Sequence[PublishedCa]] | None = None,
    ) -> None:
        """
        Take what the connections share.

        @param side: makes our side of TLS with a parent of this name; needed if some parent is an https one.
        @param interception: who may look into tunnels.
        @param published: gives the certificates that clients are offered at L{OWN_HOST}; C{None}: there is no such site.
        """
        self.dialer = dialer
        self.pool = pool
        self.via = via
        self.allow_from = allow_from
        self.connect_ports = connect_ports
        self.parents = parents
        self.xff: Policy = xff
        self.trusted = trusted
        self.connect_seconds = connect_seconds
        self.side: Any = side
        self.interception: Any = interception
        self.published = published

    def resolve(self, head: RequestHead) -> None:
        """Resolve the target; origin-form has none here."""
        method = head.raw_method
        target = head.target
        if method == b"CONNECT":
            head.scheme = ""
            head.host, head.port = parse_authority(target, None)
            return
        if head.section.host_field is not None:
            # Not used, for the target says it all, but what could be misread by the next hop goes no further.
            host, port = parse_authority(head.section.host_field, 80)
        if target == b"*":
            if method != b"OPTIONS" or head.section.host_field is None:
                raise InvalidTarget("only OPTIONS has the target *")
            head.host, head.port = host, port
            return
        if target[:1] == b"/":
            raise InvalidTarget(
                "a proxy needs the whole URL in the request line", page="not_a_proxy_request"
            )
        head.scheme, head.host, head.port, head.raw_target = parse_absolute(target, method)

    def upstream(
        self, txn: Transaction, head: RequestHead, connection: Any
    ) -> ForwardUpstream | Response:
        """Let it through, or say why not."""
        if txn.client is not connection.client:
            # A trusted proxy speaks for another client in each request.
            allowed = txn.client.address in self.allow_from
        elif connection.allowed is None:
            address = connection.client.address
            # Who has no address came through a unix socket and was let in by its permissions.
            allowed = connection.allowed = not address or address in self.allow_from
        else:
            allowed = connection.allowed
        if not allowed:
            raise TransactionError(
                "this client may not use the proxy", status=403, page="not_allowed"
            )
        request = txn.request
        if not request.scheme:
            if request.port not in self.connect_ports:
                raise TransactionError(
                    f"CONNECT to port {request.port} is not allowed",
                    status=403,
                    page="port_not_allowed",
                )
        elif request.scheme != "http":
            raise ClientError(
                "https targets are asked for by CONNECT", status=501, page="not_implemented"
            )
        answer = onward.check(head, self.via)
        if answer is not None:
            return answer
        if self.published is not None and request.host == OWN_HOST and request.scheme:
            return own_response(request.method, request.path, self.published(), txn)
        if self.xff != "delete" and connection.forwarding is None:
            address = connection.client.address
            connection.forwarding = Forwarding(
                self.xff, address, "http", trusted=trusts(self.trusted, address)
            )
        return ForwardUpstream(self, head, self.parent_of(request.host), connection.forwarding)

    def parent_of(self, host: str) -> Parent | None:
        """Give the parent that requests for a host go to; C{None}: they go to the host itself."""
        for candidate in self.parents:
            if candidate.takes(host):
                return candidate
        return None

    def renewed(self, newer: Mode) -> Mode:
        """Go over to the listener's mode."""
        return newer


class ForwardUpstream:
    """Where one request of the forward proxy goes."""

    #: What an answer says may be told to all who ask alike, if it doesn't say otherwise.
    shares = True

    __slots__ = (
        "_forwarding",
        "_guarded",
        "_head",
        "_host",
        "_mode",
        "_parent",
        "_route",
        "_said",
        "route",
        "tunnels",
    )

    def __init__(
        self,
        mode: ForwardMode,
        head: RequestHead,
        parent: Parent | None,
        forwarding: Forwarding | None,
    ) -> None:
        self._mode = mode
        self._head = head
        self._host = head.host
        self._parent = parent
        self._forwarding = forwarding
        self._route: tuple[str, int] | None = None
        # What a plugin has said of it.
        self._said: Route | None = None
        # A parent of the configuration may be anywhere; whatever else is dialled is judged.
        self._guarded = parent is None
        self.tunnels = head.raw_method == b"CONNECT"
        self.route = "direct" if parent is None else "parent"

    def reroute(self, txn: Transaction | None, route: Route) -> None:
        """Go where a plugin says, past the guard's eyes; a parent that it names gets no credentials of ours."""
        self.route = route.kind
        self._said = route
        self._parent = None
        self._route = None
        self._guarded = True
        if route.kind == "parent":
            self._parent = Parent(route.host, route.port)
        elif route.kind == "origin":
            self._route = (route.host, route.port)

    def lead_to(self, host: str) -> None:
        """Go to a host by its name, where the request has an address that is only said to be that host's."""
        self._host = host
        if self._said is None:
            self._parent = self._mode.parent_of(host)
            self._guarded = self._parent is None

    @property
    def interception(self) -> Intercepts | None:
        """Who may look into the tunnel."""
        return self._mode.interception  # type: ignore[no-any-return]

    @property
    def mode(self) -> ForwardMode:
        """The mode that it was made by."""
        return self._mode

    @property
    def asked(self) -> RequestHead:
        """The head of the request."""
        return self._head

    @property
    def key(self) -> Hashable:
        """Where to and by which rules, as one value."""
        return self._key()

    def bound(self, mode: BoundMode, txn: Transaction) -> ForwardUpstream:
        """Give the same for a client connection that has upstream connections of its own."""
        if self.tunnels:
            # That is nobody else's in any case.
            return self
        made = BoundForwardUpstream(self._mode, self._head, self._parent, self._forwarding)
        made.mode_around = mode
        made.txn = txn
        return made

    def again(self, mode: ForwardMode) -> ForwardUpstream:
        """Give the same, as a mode of a newer configuration sees it; what a plugin has said of it goes on to hold."""
        made = ForwardUpstream(mode, self._head, mode.parent_of(self._head.host), None)
        if self._said is not None:
            made.reroute(None, self._said)
        return made

    def take(self, txn: Transaction) -> UpstreamConnection | None:
        """Give a kept connection."""
        return self._mode.pool.take(self._key())

    async def dial(self, txn: Transaction) -> UpstreamConnection | TunnelHop:
        """Connect, to the parent or to the target itself."""
        mode = self._mode
        key = self._key()
        trace = Trace()
        begun = monotonic()
        clock = mode.dialer.reactor.seconds()
        parent = self._parent
        # A parent is asked for a tunnel in HTTP; the far end of a tunnel hears none.
        bare = self.tunnels and parent is None
        make: Any = TunnelHop if bare else mode.pool.factory(self.key)
        seconds = mode.connect_seconds
        dialling: Dialling | None = None
        hop: Any
        try:
            if parent is not None and parent.scheme == "https":
                hop = await dial_secured(
                    mode.dialer,
                    parent.host,
                    parent.port,
                    mode.side(parent.host),
                    make,
                    timeout=seconds,
                    guarded=self._guarded,
                    trace=trace,
                )
            else:
                connected: Signal[Any] = Signal()
                dialling = mode.dialer.begin(
                    key[0],
                    key[1],
                    make,
                    connected.fire,
                    connected.fail,
                    timeout=seconds,
                    guarded=self._guarded,
                    trace=trace,
                )
                hop = await connected
        except TransactionError:
            if trace.address:
                txn.upstream = _where(trace.address, key[1])
            raise
        finally:
            if dialling is not None:
                # Of use only to who was interrupted while it waited.
                dialling.cancel()
            if trace.resolved_at is not None:
                txn.timings.resolved = begun + trace.resolved_at - clock
            if trace.connected_at is not None:
                txn.timings.connected = begun + trace.connected_at - clock
        hop.address = _where(trace.address, key[1])
        if self.tunnels and parent is not None:
            await self._through_parent(txn, hop)
        made: UpstreamConnection | TunnelHop = hop
        return made

    def head(self, txn: Transaction, hop: UpstreamConnection, chunked: bool | None) -> bytes:
        """Write the request head: origin-form to an origin, absolute-form to a parent."""
        head = self._head
        host = format_authority("http", head.host, head.port)
        target = head.raw_target
        if self._parent is not None:
            target = b"http://" + host + (b"" if target == b"*" else target)
        method = head.raw_method
        shared = head.section
        lines = head.fields.lines
        if (
            chunked is None
            and shared.harmless
            and method not in onward.COUNTED
            and (lines is shared.received or onward.binds_nothing(shared, lines))
        ):
            circumstances = (host, self._parent)
            if shared.onward_for != circumstances or shared.onward_lines is not lines:
                shared.onward = self._fields(host, chunked)
                shared.onward_for = circumstances
                shared.onward_lines = lines
            return request_head(method, target, shared.onward)
        if lines is not shared.received:
            onward.taint(head, hop)
        return request_head(method, target, self._fields(host, chunked))

    def _fields(self, host: bytes, chunked: bool | None) -> bytes:
        more = () if self._parent is None else _credentials(self._parent)
        return onward.client_fields(
            self._head, host, self._mode.via, chunked, self._forwarding, more
        )

    def another(self, txn: Transaction, error: TransactionError) -> bool:
        """There is only one way."""
        return False

    def answered(self, txn: Transaction, head: ResponseHead) -> bytes:
        """
        Usually nothing is to be added; clients are told that they may authenticate their connection.

        @raise UpstreamError: the parent wants credentials that we don't have; the client can't know them.
        """
        if head.status in _WANTS_CREDENTIALS:
            return self._challenged(head)
        return b""

    def amended(self, response: Response) -> bytes:
        """Add nothing to what is stored."""
        return b""

    def over(self, txn: Transaction) -> None:
        """Nothing to give back."""

    def _key(self) -> tuple[str, int, str]:
        """
        Where to, and by which rules: no guard looks at the address of a parent, so a connection to it is not for a
        request that happens to name the same host and port.
        """
        parent = self._parent
        if parent is not None:
            return parent.host, parent.port, "guarded parent" if self._guarded else "parent"
        if self._route is not None:
            return *self._route, "route"
        return self._host, self._head.port, "direct"

    def _challenged(self, head: ResponseHead) -> bytes:
        """Look at a 401 or 407."""
        if head.status == 407:
            if self._parent is not None:
                raise UpstreamError(
                    "the parent proxy refused our credentials", page="parent_refused"
                )
            return b""
        # Without this line clients do not begin (RFC 4559 section 6). Whether a parent keeps connections apart, it says
        # itself; and an HTTP/1.0 client's connection ends here in any case.
        fields = head.fields
        if (
            self._parent is None
            and self._head.minor
            and any(map(is_binding_challenge, fields.get_all("www-authenticate")))
            and "proxy-support" not in fields
        ):
            return b"Proxy-Support: Session-Based-Authentication\r\n"
        return b""

    async def _through_parent(self, txn: Transaction, hop: UpstreamConnection) -> None:
        """
        Ask the parent for a tunnel.

        @raise UpstreamError: it refuses.
        """
        assert self._parent is not None
        target = format_authority("", self._host, self._head.port)
        asking = _Asking()
        fields = [
            b"Host: " + target,
            self._mode.via.lines[self._head.minor],
            *_credentials(self._parent),
        ]
        hop.ask(b"CONNECT", request_head(b"CONNECT", target, section(fields)), asking)
        try:
            head = await asking.head
        except BaseException:
            hop.abort()
            raise
        if head.status >= 300:
            hop.abort()
            status = 504 if head.status == 504 else 502
            raise UpstreamError(
                f"the parent proxy refused the tunnel with status {head.status}",
                status=status,
                page="parent_refused",
            )


class BoundForwardUpstream(ForwardUpstream):
    """
    The same for a client connection that has upstream connections of its own.

    @ivar mode_around: knows whose they are.
    """

    __slots__ = ("mode_around", "txn")

    mode_around: BoundMode
    txn: Transaction
    shares = False

    @property
    def key(self) -> Hashable:
        """Where to, by which rules, and for whom."""
        return self.mode_around.key(self._key(), self.txn)

    def take(self, txn: Transaction) -> UpstreamConnection | None:
        """Give the kept connection."""
        return self._mode.pool.take(self.key)


class _Asking:
    """Waits for a parent's answer to a CONNECT."""

    def __init__(self) -> None:
        self.head: Signal[ResponseHead] = Signal()

    def interim(self, head: ResponseHead) -> None:
        """Of no interest."""

    def answered(self, head: ResponseHead) -> None:
        """The answer."""
        self.head.fire(head)

    def whole(
        self, head: ResponseHead, content: bytes | memoryview, trailers: tuple[bytes, ...]
    ) -> None:
        """The answer, with all of its content: a refusal."""
        self.head.fire(head)

    def received(self, data: bytes) -> None:
        """Content of a refusal; dropped."""

    def ended(self, trailers: tuple[bytes, ...]) -> None:
        """End of a refusal."""

    def lost(self, error: UpstreamError) -> None:
        """No answer."""
        self.head.fail(error)

    def settled(self) -> None:
        """Nothing is gathered."""


def _credentials(parent: Parent) -> tuple[bytes, ...]:
    if not parent.user:
        return ()
    pair = f"{parent.user}:{parent.password.reveal()}".encode()
    return (b"Proxy-Authorization: Basic " + b64encode(pair),)


def _where(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

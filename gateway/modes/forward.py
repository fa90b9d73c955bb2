"""
The forward proxy: absolute-form requests and CONNECT (RFC 9112 section 3.2, RFC 9110 section 9.3.6).

Direct, or through a parent by rule. What the guard thinks of the address is asked when it is dialled.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

from gateway.api.answers import Route
from gateway.api.errors import ClientError, TransactionError, UpstreamError
from gateway.api.messages import Response
from gateway.api.transaction import Transaction
from gateway.config.parents import Parent
from gateway.message.forwarding import Addresses, Forwarding, Policy, trusts
from gateway.message.target import InvalidTarget, format_authority, parse_absolute, parse_authority
from gateway.message.via import Via
from gateway.modes import onward
from gateway.modes.bound import BoundMode
from gateway.modes.mode import Mode
from gateway.modes.own_pages import OWN_HOST, own_response
from gateway.modes.reaching import Reaching, noted
from gateway.net.dial import Dialer, Trace
from gateway.net.pool import Pool
from gateway.net.tunnel_hop import TunnelHop
from gateway.net.upstream import UpstreamConnection
from gateway.net.upstream_tls import Side, dial_secured
from gateway.pipeline.ca_formats import PublishedCa
from gateway.pipeline.driver import Signal
from gateway.pipeline.ports import Intercepts
from gateway.wire.events import RequestHead, ResponseHead
from gateway.wire.lines import is_binding_challenge
from gateway.wire.write import request_head, section

#: Clients of which it is remembered whether they may use the proxy; one costs some 100 bytes.
_REMEMBERED = 4096
_WANTS_CREDENTIALS = frozenset((401, 407))
_SLASH = 0x2F
# As a number, for where bytes are looked for in others, an error is raised and dropped first: twenty times as dear.
_HASH = 0x23


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
        # Of clients' addresses, whether they may use the proxy.
        self._judged: dict[str, bool] = {}
        self.connect_ports = connect_ports
        self.parents = parents
        self.xff: Policy = xff
        self.trusted = trusted
        self.connect_seconds = connect_seconds
        self.side: Any = side
        self.interception: Any = interception
        self.published = published

    def _resolve(self, head: RequestHead) -> None:
        """
        Resolve the target of any method but CONNECT; origin-form has none here.

        @raise InvalidTarget: it means nothing here.
        """
        method = head.raw_method
        target = head.target
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
        """Resolve the target and let it through, or say why not."""
        method = head.raw_method
        if method == b"CONNECT":
            return self._tunnel(txn, head, connection)
        section = head.section
        way = section.way
        if way is None and txn.client is connection.client:
            way = onward.way_before(section, connection)
        target = head.target
        if (
            way is not None
            and way.mode is self
            and target.startswith(way.prefix)
            and _HASH not in target
            and method not in onward.COUNTED
        ):
            # The same host as that of a request before, whose sender could go there.
            head.host = way.host
            head.port = way.port
            head.raw_target = target[len(way.prefix) - 1 :]
            return ForwardUpstream(way, head)
        self._resolve(head)
        self._let_in(txn, connection)
        request = txn.request
        if request.scheme != "http":
            raise ClientError(
                "https targets are asked for by CONNECT", status=501, page="not_implemented"
            )
        answer = onward.check(head, self.via)
        if answer is not None:
            return answer
        if self.published is not None and request.host == OWN_HOST:
            return own_response(request.method, request.path, self.published(), txn)
        if self.xff != "delete" and connection.forwarding is None:
            address = connection.client.address
            connection.forwarding = Forwarding(
                self.xff, address, "http", trusted=trusts(self.trusted, address)
            )
        way = Way(self, head, connection.forwarding)
        rest = head.raw_target
        if (
            section.harmless
            and rest[0] == _SLASH
            and target.endswith(rest)
            and method not in onward.COUNTED
        ):
            way.prefix = target[: len(target) - len(rest) + 1]
            section.way = way
            if txn.client is connection.client:
                connection.way = way
        return ForwardUpstream(way, head)

    def _tunnel(
        self, txn: Transaction, head: RequestHead, connection: Any
    ) -> ConnectUpstream | Response:
        """Do the same for a CONNECT."""
        head.scheme = ""
        head.host, head.port = parse_authority(head.target, None)
        self._let_in(txn, connection)
        if head.port not in self.connect_ports:
            raise TransactionError(
                f"CONNECT to port {head.port} is not allowed", status=403, page="port_not_allowed"
            )
        answer = onward.check(head, self.via)
        return ConnectUpstream(self, head) if answer is None else answer

    def _let_in(self, txn: Transaction, connection: Any) -> None:
        """
        See whether a client may use the proxy.

        @raise TransactionError: it may not.
        """
        client = txn.client
        address = client.address
        if client is not connection.client:
            # A trusted proxy speaks for another client in each request.
            allowed: bool | None = address in self.allow_from
        else:
            judged = self._judged
            allowed = judged.get(address)
            if allowed is None:
                if len(judged) >= _REMEMBERED:
                    judged.clear()
                # Who has no address came through a unix socket and was let in by its permissions.
                allowed = judged[address] = not address or address in self.allow_from
        if not allowed:
            raise TransactionError(
                "this client may not use the proxy", status=403, page="not_allowed"
            )

    def parent_of(self, host: str) -> Parent | None:
        """Give the parent that requests for a host go to; C{None}: they go to the host itself."""
        for candidate in self.parents:
            if candidate.takes(host):
                return candidate
        return None

    def renewed(self, newer: Mode) -> Mode:
        """Go over to the listener's mode."""
        return newer


class Way:
    """
    Where a client's requests for a host go, and as what.

    The header section that leads there remembers it, if nothing in it calls for more.

    @ivar host: the target's, and so is C{port}.
    @ivar parent: the parent of the configuration; C{None}: they go to the host itself.
    @ivar to: what connections are kept under, and by which rules.
    @ivar field: the value of Host beside it; C{None}: none.
    @ivar prefix: what targets that lead there begin with, up to the slash of their path; empty if it is not remembered.
    @ivar origin: what is written before that slash for the next hop.
    @ivar lines: field lines that were sent on like this before; C{None}: none were.
    @ivar fields: as what.
    """

    __slots__ = (
        "field",
        "fields",
        "forwarding",
        "host",
        "lines",
        "mode",
        "origin",
        "parent",
        "port",
        "prefix",
        "to",
    )

    def __init__(self, mode: ForwardMode, head: RequestHead, forwarding: Forwarding | None) -> None:
        self.mode = mode
        self.host = host = head.host
        self.port = port = head.port
        self.forwarding = forwarding
        self.parent = parent = mode.parent_of(host)
        self.to = _place(parent, host, port)
        self.field = head.section.host_field
        self.prefix = self.origin = b""
        self.lines: list[bytes] | None = None
        self.fields = b""


class ForwardUpstream:
    """Where one request of the forward proxy goes."""

    #: What an answer says may be told to all who ask alike, if it doesn't say otherwise.
    shares = True

    __slots__ = (
        "_guarded",
        "_head",
        "_host",
        "_mode",
        "_parent",
        "_said",
        "_to",
        "_way",
        "route",
        "tunnels",
    )

    def __init__(self, way: Way, head: RequestHead) -> None:
        self._way = way
        self._head = head
        self._mode = way.mode
        self._host = way.host
        self._parent = parent = way.parent
        # Where to and by which rules.
        self._to = way.to
        # What a plugin has said of it.
        self._said: Route | None = None
        # A parent of the configuration may be anywhere; whatever else is dialled is judged.
        self._guarded = parent is None
        self.tunnels = False
        self.route = "direct" if parent is None else "parent"

    def reroute(self, txn: Transaction | None, route: Route) -> None:
        """Go where a plugin says, past the guard's eyes; a parent that it names gets no credentials of ours."""
        self.route = route.kind
        self._said = route
        self._parent = None
        self._guarded = True
        if route.kind == "parent":
            self._parent = Parent(route.host, route.port)
            self._to = route.host, route.port, "guarded parent"
        elif route.kind == "origin":
            self._to = route.host, route.port, "route"
        else:
            self._to = self._host, self._head.port, "direct"

    def lead_to(self, host: str) -> None:
        """Go to a host by its name, where the request has an address that is only said to be that host's."""
        self._host = host
        if self._said is None:
            self._parent = parent = self._mode.parent_of(host)
            self._guarded = parent is None
            self._to = _place(parent, host, self._head.port)
        elif self._to[2] == "direct":
            self._to = host, self._head.port, "direct"

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
        return self._to

    def bound(self, mode: BoundMode, txn: Transaction) -> ForwardUpstream:
        """Give the same for a client connection that has upstream connections of its own."""
        made = BoundForwardUpstream(self._way, self._head)
        made.mode_around = mode
        made.txn = txn
        return made

    def again(self, mode: ForwardMode) -> ForwardUpstream:
        """Give the same, as a mode of a newer configuration sees it; what a plugin has said of it goes on to hold."""
        made: ForwardUpstream
        if self.tunnels:
            made = ConnectUpstream(mode, self._head)
        else:
            made = ForwardUpstream(Way(mode, self._head, None), self._head)
        if self._said is not None:
            made.reroute(None, self._said)
        return made

    def take(self, txn: Transaction) -> UpstreamConnection | None:
        """Give a kept connection."""
        return self._mode.pool.take(self._to)

    async def dial(self, txn: Transaction) -> UpstreamConnection | TunnelHop:
        """Connect, to the parent or to the target itself."""
        mode = self._mode
        parent = self._parent
        hop: Any
        make: Any
        if parent is not None and parent.scheme == "https":
            trace = Trace()
            make = mode.pool.factory(self.key)
            try:
                hop = await dial_secured(
                    mode.dialer,
                    parent.host,
                    parent.port,
                    mode.side(parent.host),
                    make,
                    timeout=mode.connect_seconds,
                    guarded=self._guarded,
                    trace=trace,
                )
            finally:
                noted(txn, trace, parent.port, mode.dialer.reactor)
            hop.address = txn.upstream
        else:
            # A parent is asked for a tunnel in HTTP; the far end of a tunnel hears none.
            bare = self.tunnels and parent is None
            make = TunnelHop if bare else mode.pool.factory(self.key)
            connected: Signal[Any] = Signal()
            reaching = self._begin(txn, make, connected.fire, connected.fail)
            try:
                hop = await connected
            finally:
                # Of use only to who was interrupted while it waited.
                reaching.abort()
        if self.tunnels and parent is not None:
            await self._through_parent(txn, hop)
        made: UpstreamConnection | TunnelHop = hop
        return made

    def _begin(
        self,
        txn: Transaction,
        make: Callable[[], Any],
        made: Callable[[Any], object],
        failed: Callable[[Any], object],
    ) -> Reaching:
        host, port, _ = self._to
        mode = self._mode
        return Reaching(
            mode.dialer, txn, host, port, make, made, failed, mode.connect_seconds, self._guarded
        )

    def head(self, txn: Transaction, hop: UpstreamConnection, chunked: bool | None) -> bytes:
        """Write the request head: origin-form to an origin, absolute-form to a parent."""
        head = self._head
        way = self._way
        lines = head.fields.lines
        target = head.raw_target
        if chunked is None and lines is way.lines and self._said is None:
            return b"%b %b%b HTTP/1.1\r\n%b\r\n" % (
                head.raw_method,
                way.origin,
                target,
                way.fields,
            )
        host = format_authority("http", head.host, head.port)
        origin = b"" if self._parent is None else b"http://" + host
        if origin:
            target = origin + (b"" if target == b"*" else target)
        may_bind = onward.taint(head, hop)
        fields = self._fields(host, chunked)
        if (
            chunked is None
            and head.section.way is way
            and self._said is None
            and not may_bind
            and len(fields) <= onward.MOST_KEPT
        ):
            way.origin = origin
            way.fields = fields
            way.lines = lines
        return request_head(head.raw_method, target, fields)

    def _fields(self, host: bytes, chunked: bool | None) -> bytes:
        more = () if self._parent is None else _credentials(self._parent)
        return onward.client_fields(
            self._head, host, self._mode.via, chunked, self._way.forwarding, more
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


class ConnectUpstream(ForwardUpstream):
    """Where a CONNECT goes. No other request goes the same way, so nothing of it is remembered."""

    __slots__ = ()

    def __init__(self, mode: ForwardMode, head: RequestHead) -> None:
        self._head = head
        self._mode = mode
        self._host = host = head.host
        self._parent = parent = mode.parent_of(host) if mode.parents else None
        self._to = _place(parent, host, head.port)
        self._said = None
        self._guarded = parent is None
        self.tunnels = True
        self.route = "direct" if parent is None else "parent"

    def bound(self, mode: BoundMode, txn: Transaction) -> ForwardUpstream:
        """Give the same: its connection is nobody else's in any case."""
        return self

    @property
    def reaches(self) -> bool:
        """A parent has to grant a tunnel first."""
        return self._parent is None

    def reach(
        self, txn: Transaction, made: Callable[[Any], object], failed: Callable[[Any], object]
    ) -> Reaching:
        """Connect to the target itself, for who wants to be called back."""
        host, port, _ = self._to
        mode = self._mode
        return Reaching(
            mode.dialer,
            txn,
            host,
            port,
            TunnelHop,
            made,
            failed,
            mode.connect_seconds,
            self._guarded,
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
        return self.mode_around.key(self._to, self.txn)

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


def _place(parent: Parent | None, host: str, port: int) -> tuple[str, int, str]:
    """
    Give where to, and by which rules.

    No guard looks at the address of a parent, so a connection to it is not for a request that happens to name the same
    host and port.
    """
    return (host, port, "direct") if parent is None else (parent.host, parent.port, "parent")


def _credentials(parent: Parent) -> tuple[bytes, ...]:
    if not parent.user:
        return ()
    pair = f"{parent.user}:{parent.password.reveal()}".encode()
    return (b"Proxy-Authorization: Basic " + b64encode(pair),)

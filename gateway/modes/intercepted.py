"""
HTTP inside a decrypted tunnel: what a request means there, and where it goes.

The connection is for one server, the one that the tunnel was asked for and that has proved who it is. Requests name it
in Host, in origin-form as to the server itself (RFC 9112 section 3.2.1); one that names another host is refused, unless the
server's certificate is for that one too (RFC 9110 section 15.5.20). Upstream connections are kept and shared like all
others, by server and by name that was verified.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

from cryptography import x509

from gateway.api.answers import Route
from gateway.api.errors import ClientError, TransactionError
from gateway.api.messages import Response
from gateway.api.transaction import Identity, Transaction
from gateway.message.forwarding import Forwarding
from gateway.message.target import InvalidTarget, format_authority, parse_absolute, parse_authority
from gateway.modes import onward
from gateway.modes.bound import BoundMode
from gateway.modes.connect_upstream import ConnectUpstream
from gateway.modes.forward_upstream import ProxyMode
from gateway.modes.rewritten import rewritten
from gateway.net.owner import Owner, OwnKey
from gateway.net.tunnel_hop import TunnelHop
from gateway.net.upstream import UpstreamConnection
from gateway.net.upstream_tls import Side, secure
from gateway.wire.connects import KnownConnects
from gateway.wire.events import RequestHead, ResponseHead
from gateway.wire.write import request_head


class ServerSide(Side, Protocol):
    """Our side of TLS with a server of the web."""

    @property
    def excused(self) -> bool:
        """Its certificate is believed by an exception, although something is wrong with it."""

    def keep_certificate(self) -> None:
        """Keep what is read of the server's certificate until L{shown} is called."""

    def shown(self) -> tuple[bytes, x509.Certificate | None]:
        """Give the SHA-256 of the server's certificate, and that itself if it had to be read; once."""


class Sides(Protocol):
    """Who makes our sides of TLS with upstreams: L{gateway.net.upstream_sides.UpstreamSides}."""

    def side(self, host: str) -> ServerSide:
        """Make the side of a connection to a host."""

    def has_client_certificate(self, host: str) -> bool:
        """Tell whether we show a certificate of our own to a host."""


class Server:
    """
    The server of one tunnel, as often as it is dialled.

    @ivar host: the host that the CONNECT named.
    @ivar port: its port.
    @ivar name: the name that the client asked for in TLS, which is verified.
    @ivar owner: whose its connections are; C{None}: all clients share them.
    """

    __slots__ = ("_sides", "_through", "host", "key", "name", "owner", "port")

    def __init__(
        self,
        through: ConnectUpstream,
        sides: Sides,
        name: str,
        owner: Owner | None = None,
    ) -> None:
        """
        Take what is known of it.

        @param through: where the CONNECT goes.
        @param owner: whose the connections are; C{None}: all who ask for this server, unless they depend on who we are.
        """
        asked = through.asked
        self.host: str = asked.host
        self.port: int = asked.port
        self.name = name
        self._through = through
        self._sides = sides
        # Who we are by certificate may be bound to the connection; one client's must not be another's.
        if owner is None and sides.has_client_certificate(name):
            owner = Owner()
        self.owner = owner
        key = (through.key, self.host, self.port, name)
        #: What its connections are kept under.
        self.key: Hashable = key if owner is None else OwnKey(key, "", owner)

    @property
    def mode(self) -> ProxyMode:
        """The forward mode that it belongs to."""
        return self._through.mode

    def named(self, name: str) -> Server:
        """Give the server that the client asks for by another name."""
        return Server(self._through, self._sides, name)

    def rerouted(self, txn: Transaction, route: Route) -> Server:
        """Give the same server, by another way."""
        through = self._through.again(self.mode)
        through.reroute(txn, route)
        return Server(through, self._sides, self.name, self.owner)

    def owned(self, owner: Owner) -> Server:
        """Give the same server, by connections that are somebody's own."""
        if self.owner is owner:
            return self
        return Server(self._through, self._sides, self.name, owner)

    def renewed(self, mode: ProxyMode, sides: Sides) -> Server:
        """Give the same server, as a newer configuration reaches it."""
        return Server(self._through.again(mode), sides, self.name, self.owner)

    async def connect(self, txn: Transaction) -> TunnelHop:
        """
        Connect without TLS.

        @raise TransactionError: it can't be reached.
        """
        return TunnelHop.of(await self._through.dial(txn))

    def side(self) -> ServerSide:
        """Make our side of TLS."""
        return self._sides.side(self.name)

    async def secure(self, hop: TunnelHop, side: Side) -> TunnelHop:
        """
        Shake hands with it.

        @param hop: given away with this call.
        @return: a hop on top of the verified connection.
        @raise TransactionError: it is not who it should be.
        """
        mode = self.mode
        make: Any = TunnelHop
        made: TunnelHop = await secure(
            hop, self.name, side, make, mode.dialer.reactor, timeout=mode.connect_seconds
        )
        made.address = hop.address
        return made

    def adopt(self, hop: TunnelHop) -> UpstreamConnection:
        """Make a connection for requests of a secured hop to which nothing was said, and from which nothing came."""
        transport = hop.transport
        hop.surrender()
        made = self.mode.pool.new(self.key)
        made.address = hop.address
        made.makeConnection(transport)
        transport.protocol = made
        return made


class InterceptedMode:
    """
    What the requests of one decrypted connection share.

    @ivar identity: who the client is, as the CONNECT has shown.
    """

    name = "forward"
    keeps_http10 = True
    connects: KnownConnects | None = None

    __slots__ = ("_fault", "_identity", "server")

    def __init__(
        self,
        server: Server,
        identity: Identity | None,
        fault: TransactionError | None = None,
    ) -> None:
        """
        Make it for one connection.

        @param fault: why the server is not to be talked to: every request is answered with that.
        """
        self.server = server
        self._identity = identity
        self._fault = fault

    def renewed(self, newer: Any) -> InterceptedMode | None:
        """Go over to what a newer configuration says; C{None}: this connection is not to be decrypted any more."""
        interception = newer.interception
        if interception is None or not interception.goes_on(self.server):
            return None
        return InterceptedMode(
            self.server.renewed(newer, interception.sides), self._identity, self._fault
        )

    def _resolve(self, head: RequestHead) -> None:
        """
        Resolve the target; the authority of an absolute-form wins over Host (RFC 9112 section 3.2.2).

        @raise InvalidTarget: it means nothing here.
        """
        server = self.server
        target = head.target
        method = head.raw_method
        if method == b"CONNECT":
            raise InvalidTarget("a tunnel in a tunnel", status=405, page="method_not_allowed")
        head.scheme = "https"
        field = head.section.host_field
        if field:
            head.host, port = parse_authority(field, 0)
            head.port = port or server.port
        else:
            head.host, head.port = server.name, server.port
        if target[0] == 0x2F:
            if b"#" in target:
                raise InvalidTarget("a fragment has no place in a request")
            return
        if target == b"*":
            if method != b"OPTIONS":
                raise InvalidTarget("only OPTIONS has the target *")
            return
        head.scheme, head.host, head.port, head.raw_target = parse_absolute(target, method)

    def upstream(
        self, txn: Transaction, head: RequestHead, connection: Any
    ) -> InterceptedUpstream | Response:
        """Send it to the server, if it is meant for that."""
        self._resolve(head)
        txn.identity = self._identity
        if self._fault is not None:
            raise self._fault
        server = self.server
        request = txn.request
        host = request.host
        if (
            request.port != server.port
            or request.scheme != "https"
            or (host != server.name and host != server.host and connection.names_another(host))
        ):
            raise ClientError(
                "the connection was made for another host", status=421, page="misdirected"
            )
        mode = server.mode
        answer = onward.check(head, mode.via)
        if answer is not None:
            return answer
        if mode.xff != "delete" and connection.forwarding is None:
            connection.forwarding = Forwarding(
                mode.xff, connection.client.address, "https", trusted=False
            )
        return InterceptedUpstream(server, head, connection.forwarding)


class Way:
    """
    What a header section becomes on its way to the server, as it remembers.

    @ivar host: the value of Host then.
    @ivar lines: the field lines that were sent on.
    @ivar fields: as what.
    """

    __slots__ = ("fields", "host", "lines")

    def __init__(self, host: bytes, lines: list[bytes], fields: bytes) -> None:
        self.host = host
        self.lines = lines
        self.fields = fields


class InterceptedUpstream:
    """Where one request of a decrypted connection goes."""

    __slots__ = ("_forwarding", "_head", "_server", "route")

    tunnels = False
    interception = None
    shares = True

    def __init__(self, server: Server, head: RequestHead, forwarding: Forwarding | None) -> None:
        self._server = server
        self._head = head
        self._forwarding = forwarding
        self.route = "direct"

    def reroute(self, txn: Transaction, route: Route) -> None:
        """Go to the same server by the way that a plugin says."""
        self.route = route.kind
        self._server = self._server.rerouted(txn, route)

    def bound(self, mode: BoundMode, txn: Transaction) -> InterceptedUpstream:
        """Give the same for a client connection that has upstream connections of its own; within TLS it speaks for one."""
        return BoundInterceptedUpstream(
            self._server.owned(mode.owner), self._head, self._forwarding
        )

    def take(self, txn: Transaction) -> UpstreamConnection | None:
        """Give a kept connection."""
        server = self._server
        return server.mode.pool.take(server.key)

    async def dial(self, txn: Transaction) -> UpstreamConnection:
        """Connect, and shake hands."""
        server = self._server
        hop = await server.connect(txn)
        try:
            secured = await server.secure(hop, server.side())
        except TransactionError:
            txn.upstream = hop.address
            raise
        return server.adopt(secured)

    def head(self, txn: Transaction, hop: UpstreamConnection, chunked: bool | None) -> bytes:
        """Write the request head, as to the origin."""
        head = self._head
        section = head.section
        method = head.raw_method
        host = section.host_field
        if host is None or head.target[0] != 0x2F:
            host = format_authority("https", head.host, head.port)
        lines = head.lines()
        alike = chunked is None and section.harmless and method not in onward.COUNTED
        way = section.way
        if alike and way is not None and way.lines is lines and way.host == host:
            return request_head(method, head.raw_target, way.fields)
        written = rewritten(lines, section, None)
        if written.binds:
            hop.taint()
        fields = self._fields(host, chunked, written.lines)
        if alike and not written.binds:
            section.way = Way(host, lines, fields)
        return request_head(method, head.raw_target, fields)

    def _fields(self, host: bytes, chunked: bool | None, written: list[bytes]) -> bytes:
        via = self._server.mode.via
        return onward.client_fields(self._head, host, via, chunked, written, self._forwarding)

    def another(self, txn: Transaction, error: TransactionError) -> bool:
        """There is only one server."""
        return False

    def answered(self, txn: Transaction, head: ResponseHead) -> bytes:
        """Nothing to add."""
        return b""

    def amended(self, response: Response) -> bytes:
        """Add nothing to what is stored."""
        return b""

    def over(self, txn: Transaction) -> None:
        """Nothing to give back."""


class BoundInterceptedUpstream(InterceptedUpstream):
    """The same for a client connection that has upstream connections of its own."""

    __slots__ = ()

    shares = False

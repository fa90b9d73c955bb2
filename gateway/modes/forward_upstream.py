"""
Where one request of the forward proxy goes, and as what: to the target itself, to a parent, or where a plugin says.

Tunnels are in L{gateway.modes.connect_upstream}. Whether a client may go there is not known here.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from gateway.api.answers import Route
from gateway.api.errors import TransactionError, UpstreamError
from gateway.api.messages import Response
from gateway.api.transaction import Transaction
from gateway.config.parents import Parent
from gateway.message.forwarding import Forwarding, Policy
from gateway.message.target import format_authority
from gateway.message.via import Via
from gateway.modes import onward
from gateway.modes.bound import BoundMode
from gateway.modes.reaching import Reaching, noted
from gateway.modes.rewritten import Rewritten, rewritten
from gateway.net.dial import Dialer, Trace
from gateway.net.pool import Pool
from gateway.net.tunnel_hop import TunnelHop
from gateway.net.upstream import UpstreamConnection
from gateway.net.upstream_tls import dial_secured
from gateway.pipeline.driver import Signal
from gateway.pipeline.ports import Intercepts
from gateway.wire.events import RequestHead, ResponseHead
from gateway.wire.lines import is_binding_challenge
from gateway.wire.write import request_head

_WANTS_CREDENTIALS = frozenset((401, 407))


class ProxyMode(Protocol):
    """
    What is needed of the mode of a forward listener.

    @ivar side: makes our side of TLS with a parent of this name.
    @ivar interception: who may look into tunnels; C{None}: nobody.
    """

    dialer: Dialer
    pool: Pool
    via: Via
    connect_seconds: float
    side: Any
    xff: Policy
    interception: Intercepts | None

    def parent_of(self, host: str) -> Parent | None:
        """Give the parent that requests for a host go to; C{None}: they go to the host itself."""


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
    @ivar written: what plugins have written into the last one of those into which they have; C{None}: there was none.
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
        "written",
    )

    def __init__(self, mode: ProxyMode, head: RequestHead, forwarding: Forwarding | None) -> None:
        self.mode = mode
        self.host = host = head.host
        self.port = port = head.port
        self.forwarding = forwarding
        self.parent = parent = mode.parent_of(host)
        self.to = place(parent, host, port)
        self.field = head.section.host_field
        self.prefix = self.origin = b""
        self.lines: list[bytes] | None = None
        self.written: Rewritten | None = None
        self.fields = b""


class ForwardUpstream:
    """Where one request of the forward proxy goes."""

    tunnels = False
    interception: Intercepts | None = None
    #: What an answer says may be told to all who ask alike, if it doesn't say otherwise.
    shares = True

    __slots__ = (
        "_guarded",
        "_head",
        "_host",
        "_mode",
        "_said",
        "_to",
        "_way",
        "parent",
        "route",
    )

    def __init__(self, way: Way, head: RequestHead) -> None:
        self._way = way
        self._head = head
        self._mode = way.mode
        self._host = way.host
        self.parent = parent = way.parent
        # Where to and by which rules.
        self._to = way.to
        # What a plugin has said of it.
        self._said: Route | None = None
        # A parent of the configuration may be anywhere; whatever else is dialled is judged.
        self._guarded = parent is None
        self.route = "direct" if parent is None else "parent"

    def reroute(self, txn: Transaction | None, route: Route) -> None:
        """Go where a plugin says, past the guard's eyes; a parent that it names gets no credentials of ours."""
        self.route = route.kind
        self._said = route
        self.parent = None
        self._guarded = True
        if route.kind == "parent":
            self.parent = Parent(route.host, route.port)
            self._to = route.host, route.port, "guarded parent"
        elif route.kind == "origin":
            self._to = route.host, route.port, "route"
        else:
            self._to = self._host, self._head.port, "direct"

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

    def take(self, txn: Transaction) -> UpstreamConnection | None:
        """Give a kept connection."""
        return self._mode.pool.take(self._to)

    async def dial(self, txn: Transaction) -> UpstreamConnection | TunnelHop:
        """Connect, to the parent or to the target itself."""
        made: UpstreamConnection = await self._dialled(txn, self._mode.pool.factory(self.key))
        return made

    async def _dialled(self, txn: Transaction, make: Callable[[], Any]) -> Any:
        """
        Connect to what is next on the way.

        @param make: makes the protocol.
        """
        mode = self._mode
        parent = self.parent
        if parent is not None and parent.scheme == "https":
            trace = Trace()
            try:
                hop: Any = await dial_secured(
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
            return hop
        connected: Signal[Any] = Signal()
        reaching = self._begin(txn, make, connected.fire, connected.fail)
        try:
            return await connected
        finally:
            # Of use only to who was interrupted while it waited.
            reaching.abort()

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
        lines = head.lines()
        target = head.raw_target
        if chunked is None and lines is way.lines and self._said is None:
            return b"%b %b%b HTTP/1.1\r\n%b\r\n" % (
                head.raw_method,
                way.origin,
                target,
                way.fields,
            )
        host = format_authority("http", head.host, head.port)
        origin = b"" if self.parent is None else b"http://" + host
        if origin:
            target = origin + (b"" if target == b"*" else target)
        written = rewritten(lines, head.section, way)
        if written.binds:
            hop.taint()
        fields = self._fields(host, chunked, written.lines)
        if (
            chunked is None
            and head.section.way is way
            and self._said is None
            and not written.binds
            and len(fields) <= onward.MOST_KEPT
        ):
            way.origin = origin
            way.fields = fields
            way.lines = lines
        return request_head(head.raw_method, target, fields)

    def _fields(self, host: bytes, chunked: bool | None, written: list[bytes]) -> bytes:
        more = () if self.parent is None else credentials(self.parent)
        return onward.client_fields(
            self._head, host, self._mode.via, chunked, written, self._way.forwarding, more
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
            if self.parent is not None:
                raise UpstreamError(
                    "the parent proxy refused our credentials", page="parent_refused"
                )
            return b""
        # Without this line clients do not begin (RFC 4559 section 6). Whether a parent keeps connections apart, it says
        # itself; and an HTTP/1.0 client's connection ends here in any case.
        fields = head.fields
        if (
            self.parent is None
            and self._head.minor
            and any(map(is_binding_challenge, fields.get_all("www-authenticate")))
            and "proxy-support" not in fields
        ):
            return b"Proxy-Support: Session-Based-Authentication\r\n"
        return b""


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


def place(parent: Parent | None, host: str, port: int) -> tuple[str, int, str]:
    """
    Give where to, and by which rules.

    No guard looks at the address of a parent, so a connection to it is not for a request that happens to name the same
    host and port.
    """
    return (host, port, "direct") if parent is None else (parent.host, parent.port, "parent")


def credentials(parent: Parent) -> tuple[bytes, ...]:
    """Give the field line that a parent of the configuration wants, if it wants one."""
    if not parent.user:
        return ()
    pair = f"{parent.user}:{parent.password.reveal()}".encode()
    return (b"Proxy-Authorization: Basic " + b64encode(pair),)

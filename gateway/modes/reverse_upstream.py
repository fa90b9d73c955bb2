"""
Where one request of a site goes: by which origin, as what, and what is said of the answer.

Which origin is the site's pool's business, and so are limits and health. A request that failed goes to another origin
only while nothing was sent on (RFC 9110 section 9.2.2).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from gateway.api.answers import Route
from gateway.api.errors import GatewayError, TransactionError
from gateway.api.messages import Response
from gateway.api.transaction import Failed, Transaction
from gateway.message.forwarding import Forwarding
from gateway.message.location import OriginReferences
from gateway.message.target import format_authority
from gateway.message.via import Via
from gateway.modes import onward
from gateway.modes.bound import BoundMode
from gateway.modes.origins import OriginState
from gateway.modes.reaching import noted
from gateway.modes.rewritten import Rewritten, rewritten
from gateway.modes.running_site import RunningSite
from gateway.net.dial import Dialer, Trace
from gateway.net.faults import (
    DescriptorsExhausted,
    SourcePortsExhausted,
    UpstreamClosed,
    UpstreamTimeout,
)
from gateway.net.pool import Pool
from gateway.net.upstream import UpstreamConnection
from gateway.net.upstream_tls import dial_secured
from gateway.wire.events import RequestHead, ResponseHead
from gateway.wire.lines import COOKIE, FORWARDING, REQUEST_ID, FieldLine

_SLASH = 0x2F


class SiteMode(Protocol):
    """
    What is needed of the mode of a site's listener.

    @ivar side: makes our side of TLS with an origin of this name.
    @ivar secure: its clients come by https.
    @ivar scheme: so that is theirs.
    """

    dialer: Dialer
    pool: Pool
    via: Via
    connect_seconds: float
    side: Any
    secure: bool
    scheme: str


class Way:
    """
    Where a client's requests for a host of a site go, and as what.

    The header section that leads there remembers it, if nothing in it calls for more.

    @ivar field: the value of Host; C{None}: none.
    @ivar host: the target's, and so is C{port}.
    @ivar lines: field lines that were sent on like this before; C{None}: none were.
    @ivar between: as what: all that stands between the target and the id of a request.
    @ivar written: what plugins have written into the last one of those into which they have; C{None}: there was none.
    """

    __slots__ = (
        "between",
        "field",
        "forwarding",
        "host",
        "lines",
        "mode",
        "port",
        "site",
        "written",
    )

    def __init__(
        self, mode: SiteMode, site: RunningSite, head: RequestHead, forwarding: Forwarding
    ) -> None:
        self.mode = mode
        self.site = site
        self.field = head.section.host_field
        self.host = head.host
        self.port = head.port
        self.forwarding = forwarding
        self.lines: list[bytes] | None = None
        self.written: Rewritten | None = None
        self.between = b""


class Choice:
    """
    How far the choice of an origin has come, where there is one.

    @ivar waiting: for room at some origin.
    @ivar excluded: those that failed.
    @ivar sticky: the id from the client's cookie.
    """

    __slots__ = ("excluded", "sticky", "waiting")

    def __init__(self) -> None:
        self.waiting: Deferred[OriginState] | None = None
        self.excluded: list[OriginState] = []
        self.sticky: str | None = None

    def give_up(self) -> None:
        """Wait no more."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting.addErrback(lambda _: None)
            waiting.cancel()


class ReverseUpstream:
    """Where one request of a site goes."""

    __slots__ = ("_choice", "_head", "_origin", "_way")

    route = "origin"
    tunnels = False
    interception = None
    shares = True

    def __init__(self, way: Way, head: RequestHead) -> None:
        self._way = way
        self._head = head
        self._origin: OriginState | None = None
        # Made when something is to be chosen.
        self._choice: Choice | None = None

    def reroute(self, txn: Transaction, route: Route) -> None:
        """
        Stay: a site's requests go to the site's own origins.

        @raise GatewayError: a plugin says something else than C{"direct"}.
        """
        if route.kind != "direct":
            raise GatewayError("a plugin sent the request of a site elsewhere than to its origins")

    def take(self, txn: Transaction) -> UpstreamConnection | None:
        """Choose an origin and give a kept connection to it."""
        way = self._way
        state = self._origin
        if state is None:
            state = way.site.only
            if state is not None and self._choice is None:
                state.open += 1
                state.served += 1
            else:
                state = self._choose(txn, None)
                if state is None:
                    return None
            self._origin = state
        return way.mode.pool.take(state.address)

    def _choose(self, txn: Transaction, bound: str | None) -> OriginState | None:
        """
        Choose an origin.

        @param bound: the id of one that the client's connection is bound to.
        @return: C{None}: it has to be waited for.
        """
        site = self._way.site
        choice = self._choice
        if choice is None:
            choice = self._choice = Choice()
        elif choice.waiting is not None:
            return None
        if site.cookie is not None:
            values = [known.value for known in self._head.section.special if known.code == COOKIE]
            choice.sticky = site.cookie.read(values) if values else None
        chosen = site.origins.acquire(txn.client.address, choice.excluded, bound or choice.sticky)
        if isinstance(chosen, Deferred):
            choice.waiting = chosen
            return None
        return chosen

    async def dial(self, txn: Transaction) -> UpstreamConnection:
        """Wait for room if need be, then connect."""
        mode = self._way.mode
        if self._origin is None:
            choice = self._choice
            if choice is None or choice.waiting is None:
                self.take(txn)
                choice = self._choice
            if choice is not None and choice.waiting is not None:
                waiting, choice.waiting = choice.waiting, None
                self._origin = await waiting
                kept = mode.pool.take(self._key(self._origin))
                if kept is not None:
                    return kept
        state = self._origin
        assert state is not None
        origin = state.origin
        trace = Trace()
        txn.upstream = f"{origin.host}:{origin.port}"
        make: Any = mode.pool.factory(self._key(state))
        seconds = mode.connect_seconds
        hop: Any
        if origin.scheme == "https":
            side = mode.side(self._way.site.site.verify_host or origin.host)
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
        noted(txn, trace, 0, mode.dialer.reactor)
        address = f"[{trace.address}]" if ":" in trace.address else trace.address
        hop.address = f"{address}:{origin.port}"
        made: UpstreamConnection = hop
        return made

    def bound(self, mode: BoundMode, txn: Transaction) -> ReverseUpstream:
        """Give the same for a client connection that has upstream connections of its own."""
        made = BoundReverseUpstream(self._way, self._head)
        made.mode_around = mode
        made.txn = txn
        return made

    def _key(self, state: OriginState) -> Hashable:
        """What connections to an origin are kept under; L{take} knows it too."""
        return state.address

    def head(self, txn: Transaction, hop: UpstreamConnection, chunked: bool | None) -> bytes:
        """Write the request head."""
        head = self._head
        way = self._way
        lines = head.lines()
        if chunked is None and lines is way.lines:
            between = way.between
        else:
            written = rewritten(lines, head.section, way)
            if written.binds:
                hop.taint()
            between = b" HTTP/1.1\r\n%bX-Request-Id: " % self._fields(chunked, written.lines)
            if (
                chunked is None
                and head.section.way is way
                and way.site.keeps_fields
                # Else it is asked for the host that the origin is.
                and way.field
                # Else a line was taken out that the next one alike has again.
                and head.lines() is lines
                and not written.binds
                and len(between) <= onward.MOST_KEPT
            ):
                way.between = between
                way.lines = lines
        return b"".join(
            (
                head.raw_method,
                b" ",
                head.raw_target,
                between,
                txn.id.encode(),
                b"\r\n\r\n",
            )
        )

    def _fields(self, chunked: bool | None, written: list[bytes]) -> bytes:
        head = self._head
        way = self._way
        site = way.site
        assert self._origin is not None
        public = head.section.host_field or b""
        if head.target[0] != _SLASH and head.target != b"*":
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
        forwarding = way.forwarding
        more = forwarding.lines(public, received)
        return onward.fields(
            head,
            host,
            way.mode.via,
            chunked,
            written,
            keeps_forwarding=not forwarding.drops,
            more=more,
        )

    def another(self, txn: Transaction, error: TransactionError) -> bool:
        """Count the failure and choose another origin, as often as the site allows."""
        state = self._origin
        if state is None:
            return False
        site = self._way.site
        self._origin = None
        if not isinstance(error, (SourcePortsExhausted, DescriptorsExhausted)):
            # Those are our own shortage and say nothing of the origin.
            site.origins.failed(state, error.page)
        site.origins.release(state)
        choice = self._choice
        if choice is None:
            choice = self._choice = Choice()
        excluded = choice.excluded
        if len(excluded) >= site.site.retries or len(site.origins.origins) < 2:
            return False
        excluded.append(state)
        return len(excluded) < len(site.origins.origins)

    def answered(self, txn: Transaction, head: ResponseHead) -> bytes:
        """Note that the origin works; add and rewrite what the site says."""
        state = self._origin
        assert state is not None
        site = self._way.site
        if state.failures:
            site.origins.succeeded(state)
        return self._amendment(txn, head, site, state) if site.amends else b""

    def amended(self, response: Response) -> bytes:
        """Keep browsers to TLS, where the site says so; an origin is not bound by what none has answered."""
        way = self._way
        strict = way.site.strict_transport
        return (
            strict if strict and way.mode.secure and not _is_strict(response.fields.lines) else b""
        )

    def over(self, txn: Transaction) -> None:
        """Give the origin back, and count a failure of its own."""
        if self._choice is not None:
            self._choice.give_up()
        state = self._origin
        if state is None:
            return
        self._origin = None
        site = self._way.site
        outcome = txn.outcome
        if type(outcome) is Failed and isinstance(outcome.error, (UpstreamClosed, UpstreamTimeout)):
            site.origins.failed(state, outcome.error.page)
        if site.only is not None:
            # Nobody waits for room where there is no bound.
            state.open -= 1
        else:
            site.origins.release(state)

    def _amendment(
        self, txn: Transaction, head: ResponseHead, site: RunningSite, state: OriginState
    ) -> bytes:
        """Bind the client to the origin, rewrite what names it, and keep browsers to TLS, where the site says so."""
        if site.references is not None:
            self._rewrite(txn, site.references)
        more = b""
        # Browsers go by the first of two such fields (RFC 6797 section 8.1), and the origin knows its own.
        secure = self._way.mode.secure
        if site.strict_transport and secure and not _is_strict(head.fields.lines):
            more = site.strict_transport
        if site.cookie is not None:
            choice = self._choice
            if choice is None or choice.sticky != state.id:
                more += site.cookie.set_line(state.address, secure=secure) + b"\r\n"
        return more

    def _rewrite(self, txn: Transaction, references: OriginReferences) -> None:
        assert txn.response is not None
        fields = txn.response.fields
        public = b"%b://" % self._way.mode.scheme.encode() + (self._head.section.host_field or b"")
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
            site = self._way.site
            bound = self.mode_around.origin((site.name, site.path), txn)
            state = self._origin = self._choose(txn, bound)
            if state is None:
                return None
        return self._way.mode.pool.take(self._key(state))

    def _key(self, state: OriginState) -> Hashable:
        site = self._way.site
        self.mode_around.settle((site.name, site.path), self.txn, state.id)
        return self.mode_around.key(state.address, self.txn)


_STRICT = b"strict-transport-security:"
_S = frozenset((b"S", b"s"))


def _is_strict(lines: list[bytes]) -> bool:
    """Tell whether there is such a field already."""
    length = len(_STRICT)
    return any(line[:length].lower() == _STRICT for line in lines if line[:1] in _S)

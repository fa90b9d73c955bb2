"""
Where a CONNECT goes: to the target itself, or through a parent, which is asked for a tunnel in turn (RFC 9110 section 9.3.6).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.api.errors import UpstreamError
from gateway.api.transaction import Transaction
from gateway.message.target import format_authority
from gateway.modes.bound import BoundMode
from gateway.modes.forward_upstream import ForwardUpstream, ProxyMode, credentials, place
from gateway.modes.reaching import Reaching
from gateway.net.tunnel_hop import TunnelHop
from gateway.net.upstream import UpstreamConnection
from gateway.pipeline.driver import Signal
from gateway.wire.events import RequestHead, ResponseHead
from gateway.wire.write import request_head, section


class Destination:
    """
    Where CONNECTs to one target go, by one configuration. It does not know the mode, which remembers it.

    @ivar host: the target's, and so is C{port}.
    @ivar parent: the parent of the configuration; C{None}: they go to the host itself.
    @ivar to: where to and by which rules.
    """

    __slots__ = ("host", "parent", "port", "to")

    def __init__(self, mode: ProxyMode, head: RequestHead) -> None:
        self.host = host = head.host
        self.port = port = head.port
        self.parent = parent = mode.parent_of(host)
        self.to = place(parent, host, port)


class ConnectUpstream(ForwardUpstream):
    """Where a CONNECT goes."""

    __slots__ = ("interception",)

    tunnels = True

    def __init__(self, mode: ProxyMode, head: RequestHead, destination: Destination) -> None:
        # As ForwardUpstream does, but for its way: nothing is written for the far end of a tunnel.
        self._head = head
        self._mode = mode
        self._host = destination.host
        self.parent = parent = destination.parent
        self._to = destination.to
        self._said = None
        self._guarded = parent is None
        self.route = "direct" if parent is None else "parent"
        self.interception = mode.interception

    @property
    def mode(self) -> ProxyMode:
        """The mode that it was made by."""
        return self._mode

    @property
    def asked(self) -> RequestHead:
        """The head of the request."""
        return self._head

    def lead_to(self, host: str) -> None:
        """Go to a host by its name, where the request has an address that is only said to be that host's."""
        self._host = host
        if self._said is None:
            self.parent = parent = self._mode.parent_of(host)
            self._guarded = parent is None
            self._to = place(parent, host, self._head.port)
        elif self._to[2] == "direct":
            self._to = host, self._head.port, "direct"

    def bound(self, mode: BoundMode, txn: Transaction) -> ForwardUpstream:
        """Give the same: its connection is nobody else's in any case."""
        return self

    def again(self, mode: ProxyMode) -> ConnectUpstream:
        """Give the same, as a mode of a newer configuration sees it; what a plugin has said of it goes on to hold."""
        made = ConnectUpstream(mode, self._head, Destination(mode, self._head))
        if self._said is not None:
            made.reroute(None, self._said)
        return made

    def reach(
        self, txn: Transaction, made: Callable[[Any], object], failed: Callable[[Any], object]
    ) -> Reaching:
        """Connect to the target itself, for who wants to be called back."""
        return self._begin(txn, TunnelHop, made, failed)

    async def dial(self, txn: Transaction) -> UpstreamConnection | TunnelHop:
        """Connect to the target itself, or have the parent do it."""
        if self.parent is None:
            # The far end of a tunnel hears no HTTP.
            end: TunnelHop = await self._dialled(txn, TunnelHop)
            return end
        hop: UpstreamConnection = await self._dialled(txn, self._mode.pool.factory(self.key))
        await self._through_parent(txn, hop)
        return hop

    async def _through_parent(self, txn: Transaction, hop: UpstreamConnection) -> None:
        """
        Ask the parent for a tunnel.

        @raise UpstreamError: it refuses.
        """
        assert self.parent is not None
        target = format_authority("", self._host, self._head.port)
        asking = _Asking()
        fields = [
            b"Host: " + target,
            self._mode.via.lines[self._head.minor],
            *credentials(self.parent),
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

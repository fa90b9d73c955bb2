"""
What the client connections of one listener share, and the factory that makes them.

Everything here but the connections themselves comes from one snapshot of the configuration, and is changed for that of
the next one in one go. A connection is refused at once when there are too many, and a request when its client may not use the listener.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, count
from math import inf
from typing import Any, Protocol

from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.logger import Logger
from zope.interface import implementer

from gateway.api.client_certificate import ClientCertificate
from gateway.api.transaction import Client
from gateway.message.forwarding import Addresses, client_address, trusts
from gateway.modes.discarding import Discarding
from gateway.modes.mode import Mode
from gateway.net.deadlines import Deadlines
from gateway.pipeline.run import Pipeline
from gateway.wire.events import RequestHead
from gateway.wire.limits import HeadLimits
from gateway.wire.lines import FORWARDING


class Secures(Protocol):
    """Who makes OpenSSL's side of connections that are to be secured."""

    def accept(self) -> Any:
        """Make one that waits for a client's handshake."""

    def client_certificate(self, connection: Any) -> ClientCertificate | None:
        """Give who the client is by its certificate, when the handshake is done."""


class Counted(Protocol):
    """
    The numbers of one mode.

    @ivar accepted: connections since the start.
    @ivar connections: those that are open.
    @ivar tunnels: tunnels that are open.
    """

    accepted: int
    connections: int
    tunnels: int


class Traffic(Protocol):
    """Who counts connections."""

    def counted(self, mode: str) -> Counted:
        """Give the numbers of a mode; they are shown from the first time on that somebody asks for them."""

    def tls_handshake(self, side: str, result: str, seconds: float = 0.0) -> None:
        """A handshake has ended; see L{TlsCounters<gateway.record.tls_counters.TlsCounters>} for the words."""

    def tls_decided(self, decision: str, why: str) -> None:
        """A CONNECT was decided on; likewise."""


class Room:
    """
    How many client connections there are, over all listeners of the process.

    @ivar open: there are now.
    @ivar most: there may be.
    """

    __slots__ = ("most", "open")

    def __init__(self, most: float = inf) -> None:
        self.open = 0
        self.most = most


@dataclass(frozen=True, slots=True)
class Times:
    """
    Time limits of client connections, in seconds.

    @ivar request_head: for a head to be complete, from its first byte on.
    @ivar client_idle: without a request.
    @ivar inactivity: without progress inside a transaction.
    @ivar tunnel: without a byte in a tunnel.
    """

    request_head: float = 30.0
    client_idle: float = 30.0
    inactivity: float = 180.0
    tunnel: float = 3600.0


#: What of a L{Listening} comes from a snapshot of the configuration.
_OF_SNAPSHOT = (
    "_connection",
    "_max_connections",
    "_mode_name",
    "client_idle",
    "discarding",
    "inactivity",
    "limits",
    "mode",
    "pipeline",
    "request_head",
    "secure",
    "shared",
    "trusted",
    "tunnel_inactivity",
    "upload_limit",
)


#: How the number of a transaction ends.
_LOW_DIGITS = tuple(f"{low:03x}" for low in range(0x1000))


def ids(prefix: str) -> Callable[[], str]:
    """
    Give what makes transaction ids: a random prefix for the process, then a number.

    Nothing of it is run by the interpreter, which would take longer over the call than over the text; and only the first part
    of a number is written out, once for all that have it in common.
    """
    made = chain.from_iterable(map(f"{prefix}{high:05x}".__add__, _LOW_DIGITS) for high in count())
    # Nobody has the number 0.
    next(made)
    return made.__next__


@implementer(IProtocolFactory)
class Listening:
    """
    One listener's side of all its connections.

    @ivar draining: no connection outlives its transaction, and no new request is kept waiting.
    @ivar connections: all that are open.
    @ivar refused: connections that were turned away because there were too many.
    @ivar tls_handshake: counts one that ended, as L{Traffic} says.
    @ivar tls_decided: counts a CONNECT that was decided on, likewise.
    @ivar counted: what its connections are counted in; C{None} as long as there was none.
    """

    _log = Logger()
    noisy = False

    def __init__(
        self,
        name: str,
        mode: Mode,
        pipeline: Pipeline,
        *,
        deadlines: Deadlines,
        next_id: Callable[[], str],
        limits: HeadLimits,
        times: Times,
        upload_limit: int,
        trusted: Addresses,
        shared: Addresses = (),
        traffic: Traffic,
        connection: Callable[[Listening, Client], Any],
        room: Room | None = None,
        secure: Secures | None = None,
        max_connections: int = 0,
        discarding: Discarding | None = None,
    ) -> None:
        self.name = name
        self.mode = mode
        # The mode's, where it is looked up at length.
        self._mode_name = mode.name
        self.pipeline = pipeline
        self.deadlines = deadlines
        self.next_id = next_id
        self.limits = limits
        self.request_head = times.request_head
        self.client_idle = times.client_idle
        self.inactivity = times.inactivity
        self.tunnel_inactivity = times.tunnel
        self.upload_limit = upload_limit
        self.discarding = Discarding() if discarding is None else discarding
        self.trusted = trusted
        self.shared = shared
        self.draining = False
        self.connections: set[Any] = set()
        self.refused = 0
        self._traffic = traffic
        self.counted: Any = None
        self.tls_handshake = traffic.tls_handshake
        self.tls_decided = traffic.tls_decided
        self._connection = connection
        self._room = Room() if room is None else room
        self.secure = secure
        self._max_connections = max_connections

    @property
    def max_connections(self) -> int:
        """How many connections this listener may have; 0: without a limit of its own."""
        return self._max_connections

    # IProtocolFactory

    def buildProtocol(self, addr: IAddress) -> Any:
        """Make the connection's protocol, or C{None} to turn it away."""
        return self.connection_from(getattr(addr, "host", ""), getattr(addr, "port", 0))

    def connection_from(self, address: str, port: int) -> Any:
        """
        Make the protocol of a connection from an address, or C{None} to turn it away.

        @param address: empty if it has none.
        """
        room = self._room
        if room.open >= room.most or (
            self._max_connections and len(self.connections) >= self._max_connections
        ):
            self.refused += 1
            if self.refused & (self.refused - 1) == 0:
                self._log.warn(
                    "{name}: too many connections, {count} turned away",
                    name=self.name,
                    count=self.refused,
                )
            return None
        if address.startswith("::ffff:"):
            address = address[7:]
        client = Client(address, port, mode=self._mode_name, listener=self.name)
        return self._connection(self, client)

    def doStart(self) -> None:
        """The port listens."""

    def doStop(self) -> None:
        """The port is closed."""

    # For a reload.

    def adopt(self, newer: Listening) -> None:
        """
        Take over all that a newer snapshot says of this place; the connections stay.

        Requests whose heads are complete from here on belong to that snapshot. What runs has its pipeline and its
        upstream already and keeps them.
        """
        before = self._mode_name
        for name in _OF_SNAPSHOT:
            setattr(self, name, getattr(newer, name))
        if self._mode_name != before and self.counted is not None:
            self._count_as(self._mode_name)
        for connection in self.connections:
            connection.renew()

    # For connections.

    def opened(self, connection: Any) -> None:
        """One more, unless it has come in another's place."""
        connections = self.connections
        if connection in connections:
            return
        connections.add(connection)
        self._room.open += 1
        counted = self.counted
        if counted is None:
            counted = self._count_as(self._mode_name)
        counted.accepted += 1
        counted.connections += 1

    def closed(self, connection: Any) -> None:
        """One less."""
        connections = self.connections
        if connection in connections:
            connections.remove(connection)
            self._room.open -= 1
            self.counted.connections -= 1

    def _count_as(self, mode: str) -> Counted:
        self.counted = counted = self._traffic.counted(mode)
        return counted

    def succeeded(self, connection: Any, successor: Any) -> None:
        """One of them goes on as another, on the same transport."""
        if connection in self.connections:
            self.connections.discard(connection)
            self.connections.add(successor)

    def client_of(self, head: RequestHead, client: Client) -> Client:
        """
        Give who sent a request that came from a trusted peer: whom that names, or itself (L3).

        The peer stands in C{client.peer} either way.
        """
        xff: list[bytes] = []
        forwarded: list[bytes] = []
        for known in head.section.special:
            if known.code == FORWARDING:
                if known.name == b"x-forwarded-for":
                    xff.append(known.value)
                elif known.name == b"forwarded":
                    forwarded.append(known.value)
        if not xff and not forwarded:
            return client
        address = client_address(xff, forwarded, client.address, self.trusted)
        if address == client.address:
            return client
        made = Client(address, 0, mode=client.mode, listener=client.listener, peer=client.address)
        made.tls = client.tls
        made.by_proxy = True
        made.shared = trusts(self.shared, address)
        return made

    def drain(self) -> None:
        """Let every connection end after what it does now."""
        self.draining = True
        for connection in list(self.connections):
            connection.drain()

    def abort(self) -> None:
        """End every connection now."""
        for connection in list(self.connections):
            connection.abort()

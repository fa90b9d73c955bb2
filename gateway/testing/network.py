"""
A reactor without descriptors or waiting: our own transports over sockets in memory, and a clock that is told the time.

Everything that could happen is done in a fixed order until nothing is left (L{MemoryNetwork.settle}), so a test is the
same each time. A test that wants another order chooses it itself (L{MemoryNetwork.choose}).

It does not call itself an C{IReactorFDSet}, although transports find here the four calls of one: who asks for that
interface wants real descriptors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import (
    CannotListenError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    UserError,
)
from twisted.internet.interfaces import IHalfCloseableDescriptor
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from gateway.net.transport import Outgoing, Server
from gateway.testing.sockets import WINDOW, MemorySocket, connected_pair

#: Events after which a test is taken to run for ever.
_ENDLESS = 20_000


class Agent(Protocol):
    """Somebody at the far end of a socket who acts whenever something can be done."""

    def ready(self) -> bool:
        """Tell whether L{act} would do anything."""

    def act(self) -> None:
        """Do the next thing."""


class Station(Protocol):
    """Somebody who is connected to."""

    def admits(self) -> bool | None:
        """Accept a connection, refuse it, or (C{None}) leave it unanswered."""

    def accept(self, socket: MemorySocket) -> None:
        """Take a connection."""


class MemoryNetwork(Clock):
    """
    The reactor, the clock and the wire in one.

    @ivar window: how many bytes may lie unread at each end of a connection.
    @ivar choose: is given how many things could happen next and says which; the first, unless replaced.
    @ivar stations: who can be connected to, by address and port.
    @ivar agents: who acts at the far ends.
    @ivar stopped: the gateway asked for the end of the process, as when a plugin fails to start.
    """

    def __init__(self, window: int = WINDOW) -> None:
        super().__init__()
        self.window = window
        self.choose: Callable[[int], int] | None = None
        self.stations: dict[tuple[str, int], Station] = {}
        self.agents: list[Agent] = []
        self.stopped = False
        self._ports: dict[tuple[str, int], MemoryPort] = {}
        self._readers: dict[Any, None] = {}
        self._writers: dict[Any, None] = {}
        self._connecting: list[_Connecting] = []
        self._settling = False
        self._ephemeral = 32768

    # For tests.

    def settle(self) -> None:
        """Let everything happen that can happen without time going by; harmless from within."""
        if self._settling:
            return
        self._settling = True
        try:
            for _ in range(_ENDLESS):
                ready = self._ready()
                if not ready:
                    return
                if self.choose is None:
                    for event in ready:
                        event()
                else:
                    ready[self.choose(len(ready)) % len(ready)]()
            raise AssertionError("the network does not come to rest")
        finally:
            self._settling = False

    def pass_time(self, seconds: float) -> None:
        """Let time go by; whatever is due in between happens at its own moment."""
        until = self.rightNow + seconds
        self.settle()
        calls = self.calls
        while calls:
            next_at = calls[0].getTime()
            if next_at > until:
                break
            self.rightNow = max(self.rightNow, next_at)
            if self.choose is None:
                # Nothing else can happen now: all far ends are not asked once more before it.
                self._settling = True
                try:
                    self._due()
                finally:
                    self._settling = False
            # In hours that go by there is mostly nobody to ask, and a test has many thousand such calls.
            if not self.idle or self.agents or (calls and calls[0].getTime() <= self.rightNow):
                self.settle()
        self.rightNow = until
        self.settle()

    def open(self, address: tuple[str, int], source: tuple[str, int]) -> MemorySocket | None:
        """Connect from outside to one of our ports; C{None} if nobody listens there."""
        port = self._ports.get(address) or self._ports.get(("", address[1]))
        if port is None:
            return None
        return port.accept(source)

    def ephemeral(self) -> int:
        """Give a port number that was not given before."""
        self._ephemeral += 1
        return self._ephemeral

    @property
    def idle(self) -> bool:
        """No transport waits for bytes or for room, and nobody connects."""
        return not (self._readers or self._writers or self._connecting)

    @property
    def connecting(self) -> int:
        """How many connection attempts of the gateway's are under way."""
        return len(self._connecting)

    @property
    def ports(self) -> list[tuple[str, int]]:
        """The addresses that are listened on."""
        return list(self._ports)

    # What Twisted calls a reactor.

    def _sortCalls(self) -> None:
        # As in Clock. A scenario of hours does this a hundred thousand times, mostly for one call or two.
        if len(self.calls) > 1:
            self.calls.sort(key=DelayedCall.getTime)

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = ""
    ) -> MemoryPort:
        """Listen."""
        made = MemoryPort(self, factory, interface, port or self.ephemeral())
        if made.address in self._ports:
            raise CannotListenError(interface, port, OSError("the address is taken"))
        self._ports[made.address] = made
        factory.doStart()
        return made

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float | None = 30,
        bindAddress: Any = None,
    ) -> _Connecting:
        """Connect to a station; nobody there means refused."""
        made = _Connecting(self, host, port, factory)
        self._connecting.append(made)
        factory.doStart()
        factory.startedConnecting(made)
        return made

    def addReader(self, reader: Any) -> None:
        """Call its C{doRead} whenever there is something to read."""
        self._readers[reader] = None

    def removeReader(self, reader: Any) -> None:
        """Stop that."""
        self._readers.pop(reader, None)

    def addWriter(self, writer: Any) -> None:
        """Call its C{doWrite} whenever there is room."""
        self._writers[writer] = None

    def removeWriter(self, writer: Any) -> None:
        """Stop that."""
        self._writers.pop(writer, None)

    def callFromThread(
        self, callable: Callable[..., object], *args: object, **kwargs: object
    ) -> None:
        """Call it soon."""
        self.callLater(0, callable, *args, **kwargs)

    def callWhenRunning(
        self, callable: Callable[..., object], *args: object, **kwargs: object
    ) -> None:
        """Never call it: this reactor does not run, and so takes no signals either."""

    def addSystemEventTrigger(self, *args: object, **kwargs: object) -> None:
        """Nothing: it never starts nor stops."""

    def stop(self) -> None:
        """Take note that the process would end; nothing else, for this does not run."""
        self.stopped = True

    # What can happen.

    def _ready(self) -> list[Callable[[], None]]:
        """List each thing that can be done now."""
        # Asked after each thing that happens, mostly to find nothing: loops over nothing are all but free.
        ready: list[Callable[[], None]] = []
        if self.calls and self.calls[0].getTime() <= self.rightNow:
            ready.append(self._due)
        for connecting in self._connecting:
            if connecting.answered:
                ready.append(connecting.answer)
        for one in self._readers:
            socket = one.socket
            # As its "readable", which would be a call for each.
            if socket.unread or socket.ended or socket.broken:
                ready.append(_Turn(self, one, read=True))
        for one in self._writers:
            if one.socket.writable:
                ready.append(_Turn(self, one, read=False))
        for agent in self.agents:
            if agent.ready():
                ready.append(agent.act)
        return ready

    def _due(self) -> None:
        """Make one call that is due: C{advance} would make all, and never end if one of them makes another."""
        call = self.calls.pop(0)
        call.called = 1
        call.func(*call.args, **call.kw)

    def _turn(self, transport: Any, *, read: bool) -> None:
        """Read or write once, as a reactor would; another event may have ended the transport meanwhile."""
        if transport not in (self._readers if read else self._writers):
            return
        if not (transport.socket.readable if read else transport.socket.writable):
            return
        if not read and transport.socket.broken:
            # epoll says so even to who only writes.
            why: BaseException | None = ConnectionLost()
        else:
            try:
                why = transport.doRead() if read else transport.doWrite()
            except Exception as error:
                from twisted.logger import Logger

                Logger().failure("a transport's owner failed")
                why = error
        if why is None:
            return
        self.removeReader(transport)
        if (
            read
            and isinstance(why, ConnectionDone)
            and IHalfCloseableDescriptor.providedBy(transport)
        ):
            transport.readConnectionLost(Failure(why))
        else:
            self.removeWriter(transport)
            transport.connectionLost(Failure(why))


class _Turn:
    """One C{doRead} or C{doWrite} to come."""

    def __init__(self, network: MemoryNetwork, transport: Any, *, read: bool) -> None:
        self._network = network
        self._transport = transport
        self._read = read

    def __call__(self) -> None:
        self._network._turn(self._transport, read=self._read)


class MemoryPort:
    """
    A listening port (L{IListeningPort<twisted.internet.interfaces.IListeningPort>}).

    @ivar address: where it listens; an empty host stands for every address.
    """

    def __init__(self, network: MemoryNetwork, factory: Any, host: str, port: int) -> None:
        self.address = (host, port)
        self._network = network
        self._factory = factory
        self._realPortNumber = port
        self._sessions = 0

    def accept(self, source: tuple[str, int]) -> MemorySocket:
        """Make a connection from somebody outside and give the far end."""
        near, far = connected_pair(
            (self.address[0] or "127.0.0.1", self.address[1]), source, self._network.window
        )
        kind = IPv6Address if ":" in source[0] else IPv4Address
        protocol = self._factory.buildProtocol(kind("TCP", *source))
        if protocol is None:
            near.close()
            return far
        self._sessions += 1
        server: Any = Server(near, protocol, source, self, self._sessions, self._network)  # type: ignore[arg-type]
        protocol.makeConnection(server)
        return far

    def startListening(self) -> None:
        """It does already."""

    def stopListening(self) -> Deferred[None]:
        """Listen no more; connections stay."""
        self._network._ports.pop(self.address, None)
        self._factory.doStop()
        return succeed(None)

    def getHost(self) -> IPv4Address | IPv6Address:
        """Give the address."""
        host, port = self.address
        return (
            IPv6Address("TCP", host, port)
            if ":" in host
            else IPv4Address("TCP", host or "0.0.0.0", port)  # noqa: S104 - an address in memory
        )


class _Connecting:
    """A connection attempt (L{IConnector<twisted.internet.interfaces.IConnector>})."""

    def __init__(self, network: MemoryNetwork, host: str, port: int, factory: Any) -> None:
        self._network = network
        self._address = (host, port)
        self._factory = factory

    @property
    def answered(self) -> bool:
        station = self._network.stations.get(self._address)
        return station is None or station.admits() is not None

    def answer(self) -> None:
        """Tell the factory how it went."""
        network = self._network
        if self not in network._connecting:
            return
        network._connecting.remove(self)
        station = network.stations.get(self._address)
        if station is None or not station.admits():
            self._factory.clientConnectionFailed(self, Failure(ConnectionRefusedError()))
            return
        near, far = connected_pair(
            ("127.0.0.1", network.ephemeral()), self._address, network.window
        )
        station.accept(far)
        kind = IPv6Address if ":" in self._address[0] else IPv4Address
        protocol = self._factory.buildProtocol(kind("TCP", *self._address))
        if protocol is None:
            near.close()
            return
        transport: Any = Outgoing(near, protocol, self._address, network)  # type: ignore[arg-type]
        transport.startReading()
        protocol.makeConnection(transport)

    def stopConnecting(self) -> None:
        """Give up."""
        if self in self._network._connecting:
            self._network._connecting.remove(self)
            self._factory.clientConnectionFailed(self, Failure(UserError()))

    def getDestination(self) -> IPv4Address | IPv6Address:
        """Give where it goes."""
        host, port = self._address
        return IPv6Address("TCP", host, port) if ":" in host else IPv4Address("TCP", host, port)

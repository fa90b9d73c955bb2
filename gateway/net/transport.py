"""
TCP transports that write at once.

Twisted's C{write} only queues: the bytes leave in the next turn of the reactor, which costs four C{epoll_ctl} calls and
11 us a request. Here C{write} tries C{send} first, and only what the kernel does not take goes into the stock buffer;
from there on everything (producers, half-close, orderly close) is stock. A failing C{send} is not reported from within
C{write}: the bytes are queued, and the reactor's next C{doWrite} meets the same error on the stock path, so that nobody
is called back from inside his own call.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from errno import (
    EALREADY,
    ECONNABORTED,
    ECONNREFUSED,
    ECONNRESET,
    EHOSTUNREACH,
    EINPROGRESS,
    EISCONN,
    ENETUNREACH,
    EPIPE,
    ETIMEDOUT,
)
from types import FunctionType
from typing import Any, TypeVar, cast

from twisted.internet import main, tcp
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IReactorFDSet
from twisted.internet.posixbase import PosixReactorBase
from twisted.python import log
from twisted.python.failure import Failure

from gateway.net.reactor import SlimEPollReactor

#: What L{socket.socket} is made of: without its C{makefile}, and without turning each of its numbers into an enum.
Socket = socket.SocketType

# Looked up once, and as the plain numbers that the calls want.
_CONNECTING = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
_TCP = int(socket.IPPROTO_TCP)
_NODELAY = int(socket.TCP_NODELAY)

#: Bytes asked for in one read, unless the protocol wants more.
_READ_BYTES = 65536
#: Below this the parts of a message are joined and sent by C{send}; above, copying costs more than C{sendmsg}.
JOIN_BYTES = 65536
#: What a send to a connection that is no more may say; any other error is one of this call.
_BROKEN = frozenset((ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ECONNABORTED))


class ImmediateConnection(tcp.Connection):
    """
    What both directions share.

    Of the stock connection this is the short way: the same state, kept by fewer calls.

    @cvar takes_views: L{writeSequence} takes C{memoryview}s too.
    @ivar readSize: bytes asked for in one read; 64 KiB for clients, more for bulk (set by the protocol).
    """

    readSize = _READ_BYTES
    takes_views = True
    # A write met an error and so has taken it from the socket, where a read would find a mere end now.
    _broken = False
    # shutdown(2) right before close(2) does nothing for a descriptor that no other process has.
    _shouldShutdown = False

    def __init__(self, connected: Socket, protocol: IProtocol, reactor: IReactorFDSet) -> None:
        """Take a connected socket that does not block; nothing is read before C{startReading}."""
        # What the stock constructors set, without asking the kernel for what the socket is already.
        self.reactor = reactor
        self._tempDataBuffer = []
        self._tempDataLen = 0
        self.socket = connected  # type: ignore[assignment]
        self.fileno = connected.fileno
        self.protocol = protocol
        self.connected = 1
        # Of these the stock classes keep the first values, and an attribute that is found there and not here is looked
        # up at length each time it is asked for.
        self.readSize = _READ_BYTES
        self.dataBuffer = b""
        self.offset = 0
        self.producer = None
        self.streamingProducer = False
        self.disconnected = False
        self.disconnecting = False
        self._writeDisconnected = False
        self._writeDisconnecting = False
        self._broken = False

    def doRead(self) -> Any:
        """Read once and hand the bytes, or their end, to the protocol."""
        try:
            data = self.socket.recv(self.readSize)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if data:
            self.protocol.dataReceived(data)
            return None
        if self._broken:
            return main.CONNECTION_LOST
        if not IHalfCloseableProtocol.providedBy(self.protocol):
            return main.CONNECTION_DONE
        # As the reactor would in several steps: the other half of the connection goes on.
        self.reactor.removeReader(self)
        try:
            self.protocol.readConnectionLost()
        except BaseException:
            log.err()
            self.connectionLost(Failure())
        return None

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket and tell the protocol; only the first call counts."""
        if self.disconnected:
            return
        self.disconnected = 1
        self.connected = 0
        producer = self.producer
        if producer is not None:
            producer.stopProducing()
            self.producer = None
        if type(self.reactor) is SlimEPollReactor:
            self.reactor.forget(self)
        else:
            self.stopReading()
            self.stopWriting()
        if type(reason.value) is ConnectionDone:
            try:  # noqa: SIM105 - this is quicker, and every connection ends here
                self.socket.close()
            except OSError:
                pass
        else:
            self._closeSocket(not reason.check(ConnectionAborted))
        protocol = self.protocol
        # A connection and its protocol know each other, and these are methods of its own socket.
        del self.protocol
        del self.socket
        del self.fileno
        protocol.connectionLost(reason)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Tell this producer when to pause, or when to go on."""
        if streaming and self.producer is None and not self.disconnected:
            self.producer = producer
            self.streamingProducer = True
        else:
            super().registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Forget the producer; who was waiting for it to be closed is closed now."""
        self.producer = None
        if self.disconnecting and self.connected:
            self.startWriting()

    def resumeProducing(self) -> None:
        """Read again."""
        if self.connected and not self.disconnecting:
            self.reactor.addReader(self)

    def write(self, data: bytes) -> None:
        """Send now what the kernel takes, queue the rest."""
        if self.dataBuffer or self._tempDataLen or not self.connected or self._writeDisconnected:
            super().write(data)
            return
        if self.producer is not None and not self.streamingProducer:
            # A pull producer is asked for more by doWrite only.
            super().write(data)
            return
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken = error.errno in _BROKEN
            sent = 0
        if sent != len(data):
            super().write(data[sent:] if sent else data)

    def writeSequence(self, iovec: Iterable[bytes | memoryview]) -> None:
        """Send the parts in one call; they are joined while that is cheaper."""
        parts: list[bytes | memoryview] = iovec if isinstance(iovec, list) else list(iovec)
        if self.dataBuffer or self._tempDataLen or not self.connected or self._writeDisconnected:
            super().writeSequence([bytes(part) for part in parts])
            return
        if self.producer is not None and not self.streamingProducer:
            super().writeSequence([bytes(part) for part in parts])
            return
        total = sum(map(len, parts))
        if total <= JOIN_BYTES:
            self.write(b"".join(parts))
            return
        try:
            sent = self.socket.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken = error.errno in _BROKEN
            sent = 0
        if sent == total:
            return
        rest: list[bytes] = []
        for part in parts:
            if sent >= len(part):
                sent -= len(part)
            else:
                rest.append(bytes(part[sent:]) if sent else bytes(part))
                sent = 0
        super().writeSequence(rest)

    def loseWriteConnection(self) -> None:
        """End our direction, at once if nothing is queued: the stock way is two C{epoll_ctl} and an empty send."""
        if (
            self.dataBuffer
            or self._tempDataLen
            or self.producer is not None
            or not self.connected
            or self.disconnecting
            or self._writeDisconnecting
        ):
            super().loseWriteConnection()
            return
        self._writeDisconnecting = self._writeDisconnected = True
        self._closeWriteConnection()

    @property
    def queued(self) -> int:
        """How many bytes wait for the peer."""
        return len(self.dataBuffer) - self.offset + self._tempDataLen


_T = TypeVar("_T", bound=type)


def _with_code_of_its_own(kind: _T) -> _T:
    """
    Give a class copies of the methods that it inherits and that are called most.

    CPython makes the attribute loads of a piece of code quick for the one type that comes by (PEP 659). Clients' and
    upstreams' connections come by in turn, and code that they share is quick for neither.
    """
    for name in ("doRead", "write", "writeSequence", "connectionLost", "resumeProducing"):
        method = vars(ImmediateConnection)[name]
        own = FunctionType(
            method.__code__.replace(),
            method.__globals__,
            name,
            method.__defaults__,
            method.__closure__,
        )
        own.__kwdefaults__ = method.__kwdefaults__
        own.__doc__ = method.__doc__
        own.__qualname__ = f"{kind.__qualname__}.{name}"
        setattr(kind, name, own)
    return kind


@_with_code_of_its_own
class Server(ImmediateConnection, tcp.Server):
    """An accepted connection."""

    def __init__(
        self,
        accepted: Socket,
        protocol: IProtocol,
        client: tuple[Any, ...],
        server: Any,
        number: int,
        reactor: IReactorFDSet,
    ) -> None:
        """
        Begin to read.

        @param client: the peer's address as the kernel gives it: two parts for IPv4, four for IPv6.
        @param number: of this connection among those of its port, for the log.
        """
        ImmediateConnection.__init__(self, accepted, protocol, reactor)
        accepted.setblocking(False)
        if len(client) != 2:
            self._addressType = IPv6Address
        self.server = server
        self.client = client
        self.sessionno = number
        self.hostname = client[0]
        reactor.addReader(self)

    # Names for the log, which few connections ever need.

    def logPrefix(self) -> str:
        """Name it for the log."""
        # Without a protocol it is closed.
        owner = self._getLogPrefix(self.protocol) if self.connected else "closed"
        return f"{owner},{self.sessionno},{self.hostname}"

    def __repr__(self) -> str:
        return f"<{self.logPrefix()} on {self.server._realPortNumber}>"


class Port(tcp.Port):
    """A listening port whose connections are L{Server}s, with a short accept loop."""

    transport = Server  # type: ignore[assignment]

    def createInternetSocket(self) -> socket.socket:
        """Set TCP_NODELAY on the listener: Linux lets accepted sockets inherit it."""
        made = cast(socket.socket, super().createInternetSocket())
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def doRead(self) -> None:
        """Accept up to a hundred connections; out of descriptors, the stock way sheds one and complains."""
        listening = self.socket
        for _ in range(100):
            try:
                # What C{accept} wraps: the class that it makes of the descriptor, and of each of its three numbers,
                # costs more than the connection.
                number, address = listening._accept()  # type: ignore[union-attr]
                accepted = Socket(self.addressFamily, self.socketType, 0, number)
            except BlockingIOError:
                return
            except OSError:
                super().doRead()
                return
            try:
                self._adopt(accepted, address)
            except Exception:
                # One connection's fault. Out of here it would close the port, and with it the door for all others.
                log.err(None, "a connection was accepted, but could not be served")
                accepted.close()
            if not self.connected or self.disconnecting:
                return

    def _adopt(self, accepted: Socket, address: Any) -> None:
        assert self.factory is not None
        protocol = self.factory.buildProtocol(self._buildAddr(address))
        if protocol is None:
            accepted.close()
            return
        self.sessionno += 1
        transport = self.transport(accepted, protocol, address, self, self.sessionno, self.reactor)
        try:
            protocol.makeConnection(transport)
        except Exception:
            transport.stopReading()
            transport.stopWriting()
            raise


@_with_code_of_its_own
class Outgoing(ImmediateConnection):
    """A connection made by L{Attempt}: already connected when it is built."""

    logstr = "upstream"

    def __init__(
        self, connected: Socket, protocol: IProtocol, peer: Any, reactor: IReactorFDSet
    ) -> None:
        ImmediateConnection.__init__(self, connected, protocol, reactor)
        self._peer = peer

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Give the upstream's address."""
        kind = IPv6Address if ":" in self._peer[0] else IPv4Address
        return kind("TCP", self._peer[0], self._peer[1])

    def getHost(self) -> IPv4Address | IPv6Address | UNIXAddress:
        """Give our own address of this connection."""
        name = self.socket.getsockname()
        kind = IPv6Address if self.socket.family == socket.AF_INET6 else IPv4Address
        return kind("TCP", name[0], name[1])

    def logPrefix(self) -> str:
        """Name it for the log."""
        return self.logstr


class Attempt:
    """
    One non-blocking connect to one address: half the system calls of Twisted's C{Client}.

    Exactly one of the two callbacks is called, once, never from inside L{start}'s caller unless the kernel answers at
    once; after L{cancel} none is.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        address: str,
        port: int,
        *,
        prepare: Callable[[socket.socket, int], None] | None = None,
        connected: Callable[[Attempt], None],
        failed: Callable[[Attempt, OSError], None],
    ) -> None:
        """
        Keep what is needed; nothing happens before L{start}.

        @param address: a literal IPv4 or IPv6 address.
        @param prepare: called with the fresh socket and its family before the connect, to choose a source port; may
            raise L{OSError}.
        @param connected: take the socket with L{transport} or L{cancel} it.
        """
        self.address = address
        self.port = port
        self._reactor = reactor
        self._prepare = prepare
        self._connected = connected
        self._failed = failed
        self._socket: Socket | None = None
        # The reactor watches for the answer.
        self._waiting = False

    def start(self) -> None:
        """Begin; a failure that is known at once is reported before this returns."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        try:
            self._socket = made = Socket(family, _CONNECTING)
            made.setsockopt(_TCP, _NODELAY, 1)
            if self._prepare is not None:
                self._prepare(cast(socket.socket, made), family)
            code = made.connect_ex((self.address, self.port))
        except OSError as error:
            self.cancel()
            self._failed(self, error)
            return
        if code == EINPROGRESS:
            self._waiting = True
            self._reactor.addWriter(self)  # type: ignore[arg-type]
        else:
            self._ended(code)

    def transport(self, protocol: IProtocol) -> Outgoing:
        """Make the transport, give it to the protocol and start reading. Once, from C{connected} on."""
        assert self._socket is not None
        taken, self._socket = self._socket, None
        reactor = self._reactor
        made = Outgoing(taken, protocol, (self.address, self.port), reactor)
        if not self._waiting:
            reactor.addReader(made)
        elif type(reactor) is SlimEPollReactor:
            reactor.replace(self, made)
        else:
            reactor.removeWriter(self)  # type: ignore[arg-type]
            reactor.addReader(made)
        self._waiting = False
        protocol.makeConnection(made)
        return made

    def cancel(self) -> None:
        """Give up and close; harmless when there is nothing left to close."""
        if self._waiting:
            self._waiting = False
            self._reactor.removeWriter(self)  # type: ignore[arg-type]
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        """Give the descriptor to the reactor (L{IFileDescriptor<twisted.internet.interfaces.IFileDescriptor>})."""
        return -1 if self._socket is None else self._socket.fileno()

    def doWrite(self) -> None:
        """Learn how the connect ended: the socket is writable or in error."""
        assert self._socket is not None
        # Asked for again, a connect tells how it stands. SO_ERROR is 0 also for one that still goes on, and the event
        # may be meant for a descriptor that was closed in this turn and had our number.
        code = self._socket.connect_ex((self.address, self.port))
        if code == EALREADY:
            return
        self._ended(0 if code == EISCONN else code)

    def connectionLost(self, reason: Any) -> None:
        """Learn of an error that the reactor saw first (EPOLLERR or EPOLLHUP without EPOLLOUT)."""
        if self._socket is not None:
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.cancel()
            self._failed(self, OSError(code or ECONNRESET, os.strerror(code or ECONNRESET)))

    def logPrefix(self) -> str:
        """Name it for the log."""
        return "connect"

    def _ended(self, code: int) -> None:
        # A connect to a port of this machine on which nobody listens may be given that very port as its source, and
        # then TCP connects it to itself (RFC 9293 section 3.5, simultaneous open). No ephemeral port is below 1024.
        if code == 0 and self.port >= 1024 and self._socket is not None:
            code = (
                ECONNREFUSED if self._socket.getsockname()[:2] == (self.address, self.port) else 0
            )
        if code:
            self.cancel()
            self._failed(self, OSError(code, os.strerror(code)))
        else:
            self._connected(self)


def listen(
    reactor: Any,
    port: int,
    factory: Any,
    *,
    interface: str = "",
    backlog: int = 1024,
    adopted: int | None = None,
) -> Any:
    """
    Listen with our transport where the reactor can drive it, else with the reactor's own.

    @param adopted: a listening descriptor handed to us (socket activation); it is duplicated, not consumed.
    @return: an L{IListeningPort<twisted.internet.interfaces.IListeningPort>}.
    @raise twisted.internet.error.CannotListenError: the address is taken or not ours.
    """
    if adopted is not None:
        with socket.socket(fileno=os.dup(adopted)) as passed:
            family = passed.family
            # Options and blocking mode belong to what both descriptors share.
            passed.setblocking(False)
            passed.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = Port._fromListeningDescriptor(reactor, adopted, family, factory)
        made.startListening()
        return made
    if not isinstance(reactor, PosixReactorBase):
        # Reactors in memory claim IReactorFDSet and have no descriptors.
        return reactor.listenTCP(port, factory, backlog=backlog, interface=interface)
    made = Port(port, factory, backlog, interface, reactor)
    made.startListening()
    return made

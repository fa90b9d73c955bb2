"""
TCP transports that write at once, or at the end of a busy round of the reactor (L{gateway.net.reactor.HeldSends}).

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
    ECONNABORTED,
    ECONNRESET,
    EHOSTUNREACH,
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

from gateway.net.reactor import HeldSends, SlimEPollReactor

#: What L{socket.socket} is made of: without its C{makefile}, and without turning each of its numbers into an enum.
Socket = socket.SocketType

#: Bytes asked for in one read, unless the protocol wants more.
_READ_BYTES = 65536
#: Below this the parts of a message are joined and sent by C{send}; above, copying costs more than C{sendmsg}.
JOIN_BYTES = 65536
#: A message of more leaves at once: its peer is awake for as long as it takes to read it.
_HELD_BYTES = 32768
#: So many connections are taken from a listener's queue in a turn. Each asks for something in the next one, which is dearest the
#: first time; whoever is there already, and every timer, would wait for all of them.
MOST_ACCEPTED = 16
#: The plain number: as a member of an enumeration it would be turned into one first.
_SENDING = int(socket.SHUT_WR)
_MORE = int(socket.MSG_MORE)
_DONE = Failure(ConnectionDone())
_half_closes = IHalfCloseableProtocol.providedBy
#: For connections of reactors that nobody's writes wait for.
_NEVER_HELD = HeldSends()
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

    def _take(self, connected: Socket, protocol: IProtocol | None, reactor: IReactorFDSet) -> None:
        """
        Take a connected socket that does not block; nothing is read before C{startReading}.

        @param protocol: C{None}: it will be set before that.
        """
        # What the stock constructors set, without asking the kernel for what the socket is already.
        self.reactor = reactor
        self._tempDataBuffer = []
        self._tempDataLen = 0
        self.socket = connected  # type: ignore[assignment]
        self.fileno = connected.fileno
        self.protocol = protocol  # type: ignore[assignment]
        self.connected = 1
        # Of these the stock classes keep the first values, and an attribute that is found there and not here is looked
        # up at length each time it is asked for; what is rarely asked for stays there. What is often set later on is set here
        # too: the attributes of all connections share a table that takes no further names soon, and then each is given a
        # dictionary of its own.
        self.readSize = _READ_BYTES
        self.producer = None
        self.streamingProducer = False
        self.disconnected = False
        self.disconnecting = False
        self._writeDisconnected = False
        self._writeDisconnecting = False
        # What is written may leave at once: it is connected, its direction is open, nothing is queued, and nobody feeds it
        # only when asked. One question for each write in place of five.
        self._free = True
        self._sends = reactor.sends if type(reactor) is SlimEPollReactor else _NEVER_HELD
        # What waits for the end of the reactor's round; nothing is queued before it, and nobody watches for room.
        self._held = b""

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
        if not _half_closes(self.protocol):
            return main.CONNECTION_DONE
        # As the reactor would in several steps: the other half of the connection goes on, unless that was the last of it.
        try:
            self.protocol.readConnectionLost()  # type: ignore[attr-defined]
        except BaseException:
            log.err()
            self.connectionLost(Failure())
        if self.connected:
            self.reactor.removeReader(self)
        return None

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket and tell the protocol; only the first call counts."""
        if self.disconnected:
            return
        self.disconnected = 1
        self.connected = 0
        self._free = False
        self._held = b""
        producer = self.producer
        if producer is not None:
            producer.stopProducing()
            self.producer = None
        self._part(reason).connectionLost(reason)

    def _part(self, reason: Failure | None) -> Any:
        """
        Close the socket, and let go of it and of the protocol, which is given.

        @param reason: why, if it is not that all is said.
        """
        reactor = self.reactor
        if type(reactor) is SlimEPollReactor:
            reactor.forget(self)
        else:
            self.stopReading()
            self.stopWriting()
        if reason is None or type(reason.value) is ConnectionDone:
            try:  # noqa: SIM105 - this is quicker, and every connection ends here
                self.socket.close()
            except OSError:
                pass
        else:
            self._closeSocket(not reason.check(ConnectionAborted))
        protocol = self.protocol
        # A connection and its protocol know each other.
        del self.protocol
        return protocol

    def close_at_once(self) -> bool:
        """
        Close without a word to the protocol, if all is sent; tell whether that was done.

        L{loseConnection} does it a turn and four system calls later, and tells the protocol.
        """
        if self._held:
            self.send_held()
        if self.disconnecting or not (self._free or (self._writeDisconnected and self.connected)):
            return False
        self.disconnected = 1
        self.connected = 0
        self._free = False
        self.producer = None
        self._part(None)
        return True

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Tell this producer when to pause, or when to go on."""
        if streaming and self.producer is None and not self.disconnected:
            self.producer = producer
            self.streamingProducer = True
        else:
            # A pull producer is asked for more by doWrite only.
            self._free = False
            super().registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Forget the producer; who was waiting for it to be closed is closed now."""
        self.producer = None
        if self.disconnecting and self.connected:
            self.startWriting()
        elif not self._free:
            self._settle()

    def startWriting(self) -> None:
        """Watch for room."""
        self.reactor.addWriter(self)
        self._settle()

    def stopWriting(self) -> None:
        """Watch for room no more."""
        self.reactor.removeWriter(self)
        self._settle()

    def _settle(self) -> None:
        """Find out whether what is written next may leave at once."""
        self._free = bool(self.connected) and not (
            self.dataBuffer
            or self._tempDataLen
            or self._writeDisconnecting
            or (self.producer is not None and not self.streamingProducer)
        )

    def resumeProducing(self) -> None:
        """Read again."""
        if self.connected and not self.disconnecting:
            self.reactor.addReader(self)

    def write(self, data: bytes) -> None:
        """Send now, or at the end of the reactor's round, what the kernel takes; queue the rest."""
        if self._held:
            held = self._held = self._held + data
            if len(held) > _HELD_BYTES:
                self.send_held()
            return
        if not self._free:
            super().write(data)
            return
        sends = self._sends
        if sends.open and len(data) <= _HELD_BYTES:
            # Of a view nobody knows how long it holds.
            self._held = bytes(data)
            sends.waiting.append(self)
            return
        self._held = data
        self.send_held()

    def send_held(self) -> None:
        """Send what was held back until the end of the reactor's round; harmless if it was sent before."""
        data = self._held
        if not data:
            return
        self._held = b""
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
        total = sum(map(len, parts))
        if total <= JOIN_BYTES:
            self.write(b"".join(parts))
            return
        if self._held:
            self.send_held()
        if not self._free:
            super().writeSequence([bytes(part) for part in parts])
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

    @property
    def sends_pages(self) -> bool:
        """Tell whether there is L{write_paged}: its socket is the kernel's."""
        return isinstance(self.socket, Socket)

    def write_paged(self, head: bytes, content: bytes, descriptor: int) -> None:
        """
        Send bytes and the content of a file, of which the kernel sends the pages as they are.

        @param content: what is in the file, for what the kernel does not take now.
        @param descriptor: of a file in memory, which never has anything else in it; it may be closed when this returns.
        """
        if self._held:
            self.send_held()
        if not self._free:
            super().writeSequence([head, content])
            return
        sent = 0
        try:
            # It waits for the content, so that both share packets, and the peer is woken once.
            sent = self.socket.send(head, _MORE)
            if sent == len(head):
                sent += os.sendfile(self.fileno(), descriptor, 0, len(content))
        except BlockingIOError:
            pass
        except OSError as error:
            self._broken = error.errno in _BROKEN
        if sent < len(head):
            super().writeSequence([head[sent:], content])
            return
        sent -= len(head)
        if sent != len(content):
            super().write(content[sent:] if sent else content)

    def loseConnection(self) -> None:
        """Close when everything queued is sent and the producer is done; in the next turn at the earliest."""
        if self._held:
            self.send_held()
        reactor = self.reactor
        if (
            self._free
            and self.producer is None
            and not self.disconnecting
            and type(reactor) is SlimEPollReactor
        ):
            self.disconnecting = True
            reactor.part_soon(self)
        else:
            super().loseConnection()

    def part(self) -> None:
        """Close, as was asked for, unless more was said since: then it is closed when that is sent, or is reset."""
        if self._free and not self._aborting:
            self.connectionLost(_DONE)

    def abortConnection(self) -> None:
        """Reset; what was held back for a moment is sent before, as it would have been without."""
        if self._held:
            self.send_held()
        super().abortConnection()

    def loseWriteConnection(self) -> None:
        """End our direction, at once if nothing is queued: the stock way is two C{epoll_ctl} and an empty send."""
        if self._held:
            self.send_held()
        if not self._free or self.producer is not None or self.disconnecting:
            super().loseWriteConnection()
            return
        self._free = False
        self._writeDisconnecting = self._writeDisconnected = True
        try:  # noqa: SIM105 - as in _part
            self.socket.shutdown(_SENDING)
        except OSError:
            pass
        protocol = self.protocol
        if _half_closes(protocol):
            try:
                protocol.writeConnectionLost()  # type: ignore[attr-defined]
            except BaseException:
                log.err()
                self.connectionLost(Failure())

    @property
    def queued(self) -> int:
        """How many bytes wait for the peer."""
        return len(self.dataBuffer) - self.offset + self._tempDataLen + len(self._held)


_T = TypeVar("_T", bound=type)


def with_code_of_its_own(kind: _T) -> _T:
    """
    Give a class copies of the methods that it inherits and that are called most, but for those that it has itself.

    CPython makes the attribute loads of a piece of code quick for the one type that comes by (PEP 659). Clients' and
    upstreams' connections come by in turn, and code that they share is quick for neither.
    """
    for name in (
        "_take",
        "doRead",
        "write",
        "send_held",
        "writeSequence",
        "connectionLost",
        "_part",
        "close_at_once",
        "registerProducer",
        "unregisterProducer",
        "resumeProducing",
    ):
        if name in vars(kind):
            continue
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


@with_code_of_its_own
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
        self._take(accepted, protocol, reactor)
        accepted.setblocking(False)
        if len(client) != 2:
            self._addressType = IPv6Address
        self.server = server
        self.client = client
        self.sessionno = number
        reactor.addReader(self)

    # Names for the log, which few connections ever need.

    def logPrefix(self) -> str:
        """Name it for the log."""
        # Without a protocol it is closed.
        owner = self._getLogPrefix(self.protocol) if self.connected else "closed"
        return f"{owner},{self.sessionno},{self.client[0]}"

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
        """Accept up to L{MOST_ACCEPTED} connections; out of descriptors, the stock way sheds one and complains."""
        listening = self.socket
        # Where it is enough the peer's address is not made an object of.
        connection_from = getattr(self.factory, "connection_from", None)
        family = self.addressFamily
        kind = self.socketType
        for _ in range(MOST_ACCEPTED):
            try:
                # What C{accept} wraps: the class that it makes of the descriptor, and of each of its three numbers,
                # costs more than the connection.
                number, address = listening._accept()  # type: ignore[union-attr]
                accepted = Socket(family, kind, 0, number)
            except BlockingIOError:
                return
            except OSError:
                super().doRead()
                return
            try:
                self._adopt(accepted, address, connection_from)
            except Exception:
                # One connection's fault. Out of here it would close the port, and with it the door for all others.
                log.err(None, "a connection was accepted, but could not be served")
                accepted.close()
            if not self.connected or self.disconnecting:
                return

    def _adopt(
        self, accepted: Socket, address: Any, connection_from: Callable[[str, int], Any] | None
    ) -> None:
        if connection_from is not None:
            protocol = connection_from(address[0], address[1])
        else:
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


class Outgoing(ImmediateConnection):
    """
    A connection that we made: already connected when it is built.

    One that is to be made yet is an L{Attempt<gateway.net.attempt.Attempt>}.
    """

    logstr = "upstream"

    def __init__(
        self, connected: Socket, protocol: IProtocol, peer: Any, reactor: IReactorFDSet
    ) -> None:
        self._take(connected, protocol, reactor)
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

"""What the tests of L{gateway.net.transport} share: connections over loopback, on a reactor that is turned by hand."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from gateway.net.reactor import SlimEPollReactor
from gateway.net.transport import listen

#: More than the kernel takes for a peer that does not read.
MUCH = bytes(range(256)) * 60_000


@implementer(IHalfCloseableProtocol)
class Notes:
    """A protocol that notes what it is told."""

    transport: Any = None

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.data = b""
        self.answer: bytes | None = None

    def makeConnection(self, transport: Any) -> None:
        """Note it."""
        self.transport = transport
        self.log.append("made")

    def dataReceived(self, data: bytes) -> None:
        """Keep it, and answer if told to."""
        self.data += data
        if self.answer is not None:
            self.transport.write(self.answer)

    def readConnectionLost(self) -> None:
        """Note it."""
        self.log.append("read lost")

    def writeConnectionLost(self) -> None:
        """Note it."""
        self.log.append("write lost")

    def connectionLost(self, reason: Failure) -> None:
        """Note why."""
        self.log.append(f"lost: {type(reason.value).__name__}")


class Factory:
    """Makes L{Notes}, or what a test says."""

    noisy = False

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.made: list[Any] = []
        self.addresses: list[Any] = []

    def buildProtocol(self, address: Any) -> Any:
        """Make one."""
        self.addresses.append(address)
        made = self.make()
        self.made.append(made)
        return made

    def doStart(self) -> None:
        """Nothing."""

    def doStop(self) -> None:
        """Nothing."""


class Producer:
    """Notes what a transport asks of it; a pull producer writes once for each time."""

    def __init__(self, log: list[str], transport: Any = None, pieces: int = 0) -> None:
        self.log = log
        self.transport = transport
        self.pieces = pieces

    def pauseProducing(self) -> None:
        """Note it."""
        self.log.append("pause")

    def resumeProducing(self) -> None:
        """Note it, and produce if there is something left."""
        self.log.append("resume")
        if self.transport is not None:
            if self.pieces:
                self.pieces -= 1
                self.transport.write(b"piece ")
            else:
                self.transport.unregisterProducer()

    def stopProducing(self) -> None:
        """Note it."""
        self.log.append("stop")


class TransportCase(SynchronousTestCase):
    """A reactor, and connections over it."""

    def setUp(self) -> None:
        self.log: list[str] = []
        self.reactor = SlimEPollReactor()
        # Cleaning up runs backwards: all out of the reactor before a socket is closed, so not by addCleanup each.
        self.open: list[Any] = []
        self.addCleanup(self.close_all)

    def close_all(self) -> None:
        """Take everything out of the reactor, and close it."""
        self.reactor.removeAll()
        for each in self.open:
            each.close()
        self.reactor._poller.close()

    def turn(self, times: int = 5) -> None:
        """Let the reactor do what is due."""
        for _ in range(times):
            self.reactor.runUntilCurrent()
            self.reactor.doPoll(0.001)

    def until(self, condition: Callable[[], Any]) -> None:
        """Turn until something is so."""
        limit = time.monotonic() + 5
        while not condition():
            self.assertLess(time.monotonic(), limit, "it never was so")
            self.turn(1)

    def listening(self, make: Callable[[], Any] | None = None) -> tuple[Any, Factory]:
        """Listen on a port; give it and its factory."""
        factory = Factory(make or (lambda: Notes(self.log)))
        port = listen(self.reactor, 0, factory, interface="127.0.0.1")
        self.open.append(port.socket)
        return port, factory

    def peer(self, port: Any) -> socket.socket:
        """Connect a blocking socket."""
        peer = socket.create_connection(("127.0.0.1", port.getHost().port), 5)
        self.open.append(peer)
        return peer

    def accepted(self) -> tuple[Notes, socket.socket]:
        """Accept a connection; give the protocol and the peer."""
        port, factory = self.listening()
        peer = self.peer(port)
        self.until(lambda: factory.made)
        protocol = factory.made[0]
        self.open.append(protocol.transport.socket)
        return protocol, peer

"""
Tests of L{gateway.net.transport}.

Over sockets on loopback and a reactor of their own, which is turned by hand and never runs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.testing import MemoryReactor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from gateway.net.reactor import SlimEPollReactor
from gateway.net.transport import JOIN_BYTES, Attempt, Outgoing, listen

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


class WritingTests(TransportCase):
    """L{ImmediateConnection.write} and its like."""

    def test_at_once(self) -> None:
        """What is written is with the peer before the reactor turns."""
        protocol, peer = self.accepted()
        protocol.transport.write(b"hello ")
        protocol.transport.writeSequence([b"wor", b"ld"])
        self.assertEqual(peer.recv(100), b"hello world")
        self.assertEqual(protocol.transport.queued, 0)

    def test_all_and_in_order(self) -> None:
        """What the kernel does not take is queued, and what is written after it stays behind it."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.write(MUCH)
        queued = transport.queued
        self.assertTrue(0 < queued < len(MUCH))
        transport.write(b"after")
        transport.writeSequence([b" that", b"!"])
        self.assertEqual(transport.queued, queued + 11)
        self.assertEqual(self.read(peer, len(MUCH) + 11), MUCH + b"after that!")
        self.assertEqual(transport.queued, 0)

    def read(self, peer: socket.socket, count: int) -> bytes:
        """Read so many bytes while the reactor turns."""
        peer.setblocking(False)
        data = bytearray()

        def more() -> bool:
            with contextlib.suppress(BlockingIOError):
                data.extend(peer.recv(1 << 20))
            return len(data) >= count

        self.until(more)
        return bytes(data)

    def test_long_sequences(self) -> None:
        """A sequence too long to be joined goes out by one call, is cut where the kernel stops, and nothing is lost."""
        protocol, peer = self.accepted()
        piece = MUCH[: JOIN_BYTES // 2 + 1]
        protocol.transport.writeSequence([piece, piece])
        self.assertEqual(self.read(peer, 2 * len(piece)), 2 * piece)
        parts = [MUCH[:1_000_001], MUCH[1_000_001:7_000_000], b"", MUCH[7_000_000:]]
        protocol.transport.writeSequence(iter(parts))
        self.assertGreater(protocol.transport.queued, 0)
        self.assertEqual(self.read(peer, len(MUCH)), MUCH)
        # More parts than sendmsg takes.
        many = [b"%04d" % number * 20 for number in range(2000)]
        protocol.transport.writeSequence(many)
        self.assertEqual(self.read(peer, 160_000), b"".join(many))

    def test_producer(self) -> None:
        """A push producer is paused when something is queued and resumed when it is sent."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.registerProducer(Producer(self.log), True)
        transport.write(b"small")
        self.assertNotIn("pause", self.log)
        transport.write(MUCH)
        self.assertEqual(self.log[-1], "pause")
        self.read(peer, len(MUCH) + 5)
        self.until(lambda: self.log[-1] == "resume")
        self.assertEqual(self.log.count("pause"), 1)

    def test_pull_producer(self) -> None:
        """A pull producer is asked for more as often as it gives something, by whichever call."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.registerProducer(Producer(self.log, transport, 3), False)
        self.assertEqual(self.read(peer, 18), b"piece " * 3)
        self.until(lambda: self.log.count("resume") == 4)
        parts = [bytes(JOIN_BYTES), b"x"]
        pulled = Producer(self.log)
        transport.registerProducer(pulled, False)
        at = self.log.count("resume")
        transport.writeSequence(parts)
        self.read(peer, JOIN_BYTES + 1)
        self.until(lambda: self.log.count("resume") > at)

    def test_broken(self) -> None:
        """
        A write to a broken connection tells nobody from within; the reactor does, once, and as what it is.

        The write has taken the socket's error, and the read that follows finds what looks like an orderly end.
        """
        protocol, peer = self.accepted()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        protocol.transport.write(b"x")
        protocol.transport.writeSequence([bytes(JOIN_BYTES), b"x"])
        self.assertEqual(self.log, ["made"])
        self.until(lambda: len(self.log) > 1)
        self.turn()
        self.assertEqual(self.log, ["made", "lost: ConnectionLost"])
        protocol.transport.write(b"x")
        self.turn()
        self.assertEqual(len(self.log), 2)

    def test_orderly_close(self) -> None:
        """A close waits for what is queued, takes nothing more, and is an end for the peer."""
        protocol, peer = self.accepted()
        transport = protocol.transport
        transport.write(MUCH)
        transport.loseConnection()
        self.assertEqual(self.read(peer, len(MUCH)), MUCH)
        self.until(lambda: self.log[-1] == "lost: ConnectionDone")
        peer.setblocking(True)
        self.assertEqual(peer.recv(10), b"")

    def test_abort(self) -> None:
        """An abort throws away what is queued and resets the connection."""
        protocol, peer = self.accepted()
        protocol.transport.write(MUCH)
        protocol.transport.abortConnection()
        self.until(lambda: len(self.log) > 1)
        self.assertEqual(self.log[1:], ["lost: ConnectionAborted"])

        def read_all() -> None:
            while peer.recv(1 << 20):
                pass

        self.assertRaises(ConnectionResetError, read_all)

    def test_half_close(self) -> None:
        """The end of our direction is told at once if nothing is queued, else behind it, and once however often said."""
        protocol, peer = self.accepted()
        protocol.transport.loseWriteConnection()
        self.assertEqual(self.log, ["made", "write lost"])
        protocol.transport.loseWriteConnection()
        self.assertEqual(peer.recv(10), b"")
        peer.sendall(b"still heard")
        self.until(lambda: protocol.data)
        protocol.transport.write(b"too late")
        self.turn()
        self.assertEqual(self.log.count("write lost"), 1)

        protocol, peer = self.accepted()
        protocol.transport.write(MUCH)
        protocol.transport.loseWriteConnection()
        self.assertEqual(self.log[-1], "made")
        self.assertEqual(self.read(peer, len(MUCH)), MUCH)
        self.until(lambda: self.log[-1] == "write lost")


class ReadingTests(TransportCase):
    """L{ImmediateConnection.doRead}."""

    def test_size(self) -> None:
        """One read takes as much as the protocol has said, and no more."""
        protocol, peer = self.accepted()
        reads: list[int] = []
        protocol.dataReceived = lambda data: reads.append(len(data))  # type: ignore[method-assign]
        protocol.transport.readSize = 10_000
        peer.sendall(bytes(25_000))
        self.until(lambda: sum(reads) == 25_000)
        self.assertEqual(max(reads), 10_000)

    def test_ends(self) -> None:
        """The peer's end of writing, its close and its reset are told apart."""
        protocol, peer = self.accepted()
        peer.shutdown(socket.SHUT_WR)
        self.until(lambda: self.log[-1] == "read lost")
        protocol.transport.write(b"you still hear me")
        self.assertEqual(peer.recv(100), b"you still hear me")
        protocol, peer = self.accepted()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        self.until(lambda: self.log[-1] == "lost: ConnectionLost")

    def test_fault_of_the_protocol(self) -> None:
        """What a protocol raises ends its connection, is logged, and concerns no other one."""
        protocol, peer = self.accepted()

        def fail(data: bytes) -> None:
            raise LookupError("a bug")

        protocol.dataReceived = fail  # type: ignore[method-assign]
        peer.sendall(b"x")
        self.until(lambda: self.log[-1].startswith("lost"))
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)
        peer.settimeout(5)
        self.assertIn(self.end_of(peer), ("end", "reset"))

    def end_of(self, peer: socket.socket) -> str:
        """Say how a connection ends."""
        try:
            return "data" if peer.recv(10) else "end"
        except ConnectionResetError:
            return "reset"


class BufferTests(TransportCase):
    """Socket buffers (S04)."""

    def test_left_to_the_system(self) -> None:
        """Neither buffer is set on any socket of ours, for that would switch the kernel's tuning off."""
        ours, _ = self.listening()
        theirs = socket.create_server(("127.0.0.1", 0))
        self.open.append(theirs)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.assertEqual(
                ours.socket.getsockopt(socket.SOL_SOCKET, option),
                theirs.getsockopt(socket.SOL_SOCKET, option),
            )
        protocol, peer = self.accepted()
        outgoing = self.outgoing(theirs)
        stock = socket.create_connection(theirs.getsockname())
        self.open.append(stock)
        accepted = []
        for _ in range(2):
            accepted.append(theirs.accept()[0])
            self.open.append(accepted[-1])
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.assertEqual(
                outgoing.socket.getsockopt(socket.SOL_SOCKET, option),
                stock.getsockopt(socket.SOL_SOCKET, option),
            )
            self.assertEqual(
                protocol.transport.socket.getsockopt(socket.SOL_SOCKET, option),
                accepted[1].getsockopt(socket.SOL_SOCKET, option),
            )

    def test_no_delay(self) -> None:
        """Small writes are not held back: accepted, made or adopted, TCP_NODELAY is on."""
        theirs = socket.create_server(("127.0.0.1", 0))
        self.open.append(theirs)
        protocol, _ = self.accepted()
        for each in (protocol.transport, self.outgoing(theirs), self.adopted(theirs)):
            self.assertEqual(each.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), 1)

    def outgoing(self, to: socket.socket) -> Outgoing:
        """Connect to a listener by an L{Attempt}."""
        made: list[Outgoing] = []
        Attempt(
            self.reactor,
            *to.getsockname(),
            connected=lambda attempt: made.append(attempt.transport(Notes([]))),  # type: ignore[arg-type]
            failed=lambda attempt, error: self.fail(str(error)),
        ).start()
        self.until(lambda: made)
        self.open.append(made[0].socket)
        return made[0]

    def adopted(self, listener: socket.socket) -> Any:
        """Serve a listener that was made elsewhere; give the transport of a connection to it."""
        # What waits there from before is served too.
        factory = Factory(lambda: Notes([]))
        port = listen(self.reactor, 0, factory, adopted=listener.fileno())
        self.open.append(port.socket)
        self.assertEqual(port.getHost().port, listener.getsockname()[1])
        peer = self.peer(port)
        self.until(
            lambda: any(
                made.transport.getPeer().port == peer.getsockname()[1] for made in factory.made
            )
        )
        for made in factory.made:
            self.open.append(made.transport.socket)
        return factory.made[-1].transport


class PortTests(TransportCase):
    """L{Port} and L{listen}."""

    def test_addresses(self) -> None:
        """A protocol is made for the peer's address, and its transport knows both ends."""
        port, factory = self.listening()
        peer = self.peer(port)
        self.until(lambda: factory.made)
        address, transport = factory.addresses[0], factory.made[0].transport
        self.open.append(transport.socket)
        self.assertEqual((address.host, address.port), peer.getsockname())
        self.assertEqual((transport.getHost().host, transport.getHost().port), peer.getpeername())

    def test_all_that_wait(self) -> None:
        """Connections that wait are accepted in one turn."""
        port, factory = self.listening()
        for _ in range(20):
            self.peer(port)
        self.turn(1)
        self.assertEqual(len(factory.made), 20)
        for made in factory.made:
            self.open.append(made.transport.socket)

    def test_turned_away(self) -> None:
        """A connection that the factory does not want is closed."""
        port, factory = self.listening(lambda: None)
        peer = self.peer(port)
        self.until(lambda: factory.made)
        self.assertEqual(peer.recv(10), b"")

    def test_failing_factory(self) -> None:
        """A connection whose protocol can't be made or started is closed, and the port goes on."""

        class Failing(Notes):
            def makeConnection(self, transport: Any) -> None:
                raise LookupError("no start")

        def fail() -> Any:
            raise LookupError("no protocol")

        port, factory = self.listening()
        for number, make in enumerate((fail, lambda: Failing([])), 1):
            factory.make = make
            peer = self.peer(port)
            self.until(lambda number=number: len(factory.addresses) == number)  # type: ignore[misc]
            self.turn()
            self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)
            self.assertEqual(peer.recv(10), b"")
        factory.make = lambda: Notes(self.log)
        self.peer(port)
        self.until(lambda: type(factory.made[-1]) is Notes)
        self.open.append(factory.made[-1].transport.socket)

    def test_closed_while_accepting(self) -> None:
        """A port that is closed by what it accepts accepts no more."""
        port, factory = self.listening()
        factory.make = lambda: (port.stopListening(), Notes(self.log))[1]
        for _ in range(3):
            self.peer(port)
        self.turn()
        self.assertEqual(len(factory.made), 1)
        self.open.append(factory.made[0].transport.socket)

    def test_taken(self) -> None:
        """An address that is taken is a fault that says so."""
        port, _ = self.listening()
        number = port.getHost().port
        error = self.assertRaises(
            CannotListenError,
            listen,
            self.reactor,
            number,
            Factory(lambda: None),
            interface="127.0.0.1",
        )
        self.assertEqual(error.socketError.errno, errno.EADDRINUSE)

    def test_adopted_stays(self) -> None:
        """A listener that was handed to us is still there when ours is closed."""
        with socket.create_server(("127.0.0.1", 0)) as given:
            port = listen(self.reactor, 0, Factory(lambda: None), adopted=given.fileno())
            closed = port.stopListening()
            self.turn()
            self.successResultOf(closed)
            socket.create_connection(given.getsockname(), 5).close()
            self.assertFalse(os.get_blocking(given.fileno()))

    def test_in_memory(self) -> None:
        """On a reactor in memory the port is that reactor's own."""
        reactor = MemoryReactor()
        factory = Factory(lambda: None)
        listen(reactor, 8080, factory, interface="127.0.0.1", backlog=7)
        self.assertEqual(reactor.tcpServers, [(8080, factory, 7, "127.0.0.1")])


class AttemptTests(TransportCase):
    """L{Attempt}."""

    def setUp(self) -> None:
        super().setUp()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.open.append(self.server)
        self.failures: list[int | None] = []
        self.successes: list[Attempt] = []

    def attempt(self, port: int, prepare: Any = None, address: str = "127.0.0.1") -> Attempt:
        """Make one that notes how it ends."""
        return Attempt(
            self.reactor,
            address,
            port,
            prepare=prepare,
            connected=self.successes.append,
            failed=lambda attempt, error: self.failures.append(error.errno),
        )

    def test_connected(self) -> None:
        """A connection is told once, and becomes a transport that reads."""
        attempt = self.attempt(self.server.getsockname()[1])
        attempt.start()
        self.until(lambda: self.successes)
        protocol = Notes(self.log)
        transport = attempt.transport(protocol)  # type: ignore[arg-type]
        self.open.append(transport.socket)
        accepted, address = self.server.accept()
        self.open.append(accepted)
        host: Any = transport.getHost()
        peer = transport.getPeer()
        self.assertEqual((host.host, host.port), address)
        self.assertEqual((peer.host, peer.port), self.server.getsockname())
        accepted.sendall(b"hello")
        self.until(lambda: protocol.data == b"hello")
        self.assertEqual((len(self.successes), self.failures), (1, []))
        self.assertFalse(os.get_inheritable(transport.socket.fileno()))

    def test_refused(self) -> None:
        """A refusal is told once, with the kernel's reason, and nothing is left in the reactor."""
        port = self.server.getsockname()[1]
        self.server.close()
        attempt = self.attempt(port)
        attempt.start()
        self.until(lambda: self.failures)
        self.turn()
        self.assertEqual((self.successes, self.failures), ([], [errno.ECONNREFUSED]))
        self.assertEqual(attempt.fileno(), -1)
        self.assertNotIn(attempt, self.reactor.getWriters())

    def test_known_at_once(self) -> None:
        """What fails before the kernel is asked, or at once, is told before C{start} returns."""

        def prepare(unconnected: socket.socket, family: int) -> None:
            raise OSError(errno.EADDRNOTAVAIL, "no port")

        self.attempt(1, prepare).start()
        self.assertEqual(self.failures, [errno.EADDRNOTAVAIL])
        self.attempt(80, address="255.255.255.255").start()
        self.assertEqual(len(self.failures), 2)

    def test_cancelled(self) -> None:
        """After a cancel nothing is told, whenever it came, and a second one is harmless."""
        attempt = self.attempt(self.server.getsockname()[1])
        attempt.start()
        attempt.cancel()
        attempt.cancel()
        self.turn()
        self.assertEqual((self.successes, self.failures), ([], []))
        connected = self.attempt(self.server.getsockname()[1])
        connected.start()
        self.until(lambda: self.successes)
        connected.cancel()
        self.assertEqual(connected.fileno(), -1)

    def test_prepared(self) -> None:
        """The socket may be given a source port before it connects."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]

        def prepare(unconnected: socket.socket, family: int) -> None:
            self.assertEqual(family, socket.AF_INET)
            unconnected.bind(("127.0.0.1", free))

        attempt = self.attempt(self.server.getsockname()[1], prepare)
        attempt.start()
        self.until(lambda: self.successes)
        accepted, address = self.server.accept()
        self.open.append(accepted)
        attempt.cancel()
        self.assertEqual(address[1], free)

    def test_itself(self) -> None:
        """A connection that TCP made with itself counts as refused."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]

        def prepare(unconnected: socket.socket, family: int) -> None:
            unconnected.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            unconnected.bind(("127.0.0.1", free))

        self.attempt(free, prepare).start()
        self.until(lambda: self.failures or self.successes)
        self.assertEqual(self.failures, [errno.ECONNREFUSED])

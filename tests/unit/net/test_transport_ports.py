"""Tests of ports and of attempts to connect (L{gateway.net.transport}), over sockets on loopback."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactor

from gateway.net.attempt import Attempt
from gateway.net.transport import MOST_ACCEPTED, listen
from tests.unit.net.transports import MUCH, Factory, Notes, TransportCase


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

    def test_without_an_object(self) -> None:
        """A factory that takes address and port as they are is given no object of them."""

        class Plain(Factory):
            def connection_from(self, address: str, port: int) -> Any:
                made: Any = self.buildProtocol((address, port))
                return made

        factory = Plain(lambda: Notes(self.log))
        port = listen(self.reactor, 0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        peer = self.peer(port)
        self.until(lambda: factory.made)
        self.open.append(factory.made[0].transport.socket)
        self.assertEqual(factory.addresses, [peer.getsockname()])

    def test_many_that_wait(self) -> None:
        """Of connections that wait so many are accepted in one turn that others get theirs; the rest in the next ones."""
        port, factory = self.listening()
        for _ in range(2 * MOST_ACCEPTED + 4):
            self.peer(port)
        accepted = []
        for _ in range(3):
            self.turn(1)
            accepted.append(len(factory.made))
        self.assertEqual(accepted, [MOST_ACCEPTED, 2 * MOST_ACCEPTED, 2 * MOST_ACCEPTED + 4])
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

    def test_transport(self) -> None:
        """Once it is a transport it queues, sends and ends as any other, and nothing more is told of the connect."""
        attempt = self.attempt(self.server.getsockname()[1])
        self.assertEqual(attempt.logPrefix(), "connect")
        attempt.start()
        self.until(lambda: self.successes)
        protocol = Notes(self.log)
        transport = attempt.transport(protocol)  # type: ignore[arg-type]
        self.open.append(transport.socket)
        self.assertEqual(transport.logPrefix(), "upstream")
        attempt.cancel()
        accepted, _ = self.server.accept()
        self.open.append(accepted)
        accepted.setblocking(False)
        transport.write(MUCH)
        data = bytearray()

        def more() -> bool:
            with contextlib.suppress(BlockingIOError):
                data.extend(accepted.recv(1 << 20))
            return len(data) == len(MUCH)

        self.until(more)
        self.assertEqual((bytes(data), transport.queued), (MUCH, 0))
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
        self.until(lambda: len(self.log) > 1)
        self.assertEqual(self.log, ["made", "lost: ConnectionLost"])
        self.assertEqual((len(self.successes), self.failures), (1, []))

    def test_given_up_when_told(self) -> None:
        """Whoever gives it up when told, and fails then, ends nothing but that: it is over, and was no transport."""

        def fail(attempt: Attempt) -> None:
            attempt.cancel()
            raise LookupError("a bug")

        attempt = Attempt(
            self.reactor, "127.0.0.1", self.server.getsockname()[1], fail, lambda *_: self.fail()
        )
        attempt.start()
        self.until(lambda: attempt.fileno() < 0)
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        attempt.write(b"x")
        self.assertNotIn(attempt, self.reactor.getReaders() + self.reactor.getWriters())

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

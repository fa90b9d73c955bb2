"""The reactor in memory drives our own transports."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import (
    CannotListenError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    UserError,
)
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from gateway.testing.network import MemoryNetwork
from gateway.testing.peers import ScriptedClient, ScriptedOrigin

ADDRESS = ("192.0.2.1", 80)


class Echo(Protocol):
    """Says everything again."""

    def __init__(self, told: list[Any]) -> None:
        self.told = told

    def connectionMade(self) -> None:
        """Be ready."""
        self.told.append("made")

    def dataReceived(self, data: bytes) -> None:
        """Say it again."""
        assert self.transport is not None
        self.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take down why."""
        self.told.append(reason.type)


@implementer(IHalfCloseableProtocol)
class HalfEcho(Echo):
    """Goes on when the other side has ended."""

    def readConnectionLost(self) -> None:
        """Say so."""
        assert self.transport is not None
        self.transport.write(b"<end>")
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Nothing."""


class NetworkTests(SynchronousTestCase):
    """Connections in both directions."""

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.told: list[Any] = []

    def listening(self, kind: type[Echo] = Echo) -> None:
        """Listen."""
        factory = Factory.forProtocol(lambda: kind(self.told))
        factory.noisy = False
        self.network.listenTCP(ADDRESS[1], factory, interface=ADDRESS[0])

    def client(self) -> ScriptedClient:
        """Connect from outside."""
        found = self.network.open(ADDRESS, ("192.0.2.7", self.network.ephemeral()))
        assert found is not None
        return ScriptedClient(self.network, found)

    def test_both_ways(self) -> None:
        """What a client sends comes to the protocol, and its answer back."""
        self.listening()
        client = self.client()
        client.send(b"hello")
        self.assertEqual((client.received, client.take(), client.take()), (b"hello", b"hello", b""))

    def test_much(self) -> None:
        """More than a window goes through, both ways at once."""
        self.listening()
        client = self.client()
        client.send(bytes(1000000))
        self.assertEqual(len(client.received), 1000000)

    def test_back_pressure(self) -> None:
        """A client that does not read fills its window and no more."""
        self.listening()
        client = self.client()
        client.stop_reading()
        client.send(bytes(500000))
        self.assertEqual(client.received, b"")
        client.read(10)
        self.assertEqual(len(client.received), 10)
        client.read_on()
        self.assertEqual(len(client.received), 500000)

    def test_ends(self) -> None:
        """An orderly close and a reset are told apart."""
        self.listening()
        self.client().close()
        self.client().reset()
        self.assertEqual(self.told, ["made", ConnectionDone, "made", ConnectionLost])
        self.assertTrue(self.network.idle)

    def test_half_close(self) -> None:
        """A protocol that understands half-close is told of it."""
        self.listening(HalfEcho)
        client = self.client()
        client.send(b"hello")
        client.end()
        self.assertEqual((client.received, client.closed), (b"hello<end>", "fin"))
        self.assertEqual(self.told, ["made", ConnectionDone])

    def test_failing_protocol(self) -> None:
        """A protocol that raises loses its connection, and the error is logged."""

        class Fails(Echo):
            def dataReceived(self, data: bytes) -> None:
                raise ZeroDivisionError

        self.listening(Fails)
        client = self.client()
        client.send(b"hello")
        self.assertEqual(self.told, ["made", ZeroDivisionError])
        self.assertEqual(client.closed, "fin")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_nobody_listens(self) -> None:
        """Where nobody listens there is no connection."""
        self.assertIsNone(self.network.open(ADDRESS, ("192.0.2.7", 1)))

    def test_turned_away(self) -> None:
        """A factory that makes no protocol closes the connection."""

        class Refuses(Factory):
            noisy = False

            def buildProtocol(self, addr: Any) -> None:
                return None

        self.network.listenTCP(80, Refuses())
        client = self.client()
        client.send(b"")
        self.assertEqual(client.closed, "fin")

    def test_ports(self) -> None:
        """An address can be taken once, and again when it is free."""
        self.listening()
        factory = Factory()
        factory.noisy = False
        self.assertRaises(
            CannotListenError, self.network.listenTCP, 80, factory, interface=ADDRESS[0]
        )
        port = self.network.listenTCP(0, factory)
        self.assertEqual(len(self.network.ports), 2)
        self.assertEqual(port.getHost().host, "0.0.0.0")
        port.startListening()
        self.successResultOf(port.stopListening())
        self.assertEqual(self.network.ports, [ADDRESS])

    def test_outgoing(self) -> None:
        """A connection to a station comes to it."""
        origin = ScriptedOrigin(self.network, *ADDRESS)
        factory = _Dial(self.told)
        self.network.connectTCP(*ADDRESS, factory)
        self.assertEqual(self.network.connecting, 1)
        self.network.settle()
        origin.send(b"hello")
        self.assertEqual(origin.connection.received, b"hello")
        self.assertEqual(self.told, ["made"])

    def test_refused(self) -> None:
        """Where there is no station, or one that refuses, the attempt fails."""
        origin = ScriptedOrigin(self.network, *ADDRESS)
        origin.admitting = False
        for port in (80, 81):
            self.network.connectTCP(ADDRESS[0], port, _Dial(self.told))
        self.network.settle()
        self.assertEqual(self.told, [ConnectionRefusedError] * 2)

    def test_unanswered(self) -> None:
        """An attempt that is not answered waits until it is given up or answered."""
        origin = ScriptedOrigin(self.network, *ADDRESS)
        origin.admitting = None
        first = self.network.connectTCP(*ADDRESS, _Dial(self.told))
        self.network.connectTCP(*ADDRESS, _Dial(self.told))
        self.network.settle()
        self.assertEqual(self.told, [])
        first.stopConnecting()
        first.stopConnecting()
        origin.admitting = True
        self.network.settle()
        self.assertEqual(self.told, [UserError, "made"])
        self.assertEqual(first.getDestination().port, 80)

    def test_time(self) -> None:
        """Time goes by only when told, and everything due happens at its own moment."""
        seen: list[float] = []
        self.network.callLater(
            1.0, lambda: self.network.callLater(0.5, lambda: seen.append(self.network.seconds()))
        )
        self.network.callFromThread(seen.append, -1.0)
        self.network.settle()
        self.assertEqual(seen, [-1.0])
        self.network.pass_time(10.0)
        self.assertEqual((seen, self.network.seconds()), ([-1.0, 1.5], 10.0))

    def test_chosen_order(self) -> None:
        """A test may choose the order in which things happen."""
        self.listening()
        self.network.choose = lambda count: count - 1
        client = self.client()
        client.send(b"hello")
        self.assertEqual(client.received, b"hello")

    def test_endless(self) -> None:
        """What never comes to rest is found out."""
        again: Any = lambda: self.network.callLater(0, again)  # noqa: E731
        again()
        self.assertRaises(AssertionError, self.network.settle)


class _Dial(ClientFactory):
    noisy = False

    def __init__(self, told: list[Any]) -> None:
        self.told = told

    def buildProtocol(self, addr: Any) -> Echo:
        return Echo(self.told)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.told.append(reason.type)

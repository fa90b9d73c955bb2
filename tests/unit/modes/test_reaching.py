"""Tests of L{gateway.modes.reaching}: what a transaction is told of the connection that is made for it."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.transaction import Client, Timings, Transaction
from gateway.modes.reaching import Reaching
from gateway.net.dial import Dialer
from gateway.net.faults import ConnectionRefused
from tests.unit.net.test_dial import ScriptedResolver


class Hop(Protocol):
    """What is made."""

    address = ""


class ReachingTests(SynchronousTestCase):
    """One connection, on a reactor in memory."""

    def setUp(self) -> None:
        """Make what dials, and a transaction."""
        self.reactor = MemoryReactorClock()
        self.resolver = ScriptedResolver()
        self.made: list[Any] = []
        self.failures: list[Any] = []
        request: Any = None
        client = Client("192.0.2.1", 40000, mode="forward")
        self.txn = Transaction("1", request, client, Timings(0.0, 0.0))

    def reach(self, host: str) -> Reaching:
        """Begin one."""
        return Reaching(
            Dialer(self.reactor, self.resolver),
            self.txn,
            host,
            443,
            Hop,
            self.made.append,
            self.failures.append,
            30.0,
            False,
        )

    def connect(self) -> None:
        """Let the connection stand."""
        protocol: Any = self.reactor.tcpClients[0][2].buildProtocol(None)
        protocol.makeConnection(StringTransport())

    def test_made(self) -> None:
        """When it is made the transaction and the hop know where to, and it is known when what happened."""
        waiting = self.resolver.pending("origin.example.com")
        reaching = self.reach("origin.example.com")
        self.reactor.advance(2)
        waiting.callback(("198.51.100.1",))
        self.reactor.advance(3)
        self.connect()
        self.assertEqual(len(self.made), 1)
        self.assertEqual(self.txn.upstream, "198.51.100.1:443")
        self.assertEqual(self.made[0].address, "198.51.100.1:443")
        timings = self.txn.timings
        self.assertAlmostEqual(timings.connected - timings.resolved, 3)
        reaching.abort()
        self.assertFalse(self.made[0].transport.disconnecting)
        self.assertEqual(self.failures, [])

    def test_address_of_version_6(self) -> None:
        """It stands in brackets."""
        self.reach("2001:db8::1")
        self.connect()
        self.assertEqual(self.txn.upstream, "[2001:db8::1]:443")

    def test_failed(self) -> None:
        """A failure is told once, and where it would have gone."""
        self.reach("198.51.100.1")
        connector: Any = None
        self.reactor.tcpClients[0][2].clientConnectionFailed(
            connector, Failure(ConnectionRefusedError())
        )
        self.assertEqual([type(failure) for failure in self.failures], [ConnectionRefused])
        self.assertEqual(self.txn.upstream, "198.51.100.1:443")
        self.assertEqual(self.txn.timings.connected, 0.0)
        self.assertNotEqual(self.txn.timings.resolved, 0.0)

    def test_aborted(self) -> None:
        """Who gives up is told nothing, and the transaction went nowhere."""
        reaching = self.reach("198.51.100.1")
        reaching.abort()
        reaching.abort()
        self.reactor.advance(60)
        self.assertEqual((self.made, self.failures), ([], []))
        self.assertEqual(self.txn.upstream, "")
        self.assertNotEqual(self.txn.timings.resolved, 0.0)

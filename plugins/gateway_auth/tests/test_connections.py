"""Tests of what is remembered of connections, and of whose it must not be."""

from __future__ import annotations

from ipaddress import ip_network

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Identity
from gateway.api.settings import NetworkSet
from gateway_auth.connections import Connections, ConnectionSettings
from gateway_auth.tests.handshaking import client, transaction

ALICE = Identity("alice", frozenset(), "negotiate")
BOB = Identity("bob", frozenset(), "ntlm")


class ConnectionsTests(SynchronousTestCase):
    """Whose a connection is."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.connections = self.made()

    def made(self, *shared: str, lifetime: float = 100.0) -> Connections:
        """Make one with these networks of hidden proxies."""
        networks = NetworkSet([ip_network(text) for text in shared])
        return Connections(ConnectionSettings(lifetime, networks), self.clock)

    def test_same_connection(self) -> None:
        """An identity holds for all requests of its connection, and for no other connection of the same address."""
        mine, other = client(), client()
        self.connections.remember(transaction(mine), ALICE)
        self.assertEqual(self.connections.identity(transaction(mine)), ALICE)
        self.assertIsNone(self.connections.identity(transaction(other)))

    def test_lifetime(self) -> None:
        """It ends after its time, or when the ticket does, whichever is sooner."""
        for seconds, end in ((None, 100.0), (500.0, 100.0), (30.0, 30.0), (0.0, 0.0)):
            mine = client()
            self.connections.remember(transaction(mine), ALICE, seconds)
            if end:
                self.clock.advance(end - 0.5)
                self.assertEqual(self.connections.identity(transaction(mine)), ALICE)
            self.clock.advance(0.5)
            self.assertIsNone(self.connections.identity(transaction(mine)))

    def test_proxy_between(self) -> None:
        """A request that another proxy has passed on is nobody's by its connection, and makes it nobody's."""
        for name in ("Via", "X_Forwarded_For", "Forwarded"):
            mine = client()
            passed_on = transaction(mine, **{name: "1.1 proxy.example.com"})
            self.connections.remember(transaction(mine), ALICE)
            self.assertIsNone(self.connections.identity(passed_on))
            self.connections.remember(passed_on, BOB)
            self.assertIsNone(self.connections.identity(passed_on))
            self.assertIsNone(self.connections.identity(transaction(mine)))

    def test_named_by_proxy(self) -> None:
        """What comes from a trusted proxy is none of the connection's; a client by the PROXY protocol has its own."""
        for named in (client(port=0, peer="198.51.100.1"), client("198.51.100.1")):
            named.by_proxy = True
            self.connections.remember(transaction(named), ALICE)
            self.assertIsNone(self.connections.identity(transaction(named)))
        introduced = client(peer="198.51.100.1")
        self.connections.remember(transaction(introduced), ALICE)
        self.assertEqual(self.connections.identity(transaction(introduced)), ALICE)

    def test_hidden_proxy(self) -> None:
        """A proxy that hides itself is known by its address."""
        connections = self.made("198.51.100.0/24")
        for mine in (client("198.51.100.9"), client(peer="198.51.100.9")):
            self.assertTrue(connections.is_shared(transaction(mine)))
            connections.remember(transaction(mine), ALICE)
            self.assertIsNone(connections.identity(transaction(mine)))

    def test_replaced(self) -> None:
        """Who authenticates later on the same connection takes the place of who was known."""
        mine = client()
        self.connections.remember(transaction(mine), ALICE)
        self.connections.remember(transaction(mine), BOB)
        self.assertEqual(self.connections.identity(transaction(mine)), BOB)
        self.connections.forget(transaction(mine))
        self.assertIsNone(self.connections.identity(transaction(mine)))

    def test_evict(self) -> None:
        """Users are evicted by name or address, also by the object of a configuration loaded later."""
        connections = [client(), client("192.0.2.8"), client("192.0.2.8")]
        for mine, identity in zip(connections, (ALICE, ALICE, BOB), strict=True):
            self.connections.remember(transaction(mine), identity)
        later = self.made()
        self.assertEqual(later.evict("192.0.2.8"), 2)
        known = [later.identity(transaction(mine)) for mine in connections]
        self.assertEqual(known, [ALICE, None, None])
        self.assertEqual(later.evict("alice"), 1)
        self.assertEqual(later.evict("alice"), 0)
        self.assertIsNone(later.identity(transaction(connections[0])))

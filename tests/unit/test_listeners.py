"""Tests of L{gateway.listeners}, on a reactor in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.addresses import Listen
from gateway.listeners import BACKLOG, Listeners
from gateway.testing.network import MemoryNetwork


class Factory:
    """A factory that nobody connects to."""

    noisy = False

    def doStart(self) -> None:
        """Nothing."""

    def doStop(self) -> None:
        """Nothing."""


class ListenersTests(SynchronousTestCase):
    """L{Listeners}."""

    def setUp(self) -> None:
        self.reactor = MemoryNetwork()
        self.listeners = Listeners(self.reactor)

    def open(self, address: str, port: int, *, plain: bool = False) -> Factory:
        """Open a TCP port."""
        factory = Factory()
        self.listeners.open(Listen(address, port), factory, plain=plain)
        return factory

    def closed(self, closing: Any) -> None:
        """Wait for the end of a coroutine."""
        done = Deferred.fromCoroutine(closing)
        self.reactor.settle()
        self.successResultOf(done)

    def test_text(self) -> None:
        """Where a port listens is written as in a URL."""
        self.assertEqual(self.listeners.text(self.open("127.0.0.1", 8080)), "127.0.0.1:8080")
        self.assertEqual(self.listeners.text(self.open("::1", 8080)), "[::1]:8080")
        self.open("127.0.0.1", 8081, plain=True)
        self.assertEqual(self.listeners.text("admin"), "127.0.0.1:8081")

    def test_addresses(self) -> None:
        """The guard gets every port that is open at the moment, that of the admin pages too."""
        self.assertEqual(list(self.listeners.addresses()), [])
        self.open("127.0.0.1", 8080)
        self.open("0.0.0.0", 8000)
        self.open("127.0.0.1", 8081, plain=True)
        every = {("127.0.0.1", 8080), ("0.0.0.0", 8000), ("127.0.0.1", 8081)}
        self.assertEqual(set(self.listeners.addresses()), every)
        self.closed(self.listeners.close_clients())
        self.assertEqual(set(self.listeners.addresses()), {("127.0.0.1", 8081)})

    def test_same_listener_twice(self) -> None:
        """An address that is taken is a fault, and those before it stay open."""
        first = self.open("127.0.0.1", 8080)
        self.assertRaises(CannotListenError, self.open, "127.0.0.1", 8080)
        self.assertTrue(self.listeners.is_open(first))

    def test_order_of_closing(self) -> None:
        """Clients' ports are closed first; the admin pages answer until the very end."""
        client = self.open("127.0.0.1", 8080)
        self.open("127.0.0.1", 8081, plain=True)
        self.closed(self.listeners.close_clients())
        self.assertFalse(self.listeners.is_open(client))
        self.assertTrue(self.listeners.is_open("admin"))
        self.assertEqual(self.reactor.ports, [("127.0.0.1", 8081)])
        self.closed(self.listeners.close_all())
        self.assertEqual(self.reactor.ports, [])
        self.closed(self.listeners.close_all())

    def test_no_socket_was_passed(self) -> None:
        """A socket of a service manager that has passed none is a fault with its number."""
        listen = Listen("", kind="systemd", index=2)
        error = self.assertRaises(ValueError, self.listeners.open, listen, Factory(), plain=False)
        self.assertIn("none with the number 2", str(error))

    def test_backlog(self) -> None:
        """Many may wait to be accepted, on each kind of port (S02)."""
        asked: list[int] = []

        def listen(port: Any, factory: Any, backlog: int = 50, **more: Any) -> Any:
            asked.append(backlog)
            return MemoryNetwork.listenTCP(self.reactor, 1000 + len(asked), factory, backlog)

        self.reactor.listenTCP = listen  # type: ignore[method-assign, assignment]
        self.reactor.listenUNIX = listen  # type: ignore[attr-defined]
        self.open("127.0.0.1", 8080)
        self.open("127.0.0.1", 8081, plain=True)
        self.listeners.open(Listen("/run/s", kind="unix"), Factory(), plain=False)
        self.assertEqual(asked, [BACKLOG] * 3)
        self.assertGreaterEqual(BACKLOG, 1024)

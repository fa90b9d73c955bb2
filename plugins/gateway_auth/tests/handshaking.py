"""Clients, requests and services for the tests of schemes that authenticate connections."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Client, Fields, Request, Timings, Transaction
from gateway.testing.services import FakeLog, FakeMetrics, FakeServices
from gateway_auth.connections import Connections, ConnectionSettings

T = TypeVar("T")


def client(address: str = "192.0.2.7", port: int = 4000, peer: str = "") -> Client:
    """Make a client's connection."""
    return Client(address, port, mode="forward", peer=peer)


def transaction(of: Client, **fields: str) -> Transaction:
    """Make a request that comes by a connection; underscores in the names of fields are hyphens."""
    lines = Fields.of([(name.replace("_", "-"), value) for name, value in fields.items()])
    request = Request(b"GET", "http", "www.example.com", 80, b"/", 1, lines, 0)
    return Transaction("1", request, of, Timings(0.0, 0.0))


class HandshakeTestCase(SynchronousTestCase):
    """
    A test with services in memory.

    @ivar log: what was logged.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        equips = FakeServices(self.clock, lambda event: None)
        self.threads = equips.threads
        self.services = equips.for_plugin("auth")
        assert isinstance(self.services.log, FakeLog)
        self.log = self.services.log
        self.connections = Connections(ConnectionSettings(), self.clock)

    def going(self, coroutine: Coroutine[Any, Any, T]) -> Deferred[T]:
        """Begin something and let happen what can without time going by."""
        begun = Deferred.fromCoroutine(coroutine)
        self.settle()
        return begun

    def done(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Do something that need not wait, and give what comes of it."""
        return self.successResultOf(self.going(coroutine))

    def raised(self, kind: type[Exception], coroutine: Coroutine[Any, Any, object]) -> Any:
        """Do something that fails, and give the exception."""
        return self.failureResultOf(self.going(coroutine), kind).value

    def settle(self) -> None:
        """Let the threads do their work."""
        for _ in range(10):
            self.clock.advance(0)

    def counted(self, name: str, **labels: str) -> float:
        """Give a metric."""
        metrics = self.services.metrics
        assert isinstance(metrics, FakeMetrics)
        return metrics.value(name, **labels)

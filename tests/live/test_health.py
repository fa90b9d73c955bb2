"""Active checks against a real server on loopback that comes, fails, goes and comes back."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from gateway.config.addresses import Origin
from gateway.config.sections.site import Health
from gateway.modes.balance import OriginState, Pool
from gateway.modes.health import HealthChecks, dialing
from gateway.net.dial import Dialer

reactor: Any = global_reactor


class Literally:
    """A resolver for addresses."""

    def resolve(self, name: str) -> tuple[str, ...]:
        """Give the address itself."""
        return (name,)


class Server(ServerFactory[Any]):
    """
    Answers each request with one status.

    @ivar status: the status; 0 keeps silent.
    @ivar requests: the heads that came.
    @ivar connections: those open now.
    """

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[bytes] = []
        self.connections: set[Answering] = set()

    def buildProtocol(self, addr: object) -> Answering:
        """Serve one connection."""
        return Answering(self)


class Answering(Protocol):
    """One connection of the server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.data = b""

    def connectionMade(self) -> None:
        """Count it."""
        self.server.connections.add(self)

    def dataReceived(self, data: bytes) -> None:
        """Answer a whole head, and keep the connection open."""
        self.data += data
        if self.data.endswith(b"\r\n\r\n"):
            self.server.requests.append(self.data)
            if self.server.status and self.transport is not None:
                self.transport.write(
                    b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % self.server.status
                )

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Count it no more."""
        self.server.connections.discard(self)


class LiveHealthTests(TestCase):
    """L{HealthChecks} over sockets."""

    timeout = 20

    def setUp(self) -> None:
        """Listen, and check ten times a second."""
        self.server = Server()
        self.port = reactor.listenTCP(0, self.server, interface="127.0.0.1")
        self.number = self.port.getHost().port
        self.pool = Pool("www.example.com", [Origin("http", "127.0.0.1", self.number)], reactor)
        self.pool.on_change = self.changed
        self.told: Deferred[tuple[bool, str]] = Deferred()
        terms = Health(path="/health", every=0.1, timeout=0.3, fall=2, rise=2)
        connect = dialing(Dialer(reactor, Literally()), terms.timeout)
        self.checks = HealthChecks(self.pool, terms, connect, reactor, host="www.example.com")
        self.checks.start()

        self.addCleanup(self.stop)

    def stop(self) -> Deferred[None]:
        """Stop everything, and see that the checks kept no connection."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.checks.stop()
        await self.port.stopListening()
        for _ in range(50):
            if not self.server.connections:
                break
            await deferLater(reactor, 0.02)
        self.assertEqual(self.server.connections, set())

    def changed(self, state: OriginState, why: str) -> None:
        """Tell the test of a change."""
        told, self.told = self.told, Deferred()
        told.callback((state.up, why))

    async def test_a_server_that_fails_and_recovers(self) -> None:
        """Bad statuses take an origin out, good ones bring it back, and each check is a request of its own."""
        await deferLater(reactor, 0.5)
        self.assertTrue(self.pool.origins[0].up)
        self.server.status = 503
        self.assertEqual(await self.told, (False, "its checks fail: status 503"))
        self.server.status = 204
        self.assertEqual(await self.told, (True, "its checks are good again"))
        self.assertTrue(
            self.server.requests[0].startswith(b"GET /health HTTP/1.1\r\nHost: www.example.com\r\n")
        )
        self.assertGreaterEqual(len(self.server.requests), 6)

    async def test_a_server_that_is_silent(self) -> None:
        """A server that accepts and does not answer is taken out."""
        self.server.status = 0
        self.assertEqual(await self.told, (False, "its checks fail: no answer within 0.3 s"))

    async def test_a_server_that_goes_and_comes_back(self) -> None:
        """A closed port takes an origin out; when the server is back it gets requests again."""
        await self.port.stopListening()
        up, _ = await self.told
        self.assertFalse(up)
        self.port = reactor.listenTCP(self.number, self.server, interface="127.0.0.1")
        up, _ = await self.told
        self.assertTrue(up)
